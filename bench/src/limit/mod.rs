//! The limit: as much of an FTP server as the cases need, with a thread for each session, no checks, and no kernel call
//! beyond those that move the bytes. No server for real use can do with less; how near one comes is what it tells.

mod transfer;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use wire::Wire;

pub(crate) fn serve(address: SocketAddrV4, root: PathBuf, certificate: &Path, key: &Path) -> io::Result<()> {
    let tls = server_config(certificate, key)?;
    let root = Arc::new(root);
    let listener = TcpListener::bind(address)?;
    loop {
        let (stream, _) = listener.accept()?;
        let (root, tls) = (Arc::clone(&root), Arc::clone(&tls));
        // A client that goes away is no error of the program.
        thread::spawn(move || drop(Session::new(*address.ip(), root, tls).run(stream)));
    }
}

fn server_config(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let chain = vec![CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?];
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

struct Session {
    address: Ipv4Addr,
    root: Arc<PathBuf>,
    tls: Arc<ServerConfig>,
    listener: Option<TcpListener>,
    protected: bool,
}

impl Session {
    fn new(address: Ipv4Addr, root: Arc<PathBuf>, tls: Arc<ServerConfig>) -> Self {
        Self { address, root, tls, listener: None, protected: false }
    }

    fn run(mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut wire = Wire::plain(stream);
        wire.write(b"220 Limit\r\n")?;
        let mut input = Vec::new();
        let mut replies = Vec::new();
        loop {
            if !wire.read(|bytes| input.extend_from_slice(bytes))? {
                return Ok(());
            }
            let whole = input.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
            for line in input[..whole].split_inclusive(|&byte| byte == b'\n') {
                self.command(line.trim_ascii_end(), &mut wire, &mut replies)?;
            }
            input.drain(..whole);
            wire.write(&replies)?;
            replies.clear();
        }
    }

    /// Answers into `replies`, which are written when there is nothing left to answer.
    fn command(&mut self, line: &[u8], wire: &mut Wire, replies: &mut Vec<u8>) -> io::Result<()> {
        let (verb, argument) = split(line);
        match verb {
            b"AUTH" => {
                wire.write(b"234 Go on\r\n")?;
                return wire.secure(&self.tls);
            }
            b"EPSV" => replies.extend_from_slice(format!("229 Here (|||{}|)\r\n", self.listen()?).as_bytes()),
            b"RETR" => self.transfer(wire, replies, |session, data| session.send(argument, data))?,
            b"STOR" => self.transfer(wire, replies, |session, data| session.store(argument, data))?,
            b"PROT" => {
                self.protected = true;
                replies.extend_from_slice(b"200 Done\r\n");
            }
            b"NOOP" | b"TYPE" | b"PBSZ" => replies.extend_from_slice(b"200 Done\r\n"),
            b"PWD" => replies.extend_from_slice(b"257 \"/\"\r\n"),
            b"USER" => replies.extend_from_slice(b"331 Password\r\n"),
            b"PASS" => replies.extend_from_slice(b"230 In\r\n"),
            b"CWD" => replies.extend_from_slice(b"250 There\r\n"),
            b"QUIT" => replies.extend_from_slice(b"221 Bye\r\n"),
            _ => replies.extend_from_slice(b"502 No such command\r\n"),
        }
        Ok(())
    }

    fn listen(&mut self) -> io::Result<u16> {
        let listener = TcpListener::bind((self.address, 0))?;
        let port = listener.local_addr()?.port();
        self.listener = Some(listener);
        Ok(port)
    }

    fn transfer(
        &mut self,
        wire: &mut Wire,
        replies: &mut Vec<u8>,
        work: impl FnOnce(&Self, TcpStream) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(listener) = self.listener.take() else {
            replies.extend_from_slice(b"425 No EPSV\r\n");
            return Ok(());
        };
        replies.extend_from_slice(b"150 Now\r\n");
        wire.write(replies)?;
        replies.clear();
        let (data, _) = listener.accept()?;
        work(self, data)?;
        replies.extend_from_slice(b"226 Done\r\n");
        Ok(())
    }

    fn send(&self, name: &[u8], data: TcpStream) -> io::Result<()> {
        let path = self.path(name);
        if self.protected { transfer::send_secure(&path, data, &self.tls) } else { transfer::send(&path, &data) }
    }

    fn store(&self, name: &[u8], data: TcpStream) -> io::Result<()> {
        let path = self.path(name);
        if self.protected { transfer::store_secure(&path, data, &self.tls) } else { transfer::store(&path, &data) }
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.root.join(String::from_utf8_lossy(name).as_ref())
    }
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let blank = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
    (&line[..blank], line.get(blank + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #[test]
    fn verbs_and_arguments() {
        assert_eq!(super::split(b"RETR a b"), (&b"RETR"[..], &b"a b"[..]));
        assert_eq!(super::split(b"NOOP"), (&b"NOOP"[..], &b""[..]));
    }
}
