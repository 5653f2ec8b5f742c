//! The data connections of the limit program.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::wire::Wire;
use crate::tls::CHUNK;

/// What an upload receives and writes at a time: less, and files of fewer pages at once cost more.
const BUFFER: usize = 512 << 10;

pub(super) fn send(path: &Path, data: &TcpStream) -> io::Result<()> {
    let file = File::open(path)?;
    while rustix::fs::sendfile(data, &file, None, 1 << 30)? > 0 {}
    Ok(())
}

/// By way of a buffer: to splice through a pipe copies once less, and still took more, for it handles each fragment of a
/// packet by itself.
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
    let mut gathered = Vec::with_capacity(BUFFER);
    while wire.read(|bytes| gathered.extend_from_slice(bytes))? {
        if gathered.len() >= BUFFER {
            file.write_all(&gathered)?;
            gathered.clear();
        }
    }
    file.write_all(&gathered)?;
    wire.close()?;
    wire.stream().shutdown(Shutdown::Both)
}
