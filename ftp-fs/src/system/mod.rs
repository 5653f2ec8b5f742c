//! Accounts of the machine, and work done under their identity.

mod impersonate;

pub use impersonate::{Impersonate, Impersonated, impersonating};
