//! The accounts of a Windows machine: each sees its profile directory, as the machine lets it.

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use ftp_driver::Service;
    use ftp_fs::system::{SystemOptions, WindowsUsers};
    use ftp_runtime_smol::Server;
    use ftp_types::Secret;

    let options = SystemOptions::default();
    // Guest, which has to be enabled, with an empty password, for anonymous sessions:
    // options.anonymous_user = Some("Guest".parse()?);
    let users = WindowsUsers::new(options, Secret::from(""))?;
    let service = Service::builder(users).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    println!("this is for Windows; the example unix_users is for Linux");
}
