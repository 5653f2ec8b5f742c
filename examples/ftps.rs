//! FTP over TLS: certificate and key lie in `keycert.pem` of the current directory. This makes one:
//!
//! `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout keycert.pem -out cert.pem && cat cert.pem >> keycert.pem`

use std::error::Error;
use std::fs;

use ftp_driver::{Service, TlsServer};
use ftp_fs::{Credential, NewUser, VirtualUsers};
use ftp_proto::{Config, TlsPolicy};
use ftp_runtime_tokio::Server;
use ftp_types::Permissions;
use tokio::runtime::Runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add(NewUser::new("user".parse()?, Credential::Plain("12345".into()), ".").letters("elradfmwMT"))?;
    users.add_anonymous(".", Permissions::READ)?;

    let pem = fs::read("keycert.pem").map_err(|error| format!("keycert.pem: {error}"))?;
    // Nobody logs in, and nothing is transferred, without TLS. Left out, both may.
    let policy = TlsPolicy { control_required: true, data_required: true };
    let service = Service::builder(users)
        .tls(TlsServer::from_pem(&pem, &pem)?)
        .config(Config { tls: Some(policy), ..Config::default() })
        .build();

    Runtime::new()?.block_on(async {
        let server = Server::bind(ferry_examples::address(), service)?;
        println!("listening on ftp://user:12345@{}", server.local_addrs()[0]);
        server.serve().await;
        Ok(())
    })
}
