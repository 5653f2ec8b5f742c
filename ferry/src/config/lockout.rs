//! `[lockout]`.

use std::time::Duration;

use super::parse;
use super::section::{Section, Value};

/// `[lockout]`: addresses that guess passwords are kept out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong logins from one address until it is kept out.
    pub failures: u32,
    /// How long they are counted, and the address then kept out, from the first of them.
    pub window: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { failures: 20, window: Duration::from_secs(300) }
    }
}

pub(super) fn lockout(section: &mut Section<'_>) -> Lockout {
    let mut lockout = Lockout::default();
    section.set("failures", &mut lockout.failures, parse::whole(1..=u32::MAX));
    section.set("window", &mut lockout.window, some_time);
    lockout
}

fn some_time(value: &Value<'_>) -> Option<Duration> {
    let window = parse::duration(value)?;
    if window.is_zero() {
        value.complain("expected a time; without [lockout], nobody is kept out")
    } else {
        Some(window)
    }
}
