//! Time, as the machine sees it: what is waited for, and until when.

use std::collections::BTreeMap;

use ftp_proto::CloseReason;

use crate::machine::Machine;
use crate::setup::Millis;
use crate::steps::{Punctual, Span};

/// Reasons to wait no longer. Of those that are due together the first is seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Clock {
    Idle,
    Login,
    Delay,
    Connect,
    Stall,
    Tls,
}

impl Machine {
    /// When the next timeout is due.
    pub(crate) fn due(&self) -> Option<Millis> {
        self.clocks.values().min().copied()
    }

    pub(crate) fn set(&mut self, clock: Clock, timeout: Option<Millis>) {
        self.clocks.remove(&clock);
        self.clocks.extend(timeout.map(|timeout| (clock, self.now + timeout)));
    }

    pub(crate) fn stop(&mut self, clock: Clock) {
        self.clocks.remove(&clock);
    }

    pub(crate) fn wait(&mut self, span: Span, punctual: Punctual) {
        let end = match span {
            Span::Of(time) => self.now + time,
            Span::UntilDue => self.due().unwrap_or(self.now).max(self.now),
            Span::UntilAlmostDue => self.due().unwrap_or(self.now).saturating_sub(1).max(self.now),
        };
        while punctual == Punctual::Yes
            && let Some(due) = self.due().filter(|due| *due <= end)
        {
            self.now = self.now.max(due);
            self.timeout();
            self.go_on();
        }
        self.now = end;
        if punctual != Punctual::NotYet {
            self.timeout();
        }
    }

    /// Everything that is due happens, the oldest first.
    fn timeout(&mut self) {
        let next = |clocks: &BTreeMap<Clock, Millis>| clocks.iter().map(|(clock, due)| (*due, *clock)).min();
        while let Some((_, clock)) = next(&self.clocks).filter(|(due, _)| *due <= self.now) {
            self.stop(clock);
            match clock {
                Clock::Idle => self.fail(CloseReason::Idle),
                Clock::Login if self.transfer.is_some() => {}
                Clock::Login => self.fail(CloseReason::LoginTimeout),
                Clock::Stall => self.fail(CloseReason::Stalled),
                Clock::Tls => self.close(CloseReason::TlsFailed),
                Clock::Delay => self.end_delay(),
                Clock::Connect => self.connection_is_late(),
            }
        }
    }
}
