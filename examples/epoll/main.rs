//! No async runtime at all: one thread, one poller, and the protocol's [`Session`](ftp_proto::Session) driven by hand
//! over storage in memory.
//!
//! This file is the loop; `client.rs` is one client's session, `moving.rs` its transfer.

mod client;
mod moving;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use ftp_fs::{BlockingBackend, MemoryFs};
use ftp_proto::Instant;
use ftp_types::{VirtualPath, WriteMode};
use polling::{AsRawSource, Event, Events, Poller};

use client::Client;

/// Which of a client's sockets an event is about is told by the remainder: control connection, listener, data.
const SOCKETS_PER_CLIENT: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let storage = Arc::new(MemoryFs::new());
    let mut welcome = storage.create(&VirtualPath::try_from("/welcome.txt").unwrap(), WriteMode::Replace)?;
    welcome.write_all(b"Everything here is kept in memory.\n")?;
    welcome.finish()?;

    let listener = TcpListener::bind(ferry_examples::address())?;
    listener.set_nonblocking(true)?;
    println!("listening on ftp://{}", listener.local_addr()?);

    let poller = Poller::new()?;
    watch(&poller, &listener, Event::readable(0))?;
    let began = Clock::now();
    let (mut clients, mut next) = (HashMap::new(), 1);
    let mut events = Events::new();
    loop {
        let now = Instant::from_epoch(began.elapsed());
        let deadline = clients.values().filter_map(Client::deadline).min();
        events.clear();
        poller.wait(&mut events, deadline.map(|deadline| deadline.saturating_since(now)))?;
        if events.iter().any(|event| event.key == 0) {
            while let Some(stream) = would_block(listener.accept())? {
                let client = Client::new(stream.0, Arc::clone(&storage), Instant::from_epoch(began.elapsed()))?;
                clients.insert(next, client);
                next += 1;
            }
            poller.modify(&listener, Event::readable(0))?;
        }
        // A few clients are simply all looked at; with thousands, look at those whose events came and whose time has.
        let now = Instant::from_epoch(began.elapsed());
        clients.retain(|number, client| {
            client.stop_watching(&poller);
            client.drive(now);
            !client.is_over() && client.start_watching(&poller, number * SOCKETS_PER_CLIENT).is_ok()
        });
    }
}

/// Watches a socket for one event.
#[expect(unsafe_code, reason = "the only way to tell the poller of a source")]
fn watch(poller: &Poller, source: impl AsRawSource, interest: Event) -> io::Result<()> {
    // SAFETY: the source has to be deleted from the poller before it is dropped. The server's listener lives as long as
    // the poller; the sockets of a client are watched only while `main` waits, and deleted right after.
    unsafe { poller.add(source, interest) }
}

/// `None` in place of the error that says to come back later.
fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How long a client may take to read the last reply.
const FAREWELL: Duration = Duration::from_secs(5);
