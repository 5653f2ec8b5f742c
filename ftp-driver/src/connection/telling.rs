//! What a session tells: replies to its client, and to logs, observers and hooks what happens.

use std::mem;

use ftp_fs::Remains;
use ftp_proto::{Direction, Event, Reply, TransferReport};
use ftp_types::UserName;
use tracing::Span;

use super::Connection;
use crate::holdings::{ChangeTrace, FileTrace};
use crate::hook_queue::{Call, HookQueue};
use crate::hooks::{FileTransfer, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, TreeChange};
use crate::log;
use crate::observer::{SessionInfo, Summary};
use crate::runtime::Runtime;
use crate::seats::Seat;

/// The span of a session.
pub(super) struct OwnSpan {
    pub(super) span: Span,
    /// It is kept for the next transfer.
    pub(super) seat: Option<Seat>,
}

impl<R: Runtime> Connection<R> {
    /// Does what may be logged by others than ourselves.
    pub(super) fn in_span<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let own = self.span();
        let result = own.span.in_scope(|| work(self));
        // Nothing that is done in it logs a user in or out, which would have made it another.
        self.span = Some(own);
        result
    }

    pub(super) fn span(&mut self) -> Box<OwnSpan> {
        let new = || Box::new(OwnSpan { span: log::session_span(self.outer_span.as_deref(), &self.info), seat: None });
        self.span.take().unwrap_or_else(new)
    }

    /// There is nothing to do. Sessions are idle most of their time, and there are many: what a transfer needs is kept for
    /// the next by few of them, and until a timer looks after them.
    pub(super) fn rest(&mut self) {
        if mem::take(&mut self.has_transferred)
            && self.timer.is_some()
            && let Some(own) = &mut self.span
        {
            own.seat = self.actions.service.shared.kept_spans.take();
        }
        if self.span.as_ref().is_none_or(|own| own.seat.is_none()) {
            (self.span, self.running) = (None, Vec::new());
        }
    }

    pub(super) fn send(&mut self, reply: &Reply) {
        if log::tells_of_replies() {
            self.in_span(|_| log::reply(reply));
        }
        self.actions.service.settings.observer.reply(&self.info, reply);
        if let (125 | 150, Some(tls)) = (reply.code().number(), &self.actions.tls) {
            tls.purpose().announce();
        }
        if !self.control.is_broken() {
            reply.write_to(self.control.out());
        }
    }

    pub(super) fn notify(&mut self, event: &Event) {
        if let Event::LoggedIn(user) = event {
            self.set_user(Some(user.clone()));
        }
        if log::tells_of(event) {
            self.in_span(|_| log::event(event));
        }
        self.actions.service.settings.observer.event(&self.info, event);
        if self.hooks.is_used() {
            self.in_span(|connection| connection.call_hook(event));
        }
        if matches!(event, Event::LoggedOut { .. }) {
            self.set_user(None);
        }
    }

    fn set_user(&mut self, user: Option<UserName>) {
        self.stopping.show_user(self.session.user());
        if let Some(before) = mem::replace(&mut self.info.user, user) {
            self.last_user = Some(before);
        }
        self.span = None;
    }

    fn call_hook(&mut self, event: &Event) {
        let hooks = &mut self.hooks;
        let info = &self.info;
        match event {
            Event::LoggedIn(user) => {
                hooks.push(info, |session| Call::LoggedIn(LoggedIn { session, user: user.clone() }));
            }
            Event::LoginFailed { user, reason } => {
                let (user, reason) = (user.clone(), *reason);
                hooks.push(info, |session| Call::LoginFailed(LoginFailed { session, user, reason }));
            }
            Event::LoggedOut { user, reason } => {
                let (user, reason) = (user.clone(), *reason);
                hooks.push(info, |session| Call::LoggedOut(LoggedOut { session, user, reason }));
            }
            Event::Changed(change) => {
                let Some(made) = self.actions.holdings.traces.change.take() else { return };
                let ChangeTrace { user, real_path, real_path_before } = *made;
                let change = change.clone();
                hooks.push(info, |session| {
                    Call::Changed(TreeChange { session, user, change, real_path, real_path_before })
                });
            }
            Event::Transferred(report) => {
                let trace = self.actions.holdings.traces.file.take().unwrap_or_default();
                hooks.push(info, |session| transferred(session, report, *trace));
            }
            _ => {}
        }
    }

    pub(super) fn report(&mut self) -> Summary {
        self.is_told = false;
        self.session.end(self.runtime.now());
        let Self { info, last_user, reason, bytes_sent, bytes_received, .. } = self;
        let mut session = info.clone();
        session.user = session.user.or_else(|| last_user.take());
        let (reason, bytes_sent, bytes_received) = (*reason, *bytes_sent, *bytes_received);
        let duration = self.runtime.now().saturating_since(self.began);
        let summary = Summary { session, reason, bytes_sent, bytes_received, duration };
        if log::tells_of_end(reason) {
            self.in_span(|_| log::disconnected(&summary));
        }
        self.actions.service.settings.observer.disconnected(&summary);
        self.hooks.push_last(&summary);
        summary
    }

    pub(super) fn take_hooks(&mut self) -> HookQueue {
        mem::replace(&mut self.hooks, HookQueue::new(None))
    }
}

/// A session that is cut off is reported all the same, so that whoever counts sessions counts right.
impl<R: Runtime> Drop for Connection<R> {
    fn drop(&mut self) {
        if self.is_told {
            self.report();
        }
    }
}

fn transferred(session: SessionInfo, report: &TransferReport, trace: FileTrace) -> Call {
    let transfer = FileTransfer {
        session,
        user: report.user.clone(),
        path: report.path.clone(),
        real_path: trace.real_path,
        representation: report.representation,
        bytes: report.bytes,
        duration: report.duration,
    };
    let remains = if report.direction == Direction::Upload { trace.remains } else { Remains::Unchanged };
    match (report.direction, report.end) {
        (Direction::Download, Ok(())) => Call::FileSent(transfer),
        (Direction::Upload, Ok(())) => Call::FileReceived(transfer),
        (Direction::Download, Err(reason)) => Call::IncompleteSent(IncompleteTransfer { transfer, reason, remains }),
        (Direction::Upload, Err(reason)) => Call::IncompleteReceived(IncompleteTransfer { transfer, reason, remains }),
    }
}
