//! A socket, and who tells when it is ready: the reactor of the thread that first has to wait for it or made it, and
//! smol's own where neither has one. Until then it is known to neither, since most of what is done first need not wait.

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;

use crate::reactor::{self, Reactor, Registration};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Something to read, or to accept.
    Read,
    /// Room to write, or that the connection stands.
    Write,
}

/// A socket in non-blocking mode.
#[derive(Debug)]
pub(crate) enum Socket<T> {
    /// Nobody has had to wait yet. It was made on the thread of this reactor, if of any.
    New(T, Option<Arc<Reactor>>),
    /// In the reactor of a thread.
    Own(T, Registration),
    /// In that of smol.
    Smol(Async<T>),
    /// smol's reactor would not have it.
    Lost,
}

#[cfg(unix)]
pub(crate) use std::os::fd::AsFd as AsSystem;
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsSocket as AsSystem;

impl<T: AsSystem> Socket<T> {
    pub(crate) fn new(socket: T) -> Self {
        Self::New(socket, reactor::current())
    }

    /// The socket itself.
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Self::New(socket, _) | Self::Own(socket, _) => Some(socket),
            Self::Smol(socket) => Some(socket.get_ref()),
            Self::Lost => None,
        }
    }

    /// Does what may block as soon as it does not.
    pub(crate) fn poll_with<R>(
        &mut self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if let Self::Own(_, registration) = self {
                ready!(registration.poll_attempt(direction, cx));
            }
            match operation(self.get().ok_or(io::ErrorKind::NotConnected)?) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_ready(direction, cx))?,
                result => return Poll::Ready(result),
            }
        }
    }

    /// Nobody waits for it: the reactor of a thread, which would wake up for it, forgets it. smol's own does not.
    pub(crate) fn rest(&mut self) {
        *self = match mem::replace(self, Self::Lost) {
            Self::Own(socket, registration) => {
                let home = registration.end(&socket);
                Self::New(socket, Some(home))
            }
            other => other,
        };
    }

    /// To be told when less was read than there was room for: so much for now.
    pub(crate) fn note_short_read(&self) {
        if let Self::Own(_, registration) = self {
            registration.note_short_read();
        }
    }

    fn poll_ready(&mut self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.find_reactor()?;
        match (self, direction) {
            (Self::Own(socket, registration), _) => registration.poll_ready(socket, direction, cx),
            (Self::Smol(socket), Direction::Read) => socket.poll_readable(cx),
            (Self::Smol(socket), Direction::Write) => socket.poll_writable(cx),
            (Self::New(..) | Self::Lost, _) => Poll::Ready(Ok(())),
        }
    }

    fn find_reactor(&mut self) -> io::Result<()> {
        let (socket, home) = match mem::replace(self, Self::Lost) {
            Self::New(socket, home) => (socket, home),
            Self::Own(socket, registration) if registration.is_void() => (socket, None),
            found => {
                *self = found;
                return Ok(());
            }
        };
        // Some of what a session does is polled by threads that have none.
        *self = match reactor::current().or(home) {
            Some(reactor) => Self::Own(socket, reactor.register()),
            None => Self::Smol(Async::new_nonblocking(socket)?),
        };
        Ok(())
    }
}
