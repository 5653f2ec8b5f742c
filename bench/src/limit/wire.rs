//! A connection of the limit program: blocking, in clear or under TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use crate::tls::{Engine, Stage};

/// What is received at a time.
const BUFFER: usize = 256 << 10;

pub(super) struct Wire {
    stream: TcpStream,
    tls: Option<Box<Engine<UnbufferedServerConnection>>>,
    /// What is received in clear; under TLS, data that came with the end of the handshake.
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None, buffer: Vec::new() }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Lets the client begin with TLS.
    pub(super) fn secure(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let connection = UnbufferedServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let mut engine = Box::new(Engine::new(connection, BUFFER));
        self.buffer.clear();
        loop {
            let stage = engine.advance(|bytes| self.buffer.extend_from_slice(bytes))?;
            flush(&mut self.stream, &mut engine)?;
            if stage != Stage::Handshaking {
                break;
            }
            if fill(&mut self.stream, &mut engine)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.tls = Some(engine);
        Ok(())
    }

    /// Hands over what comes next; false at the end.
    pub(super) fn read(&mut self, mut data: impl FnMut(&[u8])) -> io::Result<bool> {
        let Some(engine) = &mut self.tls else {
            self.buffer.resize(64 << 10, 0);
            let count = self.stream.read(&mut self.buffer)?;
            data(&self.buffer[..count]);
            return Ok(count > 0);
        };
        if !self.buffer.is_empty() {
            data(&std::mem::take(&mut self.buffer));
            return Ok(true);
        }
        loop {
            let mut any = false;
            let stage = engine.advance(|bytes| {
                any = true;
                data(bytes);
            })?;
            flush(&mut self.stream, engine)?;
            if any || stage == Stage::PeerClosed {
                return Ok(any);
            }
            if fill(&mut self.stream, engine)? == 0 {
                return Ok(false);
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(engine) = &mut self.tls else { return self.stream.write_all(bytes) };
        if !bytes.is_empty() {
            engine.encrypt(bytes)?;
        }
        flush(&mut self.stream, engine)
    }

    pub(super) fn close(&mut self) -> io::Result<()> {
        let Some(engine) = &mut self.tls else { return Ok(()) };
        engine.close()?;
        flush(&mut self.stream, engine)
    }
}

fn flush(stream: &mut TcpStream, engine: &mut Engine<UnbufferedServerConnection>) -> io::Result<()> {
    if !engine.outgoing.is_empty() {
        stream.write_all(&engine.outgoing)?;
        engine.outgoing.clear();
    }
    Ok(())
}

fn fill(stream: &mut TcpStream, engine: &mut Engine<UnbufferedServerConnection>) -> io::Result<usize> {
    let count = stream.read(engine.space())?;
    engine.received(count);
    Ok(count)
}
