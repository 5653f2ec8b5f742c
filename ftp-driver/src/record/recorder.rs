//! Who takes the bytes of records.

use ftp_types::UnixTime;

use crate::observer::SessionInfo;

/// Takes the records of sessions, to keep them in files, say. See [`ServiceBuilder::recorder`](crate::ServiceBuilder).
///
/// The methods are called from the session's own task, so they must not block.
pub trait Recorder: Send + Sync + 'static {
    /// A session begins: what takes its record, or `None` when it is not to be recorded.
    fn begin(&self, session: &SessionInfo, began: UnixTime) -> Option<Box<dyn Recording>>;

    /// The name of the charset of [`Config::codec`](ftp_proto::Config::codec), by which a replay finds its own.
    fn charset(&self) -> &str {
        ""
    }

    /// How many bytes a record may have; past it, it says so and ends. By default 16 MiB.
    fn limit(&self) -> u64 {
        16 << 20
    }
}

/// Takes one record. It is dropped at its end.
pub trait Recording: Send {
    /// Takes the next bytes. They come after each turn of the session that had an input, so that what was taken is as
    /// good as the session is far. `false`: nothing more is taken, and the session is no longer recorded.
    fn write(&mut self, bytes: &[u8]) -> bool;
}
