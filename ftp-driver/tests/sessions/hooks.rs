//! What hooks are told, and when.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ftp_driver::{
    BoxFuture, FileTransfer, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, SessionInfo, Summary,
    TreeChange,
};
use ftp_fs::{LocalFs, MemoryFs, Remains, Storage};
use ftp_proto::{Change, CloseReason, Config, Incomplete, LoginError, LogoutReason, TransferError};
use ftp_types::FsError;
use tempfile::TempDir;

use crate::client::{Client, pattern, reset};
use crate::on_both;
use crate::secure::{Certificate, SecureClient, TLS13};
use crate::server::{Server, Start, in_memory, service};

on_both! {
    logins_are_told_with_what_began_and_ended_them,
    whole_files_are_told_with_their_real_paths,
    changes_are_told_with_their_real_paths,
    storage_that_is_no_file_system_has_no_real_paths,
    links_on_the_way_are_followed,
    an_aborted_transfer_has_one_end,
    a_cut_upload_tells_what_it_leaves,
    an_upload_is_cut_by_resets_and_by_the_end_of_the_session,
    an_upload_that_fails_tells_what_the_disk_said,
    an_upload_under_tls_without_an_end_is_not_whole,
    a_transfer_names_who_began_it,
    partial_uploads_can_be_deleted_and_old_files_stay,
}

/// A call, as it came.
#[derive(Debug)]
enum Call {
    Connected(SessionInfo),
    Disconnected(Summary),
    LoggedIn(LoggedIn),
    LoginFailed(LoginFailed),
    LoggedOut(LoggedOut),
    Sent(FileTransfer),
    Received(FileTransfer),
    SentInPart(IncompleteTransfer),
    ReceivedInPart(IncompleteTransfer),
    Changed(TreeChange),
}

struct Teller(Sender<Call>);

impl Teller {
    fn tell(&self, call: Call) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.0.send(call).unwrap_or_default() })
    }
}

impl Hooks for Teller {
    fn connected(&self, session: SessionInfo) -> BoxFuture<'_, ()> {
        self.tell(Call::Connected(session))
    }

    fn disconnected(&self, summary: Summary) -> BoxFuture<'_, ()> {
        self.tell(Call::Disconnected(summary))
    }

    fn logged_in(&self, event: LoggedIn) -> BoxFuture<'_, ()> {
        self.tell(Call::LoggedIn(event))
    }

    fn login_failed(&self, event: LoginFailed) -> BoxFuture<'_, ()> {
        self.tell(Call::LoginFailed(event))
    }

    fn logged_out(&self, event: LoggedOut) -> BoxFuture<'_, ()> {
        self.tell(Call::LoggedOut(event))
    }

    fn file_sent(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        self.tell(Call::Sent(event))
    }

    fn file_received(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        self.tell(Call::Received(event))
    }

    fn incomplete_sent(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        self.tell(Call::SentInPart(event))
    }

    fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        self.tell(Call::ReceivedInPart(event))
    }

    fn changed(&self, event: TreeChange) -> BoxFuture<'_, ()> {
        self.tell(Call::Changed(event))
    }
}

/// The calls of a server, in order.
struct Calls(Receiver<Call>);

impl Calls {
    fn new() -> (Teller, Self) {
        let (tell, told) = channel();
        (Teller(tell), Self(told))
    }

    fn next(&self) -> Call {
        self.0.recv_timeout(Duration::from_secs(20)).expect("the hook is called")
    }

    /// The next call that is about something else than connections and logins.
    fn next_deed(&self) -> Call {
        loop {
            match self.next() {
                Call::Connected(_) | Call::Disconnected(_) | Call::LoggedIn(_) | Call::LoggedOut(_) => {}
                call => return call,
            }
        }
    }

    fn cut_upload(&self) -> IncompleteTransfer {
        match self.next_deed() {
            Call::ReceivedInPart(event) => event,
            other => panic!("{other:?}"),
        }
    }

    fn received(&self) -> FileTransfer {
        match self.next_deed() {
            Call::Received(event) => event,
            other => panic!("{other:?}"),
        }
    }
}

/// A server of a directory of the disk.
struct Home {
    directory: TempDir,
    real: PathBuf,
    calls: Calls,
    server: Server,
}

impl Home {
    fn new(start: Start) -> Self {
        let (directory, (teller, calls)) = (tempfile::tempdir().unwrap(), Calls::new());
        let storage = Storage::blocking(LocalFs::open(directory.path()).unwrap());
        let server = start(service(storage).hooks(teller).build());
        Self { real: directory.path().canonicalize().unwrap(), directory, calls, server }
    }

    /// Begins an upload, of which the server has got the first bytes when this returns.
    fn begin(&self, client: &mut Client, command: &str) -> TcpStream {
        self.begin_after(client, "REST 0", command)
    }

    fn begin_after(&self, client: &mut Client, rest: &str, command: &str) -> TcpStream {
        let mut data = client.passive();
        client.command(rest, 350);
        client.begin(command);
        data.write_all(b"begun").unwrap();
        // STAT tells the bytes of a transfer that runs.
        while !client.command("STAT", 211).contains(" 5 bytes") {}
        data
    }

    fn content(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }
}

fn logins_are_told_with_what_began_and_ended_them(start: Start) {
    let (teller, calls) = Calls::new();
    let config = Config { failed_login_delay: Duration::ZERO, ..Config::default() };
    let server = start(in_memory().config(config).hooks(teller).build());
    let mut client = server.client();
    let (local, peer) = (server.address(), client.control.get_ref().local_addr().unwrap());
    let Call::Connected(session) = calls.next() else { panic!("connected is the first") };
    assert_eq!((session.addresses.local, session.addresses.peer, session.user), (local, peer, None));

    client.command("USER mallory", 331);
    client.command("PASS guess", 530);
    let Call::LoginFailed(failed) = calls.next() else { panic!("the login failed") };
    assert_eq!((failed.user.as_str(), failed.reason, failed.session.id), ("mallory", LoginError::Rejected, session.id));
    assert!(!format!("{failed:?}").contains("guess"));

    for (command, code, ended_by) in
        [("REIN", 220, LogoutReason::Reinitialized), ("USER alice", 331, LogoutReason::User)]
    {
        client.command("USER alice", 331);
        client.command("PASS secret", 230);
        let Call::LoggedIn(login) = calls.next() else { panic!("the user is logged in") };
        assert_eq!((login.user.as_str(), login.session.user.as_ref()), ("alice", Some(&login.user)));
        client.command(command, code);
        let Call::LoggedOut(logout) = calls.next() else { panic!("the user is logged out") };
        assert_eq!((logout.user.as_str(), logout.reason), ("alice", ended_by));
    }
    client.command("PASS secret", 230);
    client.command("QUIT", 221);
    assert!(matches!(calls.next(), Call::LoggedIn(_)));
    let Call::LoggedOut(logout) = calls.next() else { panic!("the user is logged out") };
    assert_eq!(logout.reason, LogoutReason::SessionEnded(CloseReason::Quit));
    drop(client);
    let Call::Disconnected(summary) = calls.next() else { panic!("disconnected is the last") };
    assert_eq!((summary.session.id, summary.reason), (session.id, CloseReason::Quit));
    assert_eq!(summary.session.user.unwrap().as_str(), "alice");

    // Without QUIT.
    drop(server.logged_in());
    assert!(matches!(calls.next(), Call::Connected(_)));
    assert!(matches!(calls.next(), Call::LoggedIn(_)));
    let Call::LoggedOut(logout) = calls.next() else { panic!("the user is logged out") };
    assert_eq!(logout.reason, LogoutReason::SessionEnded(CloseReason::PeerClosed));
    assert!(matches!(calls.next(), Call::Disconnected(_)));
}

fn whole_files_are_told_with_their_real_paths(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    client.upload("STOR file", &pattern(200_000));
    let received = home.calls.received();
    assert_eq!((received.user.as_str(), received.path.as_bytes()), ("alice", &b"/file"[..]));
    assert_eq!((received.real_path, received.bytes), (Some(home.real.join("file")), 200_000));

    client.command("REST 150000", 350);
    client.download("RETR file");
    let Call::Sent(sent) = home.calls.next_deed() else { panic!("the file was sent") };
    assert_eq!((sent.path.as_bytes(), sent.bytes), (&b"/file"[..], 50_000));
    assert_eq!((sent.real_path, sent.session.id), (Some(home.real.join("file")), received.session.id));

    client.upload("APPE file", b"x");
    assert_eq!((home.calls.received().bytes, fs::metadata(home.real.join("file")).unwrap().len()), (1, 200_001));

    // The name is the server's.
    client.upload("STOU", b"unique");
    let unique = home.calls.received();
    let name = unique.path.file_name().map(|name| String::from_utf8(name.to_vec()).unwrap()).unwrap();
    assert_eq!((home.content(&name).as_str(), unique.real_path), ("unique", Some(home.real.join(&name))));

    // Listings are no files.
    client.download("LIST");
    client.upload("STOR last", b"");
    assert_eq!(home.calls.received().path.as_bytes(), b"/last");
}

fn changes_are_told_with_their_real_paths(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    fs::write(home.directory.path().join("file"), "").unwrap();
    let told = |at: &str, before: Option<&str>| {
        let Call::Changed(change) = home.calls.next_deed() else { panic!("a change is told") };
        assert_eq!(change.user.as_str(), "alice");
        assert_eq!(change.real_path, Some(home.real.join(at)));
        assert_eq!(change.real_path_before, before.map(|before| home.real.join(before)));
        change.change
    };
    client.command("MKD directory", 257);
    assert!(matches!(told("directory", None), Change::MakeDirectory(path) if path.as_bytes() == b"/directory"));
    client.command("CWD directory", 250);
    client.command("RNFR ../file", 350);
    client.command("RNTO new", 250);
    assert!(matches!(told("directory/new", Some("file")), Change::Rename { .. }));
    client.command("SITE CHMOD 600 new", 200);
    assert!(matches!(told("directory/new", None), Change::SetMode { mode: 0o600, .. }));
    client.command("MFMT 20250904090500 new", 213);
    assert!(matches!(told("directory/new", None), Change::SetModified { .. }));
    // What fails is no change.
    client.command("MKD new", 550);
    client.command("DELE nothing", 550);
    client.command("DELE new", 250);
    assert!(matches!(told("directory/new", None), Change::RemoveFile(_)));
    client.command("CDUP", 250);
    client.command("RMD directory", 250);
    assert!(matches!(told("directory", None), Change::RemoveDirectory(_)));
}

fn storage_that_is_no_file_system_has_no_real_paths(start: Start) {
    let (teller, calls) = Calls::new();
    let server = start(in_memory().hooks(teller).build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"x");
    assert_eq!(calls.received().real_path, None);
    client.command("DELE file", 250);
    let Call::Changed(change) = calls.next_deed() else { panic!("a change is told") };
    assert_eq!((change.real_path, change.real_path_before), (None, None));
}

fn links_on_the_way_are_followed(start: Start) {
    let home = Home::new(start);
    let at = |name: &str| home.directory.path().join(name);
    fs::create_dir(at("real")).unwrap();
    link(Path::new("real"), &at("link"));
    link(Path::new("real/target"), &at("to_file"));
    let mut client = home.server.logged_in();
    client.upload("STOR link/target", b"x");
    let received = home.calls.received();
    assert_eq!(
        (received.path.as_bytes(), received.real_path),
        (&b"/link/target"[..], Some(home.real.join("real/target")))
    );
    client.upload("STOR to_file", b"y");
    assert_eq!(home.calls.received().real_path, Some(home.real.join("real/target")));
}

#[cfg(unix)]
fn link(target: &Path, at: &Path) {
    std::os::unix::fs::symlink(target, at).unwrap();
}

fn an_aborted_transfer_has_one_end(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    fs::write(home.directory.path().join("file"), pattern(30_000_000)).unwrap();
    let mut data = client.passive();
    client.begin("RETR file");
    data.read_exact(&mut [0; 1000]).unwrap();
    client.command("ABOR", 426);
    client.expect(226);
    let Call::SentInPart(cut) = home.calls.next_deed() else { panic!("the download was cut") };
    assert_eq!((cut.reason, cut.remains), (Incomplete::Aborted, Remains::Unchanged));
    assert!((1000..30_000_000).contains(&cut.transfer.bytes), "{}", cut.transfer.bytes);

    let _data = home.begin(&mut client, "STOR new");
    client.command("ABOR", 426);
    client.expect(226);
    let cut = home.calls.cut_upload();
    assert_eq!((cut.reason, cut.transfer.bytes), (Incomplete::Aborted, 5));
    assert_eq!(cut.transfer.real_path, Some(home.real.join("new")));

    // Without a connection there are no bytes, but the client was told that it begins.
    let _address = client.passive_address();
    client.begin("STOR never");
    client.command("ABOR", 426);
    client.expect(226);
    let cut = home.calls.cut_upload();
    assert_eq!((cut.transfer.path.as_bytes(), cut.transfer.bytes), (&b"/never"[..], 0));
    client.command("NOOP", 200);
    client.upload("STOR after", b"");
    assert_eq!(home.calls.received().path.as_bytes(), b"/after");
}

fn a_cut_upload_tells_what_it_leaves(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    for (prelude, command, remains) in [
        ("REST 0", "STOR new", Remains::Partial),
        ("REST 0", "STOR file", Remains::Unchanged),
        ("REST 0", "APPE file", Remains::Extended),
        ("REST 0", "APPE appended", Remains::Partial),
        ("REST 0", "STOU", Remains::Partial),
        ("REST 3", "STOR file", Remains::Extended),
    ] {
        fs::write(home.directory.path().join("file"), "old content").unwrap();
        let data = home.begin_after(&mut client, prelude, command);
        reset(data);
        client.expect(426);
        let cut = home.calls.cut_upload();
        assert_eq!(cut.remains, remains, "{prelude}, {command}");
        assert_eq!(cut.reason, Incomplete::Failed(TransferError::ConnectionLost));
        let old = home.content("file");
        assert!(old == "old content" || (remains == Remains::Extended && old.starts_with("old")), "{command}: {old}");
    }
}

fn an_upload_is_cut_by_resets_and_by_the_end_of_the_session(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    reset(home.begin(&mut client, "STOR one"));
    client.expect(426);
    assert_eq!(home.calls.cut_upload().reason, Incomplete::Failed(TransferError::ConnectionLost));

    let _data = home.begin(&mut client, "STOR two");
    drop(client);
    let cut = home.calls.cut_upload();
    assert_eq!(cut.reason, Incomplete::SessionEnded(CloseReason::PeerClosed));
    assert_eq!((cut.transfer.path.as_bytes(), cut.transfer.bytes), (&b"/two"[..], 5));

    let mut client = home.server.logged_in();
    let _data = home.begin(&mut client, "STOR three");
    home.server.handle.shutdown_now();
    client.expect(421);
    assert_eq!(home.calls.cut_upload().reason, Incomplete::SessionEnded(CloseReason::ShutDown));
}

fn an_upload_that_fails_tells_what_the_disk_said(start: Start) {
    let (teller, calls) = Calls::new();
    let storage = Storage::blocking(MemoryFs::with_capacity(1000));
    let server = start(service(storage).hooks(teller).build());
    let mut client = server.logged_in();
    let mut data = client.passive();
    client.begin("STOR file");
    data.write_all(&pattern(2000)).unwrap();
    drop(data);
    client.expect(452);
    let cut = calls.cut_upload();
    assert_eq!(cut.reason, Incomplete::Failed(TransferError::Storage(FsError::NoSpace)));
    assert_eq!(cut.remains, Remains::Partial);
}

fn an_upload_under_tls_without_an_end_is_not_whole(start: Start) {
    let (teller, calls) = Calls::new();
    let certificate = Certificate::new();
    let server = start(in_memory().tls(certificate.server()).hooks(teller).build());
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let mut data = client.passive();
    client.client.begin("STOR cut");
    data.write_all(b"no close_notify").unwrap();
    data.flush().unwrap();
    drop(data);
    client.client.expect(426);
    assert_eq!(calls.cut_upload().reason, Incomplete::Failed(TransferError::ConnectionLost));
    client.upload("STOR whole", b"with it");
    assert_eq!(calls.received().bytes, 7);
}

fn a_transfer_names_who_began_it(start: Start) {
    let home = Home::new(start);
    let mut client = home.server.logged_in();
    let data = home.begin(&mut client, "STOR file");
    client.command("REIN", 220);
    drop(data);
    client.expect(226);
    let received = home.calls.received();
    assert_eq!((received.user.as_str(), received.session.user), ("alice", None));
    assert_eq!(received.real_path, Some(home.real.join("file")));
}

fn partial_uploads_can_be_deleted_and_old_files_stay(start: Start) {
    struct Cleaner(Sender<Remains>);
    impl Hooks for Cleaner {
        fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
            Box::pin(async move {
                if let (Remains::Partial, Some(path)) = (event.remains, event.transfer.real_path) {
                    fs::remove_file(path).unwrap();
                }
                self.0.send(event.remains).unwrap();
            })
        }
    }

    let directory = tempfile::tempdir().unwrap();
    let (tell, told) = channel();
    let storage = Storage::blocking(LocalFs::open(directory.path()).unwrap());
    let server = start(service(storage).hooks(Cleaner(tell)).build());
    let mut client = server.logged_in();
    fs::write(directory.path().join("old"), "the old content").unwrap();
    for (name, remains) in [("old", Remains::Unchanged), ("new", Remains::Partial)] {
        let mut data = client.passive();
        client.begin(&format!("STOR {name}"));
        data.write_all(b"begun").unwrap();
        client.command("ABOR", 426);
        client.expect(226);
        assert_eq!(told.recv().unwrap(), remains);
    }
    assert_eq!(fs::read_to_string(directory.path().join("old")).unwrap(), "the old content");
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["old"]);
}
