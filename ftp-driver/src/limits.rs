//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of a server, counted. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<Counts>>);

/// How many connections there may be; 0 means any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Maxima {
    /// In all.
    pub total: usize,
    /// From one address.
    pub per_address: usize,
}

/// Which limit a connection ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exceeded {
    /// That of the server.
    Total,
    /// That of its address.
    PerAddress,
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    limits: Limits,
    /// Whose it is, once that is known.
    address: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
}

impl Limits {
    /// No connections yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a place for a connection from this address. A connection that is refused is not counted.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn enter(&self, address: IpAddr, maxima: Maxima) -> Result<Place, Exceeded> {
        let mut place = self.enter_unknown(maxima)?;
        place.assign(address, maxima)?;
        Ok(place)
    }

    /// Takes a place for a connection of which it is not known yet whose it is, since a proxy has made it. It counts
    /// among all from now on, so that there is an end to how many can wait to become known.
    ///
    /// # Errors
    /// [`Exceeded::Total`].
    pub fn enter_unknown(&self, maxima: Maxima) -> Result<Place, Exceeded> {
        let mut counts = self.counts();
        if maxima.total != 0 && counts.total >= maxima.total {
            return Err(Exceeded::Total);
        }
        counts.total += 1;
        Ok(Place { limits: self.clone(), address: None })
    }

    /// How many connections there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts().total
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The place of a connection from this address, from now on.
    ///
    /// # Errors
    /// [`Exceeded::PerAddress`]; the place stays what it was.
    pub fn assign(&mut self, address: IpAddr, maxima: Maxima) -> Result<(), Exceeded> {
        let address = address.to_canonical();
        let mut counts = self.limits.counts();
        let from_address = counts.per_address.get(&address).copied().unwrap_or(0);
        if maxima.per_address != 0 && from_address >= maxima.per_address {
            return Err(Exceeded::PerAddress);
        }
        counts.per_address.insert(address, from_address + 1);
        counts.leave(self.address.replace(address));
        Ok(())
    }
}

impl Counts {
    fn leave(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.total -= 1;
        counts.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let (limits, maxima) = (Limits::new(), Maxima { total: 2, per_address: 0 });
        let first = limits.enter(HERE, maxima).unwrap();
        let _second = limits.enter(HERE, maxima).unwrap();
        assert_eq!(limits.enter(THERE, maxima).unwrap_err(), Exceeded::Total);
        drop(first);
        let _third = limits.enter(THERE, maxima).unwrap();
        assert_eq!(limits.total(), 2);
    }

    #[test]
    fn a_place_of_nobody_counts_among_all_and_becomes_somebodys() {
        let (limits, maxima) = (Limits::new(), Maxima { total: 2, per_address: 1 });
        let mut first = limits.enter_unknown(maxima).unwrap();
        let mut second = limits.enter_unknown(maxima).unwrap();
        assert_eq!(limits.enter(THERE, maxima).unwrap_err(), Exceeded::Total);
        first.assign(HERE, maxima).unwrap();
        assert_eq!(second.assign(HERE, maxima), Err(Exceeded::PerAddress));
        second.assign(THERE, maxima).unwrap();
        drop(first);
        second.assign(HERE, maxima).unwrap();
        let third = limits.enter(THERE, maxima).unwrap();
        drop((second, third));
        assert!(limits.counts().per_address.is_empty() && limits.total() == 0);
    }

    #[test]
    fn one_address_does_not_use_up_the_places_of_others() {
        let (limits, maxima) = (Limits::new(), Maxima { total: 0, per_address: 1 });
        let _first = limits.enter(HERE, maxima).unwrap();
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert_eq!(limits.enter(mapped, maxima).unwrap_err(), Exceeded::PerAddress);
        let _other = limits.enter(THERE, maxima).unwrap();
    }
}
