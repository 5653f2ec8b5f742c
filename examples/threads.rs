//! The current directory for everybody to read, by plain threads: one for each client.
//!
//! A session is one future, so that `block_on` is all it takes to run it.

use std::error::Error;
use std::net::TcpListener;
use std::thread;

use ftp_driver::{Addresses, Service, serve_connection};
use ftp_fs::VirtualUsers;
use ftp_runtime_smol::SmolRuntime;
use ftp_types::Permissions;
use smol::future::block_on;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).build();

    let listener = TcpListener::bind(ferry_examples::address())?;
    println!("listening on ftp://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = SmolRuntime.stream(stream?)?;
        let Ok(addresses) = Addresses::of(&stream) else { continue };
        let service = service.clone();
        thread::spawn(move || block_on(serve_connection(SmolRuntime, service, stream, addresses)));
    }
    Ok(())
}
