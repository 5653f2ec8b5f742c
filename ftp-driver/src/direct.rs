//! A data connection, which the runtime's reactor serves, or, in a [stretch](crate::stretch), the thread itself.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};

use crate::bell::Readiness;
use crate::runtime::Stream;
use crate::stretch;

/// A connection that can be polled on any thread: where a transfer is in a stretch, its operations are system calls, and
/// wait as such.
pub(crate) struct Direct<S>(S);

impl<S> Direct<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(stream)
    }
}

impl<S: Stream> Direct<S> {
    fn poll_with<T>(
        &mut self,
        readiness: Readiness,
        cx: &mut Context<'_>,
        mut directly: impl FnMut(&Socket) -> io::Result<T>,
        by_reactor: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !stretch::is_here() {
            return by_reactor(Pin::new(&mut self.0), cx);
        }
        if !stretch::goes_on() {
            return Poll::Pending;
        }
        let Some(socket) = self.0.socket() else { return or_give_up(by_reactor(Pin::new(&mut self.0), cx)) };
        loop {
            match directly(&socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            if !stretch::wait(&socket, readiness) {
                return Poll::Pending;
            }
        }
    }
}

fn or_give_up<T>(polled: Poll<T>) -> Poll<T> {
    if polled.is_pending() {
        stretch::give_up();
    }
    polled
}

impl<S: Stream> Stream for Direct<S> {
    fn socket(&self) -> Option<SockRef<'_>> {
        self.0.socket()
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if stretch::is_here() {
            return self.poll_with(Readiness::Write, cx, write, |_, _| Poll::Ready(Err(unsupported())));
        }
        self.0.poll_write_with(cx, write)
    }

    fn rest(&mut self) {
        self.0.rest();
    }
}

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

impl<S: Stream> AsyncRead for Direct<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // Both ways need the buffer; one of them is taken.
        let buffer = std::cell::RefCell::new(buffer);
        self.poll_with(
            Readiness::Read,
            cx,
            |socket| (&*socket).read(&mut buffer.borrow_mut()),
            |stream, cx| stream.poll_read(cx, &mut buffer.borrow_mut()),
        )
    }
}

impl<S: Stream> AsyncWrite for Direct<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let directly = |socket: &Socket| (&*socket).write(bytes);
        self.poll_with(Readiness::Write, cx, directly, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let directly = |socket: &Socket| (&*socket).write_vectored(slices);
        self.poll_with(Readiness::Write, cx, directly, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
