//! What the fuzz targets of `fuzz/` hold: one function for each, which takes any bytes and panics when something does
//! not hold. They know nothing of a fuzzer, so that the ordinary tests run them over the seeds.
//!
//! Nothing is checked by code that it shares with what it checks: each function has a naive implementation beside it,
//! or the inverse of what it looks at, or says that something must not matter, such as how a stream was cut.

mod address;
mod ascii;
mod command;
mod config;
mod cut;
mod dates;
mod line;
mod list_options;
mod listing;
mod path;
mod record;
mod seeds;
mod session_bytes;
mod session_ops;
mod source;
mod transcript;
mod values;
mod wire;

pub use address::address;
pub use ascii::ascii;
pub use command::command;
pub use config::config;
pub use line::line;
pub use list_options::list_options;
pub use listing::listing;
pub use path::path;
pub use record::record;
pub use seeds::{Seed, derived, kept};
pub use session_bytes::session_bytes;
pub use session_ops::session_ops;
pub use values::values;

/// A check: it panics when the bytes show a fault.
pub type Check = fn(&[u8]);

/// Every target by its name, which is that of its file in `fuzz/fuzz_targets/` and of its seeds.
pub const TARGETS: [(&str, Check); 12] = [
    ("line", line),
    ("command", command),
    ("session_bytes", session_bytes),
    ("session_ops", session_ops),
    ("path", path),
    ("ascii", ascii),
    ("address", address),
    ("values", values),
    ("listing", listing),
    ("list_options", list_options),
    ("config", config),
    ("record", record),
];
