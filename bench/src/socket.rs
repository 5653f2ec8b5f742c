//! A client's connection, as a task waits on it.

use std::fs::File;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, connect, recv, send, shutdown, socket_with,
    sockopt,
};

use crate::reactor::{Handle, SCRATCH, attempt};

pub(crate) struct Socket {
    descriptor: OwnedFd,
    handle: Handle,
}

impl Socket {
    pub(crate) async fn connect(handle: &Handle, address: SocketAddrV4) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let descriptor = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // What is written is a whole command or a whole file: nothing is gained by waiting for more of it.
        sockopt::set_tcp_nodelay(&descriptor, true)?;
        match connect(&descriptor, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        handle.register(&descriptor)?;
        attempt(|| established(&descriptor)).await?;
        Ok(Self { descriptor, handle: handle.clone() })
    }

    /// Bytes received; 0 at the end.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        attempt(|| recv(&self.descriptor, &mut *buffer, RecvFlags::empty()).map(|(count, _)| count)).await
    }

    /// Drops what has come, up to `most` bytes, within the kernel. How many; 0 at the end.
    pub(crate) async fn discard(&self, most: usize) -> io::Result<usize> {
        let most = most.min(SCRATCH);
        let drop = |scratch: &mut [u8]| recv(&self.descriptor, &mut scratch[..most], RecvFlags::TRUNC);
        attempt(|| self.handle.with_scratch(drop).map(|(_, count)| count)).await
    }

    pub(crate) async fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = attempt(|| send(&self.descriptor, bytes, SendFlags::NOSIGNAL)).await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends a file from its first byte to `size`, without copying it.
    pub(crate) async fn send_file(&self, file: &File, size: u64) -> io::Result<()> {
        let mut offset = 0;
        while offset < size {
            let count = usize::try_from(size - offset).unwrap_or(usize::MAX).min(SCRATCH);
            if attempt(|| rustix::fs::sendfile(&self.descriptor, file, Some(&mut offset), count)).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file to upload is too short"));
            }
            self.handle.give_way().await;
        }
        Ok(())
    }

    pub(crate) fn end_writing(&self) -> io::Result<()> {
        Ok(shutdown(&self.descriptor, Shutdown::Write)?)
    }

    /// Acknowledges what has come, now.
    pub(crate) fn acknowledge(&self) -> io::Result<()> {
        Ok(sockopt::set_tcp_quickack(&self.descriptor, true)?)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Whether a connection stands, is on its way, or failed.
fn established(descriptor: impl AsFd) -> rustix::io::Result<()> {
    sockopt::socket_error(&descriptor)??;
    match rustix::net::getpeername(&descriptor) {
        Ok(_) => Ok(()),
        Err(Errno::NOTCONN) => Err(Errno::AGAIN),
        Err(error) => Err(error),
    }
}
