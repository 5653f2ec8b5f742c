//! A base to start from: a user who may do everything, an anonymous one who may read, and limits for connections.

use std::error::Error;

use ftp_driver::Service;
use ftp_fs::{Credential, NewUser, VirtualUsers};
use ftp_proto::Config;
use ftp_runtime_tokio::Server;
use ftp_types::Permissions;
use tokio::runtime::Runtime;

fn main() -> Result<(), Box<dyn Error>> {
    // A user who may read and write, and an anonymous one who may read.
    let users = VirtualUsers::new();
    users.add(NewUser::new("user".parse()?, Credential::Plain("12345".into()), ".").letters("elradfmwMT"))?;
    users.add_anonymous(".", Permissions::READ)?;

    let config = Config {
        // The first words to a client.
        banner: format!("Ferry {} is ready.", env!("CARGO_PKG_VERSION")),
        // Behind NAT: the address that clients know, with the ports below forwarded here.
        // masquerade_address: Some([151, 25, 42, 11].into()),
        ..Config::default()
    };
    let service = Service::builder(users)
        .config(config)
        // .passive_ports(60000..=65535)
        .max_connections(256)
        .max_connections_per_ip(5)
        .build();

    Runtime::new()?.block_on(async {
        let server = Server::bind(ferry_examples::address(), service)?;
        println!("listening on ftp://user:12345@{}", server.local_addrs()[0]);
        server.serve().await;
        Ok(())
    })
}
