//! Sockets that tokio's reactor learns of when they first have to wait: many never do.

use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::net::{self, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ftp_driver::{Stream, sockets};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::registered::Registered;
use crate::watched::WatchedListener;

/// A TCP connection of tokio's.
#[derive(Debug)]
pub struct TokioStream(State<net::TcpStream, Registered>);

/// A listening socket of tokio's.
#[derive(Debug)]
pub struct TokioListener {
    state: Mutex<State<net::TcpListener, WatchedListener>>,
    /// Its connections are waited for in this runtime, unless that is done in another.
    handle: Handle,
}

#[derive(Debug)]
enum State<S, T> {
    /// tokio does not know of it.
    Resting(S, Handle),
    Registered(T),
    /// tokio could not take it.
    Lost,
}

impl<S, T> State<S, T> {
    /// Lets tokio know of it, if it does not.
    fn register(&mut self, from_std: fn(S) -> io::Result<T>) -> io::Result<&mut T> {
        if let Self::Resting(..) = self
            && let Self::Resting(socket, handle) = mem::replace(self, Self::Lost)
        {
            let _entered = Handle::try_current().is_err().then(|| handle.enter());
            *self = Self::Registered(from_std(socket)?);
        }
        match self {
            Self::Registered(socket) => Ok(socket),
            _ => Err(lost()),
        }
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl TokioStream {
    /// In non-blocking mode.
    pub(crate) fn new(stream: net::TcpStream, handle: Handle) -> Self {
        Self(State::Resting(stream, handle))
    }

    /// Ready when the connection stands, or has failed.
    pub(crate) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.register()?;
        ready!(stream.poll_write_ready(cx))?;
        Poll::Ready(stream.socket().take_error()?.map_or(Ok(()), Err))
    }

    fn register(&mut self) -> io::Result<&mut Registered> {
        self.0.register(Registered::new)
    }

    /// Does it, if tokio knows nothing of the connection and it need not wait.
    fn at_once<T>(&self, mut work: impl FnMut(&Socket) -> io::Result<T>) -> Option<io::Result<T>> {
        let State::Resting(stream, _) = &self.0 else { return None };
        match work(&SockRef::from(stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            result => Some(result),
        }
    }
}

impl From<TcpStream> for TokioStream {
    fn from(stream: TcpStream) -> Self {
        Self(State::Registered(Registered::Given(stream)))
    }
}

impl TokioListener {
    /// In non-blocking mode.
    pub(crate) fn new(listener: net::TcpListener, handle: Handle) -> Self {
        Self { state: Mutex::new(State::Resting(listener, handle.clone())), handle }
    }

    /// Only one task may wait.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TokioStream, SocketAddr)>> {
        // The session may be on another thread, where another reactor is to have its connection.
        let resting = |(stream, peer)| (TokioStream::new(stream, self.handle.clone()), peer);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Resting(listener, _) = &*state {
            match sockets::accept(listener) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(resting)),
            }
        }
        state.register(WatchedListener::new)?.poll_accept(cx).map_ok(resting)
    }
}

impl Stream for TokioStream {
    fn socket(&self) -> Option<SockRef<'_>> {
        match &self.0 {
            State::Resting(stream, _) => Some(SockRef::from(stream)),
            State::Registered(stream) => Some(stream.socket()),
            State::Lost => None,
        }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.at_once(&mut *write) {
            return Poll::Ready(written);
        }
        self.register()?.poll_write_with(cx, write)
    }

    fn rest(&mut self) {
        if let State::Registered(_) = &self.0
            && let Ok(handle) = Handle::try_current()
            && let State::Registered(stream) = mem::replace(&mut self.0, State::Lost)
        {
            self.0 = stream.into_std().map_or(State::Lost, |stream| State::Resting(stream, handle));
        }
    }
}

impl AsyncRead for TokioStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(read) = self.at_once(|mut socket| socket.read(buffer)) {
            return Poll::Ready(read);
        }
        self.register()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for TokioStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, &mut |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, &mut |mut socket| socket.write_vectored(slices))
    }

    /// There is nothing between the caller and the socket.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// tokio itself calls it a success when the connection is lost already.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket().ok_or_else(lost)?;
        Poll::Ready(socket.shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_connection_that_was_waited_for_is_in_no_reactor_before_it_has_to_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            listener.set_nonblocking(true).unwrap();
            let listener = TokioListener::new(listener, Handle::current());
            let waits = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_pending())).await;
            let _client = net::TcpStream::connect(address).unwrap();
            let (stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            assert!(waits && matches!(stream.0, State::Resting(..)), "{stream:?}");
        });
    }
}
