//! Transfers, from the command to 226, and ABOR (RFC 959 §4.1.3, §5.4 and §6).

use ftp_proto::{Opened, TransferError};
use ftp_types::FsError;

use crate::clocks::Clock;
use crate::commands::storage_code;
use crate::data::Data;
use crate::effects::Said;
use crate::machine::Machine;
use crate::setup::Millis;
use crate::syntax::on_the_wire;
use crate::tasks::{Answer, How, Number, Over, Target, Task, Thing};

/// The transfer that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) what: Target,
    pub(crate) how: How,
    pub(crate) stage: Stage,
    /// STAT: its lines go between two lines of a reply.
    pub(crate) over_control: bool,
    bytes: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The file is being opened, and nothing has been said.
    Opening(Number),
    /// It was announced, and the data connection is missing.
    Waiting(Number),
    Moving(Number),
    /// ABOR waits for the end of this.
    Aborting(Number),
}

impl Machine {
    pub(crate) fn is_transferring(&self) -> bool {
        self.transfer.is_some()
    }

    pub(crate) fn stage(&self) -> Option<Stage> {
        self.transfer.as_ref().map(|transfer| transfer.stage)
    }

    /// Whether the client may give other commands meanwhile: from the preliminary reply to ABOR.
    pub(crate) fn others_may_run(&self) -> bool {
        self.transfer.as_ref().is_none_or(|transfer| {
            !transfer.over_control && matches!(transfer.stage, Stage::Waiting(_) | Stage::Moving(_))
        })
    }

    /// Whether ABOR may run: but for when it has run.
    pub(crate) fn abor_may_run(&self) -> bool {
        !matches!(self.stage(), Some(Stage::Aborting(_)))
    }

    /// The file is opened before anything else. Without a data connection it is only tried, so that a wrong name is
    /// told before the missing connection is.
    pub(crate) fn begin(&mut self, what: Target, how: How, over_control: bool) {
        if !over_control && self.lacks_data_tls() {
            return self.say(Said::code(521));
        }
        let nowhere = matches!(self.data, Data::None | Data::Spoilt);
        let only_check = nowhere && !over_control;
        let stage = Stage::Opening(self.start(Task::Open { what: what.clone(), only_check }));
        self.transfer = Some(Transfer { what, how, stage, over_control, bytes: 0 });
        self.set(Clock::Stall, self.setup.timeouts.stall);
    }

    pub(crate) fn opened(&mut self, file: Number, only_check: bool, opened: &Result<Opened, FsError>) {
        let Some(transfer) = self.transfer.clone() else { return };
        match opened {
            Err(FsError::NotADirectory) if matches!(transfer.what, Target::List { file_will_do: false, .. }) => {
                self.end_transfer(Said::code(501));
            }
            Err(error) => self.end_transfer(Said::code(storage_code(*error))),
            Ok(_) if only_check => {
                self.end_transfer(Said::code(if self.data == Data::Spoilt { 522 } else { 425 }));
            }
            Ok(opened) => self.announce(file, &transfer, opened),
        }
    }

    fn announce(&mut self, file: Number, transfer: &Transfer, opened: &Opened) {
        let text = match &opened.name {
            Some(name) => [b"FILE: ", &on_the_wire(name)[..]].concat(),
            None => Vec::new(),
        };
        self.advance_to(Stage::Waiting(file));
        match self.data {
            _ if transfer.over_control => {
                self.say(Said::head(213));
                self.move_bytes(file);
            }
            Data::Connected(_) => {
                self.say(Said::with(125, text));
                self.move_bytes(file);
            }
            Data::Listening { .. } => {
                self.say(Said::with(150, text));
                self.stop(Clock::Stall);
                self.set(Clock::Connect, self.setup.timeouts.connect);
            }
            Data::Securing { .. } => {
                self.say(Said::with(150, text));
                self.set(Clock::Stall, self.handshake_time());
            }
            Data::Target(address) => {
                self.say(Said::with(150, text));
                self.stop(Clock::Stall);
                self.data = Data::Connecting(self.start(Task::Connect(address)));
                self.set(Clock::Connect, self.setup.timeouts.connect);
            }
            // It was lost while the file was opened.
            Data::None | Data::Spoilt | Data::Connecting(_) | Data::Taken => {
                self.release(Thing::File(file));
                self.end_transfer(Said::code(if self.data == Data::Spoilt { 522 } else { 425 }));
            }
        }
    }

    fn advance_to(&mut self, stage: Stage) {
        if let Some(transfer) = &mut self.transfer {
            transfer.stage = stage;
        }
    }

    pub(crate) fn move_bytes(&mut self, file: Number) {
        let Some(transfer) = self.transfer.clone() else { return };
        let over = match self.data {
            _ if transfer.over_control => Over::Control,
            Data::Connected(data) => {
                self.data = Data::Taken;
                Over::Data(data)
            }
            _ => return,
        };
        let moving = self.start(Task::Move { file, how: transfer.how, over });
        self.advance_to(Stage::Moving(moving));
        self.set(Clock::Stall, self.setup.timeouts.stall);
    }

    /// More bytes than before are progress, and then it does not stall.
    pub(crate) fn progress(&mut self, bytes: u64) {
        let stall = self.setup.timeouts.stall;
        let moving = self.find(|task| matches!(task, Task::Move { .. }));
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| bytes > transfer.bytes) else { return };
        if moving.map(Stage::Moving) == Some(transfer.stage) {
            transfer.bytes = bytes;
            self.set(Clock::Stall, stall);
        }
    }

    /// A transfer that is held back by a speed limit does not stall meanwhile.
    pub(crate) fn pause(&mut self, time: Millis) {
        if matches!(self.stage(), Some(Stage::Moving(_))) {
            self.set(Clock::Stall, self.setup.timeouts.stall.map(|stall| time + stall));
        }
    }

    pub(crate) fn moved(&mut self, end: Result<(), TransferError>) {
        let Some(transfer) = &self.transfer else { return };
        let over_control = transfer.over_control;
        if !over_control {
            self.data = Data::None;
        }
        self.end_transfer(Said::code(match end {
            // The head of a reply has been sent, and it has to be ended.
            _ if over_control => 213,
            Ok(()) => 226,
            Err(TransferError::Storage(error)) => storage_code(error),
            Err(_) => 426,
        }));
    }

    /// Its last reply. What is left of the data connection goes, unless the transfer had no part in it.
    pub(crate) fn end_transfer(&mut self, said: Said) {
        let Some(transfer) = self.transfer.take() else { return };
        self.stop(Clock::Stall);
        if !transfer.over_control {
            self.give_data_up();
        } else if self.data.is_connected() {
            self.set(Clock::Stall, self.setup.timeouts.stall);
        }
        if self.user().is_none() {
            self.set(Clock::Login, self.setup.timeouts.login);
        }
        self.say(said);
    }

    /// The session ends.
    pub(crate) fn drop_transfer(&mut self) {
        match self.transfer.take().map(|transfer| transfer.stage) {
            Some(Stage::Opening(task)) => self.cancel(task),
            Some(Stage::Moving(task)) => {
                if self.data == Data::Taken {
                    self.data = Data::None;
                }
                self.cancel(task);
            }
            Some(Stage::Waiting(file)) => self.release(Thing::File(file)),
            Some(Stage::Aborting(_)) | None => {}
        }
    }
}

/// ABOR.
impl Machine {
    /// What runs is stopped, and the answer waits until it has ended. What was arranged is given up in any case.
    pub(crate) fn abor_command(&mut self) {
        let Some(stage) = self.stage() else {
            self.give_data_up();
            return self.say(Said::code(225));
        };
        let waits_for = match (stage, self.data) {
            (Stage::Opening(task) | Stage::Moving(task), _) => {
                self.cancel(task);
                task
            }
            (Stage::Waiting(file), data) => {
                self.release(Thing::File(file));
                match data {
                    Data::Listening { accept: task, .. } | Data::Connecting(task) | Data::Securing { tls: task } => {
                        task
                    }
                    other => unreachable!("a transfer does not wait when there is {other:?}"),
                }
            }
            (Stage::Aborting(_), _) => return,
        };
        self.advance_to(Stage::Aborting(waits_for));
        self.give_data_up();
        self.set(Clock::Stall, self.setup.timeouts.stall);
    }

    /// What was stopped has ended: 426 for the transfer and 226 for ABOR, unless the transfer was done first.
    pub(crate) fn aborted(&mut self, answer: &Answer) {
        match answer {
            Answer::Moved(_, end) => {
                let over_control = self.transfer.as_ref().is_some_and(|transfer| transfer.over_control);
                // Then it was no matter of storage that it ended.
                let end = if over_control { *end } else { end.map_err(|_| TransferError::Cancelled) };
                self.moved(end);
            }
            _ => self.end_transfer(Said::code(426)),
        }
        self.say(Said::code(226));
    }
}
