//! Lines on their way to the handlers of commands: which may run, in what order, and what is refused.

use core::hint::black_box;

use super::{Input, Phase, Session};
use crate::command::{Access, Argument, Beside, Marker};
use crate::event::{CloseReason, CommandLine, Event};
use crate::line::Framed;
use crate::parse::{self, Command};
use crate::reply::Reply;
use crate::timer::Timer;

/// With so many outputs not yet taken by the driver no further command is run.
const MAX_OUTPUTS: usize = 32;

impl Session {
    pub(super) fn take_lines(&mut self, bytes: &[u8], may_take: fn(&Self) -> bool) -> usize {
        let mut taken = 0;
        // Nothing behind QUIT is a command; it would only fill the lane.
        while taken < bytes.len() && matches!(self.phase, Phase::Serving) && may_take(self) {
            let rest = &bytes[taken..];
            // Mostly a line comes as a whole, nothing waits, and this need not wait either.
            if self.lane.head().is_none()
                && let Some((line, count)) = self.reader.whole_line(rest)
                && self.may_run(Some(line))
            {
                taken += count;
                self.run(line);
                continue;
            }
            let (count, framed) = self.reader.push(rest);
            taken += count;
            if let Some(framed) = framed {
                self.enqueue(framed);
                self.advance();
            }
        }
        taken
    }

    /// Whether a line may be read, as long as there is room for it.
    pub(super) fn may_frame(&self) -> bool {
        self.held.is_none() && !self.security.is_changing() && self.outputs.len() < MAX_OUTPUTS
    }

    fn enqueue(&mut self, framed: Framed) {
        let jumps = matches!(&framed, Framed::Line { line, urgent: true }
            if parse::words(line).0.eq_ignore_ascii_case(b"ABOR"));
        if jumps {
            self.lane.push_front(framed);
        } else {
            self.lane.push_back(framed);
        }
    }

    /// Runs commands from the head of the lane while they may run.
    pub(super) fn advance(&mut self) {
        // No client sends these to wait for a port.
        let ends_waiting =
            |head: &Framed| matches!(head, Framed::Line { line, .. } if self.will_run(line, &["ABOR", "QUIT"]));
        if self.waiting_listen.is_some() && self.lane.head().is_some_and(ends_waiting) {
            self.give_up_listening();
        }
        while self.lane.head().is_some_and(|head| self.may_run(head.line()))
            && let Some(framed) = self.lane.pop()
        {
            self.run_framed(framed);
        }
    }

    fn run_framed(&mut self, framed: Framed) {
        match framed {
            Framed::Line { mut line, .. } => {
                self.run(&line);
                line.fill(0);
                black_box(&mut line);
            }
            Framed::TooLong => {
                self.marker = None;
                self.reply(Reply::new(500, "Command line too long."));
            }
        }
    }

    /// Whether the line may run now; otherwise it and all behind it wait. `None`: it was too long.
    fn may_run(&self, line: Option<&[u8]>) -> bool {
        let takes_commands = matches!(self.phase, Phase::Serving) && self.outputs.len() < MAX_OUTPUTS;
        if !takes_commands || self.pending.is_some() || self.held.is_some() || self.security.is_changing() {
            return false;
        }
        let Some(running) = &self.transfer else { return true };
        let command = line.and_then(Command::parse);
        let beside = match command {
            Some(command) if self.refusal(&command).is_none() => command.row.beside,
            _ => Beside::Yes,
        };
        match beside {
            Beside::Abort => running.may_be_aborted(),
            Beside::Yes => running.lets_others_run(),
            Beside::Bare => running.lets_others_run() && command.is_some_and(|command| command.argument().is_empty()),
            Beside::No => false,
        }
    }

    fn run(&mut self, line: &[u8]) {
        self.timers.stop(Timer::Idle);
        if self.config.report_commands {
            self.report_command(line);
        }
        let Some(command) = Command::parse(line) else {
            self.marker = None;
            return self.unknown(line);
        };
        let refusal = self.refusal(&command);
        let marker = match command.row.marker {
            Marker::Taken => self.marker.take(),
            Marker::Stays => None,
        };
        match refusal {
            Some(refusal) => self.reply(refusal),
            None => (command.row.run)(self, Input { argument: command.argument(), marker }),
        }
    }

    /// Tells the log of a command. Behind USER or PASS, what is no command may be a password, or the rest of one that had
    /// the end of a line in it.
    fn report_command(&mut self, line: &[u8]) {
        let name = Command::parse(line).map(|command| command.info().name);
        self.password_ahead = name.map_or(self.password_ahead, |name| matches!(name, "USER" | "PASS"));
        let hidden = name.is_none() && self.password_ahead;
        self.notify(Event::Command(if hidden { CommandLine::hidden() } else { CommandLine::new(line) }));
    }

    fn unknown(&mut self, line: &[u8]) {
        if parse::is_http(line) {
            self.reply(Reply::new(500, "This is an FTP server, closing."));
            return self.close(CloseReason::NotFtp);
        }
        self.reply(Reply::new(500, "Command not understood."));
    }

    /// The answer to a command that the table does not let through.
    fn refusal(&self, command: &Command<'_>) -> Option<Reply> {
        let info = command.info();
        let has_argument = !command.argument().is_empty();
        let open = match info.access {
            Access::Anyone => true,
            Access::AnyoneBare => !has_argument,
            Access::AnyoneSome => has_argument,
            Access::Users => false,
        };
        if !command.row.is_offered(&self.config) {
            Some(Reply::new(502, "Command not offered."))
        } else if !open && self.user().is_none() {
            Some(Reply::new(530, "Log in with USER and PASS first."))
        } else if info.argument == Argument::Required && !has_argument {
            Some(Reply::new(501, "Command needs an argument."))
        } else if info.argument == Argument::None && has_argument {
            Some(Reply::new(501, "Command takes no argument."))
        } else {
            None
        }
    }

    /// Whether the line is one of these commands, and would not be refused as things stand.
    pub(super) fn will_run(&self, line: &[u8], names: &[&str]) -> bool {
        let command = Command::parse(line).filter(|command| names.contains(&command.info().name));
        command.is_some_and(|command| self.refusal(&command).is_none())
    }
}
