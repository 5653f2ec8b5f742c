//! The end of a session: the last replies are written, and what the client still sends is read.

use std::task::{Context, Poll};
use std::time::Duration;

use ftp_proto::Instant;

use super::Connection;
use crate::runtime::Runtime;

/// How long the last replies may take to be written once the session is closed.
const FLUSH: Duration = Duration::from_secs(5);
/// How long what the peer still sends is read after that, so that no reset overtakes the last reply.
const LINGER: Duration = Duration::from_secs(1);

/// The session is closed; the connections are not yet.
pub(super) struct Ending {
    step: EndingStep,
    until: Instant,
}

enum EndingStep {
    Flush,
    FinishSending,
    Discard(usize),
    Done,
}

impl Ending {
    pub(super) fn begin(now: Instant) -> Self {
        Self { step: EndingStep::Flush, until: now + FLUSH }
    }

    /// Until when it waits, if it has not ended.
    pub(super) fn until(&self) -> Option<Instant> {
        (!matches!(self.step, EndingStep::Done)).then_some(self.until)
    }
}

impl<R: Runtime> Connection<R> {
    /// Once the session is closed: writes the rest, sends FIN, and reads what may still come.
    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> bool {
        let pending = !self.outputs.is_empty() || self.control.unsent() > 0;
        let Some(ending) = &mut self.ending else { return false };
        let now = self.runtime.now();
        if matches!(ending.step, EndingStep::Done) {
            return false;
        }
        if now >= ending.until || self.control.is_broken() {
            // With nothing left to be written, the rest of the queue is carried out before the end.
            self.control.break_off();
            if self.outputs.is_empty() {
                ending.step = EndingStep::Done;
            }
            return true;
        }
        match &mut ending.step {
            EndingStep::Flush if pending => return false,
            EndingStep::Flush => {
                // Nothing runs any more and nothing is to be kept; what is left are connections on their way out.
                self.running.clear();
                self.actions.holdings.release_all();
                ending.step = EndingStep::FinishSending;
                ending.until = now + LINGER;
            }
            EndingStep::FinishSending => match self.control.poll_finish_sending(cx) {
                Poll::Ready(()) => ending.step = EndingStep::Discard(0),
                Poll::Pending => return false,
            },
            EndingStep::Discard(discarded) => match self.control.poll_discard(discarded, cx) {
                Poll::Ready(()) => ending.step = EndingStep::Done,
                Poll::Pending => return false,
            },
            EndingStep::Done => {}
        }
        true
    }

    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.ending, Some(Ending { step: EndingStep::Done, .. })) {
            return false;
        }
        self.running.clear();
        self.actions.holdings.release_all();
        self.lingering.poll_last(&self.runtime, cx).is_ready()
    }
}
