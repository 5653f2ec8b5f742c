//! The FTP server's protocol interpreter as a pure state machine (RFC 959 and its successors).
//!
//! Bytes and outcomes go in, replies and actions come out. There is no I/O, no clock, no async and no `std` in it: the
//! [`Session`] says what is to be done, and a driver does it on whatever runtime it likes. How to drive it is told at
//! [`Session`].
//!
//! The pure helpers that a driver's data pump needs live here too: [`AsciiEncoder`] and [`AsciiDecoder`],
//! [`ListFormatter`], [`TokenBucket`].

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;

mod action;
mod address;
mod ascii;
mod command;
mod commands;
mod config;
mod data;
mod event;
mod lane;
mod line;
mod listing;
mod login;
mod parse;
mod rate;
mod reply;
mod secrets;
mod security;
mod session;
mod telnet;
mod text;
mod time;
mod timer;
mod transfer;

pub use action::{
    Accept, Action, ActionId, Authenticate, Change, Channel, Connect, DataError, Listen, ListenError, Listening, Login,
    LoginError, Open, OpenTarget, Opened, Output, Proof, Representation, Request, Resource, Secured, StartTls, Stat,
    StatPurpose, Ticket, TlsError, Transfer, TransferError, TransferKind, Transferred,
};
pub use address::{HostPort, parse_extended_port, parse_port};
pub use ascii::{AsciiDecoder, AsciiEncoder};
pub use command::{Access, Argument, CommandInfo, commands};
pub use config::{Config, PathCodec, TlsPolicy};
pub use event::{CloseReason, CommandLine, Direction, Event, Incomplete, LogoutReason, TransferReport};
pub use line::{Framed, LineReader};
pub use listing::{Facts, ListFormatter, ListStyle};
pub use parse::Command;
pub use rate::TokenBucket;
pub use reply::{Reply, ReplyCode};
pub use secrets::SecretFilter;
#[cfg(feature = "testing")]
pub use session::control_state::{
    ControlSecurity, ControlState, DataState, JobKind, Life, LoginState, MarkerState, SecurityState, TransferPhase,
    TransferState,
};
pub use session::{Session, Shutdown};
pub use time::Instant;
#[cfg(feature = "testing")]
pub use timer::Timer;
