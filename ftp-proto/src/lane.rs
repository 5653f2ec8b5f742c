//! The queue of command lines that have come but may not run yet.
//!
//! Clients pipeline: they send commands before they have read the replies to those before. One command runs at a time
//! and replies go out in order, so the others wait here, in bounded space. Which of them may run beside a transfer is
//! the table's word ([`Beside`](crate::command::Beside)); the session asks it at the head of this queue alone.

use alloc::collections::VecDeque;

use crate::line::Framed;

/// Lines in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    queue: VecDeque<Framed>,
    bytes: usize,
}

impl Lane {
    /// The most lines that wait.
    pub(crate) const MAX_LINES: usize = 16;
    /// Beyond so many bytes nothing more is taken.
    pub(crate) const MAX_BYTES: usize = 8192;

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < Self::MAX_LINES && self.bytes < Self::MAX_BYTES
    }

    pub(crate) fn push_back(&mut self, framed: Framed) {
        self.bytes += len(&framed);
        self.queue.push_back(framed);
    }

    /// Lets a line go before all others: an ABOR behind a Telnet Synch.
    pub(crate) fn push_front(&mut self, framed: Framed) {
        self.bytes += len(&framed);
        self.queue.push_front(framed);
    }

    pub(crate) fn head(&self) -> Option<&Framed> {
        self.queue.front()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Framed> {
        self.queue.iter()
    }

    pub(crate) fn pop(&mut self) -> Option<Framed> {
        let framed = self.queue.pop_front()?;
        self.bytes -= len(&framed);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(framed)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether any waiting line satisfies the question.
    pub(crate) fn any(&self, question: impl FnMut(&[u8]) -> bool) -> bool {
        self.queue.iter().filter_map(Framed::line).any(question)
    }
}

fn len(framed: &Framed) -> usize {
    framed.line().map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_is_kept_once_nothing_waits() {
        let mut lane = Lane::default();
        lane.push_back(Framed::TooLong);
        lane.push_back(Framed::Line { line: b"NOOP".to_vec(), urgent: false });
        assert!(lane.pop().is_some() && lane.pop().is_some());
        assert_eq!((lane.queue.capacity(), lane.bytes), (0, 0));
    }
}
