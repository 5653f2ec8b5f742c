//! A running `ferry`, and just enough of a client to ask it something.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod tls;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Nothing here takes that long unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) const RUNTIMES: [&str; 2] = ["tokio", "smol"];

/// The program, without whatever the environment of the tests says.
pub(crate) fn ferry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferry"));
    command.env_remove("FERRY_PASSWORD").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// A folder with the folder `home` in it.
pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Serves `home` by these flags on a port of 127.0.0.1.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let mut command = ferry();
        command.args(["-i", "127.0.0.1", "-p", "0", "-d"]).arg(self.path("home")).args(flags);
        Server::start(command)
    }

    /// Serves by the file `ferry.toml`.
    pub(crate) fn serve_file(&self, text: &str, flags: &[&str]) -> Server {
        self.write("ferry.toml", text);
        let mut command = ferry();
        command.arg("--config").arg(self.path("ferry.toml")).args(["-i", "127.0.0.1", "-p", "0"]).args(flags);
        Server::start(command)
    }
}

pub(crate) struct Server {
    pub(crate) child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it and waits for its first ready line, whatever its scheme.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let ready = stdout.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("not ready: {:#?}", Vec::from_iter(&stderr)));
        let address = ready.split_once("://").unwrap().1.parse().unwrap();
        Self { child, stdout, stderr, address }
    }

    pub(crate) fn ready_line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).unwrap()
    }

    /// Reads the log up to a line with this text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.stderr.recv_timeout(LIMIT) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {text:?} in {seen:#?}");
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
    }

    /// Waits for the end; then the rest of the log can be had.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        // The pipe of the log closes with the process.
        let mut rest = Vec::new();
        loop {
            match self.stderr.recv_timeout(LIMIT) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return (self.child.wait().unwrap(), rest),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end: {rest:#?}"),
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn stop(&mut self) -> Vec<String> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        log
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects until there is a place.
    pub(crate) fn wait_for_client(&self) -> Client {
        let began = Instant::now();
        loop {
            let client = self.client();
            if client.greeting.starts_with("220") {
                return client;
            }
            assert!(began.elapsed() < LIMIT, "there is never a place: {}", client.greeting);
        }
    }

    pub(crate) fn login(&self, user: &str, password: &str) -> Client {
        let mut client = self.client();
        client.login(user, password);
        client
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Client {
    control: BufReader<TcpStream>,
    pub(crate) greeting: String,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// Over a connection that stands.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut client = Self { control: BufReader::new(stream), greeting: String::new() };
        client.greeting = client.reply();
        client
    }

    /// The connection, for something else than commands in clear.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.control.into_inner()
    }

    #[track_caller]
    pub(crate) fn login(&mut self, user: &str, password: &str) {
        self.send(&format!("USER {user}"));
        let reply = self.command(format!("PASS {password}"));
        assert!(reply.starts_with("230"), "{reply}");
    }

    /// Sends a command and reads its reply.
    pub(crate) fn command(&mut self, line: impl AsRef<[u8]>) -> String {
        self.control.get_mut().write_all(&[line.as_ref(), b"\r\n"].concat()).unwrap();
        self.reply()
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let reply = self.command(line);
        assert!(reply.starts_with('2') || reply.starts_with('3'), "{line}: {reply}");
    }

    /// The next reply; of one with several lines, the last.
    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let ended = self.control.read_line(&mut line).unwrap() == 0;
            if ended || is_last(&line) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Opens a passive data connection and gives the command that uses it.
    #[track_caller]
    pub(crate) fn transfer(&mut self, line: impl AsRef<[u8]>) -> TcpStream {
        let reply = self.command("EPSV");
        let port = reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}")).parse().unwrap();
        let mut address = self.control.get_ref().peer_addr().unwrap();
        address.set_port(port);
        let data = TcpStream::connect(address).unwrap();
        data.set_read_timeout(Some(LIMIT)).unwrap();
        let reply = self.command(line);
        assert!(reply.starts_with('1'), "{reply}");
        data
    }

    #[track_caller]
    pub(crate) fn retrieve(&mut self, line: impl AsRef<[u8]>) -> Vec<u8> {
        let mut content = Vec::new();
        self.transfer(line).read_to_end(&mut content).unwrap();
        let reply = self.reply();
        assert!(reply.starts_with("226"), "{reply}");
        content
    }

    #[track_caller]
    pub(crate) fn store(&mut self, line: impl AsRef<[u8]>, content: &[u8]) {
        let mut data = self.transfer(line);
        data.write_all(content).unwrap();
        data.shutdown(Shutdown::Both).unwrap();
        let reply = self.reply();
        assert!(reply.starts_with("226"), "{reply}");
    }
}

/// Whether it is the last line of a reply: what stands between the first and the last can be anything else.
fn is_last(line: &str) -> bool {
    line.len() > 3 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit) && line.as_bytes()[3] == b' '
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        // A test that is over listens no more.
        lines.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    receiver
}
