//! A session and the least that it needs around it.

use std::{sync::Arc, time::Duration};

use ftp_proto::{Accept, Action, Instant, Listening, Login, Opened, Output, Session, Ticket, Transferred};

/// A moment for all that happens: what counts is the core, not how time goes by.
const NOW: Instant = Instant::from_epoch(Duration::from_secs(1000));

/// Answers every action of a session at once and with success, and writes its replies down as a driver does. Clients
/// connect when they are told to: a driver hears of connections later than of the port.
#[derive(Debug)]
pub struct Desk {
    session: Session,
    accept: Option<Ticket<Accept>>,
    /// The replies, as they go over the wire.
    written: Vec<u8>,
}

impl Desk {
    /// Somebody who has logged in, who has transferred a file, and whose buffers have their size.
    ///
    /// # Panics
    /// When the session does not answer as it should.
    #[must_use]
    pub fn warm() -> Self {
        let (local, peer) = ("10.0.0.9:21".parse(), "10.0.0.1:40000".parse());
        let session = Session::new(Arc::default(), local.expect("an address"), peer.expect("an address"), NOW);
        let mut desk = Self { session, accept: None, written: Vec::with_capacity(4096) };
        for line in ["USER alice\r\n", "PASS secret\r\n", "TYPE I\r\n", "NOOP\r\n"] {
            desk.send(line.as_bytes());
        }
        desk.passive();
        desk.download();
        let answers = desk.answers();
        assert!(answers.starts_with("220 ") && answers.contains("\r\n227 "), "{answers}");
        assert!(answers.contains("\r\n150 ") && answers.contains("\r\n226 "), "{answers}");
        desk
    }

    /// The client sends a line, and what it asks for is done.
    pub fn send(&mut self, line: &[u8]) {
        self.session.handle_input(line, NOW);
        while let Some(output) = self.session.poll_output() {
            self.obey(output);
        }
    }

    /// PASV, up to the 227; nobody connects yet.
    pub fn passive(&mut self) {
        self.send(b"PASV\r\n");
    }

    /// RETR of a file, the connection to the port of an earlier PASV, the transfer, and the 226.
    pub fn download(&mut self) {
        self.send(b"RETR docs/readme.txt\r\n");
        if let Some(ticket) = self.accept.take() {
            self.session.complete(ticket, Ok(()), NOW);
        }
        while let Some(output) = self.session.poll_output() {
            self.obey(output);
        }
    }

    /// The replies since last asked.
    pub fn answers(&mut self) -> String {
        let answers = String::from_utf8_lossy(&self.written).into_owned();
        self.written.clear();
        answers
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Send(reply) => reply.write_to(&mut self.written),
            Output::Start(action) => self.answer(action),
            output => drop(output),
        }
    }

    fn answer(&mut self, action: Action) {
        let session = &mut self.session;
        match action {
            Action::Authenticate(ticket) => session.complete(ticket, Ok(Login::default()), NOW),
            Action::Open(ticket) => session.complete(ticket, Ok(Opened { len: Some(4096), name: None }), NOW),
            Action::Listen(ticket) => session.complete(ticket, Ok(Listening { port: 50_000, address: None }), NOW),
            Action::Accept(ticket) => self.accept = Some(ticket),
            Action::Transfer(ticket) => session.complete(ticket, Transferred { bytes: 4096, end: Ok(()) }, NOW),
            other => unreachable!("no case asks for {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_gets_the_whole_of_its_answer() {
        let mut desk = Desk::warm();
        let codes = |desk: &mut Desk| -> Vec<String> {
            desk.answers().lines().map(|line| line.chars().take(3).collect()).collect()
        };
        desk.send(b"NOOP\r\n");
        assert_eq!(codes(&mut desk), ["200"]);
        desk.passive();
        assert_eq!(codes(&mut desk), ["227"]);
        desk.download();
        assert_eq!(codes(&mut desk), ["150", "226"]);
    }
}
