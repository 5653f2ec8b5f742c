//! Any port, as the system would choose one, but chosen here.
//!
//! Linux looks for a port that no connection has had for a minute, and walks through all of its range for it: with 9,000
//! transfers in that minute, binding a socket takes milliseconds of processor time, and with twice as many there is no
//! port at all. A listener can have the port of a connection that is over, though, if it asks for that very one; and
//! nobody is to guess which (RFC 2577 §8).

use std::io;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::random;

/// How many are tried. The system knows which are free, once these are not.
const TRIES: usize = 8;

/// The ports that programs get which ask for any.
#[derive(Debug, PartialEq, Eq)]
struct Ephemeral {
    range: RangeInclusive<u16>,
    /// Those that the administrator has set aside.
    reserved: Vec<RangeInclusive<u16>>,
}

/// Listens on one of the ports that programs get which ask for any, or on what the system chooses: that is port 0. Each
/// try is one of its own, with another socket.
pub(super) fn listen<T>(listen: impl FnMut(u16) -> io::Result<T>) -> io::Result<T> {
    static EPHEMERAL: OnceLock<Option<Ephemeral>> = OnceLock::new();
    listen_on_one_of(EPHEMERAL.get_or_init(Ephemeral::of_this_system).iter().flat_map(Ephemeral::some), listen)
}

fn listen_on_one_of<T>(
    candidates: impl Iterator<Item = u16>,
    mut listen: impl FnMut(u16) -> io::Result<T>,
) -> io::Result<T> {
    // Whatever is wrong with one of them, the system tells it again of its own choice, if that is not better.
    candidates.filter_map(|port| listen(port).ok()).next().map_or_else(|| listen(0), Ok)
}

impl Ephemeral {
    fn of_this_system() -> Option<Self> {
        let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        Self::parse(&read("ip_local_port_range")?, &read("ip_local_reserved_ports")?)
    }

    /// `None`: it is not what the kernel's documentation says, or there are too few of them to choose from.
    fn parse(range: &str, reserved: &str) -> Option<Self> {
        let mut ends = range.split_whitespace().map(|end| end.parse().ok());
        let range = ends.next()??..=ends.next()??;
        let reserved = reserved.trim().split(',').filter(|entry| !entry.is_empty()).map(parse_entry);
        let is_wide = range.start() < range.end() && *range.start() > 0;
        Some(Self { range, reserved: reserved.collect::<Option<_>>()? }).filter(|_| is_wide)
    }

    /// Some of them at random.
    fn some(&self) -> impl Iterator<Item = u16> {
        let (first, last) = (*self.range.start(), *self.range.end());
        // Every other one: the system gives the rest to those who connect, as long as it can.
        let count = u64::from(last - first).div_ceil(2);
        let pick = move || first + 1 + 2 * (random() % count) as u16;
        let is_reserved = |port: &u16| self.reserved.iter().any(|range| range.contains(port));
        std::iter::repeat_with(pick).take(TRIES).filter(move |port| !is_reserved(port))
    }
}

/// A port, or a range of them.
fn parse_entry(entry: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let both = |range, reserved: &[RangeInclusive<u16>]| Some(Ephemeral { range, reserved: reserved.to_vec() });
        assert_eq!(Ephemeral::parse("32768\t60999\n", "\n"), both(32768..=60999, &[]));
        assert_eq!(
            Ephemeral::parse("1024 65535\n", "8080,9148-9150,65535\n"),
            both(1024..=65535, &[8080..=8080, 9148..=9150, 65535..=65535])
        );
        for (range, reserved) in
            [("", ""), ("1024", ""), ("1024 x", ""), ("9 9", ""), ("9 8", ""), ("0 9", ""), ("8 9", "x"), ("8 9", "8-")]
        {
            assert_eq!(Ephemeral::parse(range, reserved), None, "{range:?} {reserved:?}");
        }
    }

    #[test]
    fn ports_come_from_the_range_and_none_that_is_reserved() {
        for (range, expected) in [("100 101", 1), ("100 102", 1), ("100 107", 4), ("65532 65535", 2)] {
            let ports = Ephemeral::parse(range, "").unwrap();
            let seen: std::collections::BTreeSet<u16> =
                std::iter::repeat_with(|| ports.some()).take(100).flatten().collect();
            assert!(seen.iter().all(|port| ports.range.contains(port)), "{range}: {seen:?}");
            assert_eq!(seen.len(), expected, "{range}: {seen:?}");
        }
        let ports = Ephemeral::parse("100 107", "101-104,107").unwrap();
        assert!((0..100).all(|_| ports.some().all(|port| port == 105)));
    }

    #[test]
    fn what_is_taken_is_passed_over_and_the_system_has_the_last_word() {
        let taken = |taken: &'static [u16]| {
            move |port| if taken.contains(&port) { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(port) }
        };
        assert_eq!(listen_on_one_of([7, 8, 9].into_iter(), taken(&[7])).unwrap(), 8);
        assert_eq!(listen_on_one_of([7, 8].into_iter(), taken(&[7, 8])).unwrap(), 0);
        let error = listen_on_one_of([7].into_iter(), taken(&[7, 0])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn who_is_bound_to_the_same_port_at_the_same_time_and_listens_later_gets_another() {
        // Nobody else has this address.
        let at = |port| super::super::bind_and_listen((Ipv4Addr::new(127, 9, 8, 7), port).into());
        let both_begin = Barrier::new(2);
        let listen = |port| {
            both_begin.wait();
            listen_on_one_of(std::iter::once(port), at)
        };
        for _ in 0..1000 {
            let port = at(0).unwrap().local_addr().unwrap().port();
            thread::scope(|scope| {
                let other = scope.spawn(|| listen(port));
                let (own, other) = (listen(port), other.join().unwrap());
                assert!(own.is_ok() && other.is_ok(), "{own:?} {other:?}");
            });
        }
    }
}
