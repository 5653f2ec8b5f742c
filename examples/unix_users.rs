//! The accounts of this machine, and its files as each of them may use them. It needs Linux, root and PAM.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use ftp_driver::Service;
    use ftp_fs::system::{Pam, SystemOptions, SystemUsers};
    use ftp_runtime_tokio::Server;
    use tokio::runtime::Runtime;

    // PAM goes by /etc/pam.d/ferry, or else by /etc/pam.d/other.
    let options =
        SystemOptions { rejected: vec!["root".parse()?], require_valid_shell: true, ..SystemOptions::default() };
    let users = SystemUsers::new(options, Pam::new("ferry")?)?;
    let service = Service::builder(users).build();

    Runtime::new()?.block_on(async {
        let server = Server::bind(ferry_examples::address(), service)?;
        println!("listening on ftp://{}", server.local_addrs()[0]);
        server.serve().await;
        Ok(())
    })
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("accounts of the machine are for Linux and, in another example, for Windows");
}
