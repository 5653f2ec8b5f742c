//! How a client goes about a transfer: rightly, or in one of many other ways.

use std::time::Duration;

use crate::chance::Chance;
use crate::client::Visit;

/// What a client does with its data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    Good,
    /// Says at once that nothing comes from it, which ends no download.
    HalfClosed,
    /// Is gone as soon as it has sent everything, and reads nothing.
    Hasty,
    /// Resets the connection after so many bytes.
    Reset(usize),
    /// Does nothing for a time after so many bytes.
    Stall(usize, Duration),
    /// Never connects.
    Never,
    /// Does not keep to TLS where it should.
    Breach(Breach),
}

impl Conduct {
    /// Whether a transfer may succeed in spite of it.
    pub(crate) fn is_good(self, lenient_eof: bool) -> bool {
        match self {
            Self::Good | Self::HalfClosed | Self::Hasty => true,
            Self::Stall(_, time) => time < Duration::from_secs(25),
            Self::Breach(Breach::NoFarewell) => lenient_eof,
            Self::Reset(_) | Self::Never | Self::Breach(_) => false,
        }
    }
}

/// What clients do wrong about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// An upload ends without `close_notify`.
    NoFarewell,
    /// An upload ends within a record.
    TornRecord,
    /// The client is silent, and waits for something in clear.
    Mute,
    /// It says everything in clear.
    ClearText,
    /// It ends in the middle of the handshake, with a reset or without.
    TornHandshake(usize, bool),
}

impl Breach {
    pub(crate) const fn spoils_handshake(self) -> bool {
        matches!(self, Self::Mute | Self::ClearText | Self::TornHandshake(..))
    }
}

/// How the client goes about it.
pub(crate) struct Plan {
    pub(crate) conduct: Conduct,
    /// Whether the data connection is made before the command.
    pub(crate) early: bool,
    pub(crate) extra: Option<Extra>,
    /// Whether the other command is sent together with the first, and else how long after the preliminary reply.
    pub(crate) at_once: bool,
    pub(crate) delay: Duration,
    /// How many commands come right before, and whether nobody reads their replies for a while: more than the connection
    /// holds, so that the preliminary reply has to wait behind them.
    pub(crate) noise: usize,
}

impl Plan {
    /// Whether the client itself gives the transfer up.
    pub(crate) const fn disturbs(&self) -> bool {
        matches!(self.extra, Some(Extra::Abort | Extra::HalfClose | Extra::Vanish(_)))
    }
}

/// The length of a reply to STAT, about.
const STATUS: usize = 150;

/// What a client does while a transfer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Noop,
    Status,
    Abort,
    Quit,
    /// Closes its half of the control connection.
    HalfClose,
    /// Is gone, with a reset or without.
    Vanish(bool),
}

impl Extra {
    pub(crate) const fn line(self) -> Option<&'static str> {
        match self {
            Self::Noop => Some("NOOP"),
            Self::Status => Some("STAT"),
            Self::Abort => Some("ABOR"),
            Self::Quit => Some("QUIT"),
            Self::HalfClose | Self::Vanish(_) => None,
        }
    }

    /// Whether the reply is that of this command, and not the last one of the transfer.
    pub(crate) const fn is_answered_by(self, code: u16, transfer_is_over: bool) -> bool {
        match self {
            Self::Noop => code == 200,
            Self::Status => code == 211,
            Self::Quit => code == 221,
            Self::Abort => transfer_is_over && (code == 225 || code == 226),
            Self::HalfClose | Self::Vanish(_) => false,
        }
    }
}

impl Visit<'_> {
    pub(crate) fn plan(&mut self, upload: bool) -> Plan {
        let protects = self.control.protects;
        let chance = &mut self.client.chance;
        let conduct = match chance.below(20) {
            0 | 1 => Conduct::Reset(chance.magnitude(60_000) as usize),
            2 => Conduct::Stall(chance.magnitude(60_000) as usize, chance.seconds(1, 20)),
            3 if chance.one_in(4) => Conduct::Stall(chance.magnitude(60_000) as usize, chance.seconds(300, 1200)),
            4 => Conduct::Never,
            5 => {
                if upload {
                    Conduct::Hasty
                } else {
                    Conduct::HalfClosed
                }
            }
            6..=8 if protects => Conduct::Breach(breach(chance, upload)),
            _ => Conduct::Good,
        };
        let extra = match chance.below(20) {
            0 | 1 => Some(Extra::Noop),
            2 => Some(Extra::Status),
            3..=5 => Some(Extra::Abort),
            6 => Some(Extra::Quit),
            7 if chance.one_in(2) => Some(Extra::HalfClose),
            8 => Some(Extra::Vanish(chance.one_in(2))),
            _ => None,
        };
        let delay = chance.micros(Duration::from_secs(1));
        let pipe = self.client.common.scene.climate.pipe;
        let noise = if pipe < 10_000 && chance.one_in(8) { pipe / STATUS + 8 } else { 0 };
        Plan { conduct, early: chance.one_in(2), extra, at_once: chance.one_in(3), delay, noise }
    }
}

fn breach(chance: &mut Chance, upload: bool) -> Breach {
    match chance.below(if upload { 7 } else { 3 }) {
        0 => Breach::Mute,
        1 => Breach::ClearText,
        2 => Breach::TornHandshake(chance.below(600), chance.one_in(2)),
        3 => Breach::TornRecord,
        _ => Breach::NoFarewell,
    }
}
