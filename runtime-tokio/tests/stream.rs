//! What the driver needs of a connection beyond what tokio's does. How sockets behave here is Linux's way.
#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::io::{self, Read, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use ftp_driver::Stream;
use ftp_runtime_tokio::{TokioRuntime, TokioStream};
use futures_io::AsyncWrite;
use socket2::{Domain, Socket, Type};

const CHUNK: usize = 8 * 1024;

/// The system wakes a writer when a third of its buffer is free. A session that looks before that, as it does when a
/// transfer seems to stall, has to find the room that there is.
#[test]
fn a_little_room_is_found_before_the_system_tells_of_it() {
    block_on(little_room());
}

/// A client that has gone without the whole file is not told of success, however little it did not get.
#[test]
fn a_connection_that_was_lost_does_not_end_well() {
    block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        peer.connect(&listener.local_addr().unwrap().into()).unwrap();
        let mut stream = TokioRuntime::current().stream(listener.accept().unwrap().0).unwrap();
        drop(peer);
        while poll_fn(|cx| by_poll_write(&mut stream, cx)).await.is_ok() {}
        assert!(poll_fn(|cx| Pin::new(&mut stream).poll_close(cx)).await.is_err());
    });
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(work);
}

async fn little_room() {
    for write in [by_poll_write as Write, by_poll_write_with] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        peer.set_recv_buffer_size(64 * 1024).unwrap();
        peer.connect(&listener.local_addr().unwrap().into()).unwrap();
        let mut stream = TokioRuntime::current().stream(listener.accept().unwrap().0).unwrap();
        let mut sent = 0;
        while let Poll::Ready(count) = look(write, &mut stream).await {
            sent += count;
        }
        let (mut buffer, mut taken) = (vec![0; CHUNK], 0);
        // Several steps, since the client's system tells of its room in its own time.
        while look(write, &mut stream).await.is_pending() {
            assert!(taken < sent / 4, "no room after {taken} of {sent} bytes");
            peer.read_exact(&mut buffer).unwrap();
            taken += buffer.len();
            tokio::task::yield_now().await;
        }
    }
}

type Write = fn(&mut TokioStream, &mut Context<'_>) -> Poll<io::Result<usize>>;

/// Tries to write once, whatever share of the thread's time the task has had.
async fn look(write: Write, stream: &mut TokioStream) -> Poll<usize> {
    tokio::task::unconstrained(poll_fn(|cx| Poll::Ready(write(stream, cx).map(Result::unwrap)))).await
}

fn by_poll_write(stream: &mut TokioStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(cx, &[0; CHUNK])
}

fn by_poll_write_with(stream: &mut TokioStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    stream.poll_write_with(cx, &mut |mut socket| socket.write(&[0; CHUNK]))
}
