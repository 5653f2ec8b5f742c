//! The current directory for everybody to read, inside of an executor that the server knows nothing of: async-std's.
//!
//! The adapter for smol works in it, since smol's reactor has a thread of its own. Sessions are spawned by async-std.

use std::error::Error;

use async_std::task;
use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_smol::Server;
use ftp_types::Permissions;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://{}", server.local_addrs()[0]);
    task::block_on(server.serve_with(|session| drop(task::spawn(session))));
    Ok(())
}
