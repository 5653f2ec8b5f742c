//! Ferry as a program: command line, configuration, logs, signals, privileges. What it serves with are the crates
//! beside it.

#![forbid(unsafe_code)]

#[cfg(not(any(feature = "tls-aws-lc", feature = "tls-ring")))]
compile_error!("TLS needs its cryptography from somewhere: enable the feature tls-aws-lc (the default) or tls-ring");

pub mod cli;
pub mod commands;
pub mod config;
mod control;
pub mod daemon;
pub mod encoding;
mod hosts;
pub mod listeners;
pub mod logging;
#[cfg(unix)]
pub mod pid_file;
#[cfg(unix)]
pub mod privileges;
pub mod replay;
mod runtimes;
pub mod serve;
pub mod service;
pub mod settings;
pub mod signals;
mod system_users;
pub mod tls;
mod values;
pub mod zone;

/// Exit status when it cannot serve.
const CANNOT: u8 = 1;
/// Exit status of bad usage and bad configuration.
const USAGE: u8 = 2;
