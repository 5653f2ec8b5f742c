//! The current directory for everybody to read, on tokio.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_runtime_tokio::Server;
use ftp_types::Permissions;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(Path::new("."), Permissions::READ)?;

    let service = Service::builder(users).build();
    let server = Server::builder(service).bind(ferry_examples::address())?.build()?;

    let handle = server.handle();
    let stop = server.handle();
    ferry_examples::listening(handle.local_addrs()[0], "anonymous", "", move || stop.shutdown(Duration::ZERO));
    server.serve().await;
    Ok(())
}
