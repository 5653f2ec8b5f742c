//! The behaviour of the crate as others see it, in one program.

mod accounts;
mod common;
mod conformance;
mod impersonate;
mod least;
mod mounts;
mod offload;
mod scripted;
mod stacked;
#[cfg(target_os = "linux")]
mod system_users;
mod view;
mod words;
