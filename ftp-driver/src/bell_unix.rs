//! By `poll(2)`, with a pair of sockets for the call.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::Socket;

use super::Readiness;

/// Whether a thread can wait for a socket.
pub(crate) const CAN_WAIT: bool = true;

/// Wakes a thread that waits for a socket.
#[derive(Debug)]
pub(crate) struct Bell {
    rope: UnixStream,
    sound: UnixStream,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let (rope, sound) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        sound.set_nonblocking(true)?;
        Ok(Self { rope, sound })
    }

    /// Once is enough: what is full has been rung.
    pub(crate) fn ring(&self) {
        let _ = (&self.rope).write(&[0]);
    }

    /// Waits for so long at most; whether it is worth looking again: the socket may be ready, or somebody called. That
    /// may have been long ago.
    pub(crate) fn wait(&self, socket: &Socket, readiness: Readiness, time: Duration) -> io::Result<bool> {
        let events = match readiness {
            Readiness::Read => PollFlags::IN,
            Readiness::Write => PollFlags::OUT,
        };
        let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
        let mut waited_for = [PollFd::new(socket, events), PollFd::new(&self.sound, PollFlags::IN)];
        match poll(&mut waited_for, Some(&timeout)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
        let [is_ready, is_called] = waited_for.map(|one| !one.revents().is_empty());
        if is_called {
            let _ = (&self.sound).read(&mut [0; 16]);
        }
        Ok(is_ready || is_called)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_thread_waits_for_its_socket_or_until_it_is_called() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Socket::from(listener.accept().unwrap().0);
        let bell = Bell::new().unwrap();
        let long = Duration::from_secs(60);
        assert!(bell.wait(&socket, Readiness::Write, long).unwrap());
        assert!(!bell.wait(&socket, Readiness::Read, Duration::ZERO).unwrap());
        bell.ring();
        bell.ring();
        assert!(bell.wait(&socket, Readiness::Read, long).unwrap());
        assert!(!bell.wait(&socket, Readiness::Read, Duration::ZERO).unwrap());
        peer.write_all(b"x").unwrap();
        assert!(bell.wait(&socket, Readiness::Read, long).unwrap());
    }
}
