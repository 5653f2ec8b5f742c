//! Addresses that guess passwords are kept out for a while, across sessions.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Account, AuthError, BlockingAuthenticator, CertificateLogin, LoginAttempt};

/// When an address is locked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// So many failed logins within the window lock an address out; 0: none do, nor are they counted.
    pub failures: u32,
    /// Begins with the first failure, and ends both the counting and the lockout.
    pub window: Duration,
    /// At most so many addresses are remembered; the oldest are forgotten first.
    pub addresses: usize,
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self { failures: 20, window: Duration::from_secs(300), addresses: 10_000 }
    }
}

/// Counts failures; time is an argument. IPv6 addresses count by their /64, which is what one host is given.
///
/// A good login clears nothing: who has an account of their own, or the anonymous one, could guess on forever.
#[derive(Debug)]
pub struct FailureTable {
    policy: LockoutPolicy,
    counts: HashMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    since: Duration,
}

impl FailureTable {
    /// An empty table.
    #[must_use]
    pub fn new(policy: LockoutPolicy) -> Self {
        Self { policy, counts: HashMap::new() }
    }

    /// Counts by another policy from now on, and forgets nothing that counts by it.
    pub fn set_policy(&mut self, policy: LockoutPolicy) {
        self.policy = policy;
    }

    /// Whether logins from there are refused at the time `now`, counted from whenever.
    #[must_use]
    pub fn is_locked(&self, address: IpAddr, now: Duration) -> bool {
        let LockoutPolicy { failures, .. } = self.policy;
        let count = self.counts.get(&host(address));
        failures > 0 && count.is_some_and(|count| self.is_current(count, now) && count.failures >= failures)
    }

    /// Counts a failed login.
    pub fn record_failure(&mut self, address: IpAddr, now: Duration) {
        if self.policy.failures == 0 {
            return;
        }
        let host = host(address);
        match self.counts.get(&host).copied() {
            Some(count) if self.is_current(&count, now) => {
                self.counts.insert(host, Count { failures: count.failures.saturating_add(1), ..count });
            }
            _ => {
                self.make_room(now);
                self.counts.insert(host, Count { failures: 1, since: now });
            }
        }
    }

    fn is_current(&self, count: &Count, now: Duration) -> bool {
        now.saturating_sub(count.since) < self.policy.window
    }

    fn make_room(&mut self, now: Duration) {
        if self.counts.len() < self.policy.addresses {
            return;
        }
        let window = self.policy.window;
        self.counts.retain(|_, count| now.saturating_sub(count.since) < window);
        let room = self.policy.addresses.max(1) - 1;
        while let Some(oldest) = self.oldest().filter(|_| self.counts.len() > room) {
            self.counts.remove(&oldest);
        }
    }

    fn oldest(&self) -> Option<IpAddr> {
        self.counts.iter().min_by_key(|(_, count)| count.since).map(|(host, _)| *host)
    }
}

fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

/// An authenticator behind a [`FailureTable`]: who is locked out is rejected without a look at the password, as if it
/// were wrong.
#[derive(Debug)]
pub struct Lockout<A> {
    inner: A,
    start: Instant,
    table: Mutex<FailureTable>,
}

impl<A: BlockingAuthenticator> Lockout<A> {
    /// Puts `inner` behind a lockout.
    pub fn new(inner: A, policy: LockoutPolicy) -> Self {
        Self { inner, start: Instant::now(), table: Mutex::new(FailureTable::new(policy)) }
    }

    /// Judges by another policy from now on; see [`FailureTable::set_policy`].
    pub fn set_policy(&self, policy: LockoutPolicy) {
        self.with(|table, _| table.set_policy(policy));
    }

    fn with<T>(&self, work: impl FnOnce(&mut FailureTable, Duration) -> T) -> T {
        work(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner), self.start.elapsed())
    }
}

impl<A: BlockingAuthenticator> BlockingAuthenticator for Lockout<A> {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let address = attempt.peer.ip();
        if self.with(|table, now| table.is_locked(address, now)) {
            // Without the name, which may have a password behind it.
            tracing::warn!(%address, "login refused: the address is locked out");
            return Err(AuthError::Rejected);
        }
        let result = self.inner.authenticate(attempt);
        if let Err(AuthError::Rejected) = result {
            self.with(|table, now| table.record_failure(address, now));
        }
        result
    }

    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        let address = attempt.peer.ip();
        if self.with(|table, now| table.is_locked(address, now)) {
            return None;
        }
        self.inner.authenticate_at_once(attempt)
    }

    /// A certificate is no guess: it neither counts nor is kept out.
    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        self.inner.authenticate_certificate(login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LockoutPolicy = LockoutPolicy { failures: 3, window: Duration::from_secs(60), addresses: 2 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn table_with(failures: &[(&str, u64)]) -> FailureTable {
        let mut table = FailureTable::new(POLICY);
        failures.iter().for_each(|(address, at)| table.record_failure(ip(address), seconds(*at)));
        table
    }

    #[test]
    fn the_last_allowed_failure_locks_until_the_window_ends() {
        let mut table = table_with(&[("192.0.2.1", 0), ("192.0.2.1", 10)]);
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(10)));
        table.record_failure(ip("192.0.2.1"), seconds(20));
        assert!(table.is_locked(ip("192.0.2.1"), seconds(59)));
        assert!(!table.is_locked(ip("192.0.2.2"), seconds(59)));
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(60)));
    }

    #[test]
    fn behind_the_window_counting_begins_anew() {
        let mut table = table_with(&[("192.0.2.1", 0), ("192.0.2.1", 10), ("192.0.2.1", 60), ("192.0.2.1", 61)]);
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(61)));
        table.record_failure(ip("192.0.2.1"), seconds(62));
        assert!(table.is_locked(ip("192.0.2.1"), seconds(119)));
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(120)));
    }

    #[test]
    fn a_policy_may_change_and_what_counts_is_kept() {
        let mut table = table_with(&[("192.0.2.1", 0), ("192.0.2.1", 0), ("192.0.2.1", 0)]);
        table.set_policy(LockoutPolicy { failures: 0, ..POLICY });
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(1)));
        table.record_failure(ip("192.0.2.2"), seconds(1));
        table.set_policy(LockoutPolicy { failures: 1, ..POLICY });
        assert!(table.is_locked(ip("192.0.2.1"), seconds(1)));
        assert!(!table.is_locked(ip("192.0.2.2"), seconds(1)));
        table.set_policy(LockoutPolicy { failures: 4, ..POLICY });
        assert!(!table.is_locked(ip("192.0.2.1"), seconds(1)));
    }

    #[test]
    fn one_network_of_ipv6_counts_as_one_and_mapped_addresses_as_ipv4() {
        let table = table_with(&[("2001:db8::1", 0), ("2001:db8::2:3", 0), ("2001:db8::9", 0)]);
        assert!(table.is_locked(ip("2001:db8::ffff"), seconds(1)));
        assert!(!table.is_locked(ip("2001:db8:0:1::1"), seconds(1)));
        let table = table_with(&[("::ffff:192.0.2.1", 0), ("192.0.2.1", 0), ("192.0.2.1", 0)]);
        assert!(table.is_locked(ip("192.0.2.1"), seconds(1)));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_forgotten() {
        let table = table_with(&[("192.0.2.1", 0), ("192.0.2.2", 1), ("192.0.2.3", 2)]);
        assert_eq!(table.counts.len(), 2);
        assert!(!table.counts.contains_key(&ip("192.0.2.1")));
    }

    #[test]
    fn there_is_always_room_for_one_address_and_first_for_what_counts_no_more() {
        let mut table = table_with(&[("192.0.2.1", 0), ("192.0.2.2", 1)]);
        table.record_failure(ip("192.0.2.3"), seconds(60));
        assert!(!table.counts.contains_key(&ip("192.0.2.1")) && table.counts.contains_key(&ip("192.0.2.2")));
        table.record_failure(ip("192.0.2.4"), seconds(120));
        assert_eq!(Vec::from_iter(table.counts.keys()), [&ip("192.0.2.4")], "all that counts no more goes at once");
        table.set_policy(LockoutPolicy { failures: 1, addresses: 0, ..POLICY });
        table.record_failure(ip("192.0.2.5"), seconds(121));
        assert_eq!(Vec::from_iter(table.counts.keys()), [&ip("192.0.2.5")]);
        assert!(table.is_locked(ip("192.0.2.5"), seconds(121)));
    }
}
