//! The two runtimes, each with so many worker threads.

use std::future::pending;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use async_executor::Executor;
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
        server.serve().await;
        Ok(())
    });
    // A disk that hangs is to hold up the end no more than it holds up the sessions.
    runtime.shutdown_background();
    served
}

/// Serves on smol: threads that run one executor, while this one waits.
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
    let executor = Arc::new(Executor::new());
    for _ in 0..workers {
        let executor = Arc::clone(&executor);
        thread::Builder::new().name("worker".to_owned()).spawn(move || work(&executor))?;
    }
    start(server.handle())?;
    let serving = executor.spawn(server.serve_on(Arc::clone(&executor)));
    async_io::block_on(serving);
    Ok(())
}

/// A panic ends the session that it happened in, and not the thread, which others need: as it is on tokio.
fn work(executor: &Executor<'static>) {
    let run = || async_io::block_on(executor.run(pending::<()>()));
    while panic::catch_unwind(AssertUnwindSafe(run)).is_err() {}
}
