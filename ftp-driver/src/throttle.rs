//! Speed limits: of each transfer, of all transfers of a user, and of all of the server. A transfer obeys all three.
//!
//! What is counted are the bytes of the data connection as FTP has them: after the conversion of ASCII, before TLS
//! encrypts them. So a limit means the same with and without TLS. Listings over data connections count, too.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftp_fs::Account;
use ftp_proto::{Instant, TokenBucket};
use ftp_types::UserName;

use crate::io;
use crate::runtime::Runtime;
use crate::wire::Meter;

/// One of something for each direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct BothWays<T> {
    /// From the client.
    pub(crate) receive: T,
    /// To the client.
    pub(crate) send: T,
}

/// Bytes per second; none: any number.
pub(crate) type Rate = Option<NonZeroU64>;

/// The limits that a server is set up with.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) transfer: BothWays<Rate>,
    pub(crate) user: BothWays<Rate>,
    pub(crate) server: BothWays<Rate>,
    /// How much may go at once after a pause, as the time that it takes at the limit.
    pub(crate) burst: Duration,
}

/// A limit that transfers share; clones are the same limit. The lock is held for arithmetic alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limit(Arc<Mutex<Option<TokenBucket>>>);

/// The limits of users, shared by all sessions that a user has. All anonymous users are one.
///
/// A limit stays after the last session until its bucket has filled up again, so that nobody gains anything by logging
/// in anew.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// What holds for users whose accounts say nothing else: the settings of the newest service, whatever service a
    /// session began under.
    rates: BothWays<Rate>,
    burst: Duration,
    limits: HashMap<UserName, BothWays<Limit>>,
    /// With so many entries it is time to look for those that are of no more use.
    sweep_at: usize,
}

/// What holds for the transfers of one login.
#[derive(Clone, Debug)]
pub(crate) struct SpeedLimits {
    transfer: BothWays<Rate>,
    burst: Duration,
    user: BothWays<Limit>,
    server: BothWays<Limit>,
}

/// The limits of one transfer.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Vec<Limit>);

/// Bytes that may move now. Those that do not are given back.
#[must_use]
pub(crate) struct Turn<'a> {
    throttle: &'a Throttle,
    bytes: usize,
}

/// No fewer users are looked through.
const SWEEP: usize = 16;

impl Rates {
    pub(crate) const NONE: Self = Self {
        transfer: BothWays { receive: None, send: None },
        user: BothWays { receive: None, send: None },
        server: BothWays { receive: None, send: None },
        burst: Duration::from_millis(100),
    };
}

impl Limit {
    pub(crate) fn new(rate: Rate, burst: Duration) -> Self {
        let limit = Self::default();
        limit.set(rate, burst);
        limit
    }

    /// Sets another rate for all who share the limit.
    fn set(&self, rate: Rate, burst: Duration) {
        let mut bucket = self.bucket();
        match (&mut *bucket, rate) {
            (Some(bucket), Some(rate)) => bucket.change(rate, burst),
            // Full from the beginning of time on.
            (slot, rate) => *slot = rate.map(|rate| TokenBucket::new(rate, burst, Instant::default())),
        }
    }

    /// Whether nobody shares it any more, and a new one would do as well.
    fn is_forgotten(&self, now: Instant) -> bool {
        Arc::strong_count(&self.0) == 1 && self.bucket().as_ref().is_none_or(|bucket| bucket.is_full(now))
    }

    fn bucket(&self) -> MutexGuard<'_, Option<TokenBucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BothWays<Limit> {
    pub(crate) fn set(&self, rates: &BothWays<Rate>, burst: Duration) {
        self.receive.set(rates.receive, burst);
        self.send.set(rates.send, burst);
    }
}

impl Users {
    /// Sets what later logins get whose accounts say nothing else.
    pub(crate) fn set(&self, rates: &BothWays<Rate>, burst: Duration) {
        let mut table = self.table();
        (table.rates, table.burst) = (rates.clone(), burst);
    }

    fn defaults(&self) -> (BothWays<Rate>, Duration) {
        let table = self.table();
        (table.rates.clone(), table.burst)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits that all sessions of the user share, from now on with these rates.
    fn enter(&self, user: &UserName, rates: &BothWays<Rate>, burst: Duration, now: Instant) -> BothWays<Limit> {
        let name = if user.is_anonymous() { anonymous() } else { user.clone() };
        let mut table = self.table();
        if table.limits.len() >= table.sweep_at {
            table.limits.retain(|_, limits| !(limits.receive.is_forgotten(now) && limits.send.is_forgotten(now)));
            table.sweep_at = SWEEP.max(table.limits.len() * 2);
        }
        let limits = table.limits.entry(name).or_default().clone();
        limits.set(rates, burst);
        limits
    }
}

impl SpeedLimits {
    /// What holds after this login, which is also the last word on the user's other sessions.
    pub(crate) fn of(account: &Account, rates: &Rates, users: &Users, server: &BothWays<Limit>, now: Instant) -> Self {
        let own = |limit: Option<u64>, default| limit.map_or(default, NonZeroU64::new);
        let (defaults, burst) = users.defaults();
        let total = BothWays {
            receive: own(account.total_read_limit, defaults.receive),
            send: own(account.total_write_limit, defaults.send),
        };
        Self {
            transfer: BothWays {
                receive: own(account.read_limit, rates.transfer.receive),
                send: own(account.write_limit, rates.transfer.send),
            },
            burst: rates.burst,
            user: users.enter(&account.user, &total, burst, now),
            server: server.clone(),
        }
    }

    /// For an upload.
    pub(crate) fn receiving(&self) -> Throttle {
        let own = Limit::new(self.transfer.receive, self.burst);
        Throttle(vec![own, self.user.receive.clone(), self.server.receive.clone()])
    }

    /// For a download or a listing.
    pub(crate) fn sending(&self) -> Throttle {
        let own = Limit::new(self.transfer.send, self.burst);
        Throttle(vec![own, self.user.send.clone(), self.server.send.clone()])
    }
}

impl Throttle {
    /// Whether there is any limit at this moment.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.iter().any(|limit| limit.bucket().is_some())
    }

    /// How many of so many bytes to ask for, if it is not known when they come.
    pub(crate) fn quantum(&self, want: usize) -> usize {
        let quantum = |limit: &Limit| limit.bucket().as_ref().map(TokenBucket::quantum);
        self.0.iter().filter_map(quantum).fold(want, usize::min)
    }

    /// How many of so many bytes to move at this moment.
    pub(crate) fn piece(&self, want: usize, now: Instant) -> usize {
        let piece = |limit: &Limit| limit.bucket().as_mut().map(|bucket| bucket.piece(now));
        self.0.iter().filter_map(piece).fold(want, usize::min)
    }

    /// Waits until some of so many bytes may move.
    ///
    /// # Cancellation
    /// The turn goes to others.
    pub(crate) async fn turn<R: Runtime>(&self, runtime: &R, meter: &Meter, want: usize) -> Turn<'_> {
        let bytes = self.piece(want, runtime.now());
        let turn = Turn { throttle: self, bytes };
        self.wait(runtime, meter, bytes).await;
        turn
    }

    /// Waits for the turn of so many bytes; no bytes need none.
    pub(crate) async fn wait<R: Runtime>(&self, runtime: &R, meter: &Meter, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let now = runtime.now();
        let reserve = |limit: &Limit| limit.bucket().as_mut().map(|bucket| bucket.reserve(bytes, now));
        // Of every limit, even of those that are not in the way: they count the bytes as well.
        let Some(until) = self.0.iter().filter_map(reserve).max().filter(|until| *until > now) else { return };
        meter.pause(until);
        io::sleep_until(runtime, until).await;
    }

    fn put_back(&self, bytes: usize) {
        for limit in &self.0 {
            if let Some(bucket) = &mut *limit.bucket() {
                bucket.put_back(bytes);
            }
        }
    }
}

impl Turn<'_> {
    /// How many they are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many of them have moved.
    pub(crate) fn moved(mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.throttle.put_back(self.bytes);
        }
    }
}

fn anonymous() -> UserName {
    UserName::parse(b"anonymous").expect("it is a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_millis(100);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(milliseconds))
    }

    fn rates(rate: u64) -> BothWays<Rate> {
        BothWays { receive: None, send: NonZeroU64::new(rate) }
    }

    fn reserve(limits: &BothWays<Limit>, bytes: usize, now: Instant) -> Option<Instant> {
        limits.send.bucket().as_mut().map(|bucket| bucket.reserve(bytes, now))
    }

    #[test]
    fn sessions_of_one_user_share_a_limit_and_others_have_their_own() {
        let users = Users::default();
        let enter = |name: &str| users.enter(&name.parse().unwrap(), &rates(100), BURST, at(0));
        let (first, second, other) = (enter("alice"), enter("alice"), enter("bob"));
        assert_eq!(reserve(&first, 20, at(0)), Some(at(100)));
        assert_eq!(reserve(&second, 10, at(0)), Some(at(200)));
        assert_eq!(reserve(&other, 10, at(0)), Some(at(0)));
        // Anonymous users are one, by either name.
        assert_eq!(reserve(&enter("ftp"), 20, at(0)), Some(at(100)));
        assert_eq!(reserve(&enter("anonymous"), 10, at(0)), Some(at(200)));
    }

    #[test]
    fn the_latest_login_says_how_much_it_is() {
        let (users, name) = (Users::default(), "alice".parse().unwrap());
        let first = users.enter(&name, &rates(100), BURST, at(0));
        assert_eq!(reserve(&first, 20, at(0)), Some(at(100)));
        let _second = users.enter(&name, &rates(1000), BURST, at(0));
        assert_eq!(reserve(&first, 10, at(0)), Some(at(20)));
        let _third = users.enter(&name, &BothWays::default(), BURST, at(0));
        assert_eq!(reserve(&first, 10, at(0)), None);
    }

    #[test]
    fn logging_in_again_is_no_way_around_a_limit() {
        let (users, name) = (Users::default(), "alice".parse().unwrap());
        assert_eq!(reserve(&users.enter(&name, &rates(100), BURST, at(0)), 1000, at(0)), Some(at(9900)));
        for other in 0..100 {
            drop(users.enter(&format!("user{other}").parse().unwrap(), &rates(100), BURST, at(1)));
        }
        assert_eq!(reserve(&users.enter(&name, &rates(100), BURST, at(2)), 10, at(2)), Some(at(10_000)));
    }

    #[test]
    fn users_who_are_gone_are_forgotten() {
        let users = Users::default();
        let _here = users.enter(&"alice".parse().unwrap(), &rates(100), BURST, at(0));
        for number in 0..10_000 {
            let limits = users.enter(&format!("user{number}").parse().unwrap(), &rates(100), BURST, at(number * 200));
            let _ = reserve(&limits, 5, at(number * 200));
        }
        let table = users.0.lock().unwrap();
        assert!(table.limits.len() <= SWEEP, "{}", table.limits.len());
        assert!(table.limits.contains_key(&"alice".parse().unwrap()));
    }

    #[test]
    fn bytes_that_did_not_move_are_given_back_to_every_limit() {
        let limits = [100, 1000].map(|rate| Limit::new(NonZeroU64::new(rate), BURST));
        let throttle = Throttle(limits.to_vec());
        assert!(throttle.is_limited());
        assert_eq!(throttle.quantum(1 << 20), 10);
        for limit in &limits {
            let _ = limit.bucket().as_mut().unwrap().reserve(10, at(0));
        }
        Turn { throttle: &throttle, bytes: 10 }.moved(4);
        assert_eq!(limits[0].bucket().as_mut().unwrap().reserve(6, at(0)), at(0));
        assert_eq!(limits[1].bucket().as_mut().unwrap().reserve(96, at(0)), at(0));
    }
}
