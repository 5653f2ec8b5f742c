//! A login over the core, driven by hand.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use ftp_proto::{Action, CloseReason, Config, Instant, Login, LoginError, Output, Session};
use ftp_types::{FsError, VirtualPath};

/// What the client sends, in pieces that no line ends in.
const CLIENT: [&[u8]; 4] = [b"USER ali", b"ce\r\nPASS secret\r\nCWD /a/../b//c\r\nP", b"WD\r\nQUI", b"T\r\n"];

/// What it is answered.
const SERVER: &[u8] = b"220 Ferry ready.\r\n\
    331 Username ok, send password.\r\n\
    230 Login successful.\r\n\
    550 No such file or directory.\r\n\
    257 \"/\" is the current directory.\r\n\
    221 Goodbye.\r\n";

/// Whether the core does what it does under an operating system.
pub fn succeeds() -> bool {
    let now = Instant::default();
    let [local, peer] = [21, 50_000].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut session = Session::new(Arc::new(Config::default()), local, peer, now);
    let (mut wire, mut closed) = (Vec::new(), None);
    for bytes in CLIENT {
        if session.handle_input(bytes, now) != bytes.len() {
            return false;
        }
        drain(&mut session, &mut wire, &mut closed);
    }
    session.is_closed() && closed == Some(CloseReason::Quit) && wire == SERVER
}

fn drain(session: &mut Session, wire: &mut Vec<u8>, closed: &mut Option<CloseReason>) {
    let now = Instant::default();
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send(reply) => reply.write_to(wire),
            Output::Start(Action::Authenticate(ticket)) => {
                let request = ticket.request();
                let right = request.user.as_str() == "alice" && request.proof.is_password(b"secret");
                let outcome = if right { Ok(Login::default()) } else { Err(LoginError::Rejected) };
                session.complete(ticket, outcome, now);
            }
            Output::Start(Action::Stat(ticket)) => {
                let joined = VirtualPath::parse(b"/b/c").is_ok_and(|path| path == ticket.request().path);
                let outcome = Err(if joined { FsError::NotFound } else { FsError::Io });
                session.complete(ticket, outcome, now);
            }
            Output::Close(reason) => *closed = Some(reason),
            _ => {}
        }
    }
}
