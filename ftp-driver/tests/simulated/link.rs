//! A client's end of a simulated connection, in clear or under TLS.

use std::io::{Read, Write};
use std::sync::Arc;

use ftp_driver::rustls::{ClientConfig, ClientConnection};

use crate::world::SimStream;

pub(crate) struct Link {
    /// None once it is closed.
    stream: Option<SimStream>,
    tls: Option<ClientConnection>,
    /// Encrypted, and not sent yet.
    unsent: Vec<u8>,
}

impl Link {
    pub(crate) fn new(stream: SimStream) -> Self {
        Self { stream: Some(stream), tls: None, unsent: Vec::new() }
    }

    /// From here on everything goes under TLS. The handshake goes on with every call.
    pub(crate) fn begin_tls(&mut self, config: &Arc<ClientConfig>) {
        let name = "localhost".try_into().unwrap();
        self.tls = Some(ClientConnection::new(Arc::clone(config), name).unwrap());
        self.flush();
    }

    /// Sends as much as goes without waiting; how much.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let Some(tls) = &mut self.tls else {
            return self.stream.as_mut().map_or(0, |stream| stream.send(bytes));
        };
        let may_send = self.unsent.is_empty();
        let count = if may_send { tls.writer().write(bytes).unwrap() } else { 0 };
        self.flush();
        count
    }

    /// Everything that is there, and whether that is all there will ever be.
    pub(crate) fn receive(&mut self) -> (Vec<u8>, bool) {
        let Some(stream) = &mut self.stream else { return (Vec::new(), true) };
        let (bytes, ended) = stream.receive();
        let Some(tls) = &mut self.tls else { return (bytes, ended) };
        let (mut rest, mut all) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            tls.read_tls(&mut rest).unwrap();
            tls.process_new_packets().unwrap();
            // It ends with "nothing more for now".
            let _ = tls.reader().read_to_end(&mut all);
        }
        self.flush();
        (all, ended)
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    fn flush(&mut self) {
        let (Some(tls), Some(stream)) = (&mut self.tls, &mut self.stream) else { return };
        while tls.wants_write() {
            tls.write_tls(&mut self.unsent).unwrap();
        }
        let sent = stream.send(&self.unsent);
        self.unsent.drain(..sent);
    }
}
