//! The data connections of the limit program.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::wire::Wire;
use crate::tls::CHUNK;

/// What an upload receives and writes at a time.
const BUFFER: usize = 64 << 10;

pub(super) fn send(path: &Path, data: &TcpStream) -> io::Result<()> {
    let file = File::open(path)?;
    while rustix::fs::sendfile(data, &file, None, 1 << 30)? > 0 {}
    Ok(())
}

/// By way of a buffer that stays in the processor's cache: to splice through a pipe copies once less, and still took
/// more, for it handles each fragment of a packet by itself.
pub(super) fn store(path: &Path, mut data: &TcpStream) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match data.read(&mut buffer)? {
            0 => return Ok(()),
            count => file.write_all(&buffer[..count])?,
        }
    }
}

pub(super) fn send_secure(path: &Path, data: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut wire = Wire::plain(data);
    wire.secure(tls)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return wire.close(),
            count => wire.write(&buffer[..count])?,
        }
    }
}

pub(super) fn store_secure(path: &Path, data: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut wire = Wire::plain(data);
    wire.secure(tls)?;
    let mut written = Ok(());
    let mut take = |bytes: &[u8]| {
        if written.is_ok() {
            written = file.write_all(bytes);
        }
    };
    while wire.read(&mut take)? {}
    written?;
    wire.close()?;
    wire.stream().shutdown(Shutdown::Both)
}
