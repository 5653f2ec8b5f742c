//! A token bucket: how fast bytes may flow, asked by the data pump and free of any clock.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::Instant;

/// Lets bytes through at a rate, with a burst after a pause.
///
/// Who wants to move bytes [reserves](Self::reserve) them and is told when they may go. So one bucket can be the limit of
/// many transfers: turns are given in the order of asking, nobody is overtaken by those who come later, and with
/// pieces of about one [`quantum`](Self::quantum) all get about the same.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: NonZeroU64,
    burst: Duration,
    /// Bytes that may go now, in billionths of a byte: exact at every rate, without floating point. Below zero: bytes
    /// that were promised and are not earned yet.
    tokens: i128,
    at: Instant,
}

impl TokenBucket {
    /// A bucket for `rate` bytes a second, which saves up what `burst` yields at the most. It starts full.
    #[must_use]
    pub fn new(rate: NonZeroU64, burst: Duration, now: Instant) -> Self {
        Self { rate, burst, tokens: capacity(rate, burst), at: now }
    }

    /// Sets these bytes aside; the moment from which on they may move, which is `now` when nothing is in the way.
    #[must_use = "the bytes may not move earlier"]
    pub fn reserve(&mut self, bytes: usize, now: Instant) -> Instant {
        self.refill(now);
        self.tokens = self.tokens.saturating_sub(billionths(bytes));
        if self.tokens >= 0 { now } else { self.at + self.time_for(self.tokens.unsigned_abs()) }
    }

    /// Gives back what was reserved and did not move after all.
    pub fn put_back(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_add(billionths(bytes)).min(self.capacity());
    }

    /// Goes on at another rate. What was promised before stays promised; of what was saved up, the next question keeps no
    /// more than the new burst.
    pub fn change(&mut self, rate: NonZeroU64, burst: Duration) {
        (self.rate, self.burst) = (rate, burst);
    }

    /// How many bytes to reserve at this moment: all that is saved up, so that who was late catches up at once, and at
    /// least one [`quantum`](Self::quantum).
    #[must_use]
    pub fn piece(&mut self, now: Instant) -> usize {
        self.refill(now);
        let saved = usize::try_from((self.tokens / NANOS).max(0)).unwrap_or(usize::MAX);
        saved.max(self.quantum())
    }

    /// How many bytes make a turn: so few that transfers which share the bucket move on by turns, and so many that they
    /// are worth a packet where the rate allows it.
    #[must_use]
    pub fn quantum(&self) -> usize {
        let rate = self.rate.get();
        let bytes = (rate / TURNS_PER_SECOND).max(PACKET.min(rate / SLOW_TURNS_PER_SECOND)).max(1);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Whether all that can be saved up is saved up: such a bucket is as good as a new one.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        let mut then = self.clone();
        then.refill(now);
        then.tokens == then.capacity()
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_since(self.at).as_nanos();
        self.at = self.at.max(now);
        let earned = elapsed.saturating_mul(u128::from(self.rate.get()));
        let earned = i128::try_from(earned).unwrap_or(i128::MAX);
        self.tokens = self.tokens.saturating_add(earned).min(self.capacity());
    }

    fn capacity(&self) -> i128 {
        capacity(self.rate, self.burst)
    }

    fn time_for(&self, billionths: u128) -> Duration {
        let nanos = billionths.div_ceil(u128::from(self.rate.get())).max(1);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn capacity(rate: NonZeroU64, burst: Duration) -> i128 {
    let tokens = burst.as_nanos().saturating_mul(u128::from(rate.get()));
    i128::try_from(tokens).unwrap_or(i128::MAX)
}

fn billionths(bytes: usize) -> i128 {
    (bytes as i128).saturating_mul(NANOS)
}

const NANOS: i128 = 1_000_000_000;
/// A turn lasts for so short a time where the rate is high enough.
const TURNS_PER_SECOND: u64 = 50;
/// Where it is not, turns get longer until a packet is filled, or until they last so long.
const SLOW_TURNS_PER_SECOND: u64 = 10;
const PACKET: u64 = 1460;

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_millis(100);

    fn at(seconds: f64) -> Instant {
        Instant::from_epoch(Duration::from_secs_f64(seconds))
    }

    fn rate(rate: u64) -> NonZeroU64 {
        NonZeroU64::new(rate).unwrap()
    }

    fn bucket(bytes: u64) -> TokenBucket {
        TokenBucket::new(rate(bytes), BURST, at(0.0))
    }

    #[test]
    fn the_rate_holds_over_time() {
        for rate in [1, 7, 1000, 30_720, 1 << 30] {
            let mut bucket = bucket(rate);
            let (mut now, mut moved) = (at(0.0), 0_u64);
            loop {
                let piece = bucket.quantum();
                now = now.max(bucket.reserve(piece, now));
                if now > at(10.0) {
                    break;
                }
                moved += piece as u64;
            }
            let quantum = bucket.quantum() as u64;
            assert!(moved <= rate * 10 + rate / 10, "{rate}: {moved}");
            assert!(moved + quantum >= rate * 10, "{rate}: {moved}");
        }
    }

    #[test]
    fn a_pause_saves_up_the_burst_and_no_more() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.reserve(10, at(60.0)), at(60.0));
        assert_eq!(bucket.reserve(10, at(60.0)), at(60.1));
    }

    #[test]
    fn what_is_saved_up_goes_in_one_piece() {
        let mut bucket = bucket(1000);
        assert_eq!((bucket.quantum(), bucket.piece(at(0.0))), (100, 100));
        let mut bucket = TokenBucket::new(rate(1000), Duration::from_secs(1), at(0.0));
        assert_eq!(bucket.piece(at(0.0)), 1000);
        assert_eq!(bucket.reserve(1500, at(0.0)), at(0.5));
        assert_eq!(bucket.piece(at(0.3)), 100);
        assert_eq!(bucket.piece(at(0.9)), 400);
    }

    #[test]
    fn a_turn_is_a_fiftieth_of_a_second_but_for_slow_rates() {
        let quantum = |bytes| bucket(bytes).quantum();
        assert_eq!((quantum(1_000_007), quantum(100_000), quantum(14_600)), (20_000, 2000, 1460));
        assert_eq!((quantum(20_000), quantum(10_000), quantum(9), quantum(1)), (1460, 1000, 1, 1));
    }

    #[test]
    fn without_a_burst_nothing_is_saved_up() {
        let mut bucket = TokenBucket::new(rate(100), Duration::ZERO, at(0.0));
        assert_eq!(bucket.reserve(10, at(60.0)), at(60.1));
    }

    #[test]
    fn turns_come_in_the_order_of_asking() {
        let mut bucket = bucket(100);
        let turns: [Instant; 4] = core::array::from_fn(|_| bucket.reserve(10, at(0.0)));
        assert_eq!(turns, [at(0.0), at(0.1), at(0.2), at(0.3)]);
        // Who asks meanwhile comes after them.
        assert_eq!(bucket.reserve(10, at(0.25)), at(0.4));
    }

    #[test]
    fn what_did_not_move_is_given_back() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.reserve(10, at(0.0)), at(0.0));
        bucket.put_back(4);
        assert_eq!(bucket.reserve(4, at(0.0)), at(0.0));
        bucket.put_back(1000);
        assert!(bucket.is_full(at(0.0)));
    }

    #[test]
    fn another_rate_takes_over_what_was_promised() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.reserve(110, at(0.0)), at(1.0));
        bucket.change(rate(1000), BURST);
        assert_eq!(bucket.reserve(100, at(0.0)), at(0.2));
        assert!(!bucket.is_full(at(0.2)) && bucket.is_full(at(0.3)));
        assert_eq!(bucket.reserve(0, at(0.3)), at(0.3));
        bucket.change(rate(100), BURST);
        assert_eq!(bucket.reserve(20, at(0.3)), at(0.4));
    }
}
