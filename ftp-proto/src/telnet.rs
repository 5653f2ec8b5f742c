//! The Telnet commands inside a control connection (RFC 959 §3.1, RFC 854).
//!
//! FTP uses a subset of Telnet: what matters is that its commands are taken out of the text, wherever the stream was
//! split, and that a Synch is noticed. Option negotiation is not answered: no client of FTP negotiates, and silence is
//! a refusal to a peer that does.

/// Takes Telnet commands out of a stream, byte by byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telnet {
    state: State,
}

/// What a byte turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A byte of text.
    Text(u8),
    /// `IAC` and this byte, which is no command: text of a client that does not know Telnet.
    Raw(u8),
    /// Part of a command.
    Nothing,
    /// The data mark of a Synch: something urgent follows.
    Synch,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Command,
    /// Behind WILL, WONT, DO or DONT: the option follows.
    Option,
    /// Behind SB: all is dropped up to IAC SE.
    Subnegotiation,
    SubnegotiationCommand,
}

/// "Interpret as command".
pub(crate) const IAC: u8 = 0xFF;
const DONT: u8 = 0xFE;
const WILL: u8 = 0xFB;
const SB: u8 = 0xFA;
const SE: u8 = 0xF0;
const DATA_MARK: u8 = 0xF2;

impl Telnet {
    /// Whether the next byte is text unless it is IAC.
    pub(crate) fn in_text(&self) -> bool {
        self.state == State::Text
    }

    pub(crate) fn push(&mut self, byte: u8) -> Decoded {
        let (state, decoded) = match (self.state, byte) {
            (State::Text, IAC) => (State::Command, Decoded::Nothing),
            (State::Text, byte) => (State::Text, Decoded::Text(byte)),
            (State::Command, IAC) => (State::Text, Decoded::Text(IAC)),
            (State::Command, WILL..=DONT) => (State::Option, Decoded::Nothing),
            (State::Command, SB) => (State::Subnegotiation, Decoded::Nothing),
            (State::Command, DATA_MARK) => (State::Text, Decoded::Synch),
            (State::Command, SE..) => (State::Text, Decoded::Nothing),
            (State::Command, byte) => (State::Text, Decoded::Raw(byte)),
            (State::Option, _) => (State::Text, Decoded::Nothing),
            (State::Subnegotiation, IAC) => (State::SubnegotiationCommand, Decoded::Nothing),
            (State::Subnegotiation, _) => (State::Subnegotiation, Decoded::Nothing),
            (State::SubnegotiationCommand, SE) => (State::Text, Decoded::Nothing),
            (State::SubnegotiationCommand, _) => (State::Subnegotiation, Decoded::Nothing),
        };
        self.state = state;
        decoded
    }
}
