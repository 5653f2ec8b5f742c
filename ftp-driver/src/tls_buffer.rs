//! Bytes on their way into TLS or out of it, in memory that a connection has only while there are any.

use std::cell::RefCell;
use std::hint::black_box;
use std::mem;

/// Room for four full records of any suite, and for what the protocol itself adds to them.
const ROOM: usize = 66 * 1024;
/// How much of a file is received at a time: four full records of TLS 1.3. With a peer that fills its records, what is
/// received then ends where one of them does, and nothing has to be moved. More than that is nowhere waited for.
pub(crate) const FILE_STEP: usize = 4 * (16 * 1024 + 22);
/// How much of what comes in commands: a client that sends more than are carried out makes it wait, and it takes memory.
pub(crate) const COMMAND_STEP: usize = 4096;
/// A command fits in it, and passwords come in commands.
const SHORT: usize = 4096;
/// How many buffers a thread keeps for whoever needs one next: for one way and for the other.
const SPARE: usize = 2;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that come at the back and go at the front.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// What is in it.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Where to write what comes next, until it is [added](Self::add).
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.widen();
        &mut self.bytes[self.end..]
    }

    /// As [`room`](Self::room), to receive so much from a peer; empty when it has sent too much already.
    pub(crate) fn room_to_receive(&mut self, step: usize) -> &mut [u8] {
        self.widen();
        let end = (self.end + step).min(FILE_STEP).max(self.end);
        &mut self.bytes[self.end..end]
    }

    /// Makes more room than there is by itself.
    pub(crate) fn make_room_for(&mut self, count: usize) {
        self.widen();
        let least = self.end + count;
        if self.bytes.len() < least {
            self.bytes.resize(least, 0);
        }
    }

    /// So much was written into the room.
    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
    }

    /// Forgets the first bytes, and the memory with the last.
    pub(crate) fn discard(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.release(Vec::new());
    }

    /// Nothing will be done with it for a while: it keeps no more memory than twice what is in it.
    pub(crate) fn settle(&mut self) {
        if self.len() <= self.bytes.len() / 2 {
            let rest = self.filled().to_vec();
            self.release(rest);
        }
    }

    /// Moves what is in it to the front of enough memory.
    fn widen(&mut self) {
        if self.bytes.len() < ROOM {
            let mut wide = SPARES.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; ROOM]);
            wide[..self.len()].copy_from_slice(self.filled());
            self.bytes = wide;
        } else if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            // Nobody will know that more was in use.
            let (len, used) = (self.len(), self.end.min(SHORT));
            self.bytes[len.min(used)..used].fill(0);
        }
        (self.start, self.end) = (0, self.len());
    }

    /// Goes on with `rest` alone. The memory is for whoever comes next on this thread.
    fn release(&mut self, rest: Vec<u8>) {
        let used = self.end.min(SHORT);
        let mut bytes = mem::replace(&mut self.bytes, rest);
        (self.start, self.end) = (0, self.bytes.len());
        if bytes.len() < ROOM {
            return;
        }
        bytes[..used].fill(0);
        black_box(&mut bytes);
        bytes.truncate(ROOM);
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < SPARE {
                spares.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.add(bytes.len());
    }

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut buffer = Buffer::default();
        push(&mut buffer, b"abc");
        buffer.discard(2);
        push(&mut buffer, b"de");
        assert_eq!(buffer.filled(), b"cde");
        buffer.settle();
        assert_eq!(buffer.filled(), b"cde");
        push(&mut buffer, b"f");
        assert_eq!(buffer.filled(), b"cdef");
        buffer.discard(4);
        assert!(buffer.is_empty());
    }

    #[test]
    fn memory_is_kept_only_for_what_is_in_it() {
        let mut buffer = Buffer::default();
        push(&mut buffer, &[7; 100]);
        buffer.settle();
        assert_eq!(buffer.bytes.capacity(), 100);
        push(&mut buffer, &[7; ROOM / 2]);
        buffer.settle();
        assert_eq!(buffer.bytes.len(), ROOM, "it is well filled");
        buffer.discard(100 + ROOM / 2);
        assert_eq!(buffer.bytes.capacity(), 0);
        buffer.room();
        buffer.settle();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn what_was_short_is_overwritten_before_others_get_the_memory() {
        let mut buffer = Buffer::default();
        push(&mut buffer, b"PASS secret");
        buffer.discard(11);
        assert!(buffer.room()[..11].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_others_were_moved_over_is_overwritten_as_well() {
        let mut buffer = Buffer::default();
        push(&mut buffer, b"PASS secret");
        push(&mut buffer, b"more");
        buffer.discard(11);
        push(&mut buffer, b"!");
        buffer.discard(5);
        assert!(buffer.room()[..15].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_peer_gets_no_more_room_than_there_is_and_others_get_what_they_need() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.room_to_receive(COMMAND_STEP).len(), COMMAND_STEP);
        let room = buffer.room_to_receive(FILE_STEP).len();
        assert_eq!(room, FILE_STEP);
        buffer.add(room - 1);
        assert_eq!(buffer.room_to_receive(COMMAND_STEP).len(), 1);
        buffer.add(1);
        assert!(buffer.room_to_receive(COMMAND_STEP).is_empty());
        assert!(buffer.room_to_receive(FILE_STEP).is_empty());
        buffer.make_room_for(ROOM);
        assert!(buffer.room().len() >= ROOM);
        assert!(buffer.room_to_receive(FILE_STEP).is_empty());
        buffer.clear();
        assert_eq!(buffer.room().len(), ROOM);
    }
}
