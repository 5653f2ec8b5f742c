//! The data channel: from PASV or PORT to an open data connection and back (RFC 959 §3.2, §3.3).
//!
//! | state | PASV, EPSV | PORT, EPRT | transfer command | peer connects | timeout | ABOR, reset |
//! |---|---|---|---|---|---|---|
//! | Idle | Passive | Active | refused (425) | - | - | Idle |
//! | Passive | Passive, anew | Active | waits | Open, or Securing | Idle | Idle |
//! | Active | Passive | Active, anew | Connecting | - | - | Idle |
//! | Connecting | - | - | - | Open, or Securing | Idle (425) | Idle |
//! | Securing | Passive | Active | waits | - | session ends | Idle |
//! | Refused | Passive | Active | refused (522), Idle | - | - | Idle |
//! | Open | Passive | Active | Moving | - | session ends | Idle |
//! | Moving | - | - | - | - | session ends | Idle |
//!
//! Where the table has no entry, the lane holds the command back until the transfer has ended. A state holds the names
//! of the resources that exist in it, and [`Session::reset_data`] is the only way out that releases them.

use alloc::string::String;
use core::mem;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use crate::action::{
    Accept, Action, ActionId, Channel, Connect, DataError, Listen, ListenError, Listening, Request, Resource, StartTls,
    sealed,
};
use crate::address::{extended_passive_text, passive_text};
use crate::reply::{self, Reply};
use crate::session::Session;
use crate::timer::Timer;
use crate::transfer::Running;

/// Where the data channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DataChannel {
    /// Nothing has been arranged.
    #[default]
    Idle,
    /// A listener waits for the client.
    Passive { listener: ActionId, accept: ActionId },
    /// The client waits for us; we connect when there is something to transfer.
    Active { address: SocketAddr },
    /// We are connecting.
    Connecting { connect: ActionId },
    /// There is a connection, and a TLS handshake on it (RFC 4217 §9, PROT P).
    Securing { data: ActionId, tls: ActionId },
    /// That handshake failed and the connection is closed. The transfer that it was for is told why, once it comes.
    Refused { not_resumed: bool },
    /// There is a connection, and nothing on it yet.
    Open { data: ActionId },
    /// A transfer has the connection.
    Moving,
}

impl DataChannel {
    /// Whether there is a connection.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Securing { .. } | Self::Open { .. } | Self::Moving)
    }
}

impl Session {
    /// Gives up whatever has been arranged for data. A connection that a transfer has is the transfer's business.
    pub(crate) fn reset_data(&mut self) {
        self.timers.stop(Timer::Connect);
        match mem::take(&mut self.data) {
            DataChannel::Idle | DataChannel::Active { .. } | DataChannel::Refused { .. } => {}
            DataChannel::Passive { listener, accept } => {
                self.cancel(accept);
                self.release(Resource::Listener(listener));
            }
            DataChannel::Connecting { connect } => self.cancel(connect),
            DataChannel::Securing { tls, .. } => {
                self.timers.stop(Timer::Stall);
                self.cancel(tls);
            }
            DataChannel::Open { data } => {
                self.timers.stop(Timer::Stall);
                self.release(Resource::Data(data));
            }
            DataChannel::Moving => self.data = DataChannel::Moving,
        }
    }

    /// Binds a listener for PASV or EPSV; its reply follows from the outcome.
    pub(crate) fn listen(&mut self, extended: bool) {
        self.reset_data();
        self.start_pending(Listen { address: self.local.ip(), extended }, Action::Listen);
    }

    /// A client that says ABOR or QUIT does not want to wait for a port any more.
    pub(crate) fn give_up_listening(&mut self) {
        if let Some(listen) = self.pending.take_if(|pending| self.waiting_listen == Some(*pending)) {
            self.cancel(listen);
            self.reply(Reply::new(425, "Passive mode was given up."));
        }
    }

    /// Remembers where to connect to.
    pub(crate) fn target(&mut self, address: SocketAddr) {
        self.reset_data();
        self.data = DataChannel::Active { address };
    }

    /// Connects to the client's address.
    pub(crate) fn connect(&mut self, address: SocketAddr) {
        let connect = self.start(Connect { address }, Action::Connect);
        self.data = DataChannel::Connecting { connect };
        self.arm(Timer::Connect, self.config.connect_timeout);
    }

    /// The data connection did not come about in time. A transfer that waits for it fails; a listener that nobody uses
    /// is closed without a word.
    pub(crate) fn connect_timed_out(&mut self) {
        if self.transfer.as_deref().is_some_and(Running::needs_data) {
            self.data_failed(Reply::new(425, "Data connection timed out."));
        } else {
            self.reset_data();
        }
    }

    fn listening(&mut self, id: ActionId, request: Listen, listening: Listening) {
        let from = (!self.config.permit_foreign_addresses).then_some(self.peer.ip());
        let accept = self.start(Accept { listener: id, from }, Action::Accept);
        self.data = DataChannel::Passive { listener: id, accept };
        self.arm(Timer::Connect, self.config.connect_timeout);
        let (code, text) = if request.extended {
            (229, extended_passive_text(listening.port))
        } else {
            (227, self.passive_reply(listening))
        };
        self.reply(reply::text(code, text));
    }

    /// RFC 959 has no IPv6 in 227; clients on IPv6 that send PASV all the same take the port and keep the address that
    /// they know.
    fn passive_reply(&self, listening: Listening) -> String {
        let told = match listening.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Some(address),
            _ => self.config.passive_address(self.local.ip()),
        };
        passive_text(told.unwrap_or(Ipv4Addr::UNSPECIFIED), listening.port)
    }

    /// The handshake begins at once, before there is anything to transfer: some clients wait for it with their
    /// command.
    fn data_connected(&mut self, data: ActionId) {
        self.timers.stop(Timer::Connect);
        if !self.security.protects_data() {
            return self.data_ready(data);
        }
        let tls = self.start(StartTls { channel: Channel::Data(data) }, Action::StartTls);
        self.data = DataChannel::Securing { data, tls };
        self.arm(Timer::Stall, self.handshake_timeout());
    }

    /// How long a data handshake may take: a client may begin it with its transfer command alone.
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        let is_for_it = |running: &Running| running.is_announced() && running.needs_data();
        let announced = self.transfer.as_deref().is_some_and(is_for_it);
        if announced { self.config.tls_timeout.or(self.config.stall_timeout) } else { self.config.stall_timeout }
    }

    /// The connection can take a transfer.
    pub(crate) fn data_ready(&mut self, data: ActionId) {
        self.data = DataChannel::Open { data };
        self.arm(Timer::Stall, self.config.stall_timeout);
        self.transfer_connected();
    }

    fn data_not_connected(&mut self) {
        self.timers.stop(Timer::Connect);
        self.data = DataChannel::Idle;
        self.data_failed(Reply::new(425, "Can't open data connection."));
    }
}

impl sealed::Sealed for Listen {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        if session.was_cancelled(id) || !session.is_pending(id) {
            if outcome.is_ok() {
                session.release(Resource::Listener(id));
            }
            return;
        }
        match outcome {
            Ok(listening) => session.listening(id, self, listening),
            Err(ListenError::NoFreePort) => session.reply(Reply::new(425, "No passive port is free, try again later.")),
            Err(ListenError::NoAddress) => session.reply(Reply::new(425, "No address for PASV is known, use EPSV.")),
            Err(ListenError::Failed | ListenError::Cancelled) => {
                session.reply(Reply::new(425, "Can't open passive connection."));
            }
        }
    }
}

impl sealed::Sealed for Accept {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        let expected = matches!(session.data, DataChannel::Passive { accept, .. } if accept == id);
        if session.was_cancelled(id) || !expected {
            return connected_too_late(session, id, outcome);
        }
        // One PASV is for one connection: nobody else can connect there from now on.
        session.release(Resource::Listener(self.listener));
        match outcome {
            Ok(()) => session.data_connected(id),
            Err(_) => session.data_not_connected(),
        }
    }
}

impl sealed::Sealed for Connect {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        let expected = session.data == DataChannel::Connecting { connect: id };
        if session.was_cancelled(id) || !expected {
            return connected_too_late(session, id, outcome);
        }
        match outcome {
            Ok(()) => session.data_connected(id),
            Err(_) => session.data_not_connected(),
        }
    }
}

/// A connection that was cancelled came about all the same.
fn connected_too_late(session: &mut Session, id: ActionId, outcome: Result<(), DataError>) {
    if outcome.is_ok() {
        session.release(Resource::Data(id));
    }
    session.settle_abort();
}
