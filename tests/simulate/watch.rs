//! What the server sends to one client, looked at as it leaves: no data goes out before it was announced.
//!
//! What is under TLS can be looked at by its client alone, who is told in which order everything has left.

use std::net::IpAddr;

use crate::net::End;
use crate::world::State;

/// The lines of the control connection, and how many data connections they have announced.
#[derive(Default)]
pub(crate) struct Watch {
    line: Vec<u8>,
    announced: bool,
    /// Whether the control connection is under TLS.
    covered: bool,
    pub(crate) violations: u32,
}

impl Watch {
    pub(crate) fn cover(&mut self, covered: bool) {
        *self = Self { covered, violations: self.violations, ..Self::default() };
    }

    pub(crate) fn control(&mut self, bytes: &[u8]) {
        if self.covered {
            return;
        }
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                self.line_ends();
            }
        }
    }

    /// The first bytes leave on a data connection.
    pub(crate) fn data_begins(&mut self) {
        self.violations += u32::from(!self.covered && !std::mem::take(&mut self.announced));
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        match line.get(..4) {
            Some(b"150 " | b"125 ") => self.announced = true,
            Some(b"226 " | b"425 " | b"426 " | b"451 " | b"452 " | b"220 ") => self.announced = false,
            _ => {}
        }
    }
}

impl State {
    pub(crate) fn departs(&mut self, end: End, is_end: bool) {
        self.net.departures += 1;
        let departure = self.net.departures;
        let Some(side) = self.side(end).filter(|side| side.is_server) else { return };
        let place = if is_end { u64::MAX } else { side.written };
        side.left.push((place, departure));
    }

    /// At which departure the server has sent so many bytes to that end, or its own end, if it has not sent as many.
    pub(crate) fn left(&mut self, to: End, bytes: u64) -> u64 {
        let Some(side) = self.side(to.other()) else { return 0 };
        let place = side.left.partition_point(|(written, _)| *written < bytes);
        side.left.get(place).map_or(0, |(_, departure)| *departure)
    }

    /// Nobody can look into what goes to that client from now on, or everybody can.
    pub(crate) fn cover(&mut self, client: IpAddr, covered: bool) {
        self.net.watches.entry(client).or_default().cover(covered);
    }

    /// Looks at what the server sends, before anybody else can know of it.
    pub(crate) fn watch(&mut self, end: End, bytes: &[u8]) {
        let Some(link) = self.net.links.get(&end.link) else { return };
        if !link.sides[end.side].is_server || bytes.is_empty() {
            return;
        }
        let (client, is_control, first) = (link.client.ip(), link.is_control, link.sides[end.side].written == 0);
        let watch = self.net.watches.entry(client).or_default();
        if is_control {
            watch.control(bytes);
        } else if first {
            watch.data_begins();
        }
    }
}
