//! The flight recorder: what a session was given, so that it can be given it again.
//!
//! A [`Session`](ftp_proto::Session) is a pure state machine: what it says and does follows from its settings and from
//! its inputs, in their order, each with its moment. So these are all that a record has. A [`Recorder`] that a
//! [`Service`](crate::Service) has been given takes the bytes of it while the session goes on; [`read`] makes a [`Record`]
//! of them, and [`replay`] gives it to a new session, offline, and tells what that puts out and whether it is the same.
//!
//! # What is in it, and what is not
//! The lines of the control connection (in clear, also where they came under TLS) with their secrets replaced, the outcome
//! of each action, moments, addresses and the protocol's settings. Of what the session put out there is an outline, to
//! compare with. Nothing of files is in it, nor of listings, nor of any data connection. Secrets are replaced before
//! anything is handed to the recorder, by [`SecretFilter`](ftp_proto::SecretFilter), which says what counts as one: a line
//! leaves the session's memory only once it is there as a whole, and neither the length of a secret nor the pieces that it
//! came in are told.
//!
//! The bytes are described in `docs/flight-recorder.md`.

mod core;
mod frame;
mod lines;
mod marks;
mod outcome;
mod outline;
mod play;
mod read;
mod recorder;
mod scribe;
mod wire;

pub use self::marks::{ActionKind, EventKind, Mark, ResourceKind};
pub use self::outcome::{
    Attributes, DataFault, ListenFault, LoginFault, Outcome, StorageFault, TlsFault, TransferFault, Welcome,
};
pub use self::outline::{Bytes, Entry, Header, Input, Line, Settings};
pub use self::play::{Divergence, Replayed, Step, What, replay};
pub use self::read::{Broken, BrokenReason, Ending, Record, read};
pub use self::recorder::{Recorder, Recording};

pub(crate) use self::core::Core;
pub(crate) use self::outcome::Recorded;
pub(crate) use self::scribe::{Beginning, Scribe};
