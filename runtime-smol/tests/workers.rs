//! Threads with reactors of their own, and what was registered there when they end.

use std::future::{Future, pending, poll_fn};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use async_io::block_on;
use ftp_driver::{Runtime, Stream};
use ftp_runtime_smol::{SmolRuntime, SmolStream, Workers};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn workers() -> Workers {
    Workers::start(2).unwrap()
}

/// Runs a future on threads of its own, for no longer than our patience.
fn on_workers<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let workers = workers();
    workers.spawn(async move { tell.send(future.await).unwrap() }).detach();
    wait_for(&told, "the future's end")
}

fn wait_for<T>(told: &Receiver<T>, what: &str) -> T {
    told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// Two ends of a connection.
fn pair() -> (SmolStream, TcpStream) {
    let listener = listener();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    (SmolRuntime.stream(stream).unwrap(), peer)
}

async fn read(stream: &mut SmolStream) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let count = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)).await?;
    Ok(buffer[..count].to_vec())
}

async fn read_exactly(mut stream: SmolStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let more = read(&mut stream).await.unwrap();
        assert!(!more.is_empty(), "the stream ends after {bytes:?}");
        bytes.extend(more);
    }
    bytes
}

/// Reads in vain once.
fn poll_in_vain(stream: &mut SmolStream, cx: &mut Context<'_>) {
    assert!(Pin::new(stream).poll_read(cx, &mut [0; 64]).is_pending());
}

/// A stream that the reactor of a thread knows and has told of nothing, and that thread.
fn pair_on_a_thread() -> (SmolStream, TcpStream, Workers) {
    let (mut stream, peer) = pair();
    let workers = workers();
    let (tell, told) = mpsc::channel();
    let registering = async move {
        poll_fn(|cx| {
            poll_in_vain(&mut stream, cx);
            Poll::Ready(())
        })
        .await;
        tell.send(stream).unwrap();
    };
    workers.spawn(registering).detach();
    (wait_for(&told, "the stream"), peer, workers)
}

/// Ready once the task has been woken.
async fn woken_once() {
    let mut polls = 0;
    poll_fn(|_| {
        polls += 1;
        if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Tells when it is dropped.
struct Telling(Sender<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn bytes_go_both_ways() {
    let (mut stream, mut peer) = pair();
    let (tell, told) = mpsc::channel();
    let workers = workers();
    let echo = async move {
        for _ in 0..100 {
            let bytes = read(&mut stream).await.unwrap();
            assert_eq!(poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes)).await.unwrap(), bytes.len());
        }
        tell.send(()).unwrap();
    };
    workers.spawn(echo).detach();
    for number in 0..100_u8 {
        peer.write_all(&[number]).unwrap();
        let mut answer = [0];
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        io::Read::read_exact(&mut peer, &mut answer).unwrap();
        assert_eq!(answer, [number]);
    }
    wait_for(&told, "the end of the echo");
}

/// Reads are short in front of it, too, and there is no event for what has come already.
#[test]
fn what_stands_behind_urgent_data_is_read_at_once() {
    for _ in 0..20 {
        let (stream, peer) = pair();
        stream.socket().unwrap().set_out_of_band_inline(true).unwrap();
        let (tell, told) = mpsc::channel();
        let workers = workers();
        workers.spawn(async move { tell.send(read_exactly(stream, 6).await).unwrap() }).detach();
        let peer = SockRef::from(&peer);
        peer.send(b"ab").unwrap();
        peer.send_out_of_band(b"c").unwrap();
        peer.send(b"def").unwrap();
        assert_eq!(wait_for(&told, "the last bytes"), b"abcdef");
    }
}

/// As after an active data connection has been waited for: its first event tells nothing of what is to be read.
#[test]
fn a_stream_that_was_only_waited_for_to_write_is_read_bit_by_bit() {
    let (mut stream, mut peer) = pair();
    peer.write_all(b"a").unwrap();
    let (tell, told) = mpsc::channel();
    let workers = workers();
    let reading = async move {
        poll_fn(|cx| {
            while Pin::new(&mut stream).poll_write(cx, &[0; 64 * 1024]).is_ready() {}
            Poll::Ready(())
        })
        .await;
        for _ in 0..2 {
            tell.send(read(&mut stream).await.unwrap()).unwrap();
        }
    };
    workers.spawn(reading).detach();
    assert_eq!(wait_for(&told, "what was there"), b"a");
    peer.write_all(b"b").unwrap();
    assert_eq!(wait_for(&told, "what came later"), b"b");
}

#[test]
fn the_end_of_a_stream_is_noticed_behind_its_last_bytes() {
    for _ in 0..20 {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"bye").unwrap();
        drop(peer);
        let ends = async move { (read(&mut stream).await.unwrap(), read(&mut stream).await.unwrap()) };
        assert_eq!(on_workers(ends), (b"bye".to_vec(), Vec::new()));
    }
}

#[test]
fn a_stream_goes_on_when_its_thread_has_ended() {
    let (mut stream, mut peer, workers) = pair_on_a_thread();
    drop(workers);
    peer.write_all(b"late").unwrap();
    assert_eq!(block_on(read(&mut stream)).unwrap(), b"late");
}

/// Some of what a session does is polled by threads that may block, and have no reactor.
#[test]
fn a_stream_that_was_made_on_a_thread_can_first_be_waited_for_on_another() {
    let workers = workers();
    for ends in [false, true] {
        let (tell, told) = mpsc::channel();
        workers.spawn(async move { tell.send(pair()).unwrap() }).detach();
        let (mut stream, mut peer) = wait_for(&told, "the stream");
        if ends {
            (stream, peer) = on_workers(async { pair() });
        }
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            poll_in_vain(&mut stream, &mut Context::from_waker(Waker::noop()));
            tell.send(()).unwrap();
            assert_eq!(block_on(read(&mut stream)).unwrap(), b"late");
            tell.send(()).unwrap();
        });
        wait_for(&told, "the wait to begin");
        peer.write_all(b"late").unwrap();
        wait_for(&told, "the bytes");
    }
}

#[test]
fn who_waits_elsewhere_is_woken_when_the_thread_ends() {
    let (mut stream, mut peer, workers) = pair_on_a_thread();
    let (tell, told) = mpsc::channel();
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        let bytes = block_on(async {
            // It is polled again only when it is woken.
            poll_fn(|cx| {
                poll_in_vain(&mut stream, cx);
                say.send(()).unwrap();
                Poll::Ready(())
            })
            .await;
            woken_once().await;
            say.send(()).unwrap();
            read(&mut stream).await
        });
        tell.send(bytes.unwrap()).unwrap();
    });
    wait_for(&said, "the wait to begin");
    drop(workers);
    wait_for(&said, "the waker to be called");
    peer.write_all(b"late").unwrap();
    assert_eq!(wait_for(&told, "the bytes"), b"late");
}

#[test]
fn connections_are_made_and_refused() {
    let listening = listener();
    let (address, loopback) = (listening.local_addr().unwrap(), Ipv4Addr::LOCALHOST.into());
    let connect = move |address: SocketAddr| SmolRuntime.connect(loopback, address);
    assert!(on_workers(connect(address)).is_ok());
    assert!(block_on(connect(address)).is_ok());
    drop(listening);
    assert_eq!(on_workers(connect(address)).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(block_on(connect(address)).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn connections_are_accepted_by_threads_and_without() {
    let accept = || {
        let (listener, address) = SmolRuntime.listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        (address, async move { poll_fn(|cx| SmolRuntime.poll_accept(&listener, cx)).await.unwrap().1 })
    };
    let (address, accepted) = accept();
    let peer = thread::spawn(move || TcpStream::connect(address).unwrap().local_addr().unwrap());
    assert_eq!(on_workers(accepted), peer.join().unwrap());
    let (address, accepted) = accept();
    let peer = thread::spawn(move || TcpStream::connect(address).unwrap().local_addr().unwrap());
    assert_eq!(block_on(accepted), peer.join().unwrap());
}

#[test]
fn a_timer_ends_at_its_time_and_later_ones_do_not() {
    let two_timers = || async {
        let now = SmolRuntime.now();
        let (soon, later) = (now + Duration::from_millis(20), now + PATIENCE);
        let (mut first, mut second) = (SmolRuntime.timer(soon), SmolRuntime.timer(later));
        poll_fn(|cx| {
            assert!(Pin::new(&mut second).poll(cx).is_pending());
            Pin::new(&mut first).poll(cx)
        })
        .await;
        SmolRuntime.now() >= soon
    };
    assert!(on_workers(two_timers()));
    assert!(block_on(two_timers()));
}

#[test]
fn a_timer_of_a_thread_that_has_ended_is_over_or_runs_elsewhere() {
    let (tell, told) = mpsc::channel();
    let workers = workers();
    workers
        .spawn(async move {
            let mut timer = SmolRuntime.timer(SmolRuntime.now() + Duration::from_secs(3600));
            poll_fn(|cx| {
                assert!(Pin::new(&mut timer).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            tell.send(timer).unwrap();
        })
        .detach();
    let mut timer = wait_for(&told, "the timer");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        block_on(poll_fn(|cx| {
            let polled = Pin::new(&mut timer).poll(cx);
            tell.send(()).unwrap();
            polled
        }));
    });
    wait_for(&told, "the wait to begin");
    drop(workers);
    wait_for(&told, "the timer's end");
}

#[test]
fn a_future_that_panics_leaves_the_others_alone() {
    let workers = Workers::start(1).unwrap();
    for _ in 0..3 {
        workers.spawn(async { panic!("as it is meant to be") }).detach();
    }
    let (tell, told) = mpsc::channel();
    workers.spawn(async move { tell.send(()).unwrap() }).detach();
    wait_for(&told, "a future behind others that panic");
}

#[test]
fn futures_are_dropped_with_their_threads() {
    let (tell, told) = mpsc::channel();
    let workers = workers();
    for _ in 0..10 {
        let telling = Telling(tell.clone());
        workers
            .spawn(async move {
                let _telling = telling;
                pending::<()>().await;
            })
            .detach();
    }
    drop(workers);
    for _ in 0..10 {
        wait_for(&told, "a future to be dropped");
    }
}

#[test]
fn futures_are_spread_over_the_threads() {
    let workers = workers();
    let (tell, told) = mpsc::channel();
    for _ in 0..10 {
        let tell = tell.clone();
        workers
            .spawn(async move {
                tell.send(thread::current().id()).unwrap();
                pending::<()>().await;
            })
            .detach();
    }
    let threads: Vec<_> = (0..10).map(|_| wait_for(&told, "a future to run")).collect();
    assert_eq!(threads.iter().filter(|thread| **thread == threads[0]).count(), 5);
}
