//! How much of a file is moved at a time. Chunks begin small, since most files are, and grow as long as they come full:
//! large ones cost fewer calls and fewer turns of other threads.
//!
//! On a thread of its own a large upload takes a quarter less of the processor by pieces of 4 MiB than by those of 512
//! KiB. So much memory is only for a few uploads at a time.

use ftp_fs::blocking;

use crate::holdings::Extent;
use crate::seats::{Seat, Seats};

/// How long a chunk of a download is at first where the length of the whole is not known.
const FIRST_READ: usize = 32 * 1024;

/// Room for a small file as a whole, and for one byte more, so that it does not come full; for others, 128 KiB.
pub(crate) fn first_read(piece: usize, extent: Option<Extent>) -> usize {
    let whole = extent.map_or(FIRST_READ as u64, |Extent { offset, len }| len.saturating_sub(offset).saturating_add(1));
    usize::try_from(whole).unwrap_or(usize::MAX).clamp(SMALLEST, 4 * FIRST_READ).min(piece)
}

const SMALLEST: usize = 512;

/// How long the next chunk may be, when so much came of this one.
pub(crate) fn next_room(room: usize, came: usize, most: usize) -> usize {
    if came == room { room.saturating_mul(4).min(most) } else { room }
}

/// Of an upload nobody tells at first how much comes, and it is mostly little.
const FIRST: usize = 8 * 1024;
/// Every upload may have as much.
pub(crate) const USUAL: usize = 512 * 1024;
/// How much has to have come before more is worth the memory.
const ENOUGH: u64 = 8 * 1024 * 1024;
/// How many uploads of a server may have more at a time.
pub(crate) const LARGE: usize = 4;

/// The room for what comes next.
#[derive(Debug)]
pub(crate) struct Room {
    size: usize,
    most: usize,
    came: u64,
    large: Seats,
    permit: Option<Seat>,
}

impl Room {
    pub(crate) fn new(most: usize, large: Seats) -> Self {
        Self { size: FIRST.min(most), most, came: 0, large, permit: None }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// So much came: what comes next may have more room, and has less when others wait for this thread.
    pub(crate) fn came(&mut self, count: usize) {
        self.came += count as u64;
        if self.most > USUAL && self.came >= ENOUGH && blocking::is_allowed() {
            self.permit = self.permit.take().or_else(|| self.large.take());
        } else {
            self.permit = None;
        }
        let most = if self.permit.is_some() { self.most } else { self.most.min(USUAL) };
        self.size = next_room(self.size, count, most).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 4 * 1024 * 1024;

    /// Pieces that come full, until that many bytes have come.
    fn fill(room: &mut Room, bytes: u64) -> usize {
        let until = room.came + bytes;
        while room.came < until {
            room.came(room.size());
        }
        room.size()
    }

    #[test]
    fn room_grows_while_it_is_filled_and_beyond_the_usual_on_a_thread_alone() {
        let mut room = Room::new(MOST, Seats::new(LARGE));
        room.came(FIRST - 1);
        assert_eq!(room.size(), FIRST);
        assert_eq!(fill(&mut room, 4 * ENOUGH), USUAL);
        assert_eq!(blocking::allow(|| fill(&mut room, 2 * MOST as u64)), MOST);
        room.came(1);
        assert_eq!(room.size(), USUAL, "others wait for the thread");
        let mut young = Room::new(MOST, Seats::new(LARGE));
        assert_eq!(blocking::allow(|| fill(&mut young, ENOUGH - 2 * USUAL as u64)), USUAL);
    }

    #[test]
    fn no_room_is_larger_than_it_may_be() {
        for most in [1, FIRST, 100_000, USUAL] {
            let mut room = Room::new(most, Seats::new(LARGE));
            assert!(room.size() <= most);
            assert_eq!(blocking::allow(|| fill(&mut room, 2 * ENOUGH)), most);
        }
    }

    #[test]
    fn a_few_uploads_have_much_and_others_have_their_turn_when_these_end() {
        blocking::allow(|| {
            let large = Seats::new(LARGE);
            let mut rooms: Vec<Room> = (0..=LARGE).map(|_| Room::new(MOST, large.clone())).collect();
            let sizes: Vec<usize> = rooms.iter_mut().map(|room| fill(room, 4 * ENOUGH)).collect();
            assert_eq!(sizes, [MOST, MOST, MOST, MOST, USUAL]);
            drop(rooms.remove(0));
            assert_eq!(fill(&mut rooms[LARGE - 1], 2 * ENOUGH), MOST);
        });
    }

    #[test]
    fn a_small_file_is_read_at_once_and_its_end_seen() {
        let first = |len, offset| first_read(512 * 1024, Some(Extent { offset, len }));
        assert_eq!((first(4096, 0), first(4096, 96), first(4096, 5000)), (4097, 4001, SMALLEST));
        assert_eq!((first(u64::MAX, 0), first_read(512 * 1024, None)), (128 * 1024, FIRST_READ));
        assert_eq!(first_read(SMALLEST, Some(Extent { offset: 0, len: 4096 })), SMALLEST);
    }

    #[test]
    fn chunks_grow_while_they_come_full_and_no_further_than_they_may() {
        assert_eq!((next_room(1000, 1000, 512_000), next_room(1000, 999, 512_000)), (4000, 1000));
        assert_eq!(next_room(200_000, 200_000, 512_000), 512_000);
    }
}
