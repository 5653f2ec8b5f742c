//! Passwords kept as hashes: what is stored does not tell them.

use std::error::Error;

use ftp_driver::Service;
use ftp_fs::{Credential, NewUser, VirtualUsers, hash_password};
use ftp_runtime_smol::Server;
use ftp_types::Permissions;

fn main() -> Result<(), Box<dyn Error>> {
    // `ferry hash-password` makes such a text, too. It would be stored in a file or a database.
    let hash = hash_password(&"12345".into());

    let users = VirtualUsers::new();
    users.add(NewUser::new("user".parse()?, Credential::Hash(hash), ".").letters("elradfmwMT"))?;
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://user:12345@{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
