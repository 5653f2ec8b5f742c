//! What the examples have in common: an address to listen on.
//!
//! Each example that serves prints `listening on URL` once it accepts, and serves until it is killed: on port 2121 of
//! this machine, or at the address that is given as its argument. `tests/interop/examples.rs` tries them all out.

#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};
use std::{env, process};

/// Where the example is to listen: the program's argument, or port 2121 of this machine.
#[must_use]
pub fn address() -> SocketAddr {
    let Some(argument) = env::args().nth(1) else { return (Ipv4Addr::LOCALHOST, 2121).into() };
    argument.parse().unwrap_or_else(|_| {
        eprintln!("{argument:?} is not an address like 127.0.0.1:2121");
        process::exit(2);
    })
}

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
