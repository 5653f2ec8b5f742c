//! A token bucket: how fast bytes may flow, asked by the data pump and free of any clock.

use core::num::NonZeroU64;
use core::time::Duration;

use crate::Instant;

/// Lets bytes through at a rate, with a burst of one second's worth after a pause.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: NonZeroU64,
    /// Bytes that may go now, in billionths of a byte: exact at every rate, without floating point.
    tokens: u128,
    at: Instant,
}

impl TokenBucket {
    /// A bucket for `rate` bytes a second. It starts with a tenth of a second's worth.
    #[must_use]
    pub fn new(rate: NonZeroU64, now: Instant) -> Self {
        Self { rate, tokens: u128::from(rate.get()) * (NANOS / 10), at: now }
    }

    /// Asks to move up to `want` bytes: how many may go now, which is at least one (0 only for 0).
    ///
    /// # Errors
    /// The moment at which to ask again, when none may go.
    pub fn take(&mut self, want: usize, now: Instant) -> Result<usize, Instant> {
        self.refill(now);
        let whole = usize::try_from(self.tokens / NANOS).unwrap_or(usize::MAX);
        let granted = whole.min(want);
        if granted == 0 && want > 0 {
            return Err(now + self.time_for(self.quantum(want)));
        }
        self.tokens -= granted as u128 * NANOS;
        Ok(granted)
    }

    /// Gives back what was granted and did not move after all.
    pub fn put_back(&mut self, unused: usize) {
        self.tokens = (self.tokens + unused as u128 * NANOS).min(self.capacity());
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_since(self.at).as_nanos();
        self.at = self.at.max(now);
        let earned = elapsed.saturating_mul(u128::from(self.rate.get()));
        self.tokens = self.tokens.saturating_add(earned).min(self.capacity());
    }

    fn capacity(&self) -> u128 {
        u128::from(self.rate.get()).max(1) * NANOS
    }

    /// How many bytes to wait for: not one by one, but a twentieth of a second's worth at the most.
    fn quantum(&self, want: usize) -> u128 {
        u128::from(self.rate.get() / 20).clamp(1, want.max(1) as u128)
    }

    fn time_for(&self, bytes: u128) -> Duration {
        let missing = (bytes * NANOS).saturating_sub(self.tokens);
        let nanos = missing.div_ceil(u128::from(self.rate.get())).max(1);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Instant {
        Instant::from_epoch(Duration::from_secs_f64(seconds))
    }

    fn bucket(rate: u64) -> TokenBucket {
        TokenBucket::new(NonZeroU64::new(rate).unwrap(), at(0.0))
    }

    #[test]
    fn the_rate_holds_over_time_and_waiting_is_always_enough() {
        for rate in [1, 7, 1000, 30_720, 1 << 30] {
            let mut bucket = bucket(rate);
            let (mut now, mut moved) = (at(0.0), 0_u64);
            while now < at(10.0) {
                match bucket.take(65_536, now) {
                    Ok(bytes) => moved += bytes as u64,
                    Err(later) => {
                        assert!(later > now);
                        now = later;
                    }
                }
            }
            let allowed = rate * 10 + rate / 10 + rate / 20 + 1;
            assert!(moved <= allowed && moved >= rate * 10 - 1, "{rate}: {moved}");
        }
    }

    #[test]
    fn a_pause_saves_up_one_second_at_most() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.take(1000, at(60.0)), Ok(100));
        assert!(bucket.take(1000, at(60.0)).is_err());
    }

    #[test]
    fn what_did_not_move_is_given_back() {
        let mut bucket = bucket(100);
        assert_eq!(bucket.take(10, at(0.0)), Ok(10));
        bucket.put_back(4);
        assert_eq!(bucket.take(10, at(0.0)), Ok(4));
    }
}
