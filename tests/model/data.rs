//! The data connection: PASV, EPSV, PORT and EPRT, and what becomes of them (RFC 959 §3.2, RFC 2428, RFC 2577).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ftp_proto::{ListenError, Listening, TlsError};

use crate::clocks::Clock;
use crate::effects::Said;
use crate::machine::Machine;
use crate::setup::Millis;
use crate::syntax::{Named, extended_address, plain, six_numbers};
use crate::tasks::{Number, Over, Task, Thing};
use crate::transfer::Stage;

/// What there is to transfer over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    None,
    /// A listener, and somebody who waits at it.
    Listening {
        listener: Number,
        accept: Number,
    },
    /// Where to connect to, once there is a reason.
    Target(SocketAddr),
    Connecting(Number),
    /// A connection, and the handshake on it.
    Securing {
        tls: Number,
    },
    /// The handshake failed; the next transfer is told.
    Spoilt,
    Connected(Number),
    /// A transfer has it.
    Taken,
}

impl Data {
    pub(crate) fn is_connected(self) -> bool {
        matches!(self, Self::Securing { .. } | Self::Connected(_) | Self::Taken)
    }
}

impl Machine {
    pub(crate) fn has_data_channel(&self) -> bool {
        self.data != Data::None
    }

    /// What has been arranged is given up; what a transfer has is the transfer's.
    pub(crate) fn give_data_up(&mut self) {
        self.stop(Clock::Connect);
        match self.data {
            Data::Taken => return,
            Data::None | Data::Target(_) | Data::Spoilt => {}
            Data::Listening { listener, accept } => {
                self.cancel(accept);
                self.release(Thing::Listener(listener));
            }
            Data::Connecting(connect) => self.cancel(connect),
            Data::Securing { tls } => {
                self.stop(Clock::Stall);
                self.cancel(tls);
            }
            Data::Connected(data) => {
                self.stop(Clock::Stall);
                self.release(Thing::Data(data));
            }
        }
        self.data = Data::None;
    }

    pub(crate) fn pasv_command(&mut self) {
        if !self.refuses_after_epsv_all() {
            self.listen(false);
        }
    }

    pub(crate) fn epsv_command(&mut self, argument: &[u8]) {
        let own = if self.setup.local().is_ipv4() { &b"1"[..] } else { b"2" };
        if argument.is_empty() || argument == own {
            self.listen(true);
        } else if argument.eq_ignore_ascii_case(b"ALL") {
            self.epsv_all = true;
            self.say(Said::code(200));
        } else if argument.iter().all(u8::is_ascii_digit) {
            self.unsupported_protocol();
        } else {
            self.say(Said::code(501));
        }
    }

    fn listen(&mut self, extended: bool) {
        if !self.refuses_data_in_clear() {
            self.give_data_up();
            self.await_answer(Task::Listen { address: self.setup.local(), extended });
        }
    }

    pub(crate) fn port_command(&mut self, argument: &[u8]) {
        if self.refuses_after_epsv_all() || self.refuses_data_in_clear() {
            return;
        }
        match six_numbers(argument) {
            Some(address) => self.target(address),
            None => self.say(Said::code(501)),
        }
    }

    pub(crate) fn eprt_command(&mut self, argument: &[u8]) {
        if self.refuses_after_epsv_all() || self.refuses_data_in_clear() {
            return;
        }
        match extended_address(argument) {
            None => self.say(Said::code(501)),
            Some(Named::Address(address)) if address.is_ipv4() == self.setup.local().is_ipv4() => {
                // lftp names the address that its socket is bound to.
                let means_itself = address.is_ipv6() && address.ip().is_unspecified();
                let ip = if means_itself { self.setup.peer() } else { address.ip() };
                self.target((ip, address.port()).into());
            }
            Some(_) => self.unsupported_protocol(),
        }
    }

    /// Only the client's own address will do, and none of a port that belongs to the system (RFC 2577 §3).
    fn target(&mut self, address: SocketAddr) {
        let foreign = address.ip() != self.setup.peer() && !self.setup.foreign_addresses;
        let privileged = address.port() < 1024 && !self.setup.privileged_ports;
        if foreign || privileged || is_nobodys(address.ip()) {
            return self.say(Said::code(501));
        }
        self.give_data_up();
        self.data = Data::Target(address);
        self.say(Said::code(200));
    }

    fn refuses_after_epsv_all(&mut self) -> bool {
        if self.epsv_all {
            self.say(Said::code(501));
        }
        self.epsv_all
    }

    fn refuses_data_in_clear(&mut self) -> bool {
        let refuses = self.lacks_data_tls();
        if refuses {
            self.say(Said::code(550));
        }
        refuses
    }

    fn unsupported_protocol(&mut self) {
        self.say(Said::with(522, if self.setup.local().is_ipv4() { "(1)" } else { "(2)" }));
    }
}

/// What becomes of it.
impl Machine {
    pub(crate) fn listening(&mut self, number: Number, extended: bool, listening: Result<Listening, ListenError>) {
        let Ok(listening) = listening else { return self.say(Said::code(425)) };
        let from = if self.setup.foreign_addresses { None } else { Some(self.setup.peer()) };
        let accept = self.start(Task::Accept { listener: number, from });
        self.data = Data::Listening { listener: number, accept };
        self.set(Clock::Connect, self.setup.timeouts.connect);
        let port = listening.port;
        self.say(if extended {
            Said::with(229, format!("(|||{port}|)"))
        } else {
            let [a, b, c, d] = self.told_address(listening.address).octets();
            Said::with(227, format!("({a},{b},{c},{d},{},{})", port / 256, port % 256))
        });
    }

    /// The address of 227: what the driver found out, what the operator says, or one's own.
    fn told_address(&self, found: Option<IpAddr>) -> Ipv4Addr {
        let v4 = |address: IpAddr| match plain(address) {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let own = v4(self.setup.local()).unwrap_or(Ipv4Addr::UNSPECIFIED);
        found.and_then(v4).or(self.setup.masquerade).unwrap_or(own)
    }

    pub(crate) fn connected(&mut self, number: Number, well: bool) {
        self.stop(Clock::Connect);
        self.data = Data::None;
        if !well {
            self.no_data_connection(425);
        } else if self.security.private {
            let tls = self.start(Task::Secure(Over::Data(number)));
            self.data = Data::Securing { tls };
            self.set(Clock::Stall, self.handshake_time());
        } else {
            self.ready(number);
        }
    }

    pub(crate) fn data_secured(&mut self, data: Number, secured: Result<bool, TlsError>) {
        if secured.is_ok() {
            return self.ready(data);
        }
        // A file that is being opened, or lines of STAT, may still stall.
        self.set(Clock::Stall, self.setup.timeouts.stall.filter(|_| self.transfer.is_some()));
        self.data = Data::Spoilt;
        self.no_data_connection(522);
    }

    /// Clients may begin the handshake with their transfer command alone; from its announcement on they have no reason.
    pub(crate) fn handshake_time(&self) -> Option<Millis> {
        let timeouts = self.setup.timeouts;
        match self.transfer.as_ref().map(|transfer| (transfer.stage, transfer.over_control)) {
            Some((Stage::Waiting(_), false)) => timeouts.tls.or(timeouts.stall),
            _ => timeouts.stall,
        }
    }

    fn ready(&mut self, number: Number) {
        self.data = Data::Connected(number);
        self.set(Clock::Stall, self.setup.timeouts.stall);
        if let Some(Stage::Waiting(file)) = self.stage() {
            self.move_bytes(file);
        }
    }

    /// A transfer that waits for it has waited in vain. One that opens its file learns of it afterwards.
    fn no_data_connection(&mut self, code: u16) {
        if let Some(Stage::Waiting(file)) = self.stage() {
            self.release(Thing::File(file));
            self.end_transfer(Said::code(code));
        }
    }

    /// The client has not connected in time.
    pub(crate) fn connection_is_late(&mut self) {
        match self.transfer.as_ref().map(|transfer| transfer.over_control) {
            Some(false) => self.no_data_connection(425),
            // Nobody uses the listener, and nobody is told.
            None | Some(true) => self.give_data_up(),
        }
    }
}

/// Whether nobody can listen at this address.
fn is_nobodys(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    address.is_unspecified() || address.is_multicast() || broadcast
}
