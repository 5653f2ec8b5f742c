//! The programs of `examples/`, each tried out by curl.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::Receiver,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    process::{lines, run, succeed},
    server::{certify, program},
    tree::noise,
};

/// Nothing that an example says takes that long unless it is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// What every example that serves files of the disk finds in its directory.
const FILE: &str = "file.bin";

/// One test for each example, and one that none is missing.
macro_rules! examples {
    ($($example:ident),+ $(,)?) => {
        $(#[test] fn $example() { tries::$example(stringify!($example)); })+

        #[test]
        fn every_example_is_tried() {
            let manifest = include_str!("../../examples/Cargo.toml");
            let names = manifest.split("[[example]]").skip(1).map(|entry| entry.split('"').nth(1).unwrap());
            assert_eq!(names.collect::<Vec<_>>(), [$(stringify!($example)),+]);
        }
    };
}

examples! {
    tokio,
    smol,
    async_std,
    threads,
    epoll,
    in_memory,
    authenticator,
    backend,
    base_server,
    logging,
    hashed_passwords,
    throttled,
    ftps,
    callbacks,
    anti_flood,
    unix_users,
    windows_users,
}

/// What each is to show.
mod tries {
    use super::*;

    pub(super) fn tokio(name: &str) {
        Example::start(name).reads_only("");
    }

    pub(super) fn smol(name: &str) {
        Example::start(name).reads_only("");
    }

    pub(super) fn async_std(name: &str) {
        Example::start(name).reads_only("");
    }

    pub(super) fn threads(name: &str) {
        Example::start(name).reads_only("");
    }

    pub(super) fn epoll(name: &str) {
        let example = Example::start(name);
        assert_eq!(example.list(""), ["welcome.txt"]);
        assert_eq!(example.fetch("", "welcome.txt"), b"Everything here is kept in memory.\n");
        example.stores("");
    }

    /// It has no sockets; that it ends well is all there is to see.
    pub(super) fn in_memory(name: &str) {
        let said = succeed(&mut Command::new(program(&format!("examples/{name}"))), "");
        assert!(said.contains("S: 221"), "{said}");
    }

    pub(super) fn authenticator(name: &str) {
        let example = Example::start(name);
        example.stores("ali:open-sesame");
        assert!(example.list("cassim:open-sesame").is_empty());
        example.refuses("ali:open-barley");
    }

    pub(super) fn backend(name: &str) {
        let example = Example::start(name);
        assert_eq!(example.list("").len(), 12);
        assert!(String::from_utf8(example.fetch("", "7.txt")).unwrap().contains("42"));
    }

    pub(super) fn base_server(name: &str) {
        let example = Example::start(name);
        example.stores("user:12345");
        example.reads_only("");
        example.refuses("user:54321");
        let greeting = example.say(&[]);
        assert!(greeting.contains(" is ready.\r\n"), "{greeting}");
    }

    pub(super) fn logging(name: &str) {
        let example = Example::start(name);
        example.reads_only("");
        let log = fs::read_to_string(example.folder.path().join("ftpd.log")).unwrap();
        let lines = fs::read_to_string(example.folder.path().join("ftpd.lines.log")).unwrap();
        assert!(log.contains("logged in") && !log.contains("RETR"), "{log}");
        let retr = lines.lines().find(|line| line.contains("RETR file.bin")).expect(&lines);
        let date = retr.split_once(']').expect(retr).0;
        assert!(date.starts_with("[2") && date.split('-').nth(1).is_some_and(|month| month.len() == 3), "{retr}");
        assert!(lines.contains("226 ") && !lines.contains("logged in"), "{lines}");
    }

    pub(super) fn hashed_passwords(name: &str) {
        let example = Example::start(name);
        example.stores("user:12345");
        example.refuses("user:54321");
        example.reads_only("");
    }

    /// A second's worth goes at once, so that the other half of 60 KiB takes a second at least.
    pub(super) fn throttled(name: &str) {
        let example = Example::start(name);
        let content = noise(1, 60 * 1024);
        fs::write(example.folder.path().join("slow.bin"), &content).unwrap();
        let down = ["-o", "slow.copy", "-w", "%{time_total}", &example.url("user:12345", "slow.bin")];
        let up = ["-T", "slow.bin", "-w", "%{time_total}", &example.url("user:12345", "slow.up")];
        for arguments in [&down, &up] {
            let seconds: f64 = example.curl(arguments).trim().parse().unwrap();
            assert!(seconds >= 0.9, "{arguments:?} took {seconds} s");
        }
        assert!(fs::read(example.folder.path().join("slow.copy")).unwrap() == content);
        assert!(fs::read(example.folder.path().join("slow.up")).unwrap() == content);
    }

    pub(super) fn anti_flood(name: &str) {
        let example = Example::start(name);
        example.reads_only("");
        let mut client = TcpStream::connect(&example.address).unwrap();
        client.write_all(&b"NOOP\r\n".repeat(1_000)).unwrap();
        let said = read_until_closed(&client);
        assert!(said.lines().last().is_some_and(|line| line.starts_with("421")), "{said}");
        assert!((200..=300).contains(&said.matches("\n200").count()), "{said}");
        // Nor does it get in again.
        let client = TcpStream::connect(&example.address).unwrap();
        assert!(read_until_closed(&client).contains("421"));
        example.refuses("");
    }

    /// As root alone: accounts are made for it.
    pub(super) fn unix_users(name: &str) {
        let (alice, bob) = (MachineAccount::new("ferry-ex-a"), MachineAccount::new("ferry-ex-b"));
        let example = Example::start(name);
        example.stores(alice.login());
        let stored = format!("/home/{}/stored.bin", alice.name);
        assert_eq!(succeed(Command::new("stat").args(["-c", "%U", &stored]), "").trim(), alice.name);
        // The real tree, as far as each may go.
        let absolute = format!("%2f{}", &stored[1..]);
        assert!(example.fetch(alice.login(), &absolute) == noise(3, 100_000));
        let fetched = run(&mut example.command(&["-o", "stolen", &example.url(bob.login(), &absolute)]), "");
        assert!(!fetched.status.success());
        example.refuses("root:12345");
        example.refuses(&format!("{}:wrong", alice.name));
    }

    /// Here it only says where it belongs; `ci/windows.sh` tries it out there.
    pub(super) fn windows_users(name: &str) {
        let said = succeed(&mut Command::new(program(&format!("examples/{name}"))), "");
        assert!(said.contains("this is for Windows"), "{said}");
    }

    pub(super) fn ftps(name: &str) {
        let folder = TempDir::new().unwrap();
        certify(folder.path());
        fs::rename(folder.path().join("cert.pem"), folder.path().join("keycert.pem")).unwrap();
        let mut example = Example::start_in(name, folder);
        example.refuses("user:12345");
        example.options = &["--ssl-reqd", "--cacert", "ca.pem"];
        example.stores("user:12345");
        example.reads_only("");
    }

    pub(super) fn callbacks(name: &str) {
        let mut example = Example::start(name);
        example.refuses("user:54321");
        example.stores("user:12345");
        let mut client = Raw::login(&example.address, "user", "12345");
        for (file, is_kept) in [("new.bin", false), (FILE, true)] {
            client.cut_upload(file);
            example.expect_line(&format!("put a part of /{file}"));
            if !is_kept {
                example.expect_line(&format!("deleted /{file}"));
            }
        }
        client.command("MKD made", "257");
        client.command("QUIT", "221");
        drop(client);
        for line in ["changed the tree: MakeDirectory", "logged out: quit", "disconnected: quit"] {
            example.expect_line(line);
        }
        assert!(!example.folder.path().join("new.bin").exists());
        assert!(fs::read(example.folder.path().join(FILE)).unwrap() == noise(3, 100_000));
        let said = example.said.join("");
        for line in
            ["]@127.0.0.1:", " connected", "failed to log in as user", "[user]@", "put /stored.bin", "got /stored.bin"]
        {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

/// A client that leaves an upload in the middle, as curl never does.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn login(address: &str, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.expect("220");
        client.command(&format!("USER {user}"), "331");
        client.command(&format!("PASS {password}"), "230");
        client
    }

    fn command(&mut self, line: &str, code: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> String {
        let mut reply = String::new();
        self.0.read_line(&mut reply).unwrap();
        assert!(reply.starts_with(code), "expected {code}: {reply}");
        reply
    }

    fn cut_upload(&mut self, file: &str) {
        let reply = self.command("EPSV", "229");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let mut data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        self.command(&format!("STOR {file}"), "1");
        data.write_all(b"begun").unwrap();
        self.command("ABOR", "426");
        self.expect("226");
    }
}

/// An account of this machine with a closed home, gone after the test.
struct MachineAccount {
    name: &'static str,
    login: String,
}

impl MachineAccount {
    fn new(name: &'static str) -> Self {
        // One of a run that was killed.
        let _ = run(Command::new("userdel").args(["--remove", "--force", name]), "");
        succeed(Command::new("useradd").args(["--create-home", "--key", "HOME_MODE=0700", "-s", "/bin/sh", name]), "");
        let account = Self { name, login: format!("{name}:12345") };
        succeed(&mut Command::new("chpasswd"), &format!("{}\n", account.login));
        account
    }

    /// What curl logs in with.
    fn login(&self) -> &str {
        &self.login
    }
}

impl Drop for MachineAccount {
    fn drop(&mut self) {
        let _ = run(Command::new("userdel").args(["--remove", "--force", self.name]), "");
    }
}

/// What the server says until it closes the connection, or resets it since it has not read all.
fn read_until_closed(mut client: &TcpStream) -> String {
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = client.read(&mut piece) {
        said.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(said).unwrap()
}

/// A running example, in a directory with a file.
struct Example {
    child: Child,
    /// Some print what goes on; this is for them to print to.
    stdout: Receiver<String>,
    /// What was read of it.
    said: Vec<String>,
    folder: TempDir,
    /// Where it listens.
    address: String,
    /// For every call of curl.
    options: &'static [&'static str],
}

impl Example {
    fn start(name: &str) -> Self {
        Self::start_in(name, TempDir::new().unwrap())
    }

    fn start_in(name: &str, folder: TempDir) -> Self {
        fs::write(folder.path().join(FILE), noise(3, 100_000)).unwrap();
        let mut command = Command::new(program(&format!("examples/{name}")));
        command.arg(format!("{}:0", Ipv4Addr::LOCALHOST)).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let ready = stdout.recv_timeout(LIMIT).unwrap_or_default();
        let url = ready.strip_prefix("listening on ftp://").unwrap_or_else(|| panic!("{name} said {ready:?}"));
        let address = url.rsplit('@').next().unwrap().to_owned();
        Self { child, stdout, said: Vec::new(), folder, address, options: &[] }
    }

    /// Reads what it prints up to a line with this in it.
    fn expect_line(&mut self, part: &str) {
        loop {
            let line = self.stdout.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|_| panic!("it never says {part:?}: {:#?}", self.said));
            let is_it = line.contains(part);
            self.said.push(line);
            if is_it {
                return;
            }
        }
    }

    /// The URL of a file for this `user:password`; nobody is anonymous.
    fn url(&self, user: &str, path: &str) -> String {
        let login = if user.is_empty() { String::new() } else { format!("{user}@") };
        format!("ftp://{login}{}/{path}", self.address)
    }

    fn curl(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments), "")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.args(["-sS", "--globoff", "--max-time", "60"]).args(self.options).args(arguments);
        command
    }

    fn list(&self, user: &str) -> Vec<String> {
        let mut names: Vec<_> =
            self.curl(&["--list-only", &self.url(user, "")]).split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn fetch(&self, user: &str, file: &str) -> Vec<u8> {
        let copy = "the copy";
        self.curl(&["-o", copy, &self.url(user, file)]);
        fs::read(self.folder.path().join(copy)).unwrap()
    }

    /// The user gets the file, and may put none there.
    fn reads_only(&self, user: &str) {
        assert!(self.list(user).contains(&FILE.to_owned()));
        assert!(self.fetch(user, FILE) == noise(3, 100_000));
        let stored = run(&mut self.command(&["-T", FILE, &self.url(user, "forbidden.bin")]), "");
        assert!(!stored.status.success() && !self.list(user).contains(&"forbidden.bin".to_owned()));
    }

    /// The user puts a file there, and gets it back.
    fn stores(&self, user: &str) {
        self.curl(&["-T", FILE, &self.url(user, "stored.bin")]);
        assert!(self.list(user).contains(&"stored.bin".to_owned()));
        assert!(self.fetch(user, "stored.bin") == noise(3, 100_000));
    }

    /// The user does not get in.
    fn refuses(&self, user: &str) {
        let output = run(&mut self.command(&["--list-only", &self.url(user, "")]), "");
        assert!(!output.status.success(), "{user} got in");
    }

    /// What is said on the control connection of a session with these commands.
    fn say(&self, commands: &[&str]) -> String {
        let quotes = commands.iter().flat_map(|command| ["-Q", command]);
        let arguments: Vec<&str> = ["-v", "--list-only"].into_iter().chain(quotes).collect();
        self.curl(&[&arguments[..], &[&self.url("", "")]].concat())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
