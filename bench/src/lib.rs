//! Measures FTP servers against each other and against what the kernel allows, on loopback. On other systems than
//! Linux there is nothing in here.
//!
//! `docs/performance.md` says how to run it and what it told.

#![cfg(target_os = "linux")]

mod accounting;
mod cases;
mod cli;
mod content;
mod identity;
mod limit;
mod machine;
mod memory;
mod process;
mod reactor;
mod reply;
mod report;
mod results;
mod run;
mod servers;
mod session;
mod socket;
mod statistics;
mod tls;

pub use cli::main;
