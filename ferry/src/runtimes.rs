//! The two runtimes, each with so many worker threads.

use std::io;

use ftp_driver::{Handle, Service};

use crate::listeners::Bound;

/// Serves on tokio: threads with a runtime each, while that of this one runs what may block.
pub(crate) fn tokio(
    workers: usize,
    service: Service,
    bound: Bound,
    start: impl FnOnce(Handle) -> io::Result<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let builder = ftp_runtime_tokio::Server::builder(service);
        let builder = bound.listeners.into_iter().fold(builder, ftp_runtime_tokio::ServerBuilder::listener);
        let implicit = ftp_runtime_tokio::ServerBuilder::listener_implicit_tls;
        let server = bound.implicit_tls.into_iter().fold(builder, implicit).build()?;
        let workers = ftp_runtime_tokio::Workers::start(workers)?;
        start(server.handle())?;
        server.serve_by(&workers).await;
        Ok(())
    });
    // A disk that hangs is to hold up the end no more than it holds up the sessions.
    runtime.shutdown_background();
    served
}

/// Serves on smol's executor: threads that each run one, while this one waits.
pub(crate) fn smol(
    workers: usize,
    service: Service,
    bound: Bound,
    start: impl FnOnce(Handle) -> io::Result<()>,
) -> io::Result<()> {
    let builder = ftp_runtime_smol::Server::builder(service);
    let builder = bound.listeners.into_iter().fold(builder, ftp_runtime_smol::ServerBuilder::listener);
    let implicit = ftp_runtime_smol::ServerBuilder::listener_implicit_tls;
    let server = bound.implicit_tls.into_iter().fold(builder, implicit).build()?;
    let workers = ftp_runtime_smol::Workers::start(workers)?;
    start(server.handle())?;
    async_io::block_on(server.serve_by(&workers));
    Ok(())
}
