//! The data connections of the limit program.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};
use rustls::ServerConfig;

use super::wire::Wire;
use crate::tls::CHUNK;

/// What a pipe holds at most, as anybody may make them.
const PIPE: usize = 1 << 20;

pub(super) fn send(path: &Path, data: &TcpStream) -> io::Result<()> {
    let file = File::open(path)?;
    while rustix::fs::sendfile(data, &file, None, 1 << 30)? > 0 {}
    Ok(())
}

/// From the socket through a pipe into the file: the bytes are copied once.
pub(super) fn store(path: &Path, data: &TcpStream) -> io::Result<()> {
    let file = File::create(path)?;
    let (reader, writer) = pipe()?;
    fcntl_setpipe_size(&writer, PIPE)?;
    loop {
        let mut held = splice(data, None, &writer, None, PIPE, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            held -= splice(&reader, None, &file, None, held, SpliceFlags::MOVE)?;
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
