//! One client: a control connection, what is said on it, and the transfers.

use std::fs::File;
use std::io;
use std::net::SocketAddrV4;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::content::Content;
use crate::reactor::Handle;
use crate::reply::Reply;
use crate::socket::Socket;
use crate::tls::{CHUNK, TlsStream};

/// Who to talk to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddrV4,
    pub(crate) tls: Arc<ClientConfig>,
    /// It sends its second reply to a transfer no sooner than the first one is acknowledged, which takes 40 ms if the
    /// client has nothing else to send.
    pub(crate) awaits_acknowledgement: bool,
}

enum Channel {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

/// What a listing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) lines: usize,
    /// From the command to the first byte of data.
    pub(crate) first_byte: Duration,
}

pub(crate) struct Session {
    target: Target,
    /// Nothing only while TLS takes it over.
    control: Option<Channel>,
    received: Vec<u8>,
    /// What of it has been taken.
    taken: usize,
    protected: bool,
}

impl Session {
    /// Connects, and waits for the greeting.
    pub(crate) async fn connect(handle: &Handle, target: &Target) -> io::Result<Self> {
        let socket = Socket::connect(handle, target.address).await?;
        let control = Some(Channel::Plain(socket));
        let mut session = Self { target: target.clone(), control, received: Vec::new(), taken: 0, protected: false };
        session.reply("the connection", &[220]).await?;
        Ok(session)
    }

    /// A session of the anonymous user, under TLS if asked for.
    pub(crate) async fn open(handle: &Handle, target: &Target, secure: bool) -> io::Result<Self> {
        let mut session = Self::connect(handle, target).await?;
        if secure {
            session.secure().await?;
        }
        session.log_in().await?;
        Ok(session)
    }

    pub(crate) async fn secure(&mut self) -> io::Result<()> {
        self.command("AUTH TLS", &[234]).await?;
        let Some(Channel::Plain(socket)) = self.control.take() else {
            return Err(io::Error::other("AUTH TLS within TLS"));
        };
        let stream = TlsStream::handshake(socket, &self.target.tls, 4 << 10).await?;
        self.control = Some(Channel::Tls(Box::new(stream)));
        Ok(())
    }

    pub(crate) async fn log_in(&mut self) -> io::Result<()> {
        // Some ask the anonymous user for no password.
        if self.command("USER anonymous", &[230, 331]).await?.code == 331 {
            self.command("PASS bench@example.com", &[230]).await?;
        }
        Ok(())
    }

    /// What comes before transfers: their type, and their protection under TLS.
    pub(crate) async fn prepare(&mut self) -> io::Result<()> {
        self.command("TYPE I", &[200]).await?;
        if matches!(self.control, Some(Channel::Tls(_))) {
            self.command("PBSZ 0", &[200]).await?;
            self.command("PROT P", &[200]).await?;
            self.protected = true;
        }
        Ok(())
    }

    pub(crate) async fn quit(mut self) -> io::Result<()> {
        self.command("QUIT", &[221]).await.map(drop)
    }

    pub(crate) async fn command(&mut self, line: &str, codes: &[u16]) -> io::Result<Reply> {
        self.send(format!("{line}\r\n").as_bytes()).await?;
        self.reply(line, codes).await
    }

    /// Sends whole lines.
    pub(crate) async fn send(&mut self, lines: &[u8]) -> io::Result<()> {
        match &mut self.control {
            Some(Channel::Plain(socket)) => socket.send_all(lines).await,
            Some(Channel::Tls(stream)) => stream.send_all(lines).await,
            None => Err(lost()),
        }
    }

    /// Awaits the reply to `what`.
    pub(crate) async fn reply(&mut self, what: &str, codes: &[u16]) -> io::Result<Reply> {
        loop {
            if let Some((reply, length)) = Reply::parse(&self.received[self.taken..])? {
                self.taken += length;
                return reply.expect(what, codes);
            }
            self.fill(what).await?;
        }
    }

    async fn fill(&mut self, what: &str) -> io::Result<()> {
        self.received.drain(..self.taken);
        self.taken = 0;
        let length = self.received.len();
        match &mut self.control {
            Some(Channel::Plain(socket)) => {
                self.received.resize(length + (16 << 10), 0);
                let count = socket.receive(&mut self.received[length..]).await?;
                self.received.truncate(length + count);
            }
            Some(Channel::Tls(stream)) => {
                stream.receive(|bytes| self.received.extend_from_slice(bytes)).await?;
            }
            None => return Err(lost()),
        }
        if self.received.len() == length {
            let text = format!("the server closed the connection in place of an answer to {what}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(())
    }

    /// Downloads, drops all but the sample, and looks at that.
    pub(crate) async fn retrieve(&mut self, content: &Content) -> io::Result<()> {
        let data = self.begin(&format!("RETR {}", content.name)).await?;
        match self.protect(data).await? {
            Channel::Plain(socket) => retrieve_plain(&socket, content).await?,
            Channel::Tls(stream) => retrieve_secure(*stream, content).await?,
        }
        self.reply("the end of RETR", &[226, 250]).await.map(drop)
    }

    /// Downloads again and again until told to stop, then drops everything. How many bytes came.
    pub(crate) async fn retrieve_until(&mut self, content: &Content, stop: &AtomicBool) -> io::Result<u64> {
        let mut bytes = 0;
        loop {
            let data = self.begin(&format!("RETR {}", content.name)).await?;
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(bytes);
                }
                match data.discard(usize::MAX).await? {
                    0 => break,
                    count => bytes += count as u64,
                }
                data.handle().give_way().await;
            }
            drop(data);
            self.reply("the end of RETR", &[226, 250]).await?;
        }
    }

    /// Uploads a file under the name.
    pub(crate) async fn store(&mut self, name: &str, root: &Path, content: &Content) -> io::Result<()> {
        let file = File::open(content.path(root))?;
        self.store_file(name, &file, content.size).await
    }

    pub(crate) async fn store_file(&mut self, name: &str, file: &File, size: u64) -> io::Result<()> {
        let data = self.begin(&format!("STOR {}/{name}", crate::content::UPLOADS)).await?;
        match self.protect(data).await? {
            Channel::Plain(socket) => socket.send_file(file, size).await?,
            Channel::Tls(stream) => store_secure(*stream, file, size).await?,
        }
        self.reply("the end of STOR", &[226, 250]).await.map(drop)
    }

    /// Lists, and counts the lines.
    pub(crate) async fn list(&mut self, command: &str) -> io::Result<Listing> {
        let socket = self.data_connection().await?;
        let asked = Instant::now();
        self.send(format!("{command}\r\n").as_bytes()).await?;
        let mut buffer = vec![0; 256 << 10];
        let mut first_byte = None;
        let mut lines = 0;
        // Some answer with an error, and no data connection is then used: the reply goes first.
        self.reply(command, &[125, 150]).await?;
        loop {
            let count = socket.receive(&mut buffer).await?;
            let waited = *first_byte.get_or_insert_with(|| asked.elapsed());
            if count == 0 {
                // Some wait for that, before they say that they are done.
                drop(socket);
                self.reply("the end of a listing", &[226, 250]).await?;
                return Ok(Listing { lines, first_byte: waited });
            }
            lines += buffer[..count].iter().filter(|&&byte| byte == b'\n').count();
        }
    }

    async fn begin(&mut self, command: &str) -> io::Result<Socket> {
        let data = self.data_connection().await?;
        self.command(command, &[125, 150]).await?;
        if self.target.awaits_acknowledgement {
            self.socket()?.acknowledge()?;
        }
        Ok(data)
    }

    async fn data_connection(&mut self) -> io::Result<Socket> {
        let port = self.command("EPSV", &[229]).await?.port()?;
        let address = SocketAddrV4::new(*self.target.address.ip(), port);
        Socket::connect(self.socket()?.handle(), address).await
    }

    async fn protect(&self, data: Socket) -> io::Result<Channel> {
        if !self.protected {
            return Ok(Channel::Plain(data));
        }
        Ok(Channel::Tls(Box::new(TlsStream::handshake(data, &self.target.tls, 256 << 10).await?)))
    }

    fn socket(&self) -> io::Result<&Socket> {
        match &self.control {
            Some(Channel::Plain(socket)) => Ok(socket),
            Some(Channel::Tls(stream)) => Ok(stream.socket()),
            None => Err(lost()),
        }
    }
}

async fn retrieve_plain(socket: &Socket, content: &Content) -> io::Result<()> {
    let mut left = content.size - content.sample();
    while left > 0 {
        let count = socket.discard(usize::try_from(left).unwrap_or(usize::MAX)).await?;
        if count == 0 {
            return Err(short(content, left + content.sample()));
        }
        left -= count as u64;
        socket.handle().give_way().await;
    }
    // One more than is due, so that too much is noticed.
    let due = usize::try_from(content.sample()).map_err(io::Error::other)?;
    let mut sample = vec![0; due + 1];
    let mut length = 0;
    while length <= due {
        match socket.receive(&mut sample[length..]).await? {
            0 => break,
            count => length += count,
        }
    }
    check_end(content, &sample[..length], content.size - content.sample() + length as u64)
}

async fn retrieve_secure(mut stream: TlsStream, content: &Content) -> io::Result<()> {
    let begin = content.size - content.sample();
    let mut length = 0_u64;
    let mut sample = Vec::new();
    let mut take = |bytes: &[u8]| {
        let skip = usize::try_from(begin.saturating_sub(length)).unwrap_or(usize::MAX);
        sample.extend_from_slice(bytes.get(skip..).unwrap_or_default());
        length += bytes.len() as u64;
    };
    while stream.receive(&mut take).await? {
        stream.socket().handle().give_way().await;
    }
    // Its end has come, whole; some servers do not wait for ours.
    drop(stream.close().await);
    check_end(content, &sample, length)
}

fn check_end(content: &Content, sample: &[u8], length: u64) -> io::Result<()> {
    if length != content.size {
        return Err(short(content, content.size.saturating_sub(length)));
    }
    content.check_sample(sample)
}

async fn store_secure(mut stream: TlsStream, file: &File, size: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let most = usize::try_from(size - offset).unwrap_or(usize::MAX).min(buffer.len());
        let count = file.read_at(&mut buffer[..most], offset)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file to upload is too short"));
        }
        stream.send_all(&buffer[..count]).await?;
        offset += count as u64;
    }
    stream.close().await?;
    // Tickets may have come meanwhile. To close with them unread would reset the connection, and cut the upload. How the
    // server ends its own direction is its affair.
    while let Ok(true) = stream.receive(|_| {}).await {}
    Ok(())
}

fn short(content: &Content, missing: u64) -> io::Error {
    let text = format!("{} came with another length than {}: {missing} bytes are missing", content.name, content.size);
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the control connection is lost")
}
