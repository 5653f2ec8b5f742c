//! The current directory for everybody to read, on smol, with a thread for each processor.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_smol::Server;
use ftp_types::Permissions;
use smol::Executor;
use smol::future::{block_on, pending};

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(Path::new("."), Permissions::READ)?;

    let service = Service::builder(users).build();
    let server = Server::builder(service).bind(ferry_examples::address())?.build()?;

    let handle = server.handle();
    let stop = server.handle();
    ferry_examples::listening(handle.local_addrs()[0], "anonymous", "", move || stop.shutdown(Duration::ZERO));

    // One thread would do: `smol::block_on(server.serve())`.
    let executor = Arc::new(Executor::new());
    for _ in 1..thread::available_parallelism()?.get() {
        let executor = Arc::clone(&executor);
        thread::spawn(move || block_on(executor.run(pending::<()>())));
    }
    block_on(executor.run(server.serve_on(Arc::clone(&executor))));
    Ok(())
}
