//! The two runtimes, each with so many worker threads.

use std::io;

use ftp_driver::{Handle, Service};

use crate::listeners::Bound;

/// Serves on tokio. `start` is called once connections are accepted.
pub(crate) fn tokio(
    workers: usize,
    service: Service,
    bound: Bound,
    start: impl FnOnce(Handle) -> io::Result<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let served = runtime.block_on(async {
        let builder = ftp_runtime_tokio::Server::builder(service);
        let builder = bound.listeners.into_iter().fold(builder, ftp_runtime_tokio::ServerBuilder::listener);
        let implicit = ftp_runtime_tokio::ServerBuilder::listener_implicit_tls;
        let server = bound.implicit_tls.into_iter().fold(builder, implicit).build()?;
        start(server.handle())?;
        // By a worker: what is spawned from this thread, which is none, is always another thread's.
        tokio::spawn(server.serve()).await.map_err(io::Error::other)
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
