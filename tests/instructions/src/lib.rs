//! What the counted cases work on: a session with somebody who answers it at once, entries to list, a text.

mod desk;
mod matter;

pub use desk::Desk;
pub use matter::{ENTRIES, KIB, entries, text};
