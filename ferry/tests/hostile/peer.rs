//! A client that sends what it likes, when it likes, and leaves as it likes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SendFlags, SocketType, bind, connect, send, socket, sockopt};

use crate::common::LIMIT;

/// A control connection without manners.
pub(crate) struct Peer(BufReader<TcpStream>);

impl Peer {
    /// Connects, and has not read the greeting.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Logged in, with all replies read.
    pub(crate) fn alice(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.say("USER alice\r\nPASS x\r\n");
        let codes = [peer.code(), peer.code(), peer.code()];
        assert_eq!(codes, ["220", "331", "230"]);
        peer
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as urgent data.
    pub(crate) fn say_urgently(&mut self, bytes: &[u8]) {
        assert_eq!(send(self.stream(), bytes, SendFlags::OOB), Ok(bytes.len()));
    }

    /// The next final reply, or nothing if the server has hung up.
    pub(crate) fn reply(&mut self) -> Option<String> {
        let mut reply = Vec::new();
        loop {
            let began = reply.len();
            match self.0.read_until(b'\n', &mut reply) {
                Ok(0) => return None,
                Ok(_) if is_last(&reply, began) => return Some(String::from_utf8_lossy(&reply).trim_end().to_owned()),
                Ok(_) => {}
                Err(error) if is_lost(&error) => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// The next code, or nothing.
    pub(crate) fn code(&mut self) -> String {
        self.reply().map_or_else(String::new, |reply| reply[..3].to_owned())
    }

    #[track_caller]
    pub(crate) fn command(&mut self, line: impl AsRef<[u8]>) -> String {
        self.say([line.as_ref(), b"\r\n"].concat());
        self.reply().unwrap_or_else(|| panic!("hung up at {}", String::from_utf8_lossy(line.as_ref())))
    }

    /// The port of EPSV.
    #[track_caller]
    pub(crate) fn passive(&mut self) -> SocketAddr {
        let reply = self.command("EPSV");
        let port = reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}")).parse().unwrap();
        SocketAddr::new(self.stream().peer_addr().unwrap().ip(), port)
    }

    /// Codes until the server hangs up.
    pub(crate) fn codes_to_the_end(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.reply()).map(|reply| reply[..3].to_owned()).collect()
    }

    /// Waits until the server hangs up, and reads what it said.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if !is_lost(&error) => panic!("it does not hang up: {error}"),
            _ => String::from_utf8_lossy(&rest).into_owned(),
        }
    }

    pub(crate) fn half_close(&self) {
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// The connection, for something else than lines.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.0.into_inner()
    }

    pub(crate) fn reset(self) {
        reset(self.0.into_inner());
    }
}

/// Closes a connection by RST.
pub(crate) fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// A connection from another address of this machine.
pub(crate) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&stream, &SocketAddr::from((from, 0)))?;
    connect(&stream, &to)?;
    let stream = TcpStream::from(stream);
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// A data connection that is as patient as the tests.
pub(crate) fn data(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Reads until the end, however it comes.
pub(crate) fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if !is_lost(&error) => panic!("the connection does not end: {error}"),
        _ => bytes,
    }
}

fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// Whether the line that begins there is the last of a reply.
fn is_last(reply: &[u8], began: usize) -> bool {
    let line = &reply[began..];
    line.len() > 3 && line[3] == b' ' && line[..3].iter().all(u8::is_ascii_digit)
}
