//! The behaviour of the crate as others see it, in one program.

mod accounts;
mod common;
mod conformance;
mod impersonate;
mod mounts;
mod offload;
mod stacked;
#[cfg(target_os = "linux")]
mod system_users;
mod view;
mod words;
