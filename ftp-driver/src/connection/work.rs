//! The actions that a session has under way, and transfers that are called back from other threads.

use std::collections::VecDeque;
use std::task::Context;
use std::time::Duration;

use ftp_proto::{ActionId, Instant, Output, TlsError};

use super::Connection;
use crate::io::Deadline;
use crate::record::Core;
use crate::runtime::Runtime;
use crate::task::Running;

/// How long a transfer may take to come back from another thread.
const RECALL: Duration = Duration::from_millis(50);

impl<R: Runtime> Connection<R> {
    pub(super) fn cancel(&mut self, id: ActionId) {
        if let Some(ticket) = self.securing.take_if(|ticket| ticket.id() == id) {
            return self.session.complete(ticket, Err(TlsError::Cancelled), self.runtime.now());
        }
        let Some(place) = self.running.iter().position(|task| task.id() == id) else { return };
        let mut task = self.running.swap_remove(place);
        tell_progress(&mut self.session, &mut *task, self.runtime.now());
        self.count(&mut *task);
        if task.progress().is_some() {
            // Lines of STAT that are not on their way yet would come behind the reply that ends it.
            self.actions.outlet.clear();
        }
        task.cancel(&mut self.session, self.runtime.now());
    }

    /// Whether no transfer is on another thread: what the client says is judged when it is known how far all is, and
    /// nothing goes on that has been ended. A disk that holds a transfer up does not hold this up for long.
    pub(super) fn has_recalled(&mut self, cx: &mut Context<'_>) -> bool {
        let recall = |task: &mut Box<dyn Running<R>>| task.progress().is_some_and(|progress| progress.wish.recall());
        // All of them, whether or not the first is away.
        if !self.running.iter_mut().map(recall).fold(false, |any, is_away| any | is_away) {
            self.recall = None;
            return true;
        }
        let until = self.runtime.now() + RECALL;
        self.recall.get_or_insert_with(|| Box::new(Deadline::at(until))).poll(&self.runtime, cx).is_ready()
    }

    pub(super) fn let_go(&mut self) {
        self.recall = None;
        self.running.iter_mut().filter_map(|task| task.progress()).for_each(|progress| progress.wish.let_go());
    }

    pub(super) fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        self.drain();
        !self.running.is_empty() && self.in_span(|connection| connection.poll_tasks(cx) | connection.are_back(cx))
    }

    /// Whether what has been recalled is back by now, so that what waits for it can go on.
    fn are_back(&mut self, cx: &mut Context<'_>) -> bool {
        let is_away = |task: &mut Box<dyn Running<R>>| task.progress().is_some_and(|progress| progress.wish.is_away());
        let are_back = self.recall.is_some() && !self.running.iter_mut().any(is_away);
        if are_back {
            self.recall = None;
            // A stop, which waits as well, is looked at in the next turn.
            cx.waker().wake_by_ref();
        }
        are_back
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut place = 0;
        while let Some(task) = self.running.get_mut(place) {
            if is_cancelled(&self.outputs, task.id()) {
                // The core has reported its end: what it did now would be in no report.
                place += 1;
                continue;
            }
            let done = task.poll(cx).is_ready();
            progress |= tell_progress(&mut self.session, &mut **task, self.runtime.now());
            if done {
                let mut task = self.running.swap_remove(place);
                self.count(&mut *task);
                // A listing that fails leaves lines here, which belong before the reply that ends it.
                self.take_lines();
                let judged = self.judging.take_if(|judging| *judging == task.id());
                task.finish(&mut self.actions.holdings, &mut self.session, self.runtime.now());
                if judged.is_some() {
                    self.stopping.show_user(self.session.user());
                }
                progress = true;
            } else {
                place += 1;
            }
        }
        // Lines of STAT take their turn among the replies, once those before them are written.
        progress | (self.control.unsent() == 0 && self.take_lines())
    }

    /// Puts lines of STAT behind what is to be written; whether there are any.
    fn take_lines(&mut self) -> bool {
        let lines = self.actions.outlet.take();
        if !lines.is_empty() {
            self.control.out().extend_from_slice(&lines);
        }
        !lines.is_empty()
    }

    fn count(&mut self, task: &mut dyn Running<R>) {
        if let Some(progress) = task.progress() {
            let bytes = progress.meter.bytes();
            self.has_transferred = true;
            let total = if progress.receives { &mut self.bytes_received } else { &mut self.bytes_sent };
            *total = total.saturating_add(bytes);
        }
    }
}

/// Whether the core has given up that action, and the driver has yet to.
fn is_cancelled(outputs: &VecDeque<Output>, action: ActionId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == action))
}

pub(super) fn tell_progress<R: Runtime>(session: &mut Core, task: &mut dyn Running<R>, now: Instant) -> bool {
    let (id, Some(progress)) = (task.id(), task.progress()) else { return false };
    let (bytes, pause) = (progress.news(), progress.pause());
    let any = bytes.is_some() || pause.is_some();
    bytes.into_iter().for_each(|bytes| session.handle_progress(id, bytes, now));
    pause.into_iter().for_each(|until| session.handle_pause(id, until, now));
    any
}
