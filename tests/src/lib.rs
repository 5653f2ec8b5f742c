//! What the tests of the protocol core share: a [`Driver`] that drives a session by hand, a [`Ledger`] that holds every
//! output against the rules of the core's contract, and a [`World`] that answers actions out of a tiny tree.
//!
//! The fuzz targets use them too.

mod driver;
mod ledger;
mod show;
mod world;

pub use driver::{Driver, PEER, PORT_OF_PEER};
pub use ledger::{Ledger, Makes};
pub use show::{describe, shown};
pub use world::World;
