//! What the client has sent, and when it is its turn: one command at a time, in order, in bounded space.

use ftp_proto::CloseReason;

use crate::client::{Framed, Makes, Write};
use crate::clocks::Clock;
use crate::effects::Said;
use crate::machine::{Machine, Phase};
use crate::syntax::{looks_like_http, verb_and_argument};
use crate::table;

/// What has been sent.
impl Machine {
    pub(crate) fn receive(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.inbox.extend(write);
            self.go_on();
        }
    }

    /// Runs all that can run, and takes all that can be taken.
    pub(crate) fn go_on(&mut self) {
        loop {
            self.run_lane();
            self.settle();
            if !self.is_serving() {
                // Nothing behind QUIT is looked at.
                self.inbox.clear();
                return;
            }
            if !self.wants_input() {
                return;
            }
            let Some(piece) = self.inbox.pop_front() else { return };
            self.part_of_line = piece.makes == Makes::Part || piece.makes == Makes::Whole(Framed::TooLong);
            if let Makes::Whole(framed) = piece.makes {
                self.queue(framed);
            }
        }
    }

    /// An ABOR behind a Synch goes before all that waits.
    fn queue(&mut self, framed: Framed) {
        let urgent = matches!(&framed, Framed::Line { text, synch: true }
            if verb_and_argument(text).0 == "ABOR");
        if urgent { self.lane.push_front(framed) } else { self.lane.push_back(framed) }
    }

    /// The client has closed. One that has said QUIT gets what it asked for before.
    pub(crate) fn end_of_input(&mut self) {
        let has_said_quit = self.lane.iter().any(|framed| self.is_accepted(framed, &["QUIT"]));
        if self.is_serving() && !has_said_quit {
            self.close(CloseReason::PeerClosed);
        }
    }

    /// How many bytes the session leaves untaken.
    pub(crate) fn backlog(&self) -> usize {
        self.inbox.iter().map(|piece| piece.bytes.len()).sum()
    }

    pub(crate) fn wants_input(&self) -> bool {
        match self.phase {
            Phase::Closed => false,
            Phase::Leaving(..) => true,
            Phase::Serving => self.held.is_none() && !self.is_changing_to_tls() && self.lane_has_room(),
        }
    }

    /// At most 16 lines and 8 KiB wait.
    fn lane_has_room(&self) -> bool {
        let len = |framed: &Framed| match framed {
            Framed::Line { text, .. } => text.len(),
            Framed::TooLong => 0,
        };
        self.lane.len() < 16 && self.lane.iter().map(len).sum::<usize>() < 8192
    }
}

/// The lane: one command at a time, in order.
impl Machine {
    fn run_lane(&mut self) {
        let gives_up = self.lane.front().is_some_and(|head| self.is_accepted(head, &["ABOR", "QUIT"]));
        if gives_up && self.awaited.is_some() && self.awaited == self.port_waits {
            self.give_up_port();
        }
        while self.is_serving() && self.lane.front().is_some_and(|head| self.may_run(head)) {
            match self.lane.pop_front() {
                Some(Framed::Line { text, .. }) => self.run(&text),
                _ => {
                    self.marker = None;
                    self.say(Said::code(500));
                }
            }
        }
    }

    /// A client that says ABOR or QUIT does not want to wait for a port.
    fn give_up_port(&mut self) {
        if let Some(listen) = self.awaited.take() {
            self.cancel(listen);
            self.say(Said::code(425));
        }
    }

    fn may_run(&self, head: &Framed) -> bool {
        if self.awaited.is_some() || self.held.is_some() || self.is_changing_to_tls() {
            return false;
        }
        if !self.is_transferring() {
            return true;
        }
        match head {
            Framed::TooLong => self.others_may_run(),
            Framed::Line { text, .. } => {
                let (verb, argument) = verb_and_argument(text);
                let refused = self.refusal(&verb, &argument).is_some();
                match &verb[..] {
                    "ABOR" if !refused => self.abor_may_run(),
                    verb => self.others_may_run() && (refused || table::runs_beside(verb, !argument.is_empty())),
                }
            }
        }
    }

    /// Whether the line is one of these commands, and would be carried out now.
    pub(crate) fn is_accepted(&self, framed: &Framed, verbs: &[&str]) -> bool {
        let Framed::Line { text, .. } = framed else { return false };
        let (verb, argument) = verb_and_argument(text);
        verbs.contains(&&verb[..]) && self.refusal(&verb, &argument).is_none()
    }

    /// The code by which a line is refused before anybody looks at what it says.
    pub(crate) fn refusal(&self, verb: &str, argument: &[u8]) -> Option<u16> {
        let has_argument = !argument.is_empty();
        let disabled = self.setup.disabled.iter().any(|name| name.eq_ignore_ascii_case(verb));
        if !table::is_known(verb) {
            Some(500)
        } else if disabled || !table::is_offered(verb, self.setup.tls.is_some()) {
            Some(502)
        } else if self.user().is_none() && !table::is_for_anyone(verb, has_argument) {
            Some(530)
        } else if table::is_malformed(verb, has_argument) {
            Some(501)
        } else {
            None
        }
    }

    fn run(&mut self, line: &[u8]) {
        self.stop(Clock::Idle);
        let (verb, argument) = verb_and_argument(line);
        let marker = if table::keeps_marker(&verb) { None } else { self.marker.take() };
        match self.refusal(&verb, &argument) {
            Some(code) => self.say(Said::code(code)),
            None => self.carry_out(&verb, &argument, marker),
        }
        if !table::is_known(&verb) && looks_like_http(line) {
            self.close(CloseReason::NotFtp);
        }
    }
}
