//! How data connections come about: awaited, or made.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ftp_fs::BoxFuture;
use ftp_proto::DataError;

use crate::io::within;
use crate::proxy_header::{Proxies, data_of_client};
use crate::runtime::Runtime;
use crate::sockets;

/// Strangers that are sent away from a data listener before others of the thread have their turn.
const STRANGERS_PER_TURN: usize = 16;
/// Connections of proxies whose headers are read at a time; the oldest go first.
const ANNOUNCED: usize = 8;
/// How long a client that has reset its data connection may take to make another.
const RECONNECT: Duration = Duration::from_secs(1);

/// What arrives at a data listener, until it is the client's. The connections of others are closed, and nothing is read
/// from them.
pub(crate) struct Arrivals<'a, R: Runtime> {
    runtime: &'a R,
    listener: &'a R::Listener,
    /// Whom the client's connection has to come from; `None`: from anybody.
    client: Option<IpAddr>,
    proxies: &'a Proxies,
    /// Connections of proxies, which tell whom they are for. Nobody waits for the slowest of them.
    announced: Vec<BoxFuture<'static, Option<R::Stream>>>,
}

impl<'a, R: Runtime> Arrivals<'a, R> {
    pub(crate) fn new(runtime: &'a R, listener: &'a R::Listener, client: Option<IpAddr>, proxies: &'a Proxies) -> Self {
        Self { runtime, listener, client, proxies, announced: Vec::new() }
    }

    /// Waits for a connection of the client that stands.
    pub(crate) async fn next_of_client(mut self) -> Result<R::Stream, DataError> {
        if let Some(stream) = self.next().await? {
            return Ok(stream);
        }
        // A client that has reset its connection may come back at once, but is not waited for any longer.
        let runtime = self.runtime;
        let again = async {
            loop {
                if let Some(stream) = self.next().await? {
                    return Ok(stream);
                }
            }
        };
        within(runtime, RECONNECT, again).await.unwrap_or(Err(DataError::Refused))
    }

    /// The next connection of the client; `None` when it was reset before it could be accepted.
    async fn next(&mut self) -> Result<Option<R::Stream>, DataError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<R::Stream>, DataError>> {
        for _ in 0..STRANGERS_PER_TURN {
            if let Some(stream) = self.poll_announced(cx) {
                return Poll::Ready(Ok(Some(stream)));
            }
            let (stream, peer) = match ready!(self.runtime.poll_accept(self.listener, cx)) {
                Ok(arrival) => arrival,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(_) => return Poll::Ready(Err(DataError::Failed)),
            };
            if self.proxies.contain(peer.ip()) {
                self.announced.truncate(ANNOUNCED - 1);
                self.announced.insert(0, data_of_client(self.runtime.clone(), stream, peer, self.client));
            } else if self.client.is_none_or(|client| client.to_canonical() == peer.ip().to_canonical()) {
                return Poll::Ready(Ok(sockets::prepare_data(&stream).then_some(stream)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The first connection of a proxy that turns out to be the client's.
    fn poll_announced(&mut self, cx: &mut Context<'_>) -> Option<R::Stream> {
        let mut found = None;
        self.announced.retain_mut(|announced| match announced.as_mut().poll(cx) {
            Poll::Ready(stream) => {
                found = found.take().or_else(|| stream.filter(sockets::prepare_data));
                false
            }
            Poll::Pending => true,
        });
        found
    }
}

/// Whether the error is that of a connection that was gone before it was accepted, and not that of the listener.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}

/// Why a connection to the client was not made.
pub(crate) fn connect_error(error: &io::Error) -> DataError {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};

    match error.kind() {
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable | TimedOut => DataError::Refused,
        _ => DataError::Failed,
    }
}
