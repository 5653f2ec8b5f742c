//! The session's timers: one place for each reason to wait.

use crate::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "tests alone know of single timers"))]
pub enum Timer {
    /// No command for too long.
    Idle,
    /// No successful login for too long.
    Login,
    /// The answer to a wrong login is held back until then.
    Delay,
    /// The data connection does not come about.
    Connect,
    /// A transfer does not move.
    Stall,
    /// The TLS handshake of the control connection is not done.
    Tls,
}

/// At most one moment for each timer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timer {
    const ALL: [Self; 6] = [Self::Idle, Self::Login, Self::Delay, Self::Connect, Self::Stall, Self::Tls];
}

impl Timers {
    /// Sets a timer; `None` stops it, as [`stop`](Self::stop) does.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at;
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Which are set.
    #[cfg(feature = "testing")]
    pub(crate) fn armed(&self) -> impl Iterator<Item = Timer> {
        Timer::ALL.into_iter().filter(|timer| self.is_set(*timer))
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the timer that has been due for longest.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = |timer: &Timer| self.0[*timer as usize].filter(|at| *at <= now);
        let timer = Timer::ALL.into_iter().filter(|timer| due(timer).is_some()).min_by_key(due)?;
        self.stop(timer);
        Some(timer)
    }
}
