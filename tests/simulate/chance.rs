//! Choices: all of them come from one seed.

use std::time::Duration;

use fastrand::Rng;

/// Choices that are made again in the same way from the same seed.
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// Somebody else's choices, on which later ones here have no influence.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }

    /// Whether something happens that happens once in so many times; never for 0.
    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        times > 0 && self.0.u32(0..times) == 0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.usize(0..limit.max(1))
    }

    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        self.0.usize(least..=most.max(least))
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Of all magnitudes up to the limit the same number: mostly short, sometimes long.
    pub(crate) fn magnitude(&mut self, limit: u64) -> u64 {
        let bits = 64 - limit.max(1).leading_zeros();
        let most = 1_u64.checked_shl(self.0.u32(0..=bits)).unwrap_or(u64::MAX);
        self.0.u64(0..most).min(limit)
    }

    pub(crate) fn micros(&mut self, limit: Duration) -> Duration {
        Duration::from_micros(self.magnitude(limit.as_micros() as u64))
    }

    pub(crate) fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.u64(least * 1000..=most * 1000))
    }
}
