//! As much of an FTP client as the tests need, in plain blocking sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client<C = TcpStream> {
    pub(crate) control: BufReader<C>,
}

/// What a control connection goes over.
pub(crate) trait Connection: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Client {
    /// Connects, and leaves the greeting unread.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let control = TcpStream::connect(address).unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { control: BufReader::new(control) }
    }

    /// Connects and is greeted.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::open(address);
        client.expect(220);
        client
    }
}

impl<C: Connection> Client<C> {
    pub(crate) fn login(&mut self) {
        self.command("USER alice", 331);
        self.command("PASS secret", 230);
        self.command("TYPE I", 200);
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.control.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a command, and checks the code of its reply.
    pub(crate) fn command(&mut self, line: &str, code: u16) -> String {
        self.send(&format!("{line}\r\n"));
        let reply = self.reply();
        assert!(reply.starts_with(&code.to_string()), "{line}: {reply}");
        reply
    }

    pub(crate) fn expect(&mut self, code: u16) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(&code.to_string()), "expected {code}: {reply}");
        reply
    }

    /// The final reply to a transfer whose data connection was reset: which one depends on whether the server had
    /// accepted the connection before.
    pub(crate) fn expect_lost(&mut self) {
        let reply = self.reply();
        assert!(reply.starts_with("426 ") || reply.starts_with("425 "), "{reply}");
    }

    /// One whole reply.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            self.control.read_line(&mut reply).unwrap();
            let line = &reply[start..];
            assert!(!line.is_empty(), "the control connection ended after {reply:?}");
            if line.len() > 3 && line.as_bytes()[3] == b' ' && line[..3].parse::<u16>().is_ok() {
                return reply;
            }
        }
    }

    /// Waits until STAT says that so much of the transfer has moved.
    pub(crate) fn await_progress(&mut self, bytes: &str) {
        let began = Instant::now();
        while !self.command("STAT", 211).contains(&format!("Transfer runs, {bytes} so far")) {
            assert!(began.elapsed() < PATIENCE, "the transfer does not get to {bytes}");
        }
    }

    /// The control connection has ended, in good order.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.control.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }

    pub(crate) fn passive_address(&mut self) -> SocketAddr {
        let reply = self.command("EPSV", 229);
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        SocketAddr::new(self.control.get_ref().socket().peer_addr().unwrap().ip(), port)
    }

    /// A passive data connection.
    pub(crate) fn passive(&mut self) -> TcpStream {
        let data = TcpStream::connect(self.passive_address()).unwrap();
        data.set_read_timeout(Some(PATIENCE)).unwrap();
        data
    }

    pub(crate) fn upload(&mut self, command: &str, bytes: &[u8]) {
        let mut data = self.passive();
        self.begin(command);
        data.write_all(bytes).unwrap();
        drop(data);
        self.expect(226);
    }

    pub(crate) fn download(&mut self, command: &str) -> Vec<u8> {
        let mut data = self.passive();
        self.begin(command);
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        drop(data);
        self.expect(226);
        bytes
    }

    /// Sends a transfer command, which is to begin.
    pub(crate) fn begin(&mut self, command: &str) {
        self.send(&format!("{command}\r\n"));
        let reply = self.reply();
        assert!(reply.starts_with("150") || reply.starts_with("125"), "{command}: {reply}");
    }
}

/// Closes the connection with RST.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Bytes in which every position looks different from its neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}
