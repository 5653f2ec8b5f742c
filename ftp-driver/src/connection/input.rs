//! What the client says on the control connection, on its way to the core.

use std::task::{Context, Poll};

use super::Connection;
use crate::control::Input;
use crate::runtime::Runtime;

/// Input goes to the core in pieces of this size, while there is less than that much to be written: so neither a flood
/// of commands in one packet nor a client that reads no replies makes the driver hoard replies.
const INPUT_PIECE: usize = 512;
const UNSENT_MAX: usize = 16 * 1024;

impl<R: Runtime> Connection<R> {
    /// Reads, while the core takes what is read and the peer takes what is written.
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() || !self.session.wants_input() {
            return false;
        }
        if !self.control.untaken().is_empty() {
            return self.offer_input(cx);
        }
        if self.ends_input {
            return self.offer_end(cx);
        }
        if self.control.unsent() > 0 {
            return false;
        }
        match self.control.poll_input(cx) {
            Poll::Pending => false,
            Poll::Ready(Input::Bytes(desk)) => {
                let taken = if self.may_offer(cx) { self.offer(desk.bytes()) } else { 0 };
                self.control.keep(&desk.bytes()[taken..]);
                taken > 0
            }
            Poll::Ready(Input::End) => {
                self.ends_input = true;
                self.offer_end(cx)
            }
        }
    }

    fn offer_end(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.has_recalled(cx) {
            return false;
        }
        self.ends_input = false;
        self.session.handle_eof(self.runtime.now());
        // Behind a QUIT it runs to its end.
        self.let_go();
        true
    }

    fn offer_input(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.may_offer(cx) {
            return false;
        }
        let untaken = self.control.take_untaken();
        let taken = self.offer(&untaken);
        self.control.put_back(untaken, taken);
        taken > 0
    }

    /// Offers the core what has come, and tells how much it took.
    fn offer(&mut self, bytes: &[u8]) -> usize {
        let taken = self.session.handle_input(&bytes[..bytes.len().min(INPUT_PIECE)], self.runtime.now());
        self.let_go();
        taken
    }

    fn may_offer(&mut self, cx: &mut Context<'_>) -> bool {
        // Outputs that are left wait for bytes before them to be written.
        self.control.unsent() < UNSENT_MAX && self.outputs.is_empty() && self.has_recalled(cx)
    }
}
