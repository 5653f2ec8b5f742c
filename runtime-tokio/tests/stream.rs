//! What the driver needs of a connection beyond what tokio's does. How sockets behave here is Linux's way.
#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::io::{self, Read, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use ftp_driver::Stream;
use ftp_runtime_tokio::{TokioRuntime, TokioStream};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

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

/// Reads are short in front of it, and there is no event for what has come already.
#[test]
fn what_stands_behind_urgent_data_is_read_at_once() {
    for into_stream in INTO_STREAMS {
        for _ in 0..20 {
            block_on(async {
                let (mut stream, peer) = pair(into_stream);
                stream.socket().unwrap().set_out_of_band_inline(true).unwrap();
                let peer = SockRef::from(&peer);
                // It is in the reactor from here on.
                assert!(poll_fn(|cx| Poll::Ready(poll_read(&mut stream, cx))).await.is_pending());
                peer.send(b"ab").unwrap();
                peer.send_out_of_band(b"c").unwrap();
                peer.send(b"def").unwrap();
                let mut bytes = Vec::new();
                while bytes.len() < 6 {
                    bytes.extend(read(&mut stream).await);
                }
                assert_eq!(bytes, b"abcdef");
            });
        }
    }
}

#[test]
fn short_reads_hide_neither_the_next_bytes_nor_the_end() {
    let answer = |into_stream| async move {
        let (mut stream, mut peer) = pair(into_stream);
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let client = tokio::task::spawn_blocking(move || {
            for number in 0..200_u8 {
                peer.write_all(&[number]).unwrap();
                let mut answer = [0];
                peer.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [number]);
            }
            peer.write_all(b"bye").unwrap();
        });
        for number in 0..200_u8 {
            let bytes = read(&mut stream).await;
            assert_eq!(bytes, [number]);
            poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes)).await.unwrap();
        }
        assert_eq!(read(&mut stream).await, b"bye");
        assert_eq!(read(&mut stream).await, b"");
        client.await.unwrap();
    };
    for into_stream in INTO_STREAMS {
        block_on(answer(into_stream));
        // Where events come on another thread than the one that reads.
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        threads.block_on(async { tokio::spawn(within_patience(answer(into_stream))).await.unwrap() });
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

type IntoStream = fn(std::net::TcpStream) -> TokioStream;

/// A connection that the driver registers, and one that the caller has registered.
const INTO_STREAMS: [IntoStream; 2] = [
    |stream| TokioRuntime::current().stream(stream).unwrap(),
    |stream| {
        stream.set_nonblocking(true).unwrap();
        TcpStream::from_std(stream).unwrap().into()
    },
];

fn pair(into_stream: IntoStream) -> (TokioStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (into_stream(listener.accept().unwrap().0), peer)
}

fn poll_read(stream: &mut TokioStream, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
    let mut buffer = [0; 64];
    Pin::new(stream).poll_read(cx, &mut buffer).map_ok(|count| buffer[..count].to_vec())
}

async fn read(stream: &mut TokioStream) -> Vec<u8> {
    poll_fn(|cx| poll_read(stream, cx)).await.unwrap()
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(within_patience(work));
}

async fn within_patience(work: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE, work).await.expect("it stands still");
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
