//! No transfer is faster than 30 KiB a second, either way.

use std::error::Error;

use ftp_driver::Service;
use ftp_fs::{Credential, NewUser, VirtualUsers};
use ftp_runtime_smol::Server;
use ftp_types::Permissions;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add(NewUser::new("user".parse()?, Credential::Plain("12345".into()), ".").letters("elradfmwMT"))?;
    users.add_anonymous(".", Permissions::READ)?;

    let service = Service::builder(users)
        .read_limit(30 * 1024) // received by an upload
        .write_limit(30 * 1024) // sent by a download
        .build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://user:12345@{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
