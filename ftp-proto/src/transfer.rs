//! A transfer, from its command to its last reply, and ABOR (RFC 959 §4.1.3, §5.4).
//!
//! The file is opened before anything is said, so that a wrong name costs the client no data connection; then 150 (or
//! 125 when the connection is there already), the bytes, and 226.
//!
//! | phase | file opened | data connection stands | bytes moved | fails | ABOR |
//! |---|---|---|---|---|---|
//! | Opening | 150 → Waiting, or 125 → Moving | (noted by the data channel) | - | 4yz, 5yz | cancel, 426 226 |
//! | Waiting | - | Moving | - | 425 | cancel, 426 226 |
//! | Moving | - | - | 226 | 426, 451, 452, 552 | cancel, 426 226 |
//! | Aborting | - | - | 226 226 | - | (waits) |

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use ftp_types::{FsError, UserName, VirtualPath};

use crate::Instant;
use crate::action::{
    Action, ActionId, Channel, Open, OpenTarget, Opened, Representation, Request, Resource, Transfer, TransferError,
    TransferKind, Transferred, sealed,
};
use crate::data::DataChannel;
use crate::event::{CloseReason, Direction, Event, Incomplete, TransferReport};
use crate::listing::ListStyle;
use crate::reply::{self, Reply};
use crate::security::refusal;
use crate::session::Session;
use crate::timer::Timer;

/// The transfer that a session has under way.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    job: Job,
    phase: Phase,
    /// Who began it: another user may have logged in since.
    user: UserName,
    /// When it was announced by 150 or 125.
    announced: Option<Instant>,
    bytes: u64,
}

/// What a transfer command wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) target: OpenTarget,
    pub(crate) kind: TransferKind,
    /// STAT: the lines go over the control connection.
    pub(crate) over_control: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The file is being opened.
    Opening(ActionId),
    /// It is open; the data connection is not.
    Waiting(ActionId),
    /// The bytes are moving.
    Moving(ActionId),
    /// ABOR has come; this action has yet to end.
    Aborting(ActionId),
}

impl Running {
    /// Whether other commands may run beside it: not before its preliminary reply, not when its lines go between
    /// replies, not while it is being aborted.
    pub(crate) const fn lets_others_run(&self) -> bool {
        self.announced.is_some() && !self.job.over_control && !matches!(self.phase, Phase::Aborting(_))
    }

    /// Whether it has to do with the data channel; STAT with a path has not.
    pub(crate) const fn needs_data(&self) -> bool {
        !self.job.over_control
    }

    /// Whether 150 or 125 has been sent.
    pub(crate) const fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    pub(crate) const fn may_be_aborted(&self) -> bool {
        !matches!(self.phase, Phase::Aborting(_))
    }

    /// How many bytes have moved so far, for STAT.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its control state, by way of the places of cancelled actions.
    #[cfg(feature = "testing")]
    pub(crate) fn control_state(&self, place: impl Fn(ActionId) -> Option<usize>) -> crate::TransferState {
        use crate::{JobKind, TransferPhase};
        let (phase, awaited) = match self.phase {
            Phase::Opening(_) => (TransferPhase::Opening, None),
            Phase::Waiting(_) => (TransferPhase::Waiting, None),
            Phase::Moving(_) => (TransferPhase::Moving, None),
            Phase::Aborting(action) => (TransferPhase::Aborting, place(action)),
        };
        let kind = match self.job.target {
            _ if self.job.over_control => JobKind::Status,
            OpenTarget::Read { .. } => JobKind::Download,
            OpenTarget::Write { .. } => JobKind::Upload,
            OpenTarget::Unique { .. } => JobKind::UniqueUpload,
            OpenTarget::List { file_will_do: true, .. } => JobKind::Listing,
            OpenTarget::List { file_will_do: false, .. } => JobKind::DirectoryListing,
        };
        crate::TransferState { phase, kind, announced: self.is_announced(), awaited }
    }

    /// The report of its end; listings have none, nor has a transfer that was never announced.
    fn report(&self, now: Instant, end: Result<(), Incomplete>) -> Option<Event> {
        let (path, direction) = match &self.job.target {
            OpenTarget::Read { path, .. } => (path.clone(), Direction::Download),
            OpenTarget::Write { path, .. } | OpenTarget::Unique { directory: path, .. } => {
                (path.clone(), Direction::Upload)
            }
            OpenTarget::List { .. } => return None,
        };
        let representation = match self.job.kind {
            TransferKind::Send(representation) | TransferKind::Receive(representation) => representation,
            TransferKind::List(_) => return None,
        };
        let report = TransferReport {
            user: self.user.clone(),
            path,
            direction,
            representation,
            bytes: self.bytes,
            duration: now.saturating_since(self.announced?),
            end,
        };
        Some(Event::Transferred(report))
    }
}

impl Session {
    /// Begins a transfer: its file is opened, or only tried when there is nothing to transfer it over.
    pub(crate) fn begin(&mut self, job: Job) {
        let Some(user) = self.user().cloned() else { return };
        if !job.over_control && self.lacks_data_tls() {
            return self.reply(Reply::new(521, "TLS is required on data connections, send PROT P."));
        }
        let nothing = matches!(self.data, DataChannel::Idle | DataChannel::Refused { .. });
        let only_check = !job.over_control && nothing;
        let open = self.start(Open { target: job.target.clone(), only_check }, Action::Open);
        let running = Running { job, phase: Phase::Opening(open), user, announced: None, bytes: 0 };
        self.transfer = Some(Box::new(running));
        self.arm(Timer::Stall, self.config.stall_timeout);
    }

    /// The data connection stands: if a transfer waits for it, the bytes can move.
    pub(crate) fn transfer_connected(&mut self) {
        if let Some(&Running { phase: Phase::Waiting(file), .. }) = self.transfer.as_deref() {
            self.move_bytes(file);
        }
    }

    /// There will be no data connection. A transfer that still opens its file notices by itself.
    pub(crate) fn data_failed(&mut self, reply: Reply) {
        if let Some(&Running { phase: Phase::Waiting(file), .. }) = self.transfer.as_deref() {
            self.release(Resource::File(file));
            let failed = TransferError::ConnectionLost;
            self.end_transfer(Err(Incomplete::Failed(failed)), Some(reply));
        }
    }

    /// Notes progress; a transfer that moves does not stall.
    pub(crate) fn transfer_progressed(&mut self, transfer: ActionId, bytes: u64) {
        let Some(running) = &mut self.transfer else { return };
        let moves = running.phase == Phase::Moving(transfer);
        // One that is being aborted is reported with all that had moved when it ended, but gets no more time.
        if (moves || running.phase == Phase::Aborting(transfer)) && bytes > running.bytes {
            running.bytes = bytes;
            if moves {
                self.arm(Timer::Stall, self.config.stall_timeout);
            }
        }
    }

    /// Notes that a speed limit holds the transfer back until then: that is no fault of the client's.
    pub(crate) fn transfer_paused(&mut self, transfer: ActionId, until: Instant) {
        if self.transfer.as_ref().is_some_and(|running| running.phase == Phase::Moving(transfer)) {
            let from = until.max(self.now);
            self.timers.set(Timer::Stall, self.config.stall_timeout.map(|timeout| from + timeout));
        }
    }

    /// ABOR.
    pub(crate) fn abort(&mut self) {
        let Some(running) = &mut self.transfer else {
            let text = match self.data {
                DataChannel::Idle => "No transfer to abort.",
                _ => "Data connection closed.",
            };
            self.reset_data();
            return self.reply(Reply::new(225, text));
        };
        let phase = running.phase;
        match phase {
            Phase::Opening(open) => {
                running.phase = Phase::Aborting(open);
                self.cancel(open);
            }
            Phase::Waiting(file) => {
                let waits_for = match self.data {
                    DataChannel::Passive { accept: action, .. }
                    | DataChannel::Connecting { connect: action }
                    | DataChannel::Securing { tls: action, .. } => action,
                    _ => file,
                };
                running.phase = Phase::Aborting(waits_for);
                self.release(Resource::File(file));
            }
            Phase::Moving(transfer) => {
                running.phase = Phase::Aborting(transfer);
                self.cancel(transfer);
            }
            Phase::Aborting(_) => {}
        }
        self.reset_data();
        // What was cancelled ends soon, or the session does.
        self.arm(Timer::Stall, self.config.stall_timeout);
        self.settle_abort();
    }

    /// Answers ABOR as soon as what it stopped has ended.
    pub(crate) fn settle_abort(&mut self) {
        if let Some(&Running { phase: Phase::Aborting(action), .. }) = self.transfer.as_deref()
            && !self.has_cancelled(action)
        {
            self.end_transfer(Err(Incomplete::Aborted), Some(Reply::new(426, "Transfer aborted.")));
            self.reply(Reply::new(226, "Abort successful."));
        }
    }

    /// The session ends while a transfer is under way.
    pub(crate) fn drop_transfer(&mut self, reason: CloseReason) {
        let Some(running) = self.transfer.take() else { return };
        match running.phase {
            Phase::Opening(action) => self.cancel(action),
            Phase::Moving(action) => {
                if running.needs_data() {
                    self.data = DataChannel::Idle;
                }
                self.cancel(action);
            }
            Phase::Waiting(file) => self.release(Resource::File(file)),
            Phase::Aborting(_) => {}
        }
        self.notify_some(running.report(self.now, Err(Incomplete::SessionEnded(reason))));
    }

    /// Announces the transfer and begins it when it can.
    fn opened(&mut self, file: ActionId, opened: &Opened) {
        let Some(running) = &mut self.transfer else { return };
        running.phase = Phase::Waiting(file);
        running.announced = Some(self.now);
        if let (OpenTarget::Unique { directory, .. }, Some(name)) = (&running.job.target, &opened.name)
            && let Ok(path) = directory.child(name)
        {
            running.job.target = OpenTarget::Write { path, mode: ftp_types::WriteMode::Replace };
        }
        let over_control = running.job.over_control;
        let text = self.announcement(opened);
        if over_control {
            self.reply(Reply::head(213, "Listing follows."));
            return self.move_bytes(file);
        }
        match self.data {
            DataChannel::Open { .. } => {
                self.reply(Reply::with_text(125, text));
                self.move_bytes(file);
            }
            DataChannel::Passive { .. } => {
                self.reply(Reply::with_text(150, text));
                self.timers.stop(Timer::Stall);
                self.arm(Timer::Connect, self.config.connect_timeout);
            }
            DataChannel::Securing { .. } => {
                self.reply(Reply::with_text(150, text));
                self.arm(Timer::Stall, self.handshake_timeout());
            }
            DataChannel::Active { address } => {
                self.reply(Reply::with_text(150, text));
                self.timers.stop(Timer::Stall);
                self.connect(address);
            }
            DataChannel::Refused { not_resumed } => self.nothing_to_announce(refusal(not_resumed)),
            DataChannel::Idle | DataChannel::Connecting { .. } | DataChannel::Moving => {
                self.nothing_to_announce(Reply::new(425, "Data connection was lost, use PASV or PORT again."));
            }
        }
    }

    /// The data connection was lost while the file was opened.
    fn nothing_to_announce(&mut self, reply: Reply) {
        if let Some(running) = &mut self.transfer {
            running.announced = None;
        }
        self.data_failed(reply);
    }

    /// The text of 150 or 125. STOU has its own (RFC 1123 §4.1.2.9), and nothing else may be in it.
    fn announcement(&self, opened: &Opened) -> Vec<u8> {
        let Some(running) = &self.transfer else { return Vec::new() };
        if let Some(name) = &opened.name {
            let wire = self.codec().map(|codec| codec.encode(name));
            return [b"FILE: ", wire.as_deref().unwrap_or(name)].concat();
        }
        match (running.job.kind, opened.len) {
            (TransferKind::Send(Representation::Image), Some(len)) => {
                format!("Opening data connection ({len} bytes).").into_bytes()
            }
            _ => Vec::from(&b"Opening data connection."[..]),
        }
    }

    fn move_bytes(&mut self, file: ActionId) {
        let Some(running) = &self.transfer else { return };
        let kind = running.job.kind;
        let channel = match self.data {
            _ if running.job.over_control => Channel::Control,
            DataChannel::Open { data } => Channel::Data(data),
            _ => return,
        };
        if matches!(channel, Channel::Data(_)) {
            self.data = DataChannel::Moving;
        }
        let transfer = self.start(Transfer { file, kind, channel }, Action::Transfer);
        if let Some(running) = &mut self.transfer {
            running.phase = Phase::Moving(transfer);
        }
        self.arm(Timer::Stall, self.config.stall_timeout);
    }

    /// The last reply of the transfer. Whatever is left of the data channel goes, unless the transfer had no part in
    /// it.
    fn end_transfer(&mut self, end: Result<(), Incomplete>, reply: Option<Reply>) {
        let Some(running) = self.transfer.take() else { return };
        self.timers.stop(Timer::Stall);
        if running.needs_data() {
            self.reset_data();
        } else if self.data.is_open() {
            self.arm(Timer::Stall, self.config.stall_timeout);
        }
        if self.user().is_none() {
            self.arm(Timer::Login, self.config.login_timeout);
        }
        if let Some(reply) = reply {
            self.reply(reply);
        }
        self.notify_some(running.report(self.now, end));
    }

    fn open_failed(&mut self, error: FsError) {
        let wants_directory = matches!(
            self.transfer.as_ref().map(|running| &running.job.target),
            Some(OpenTarget::List { file_will_do: false, .. })
        );
        let reply = match error {
            FsError::NotADirectory if wants_directory => Reply::new(501, "Not a directory."),
            error => reply::storage_failure(error),
        };
        self.end_transfer(Err(Incomplete::Failed(TransferError::Storage(error))), Some(reply));
    }

    fn transferred(&mut self, outcome: Transferred, aborted: bool) {
        let Some(running) = &mut self.transfer else { return };
        running.bytes = running.bytes.max(outcome.bytes);
        let over_control = running.job.over_control;
        if !over_control {
            self.data = DataChannel::Idle;
        }
        match outcome.end {
            Ok(()) if over_control => self.end_transfer(Ok(()), Some(Reply::new(213, "End of listing."))),
            Ok(()) => self.end_transfer(Ok(()), Some(Reply::new(226, "Transfer complete."))),
            // The head of a 213 reply has been sent: only a 213 line can end it.
            Err(_) if over_control => self.end_transfer(Ok(()), Some(Reply::new(213, "End: listing is not whole."))),
            Err(_) if aborted => return self.settle_abort(),
            Err(error) => self.end_transfer(Err(Incomplete::Failed(error)), Some(transfer_failure(error))),
        }
        if aborted {
            self.reply(Reply::new(226, "Abort successful."));
        }
    }
}

impl sealed::Sealed for Open {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        let expected = session.transfer.as_ref().is_some_and(|running| running.phase == Phase::Opening(id));
        if session.was_cancelled(id) || !expected {
            if outcome.is_ok() && !self.only_check {
                session.release(Resource::File(id));
            }
            return session.settle_abort();
        }
        match outcome {
            Ok(_) if self.only_check => {
                let reply = match session.data {
                    DataChannel::Refused { not_resumed } => refusal(not_resumed),
                    _ => Reply::new(425, "Use PASV or PORT first."),
                };
                session.end_transfer(Err(Incomplete::Failed(TransferError::ConnectionLost)), Some(reply));
            }
            Ok(opened) => session.opened(id, &opened),
            Err(error) => session.open_failed(error),
        }
    }
}

impl sealed::Sealed for Transfer {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        let cancelled = session.was_cancelled(id);
        match session.transfer.as_ref().map(|running| running.phase) {
            Some(Phase::Moving(moving)) if moving == id => session.transferred(outcome, false),
            Some(Phase::Aborting(aborting)) if aborting == id => session.transferred(outcome, true),
            _ if cancelled => {}
            _ => session.notify(Event::StrayAnswer(id)),
        }
    }
}

/// The reply to a transfer that went wrong on its way (RFC 959 §5.4, RETR and STOR).
fn transfer_failure(error: TransferError) -> Reply {
    match error {
        TransferError::ConnectionLost => Reply::new(426, "Data connection was lost, the transfer is not complete."),
        TransferError::Cancelled => Reply::new(426, "Transfer aborted."),
        TransferError::Storage(error) => reply::storage_failure(error),
    }
}

/// The style of a listing and what else a listing command asks.
pub(crate) fn listing(path: VirtualPath, style: ListStyle, file_will_do: bool) -> Job {
    Job { target: OpenTarget::List { path, file_will_do }, kind: TransferKind::List(style), over_control: false }
}
