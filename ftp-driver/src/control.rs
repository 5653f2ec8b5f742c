//! The control connection: its bytes both ways, in as little memory as they need.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use ftp_fs::ClientCertificate;
use ftp_proto::TlsError;
use futures_io::AsyncWrite;

use crate::io::{poll_finish_sending, poll_read, poll_write};
use crate::maybe_tls::MaybeTls;
use crate::runtime::Stream;
use crate::tls::{SessionTls, handshake_error};

/// How much is read at a time.
const READ: usize = 4096;

thread_local! {
    /// What is read goes here first: one for all sessions of the thread, since none has room of its own while it waits.
    /// It holds nothing between two reads.
    static DESK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// What is written is written on this, for the same reason.
    static PAPER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What was read, until it is dropped. It is overwritten then, for there may be a password in it.
pub(crate) struct Desk {
    room: Vec<u8>,
    count: usize,
}

impl Desk {
    fn new() -> Self {
        let mut room = DESK.take();
        room.resize(READ, 0);
        Self { room, count: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.count]
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.room[..self.count].fill(0);
        black_box(&mut self.room);
        DESK.set(mem::take(&mut self.room));
    }
}

/// The control connection's stream, with what is to be written to it and what was read and not taken yet. Both buffers
/// are there while they hold something, and no longer.
pub(crate) struct Control<S> {
    stream: MaybeTls<S>,
    unsent: Vec<u8>,
    sent: usize,
    untaken: Vec<u8>,
    ended: bool,
    broken: bool,
}

/// What reading brought.
pub(crate) enum Input {
    /// Bytes. Those that are not taken at once are to be [kept](Control::keep).
    Bytes(Desk),
    /// The peer has ended the connection, or it broke.
    End,
}

impl<S: Stream> Control<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream: MaybeTls::new(stream),
            unsent: Vec::new(),
            sent: 0,
            untaken: Vec::new(),
            ended: false,
            broken: false,
        }
    }

    /// Where to append what is to be written.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        if self.unsent.capacity() == 0 {
            self.unsent = PAPER.take();
        }
        &mut self.unsent
    }

    /// How much is to be written; what TLS has taken and the socket has not counts as a byte.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len() - self.sent + usize::from(!self.broken && self.stream.has_unsent())
    }

    /// Begins TLS. It is refused when bytes that came in clear are still here: they must have no meaning under TLS.
    pub(crate) fn begin_tls(&mut self, tls: &SessionTls) -> Result<(), TlsError> {
        if !self.untaken.is_empty() {
            self.take(self.untaken.len());
            return Err(TlsError::Handshake);
        }
        tls.begin_control(&mut self.stream)
    }

    /// Ready at the end of the TLS handshake.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TlsError>> {
        self.stream.poll_handshake(cx).map_err(|error| handshake_error(&error))
    }

    /// The certificate that the client presented in the TLS handshake, where it was verified.
    pub(crate) fn client_certificate(&self) -> Option<ClientCertificate> {
        self.stream.peer_certificate().map(ClientCertificate::new)
    }

    /// What was read and not taken.
    pub(crate) fn untaken(&self) -> &[u8] {
        &self.untaken
    }

    /// Keeps what was read and not taken.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.untaken.extend_from_slice(rest);
    }

    /// Hands out what was read and not taken, to be put back.
    pub(crate) fn take_untaken(&mut self) -> Vec<u8> {
        mem::take(&mut self.untaken)
    }

    /// Keeps what was handed out, but for the bytes at the front that are taken by now.
    pub(crate) fn put_back(&mut self, untaken: Vec<u8>, taken: usize) {
        self.untaken = untaken;
        self.take(taken);
    }

    /// Forgets the first `count` bytes of what was read. They are overwritten, for there may be a password in them.
    fn take(&mut self, count: usize) {
        let rest = self.untaken.len() - count;
        self.untaken.copy_within(count.., 0);
        self.untaken[rest..].fill(0);
        black_box(&mut self.untaken);
        self.untaken.truncate(rest);
        if rest == 0 {
            self.untaken = Vec::new();
        }
    }

    /// Whether the connection can carry nothing any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Writes what there is; whether anything went. A connection that breaks swallows the rest. Where this `is_last`,
    /// the end of the stream may go with it.
    pub(crate) fn poll_flush(&mut self, is_last: bool, cx: &mut Context<'_>) -> bool {
        let mut progress = self.poll_flush_tls(cx);
        while self.unsent.len() > self.sent {
            match self.poll_write(is_last, cx) {
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(_)) => self.break_off(),
                Poll::Pending => return progress,
            }
            progress = true;
        }
        if self.unsent.capacity() > 0 {
            self.clear_unsent();
        }
        progress
    }

    fn poll_write(&mut self, is_last: bool, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let bytes = &self.unsent[self.sent..];
        if is_last {
            return self.stream.poll_write_before_end(cx, bytes);
        }
        poll_write(&mut self.stream, cx, bytes)
    }

    /// Writes what TLS has taken before; whether anything went.
    fn poll_flush_tls(&mut self, cx: &mut Context<'_>) -> bool {
        if self.broken || !self.stream.has_unsent() {
            return false;
        }
        match AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.break_off(),
        }
        true
    }

    /// Reads once. Only to be called when nothing is left untaken.
    pub(crate) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.ended {
            return Poll::Pending;
        }
        let mut desk = Desk::new();
        let read = if self.broken { Poll::Ready(Ok(0)) } else { poll_read(&mut self.stream, cx, &mut desk.room) };
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) if count > 0 => {
                desk.count = count;
                Poll::Ready(Input::Bytes(desk))
            }
            Poll::Ready(end) => {
                self.ended = true;
                if end.is_err() {
                    // There may be something on it that was decrypted before.
                    desk.count = READ;
                }
                // Under TLS some clients end the connection without a word. What they asked for goes on as it would
                // without TLS: a command that is cut is none, and nothing comes behind it.
                self.broken |= end.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof);
                Poll::Ready(Input::End)
            }
        }
    }

    /// Sends the end of the stream.
    pub(crate) fn poll_finish_sending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll_finish_sending(&mut self.stream, cx).map(|result| self.broken |= result.is_err())
    }

    /// Reads and forgets what the peer still sends; ready at its end, or when it is too much.
    pub(crate) fn poll_discard(&mut self, discarded: &mut usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.broken || self.ended {
            return Poll::Ready(());
        }
        crate::data::poll_discard(self.stream.raw(), discarded, cx).map(drop)
    }

    /// Whoever polls the connection next waits for it where they are.
    pub(crate) fn rest(&mut self) {
        self.stream.raw().rest();
    }

    /// Gives up on writing anything.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
        self.clear_unsent();
    }

    fn clear_unsent(&mut self) {
        let mut paper = mem::take(&mut self.unsent);
        self.sent = 0;
        if (1..=READ).contains(&paper.capacity()) {
            paper.clear();
            PAPER.set(paper);
        }
    }
}
