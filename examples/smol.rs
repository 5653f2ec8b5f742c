//! The current directory for everybody to read, on smol, with a thread for each processor.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_smol::Server;
use ftp_types::Permissions;
use smol::Executor;
use smol::future::{block_on, pending};

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://{}", server.local_addrs()[0]);

    // One thread would do: `smol::block_on(server.serve())`.
    let executor = Arc::new(Executor::new());
    for _ in 1..thread::available_parallelism()?.get() {
        let executor = Arc::clone(&executor);
        thread::spawn(move || block_on(executor.run(pending::<()>())));
    }
    block_on(executor.run(server.serve_on(Arc::clone(&executor))));
    Ok(())
}
