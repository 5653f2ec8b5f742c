//! Systems for which zero copy is not written.

use std::convert::Infallible;

use ftp_fs::Reader;
use ftp_proto::TransferError;

use crate::holdings::Extent;
use crate::runtime::Runtime;
use crate::wire::Wire;

/// No file can be sent this way.
pub(crate) fn start_of(_: &dyn Reader, _: Option<Extent>) -> Option<Infallible> {
    None
}

/// Never called.
pub(crate) async fn send<R: Runtime>(
    _: &mut Wire<R>,
    _: &mut dyn Reader,
    start: Infallible,
    _: Option<Extent>,
) -> Result<Option<u64>, TransferError> {
    match start {}
}
