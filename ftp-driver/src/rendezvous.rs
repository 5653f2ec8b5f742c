//! How data connections come about: awaited, or made.

use std::io;
use std::net::IpAddr;
use std::task::Poll;
use std::time::Duration;

use ftp_proto::DataError;

use crate::io::{within, yield_now};
use crate::runtime::Runtime;
use crate::sockets;

/// Strangers that are sent away from a data listener before others of the thread have their turn.
const STRANGERS_PER_TURN: usize = 16;
/// How long a client that has reset its data connection may take to make another.
const RECONNECT: Duration = Duration::from_secs(1);

/// Waits for a connection of the right peer that stands. Those of others are closed, and nothing is read from them.
pub(crate) async fn accept_from<R: Runtime>(
    runtime: &R,
    listener: &R::Listener,
    from: Option<IpAddr>,
) -> Result<R::Stream, DataError> {
    if let Some(stream) = accept_one(runtime, listener, from).await? {
        return Ok(stream);
    }
    // A client that has reset its connection may come back at once, but is not waited for any longer.
    let again = async {
        loop {
            if let Some(stream) = accept_one(runtime, listener, from).await? {
                return Ok(stream);
            }
        }
    };
    within(runtime, RECONNECT, again).await.unwrap_or(Err(DataError::Refused))
}

/// The next connection of the right peer; `None` when it was reset before it could be accepted.
async fn accept_one<R: Runtime>(
    runtime: &R,
    listener: &R::Listener,
    from: Option<IpAddr>,
) -> Result<Option<R::Stream>, DataError> {
    loop {
        for _ in 0..STRANGERS_PER_TURN {
            let accepted = std::future::poll_fn(|cx| match runtime.poll_accept(listener, cx) {
                Poll::Ready(Err(error)) if is_of_one_connection(&error) => Poll::Ready(Ok(None)),
                other => other.map_ok(Some),
            });
            let Some((stream, peer)) = accepted.await.map_err(|_| DataError::Failed)? else { continue };
            if from.is_none_or(|from| from.to_canonical() == peer.ip().to_canonical()) {
                return Ok(sockets::prepare_data(&stream).then_some(stream));
            }
        }
        yield_now().await;
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
