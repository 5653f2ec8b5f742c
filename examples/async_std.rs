//! The current directory for everybody to read, inside of an executor that the server knows nothing of: async-std's.
//!
//! The adapter for smol works in it, since smol's reactor has a thread of its own. Sessions are spawned by async-std.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use async_std::task;
use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_smol::Server;
use ftp_types::Permissions;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(Path::new("."), Permissions::READ)?;

    let service = Service::builder(users).build();
    let server = Server::builder(service).bind(ferry_examples::address())?.build()?;

    let handle = server.handle();
    let stop = server.handle();
    ferry_examples::listening(handle.local_addrs()[0], "anonymous", "", move || stop.shutdown(Duration::ZERO));
    task::block_on(server.serve_with(|session| drop(task::spawn(session))));
    Ok(())
}
