//! The current directory for everybody to read, on tokio.

use std::error::Error;

use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_tokio::Server;
use ftp_types::Permissions;
use tokio::runtime::Runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).build();

    Runtime::new()?.block_on(async {
        let server = Server::bind(ferry_examples::address(), service)?;
        println!("listening on ftp://{}", server.local_addrs()[0]);
        server.serve().await;
        Ok(())
    })
}
