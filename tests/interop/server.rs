//! A running `ferry` with a folder to serve and a folder for the client.

use std::{
    env,
    fmt::{self, Display},
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{lines, wait_within};

pub(crate) const USER: &str = "ferry";
pub(crate) const PASSWORD: &str = "wharf";

const START_LIMIT: Duration = Duration::from_secs(30);
/// The server's own grace for running transfers is ten seconds.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The runtimes that `ferry --runtime` knows.
#[derive(Clone, Copy)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
}

impl Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        })
    }
}

/// One test's server, and the folders on both sides of it.
pub(crate) struct Site {
    // Stops before its folder goes.
    server: Server,
    folder: TempDir,
}

impl Site {
    /// Serves one user with every right, on IPv4.
    pub(crate) fn start(runtime: Runtime) -> Self {
        Self::on(runtime, Ipv4Addr::LOCALHOST.into(), &["-w", "-u", USER, "-P", PASSWORD])
    }

    /// The same on IPv6.
    pub(crate) fn start_ipv6(runtime: Runtime) -> Self {
        Self::on(runtime, Ipv6Addr::LOCALHOST.into(), &["-w", "-u", USER, "-P", PASSWORD])
    }

    /// Serves anonymous users, who may read and nothing else.
    pub(crate) fn start_anonymous(runtime: Runtime) -> Self {
        Self::on(runtime, Ipv4Addr::LOCALHOST.into(), &[])
    }

    /// Serves the named user over TLS, with these keys in `[tls]`, and nobody without it.
    pub(crate) fn start_tls(runtime: Runtime, keys: &str) -> Self {
        Self::on_tls(runtime, keys, "")
    }

    /// The same on a listener where TLS comes first.
    pub(crate) fn start_implicit_tls(runtime: Runtime) -> Self {
        Self::on_tls(runtime, "", "listen = []\nlisten_implicit_tls = ['127.0.0.1:0']")
    }

    /// Serves the named user on 127.0.0.3, behind a proxy at 127.0.0.1, with one passive port.
    pub(crate) fn start_behind_proxy(runtime: Runtime, passive_port: u16) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let config = folder.path().join("ferry.toml");
        let text = format!("[server]\nproxy_protocol = ['127.0.0.1']\n[data]\npassive_ports = '{passive_port}'\n");
        fs::write(&config, text).expect("a configuration");
        let config = config.display().to_string();
        let arguments = ["-w", "-u", USER, "-P", PASSWORD, "-D", "--config", &config];
        Self::in_folder(folder, runtime, Ipv4Addr::new(127, 0, 0, 3).into(), &arguments)
    }

    /// The authority that has signed the server's certificate, in PEM.
    pub(crate) fn authority(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// The folder that the server shows as `/`.
    pub(crate) fn served(&self) -> PathBuf {
        self.folder.path().join("served")
    }

    /// The folder that clients start in.
    pub(crate) fn local(&self) -> PathBuf {
        self.folder.path().join("local")
    }

    pub(crate) fn host(&self) -> String {
        self.server.address.ip().to_string()
    }

    pub(crate) fn port(&self) -> String {
        self.server.address.port().to_string()
    }

    /// URL of a path that begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.server.scheme, self.server.address)
    }

    /// A client program that starts in [`local`](Self::local) and sees no configuration of whoever runs the tests.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.local()).env("HOME", self.folder.path().join("home")).env("LC_ALL", "C.UTF-8");
        for leftover in ["NETRC", "ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY", "LFTP_HOME"] {
            command.env_remove(leftover);
        }
        command
    }

    fn on_tls(runtime: Runtime, keys: &str, listeners: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        certify(folder.path());
        let config = folder.path().join("ferry.toml");
        let required = "certfile = 'cert.pem'\ncontrol_required = true\ndata_required = true";
        let text = format!("[server]\n{listeners}\n[tls]\n{required}\n{keys}\n");
        fs::write(&config, text).expect("a configuration");
        let config = config.display().to_string();
        let arguments = ["-w", "-u", USER, "-P", PASSWORD, "-D", "--config", &config];
        Self::in_folder(folder, runtime, Ipv4Addr::LOCALHOST.into(), &arguments)
    }

    fn on(runtime: Runtime, interface: IpAddr, arguments: &[&str]) -> Self {
        Self::in_folder(TempDir::new().expect("a temporary folder"), runtime, interface, arguments)
    }

    fn in_folder(folder: TempDir, runtime: Runtime, interface: IpAddr, arguments: &[&str]) -> Self {
        for part in ["served", "local", "home"] {
            fs::create_dir(folder.path().join(part)).expect("a new folder");
        }
        let mut command = Command::new(ferry());
        command.args(["-p", "0", "-i", &interface.to_string(), "--runtime", &runtime.to_string()]);
        command.arg("-d").arg(folder.path().join("served")).args(arguments);
        Self { server: Server::start(command, folder.path().join("server.log")), folder }
    }
}

/// Puts `ca.pem` there, and `cert.pem` with a key and the certificate for it; `named.pem` and `wild.pem` for other names.
pub(crate) fn certify(folder: &Path) {
    let key = || KeyPair::generate().expect("a key");
    // The same name for both would mean that the server's certificate is signed by itself.
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    fs::write(folder.join("ca.pem"), authority.pem()).expect("a file");
    for (file, name) in [("cert.pem", "127.0.0.1"), ("named.pem", "ftp.example.test"), ("wild.pem", "*.example.test")] {
        let (server, key) = (CertificateParams::new(vec![name.to_owned()]).expect("a name"), key());
        let certificate = server.signed_by(&key, &authority).expect("a certificate");
        fs::write(folder.join(file), certificate.pem() + &key.serialize_pem()).expect("a file");
    }
}

struct Server {
    /// Taken when it is stopped.
    child: Option<Child>,
    scheme: &'static str,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    fn start(mut command: Command, log: PathBuf) -> Self {
        let log_file = File::create(&log).expect("a log file");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = child.stdout.take().expect("standard output is piped");
        let Some((scheme, address)) = ready_address(stdout) else {
            let _ = child.kill();
            panic!("{command:?} printed no ready line\n{}", contents(&log));
        };
        Self { child: Some(child), scheme, address, log }
    }
}

/// Stops the server as an operator would; that it then ends cleanly belongs to every test.
impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.take().expect("a server stops once");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a running server takes signals");
        let ended = wait_within(child, STOP_LIMIT);
        if thread::panicking() {
            eprintln!("---- the server's log\n{}", contents(&self.log));
            return;
        }
        let ended = ended.unwrap_or_else(|_| panic!("no end after SIGTERM\n{}", contents(&self.log)));
        assert!(ended.status.success(), "the server ended with {}\n{}", ended.status, contents(&self.log));
    }
}

/// The address of the ready line `listening on ftp://ADDRESS`, or `ftps://`; what follows it on that stream is read and
/// dropped.
fn ready_address(stdout: ChildStdout) -> Option<(&'static str, SocketAddr)> {
    let (lines, until) = (lines(stdout), Instant::now() + START_LIMIT);
    loop {
        let line = lines.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
        let ready = ["ftp", "ftps"].into_iter().find_map(|scheme| {
            let address = line.strip_prefix(&format!("listening on {scheme}://"))?;
            Some((scheme, address.parse().ok()?))
        });
        if ready.is_some() {
            return ready;
        }
    }
}

/// `FERRY_BIN`, or the program that cargo built beside this test.
fn ferry() -> PathBuf {
    env::var_os("FERRY_BIN").map_or_else(|| program("ferry"), PathBuf::from)
}

/// A program that cargo built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its file");
    // target/PROFILE/deps/interop-HASH
    let profile = test.ancestors().nth(2).expect("a test lies in a target folder");
    let program = profile.join(name);
    assert!(program.exists(), "{name} is not built: run `cargo build -p ferry` or `cargo build --examples`");
    program
}

fn contents(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}
