//! Records of sessions, each in a file of its own: a thread writes them, so that no session ever waits for a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use encoding_rs::Encoding;
use ftp_driver::SessionInfo;
use ftp_driver::record::{Recorder, Recording};
use ftp_types::UnixTime;

use crate::config::Config;

/// So many bytes of a session may wait for the disk. Past it, its record ends.
const MAX_WAITING: usize = 64 * 1024;
/// So many bytes of all sessions together may wait, with [`TAPE`] for each session: a disk that hangs takes no more memory.
const MAX_HELD: usize = 16 << 20;
const TAPE: usize = 1024;
/// How long the end of the process may wait for the last bytes.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// Files of one name that are passed over before there is no record.
const MAX_NAMES: u32 = 100;

/// Where records go, if there are any, and the thread that writes them. Clones have the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    directory: Option<Arc<Path>>,
    /// It stays when the directory changes: sessions that began before still write where they began.
    sender: Option<Sender<Message>>,
    held: Arc<Held>,
}

/// How much waits for the disk in all.
#[derive(Debug, Default)]
struct Held(AtomicUsize);

enum Message {
    /// Something waits to be written, or the record is over.
    Look(Arc<Tape>),
    /// Tell when everything before this is written.
    Flush(SyncSender<()>),
}

/// The record of one session on its way to its file.
struct Tape {
    directory: Arc<Path>,
    name: String,
    waiting: Mutex<Waiting>,
    /// The thread's alone.
    file: Mutex<Option<File>>,
    held: Arc<Held>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Whether the thread has been told. It is told once for all that waits, so that its queue is no longer than there
    /// are sessions.
    is_told: bool,
    is_over: bool,
}

impl Records {
    /// The same for a service whose records go into this directory.
    ///
    /// # Errors
    /// When no file can be made there, or there can be no thread.
    pub(super) fn at(&self, directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = directory else { return Ok(Self { directory: None, ..self.clone() }) };
        check(directory)?;
        let sender = self.sender.clone().map_or_else(start, Ok)?;
        Ok(Self { directory: Some(directory.into()), sender: Some(sender), held: Arc::clone(&self.held) })
    }

    pub(super) fn recorder(&self, charset: &'static Encoding) -> Option<impl Recorder + use<>> {
        let (directory, sender) = (self.directory.clone()?, self.sender.clone()?);
        Some(ServiceRecorder { directory, sender, charset, held: Arc::clone(&self.held) })
    }

    /// Waits until everything is written, for a bounded time.
    pub(super) fn flush(&self) {
        let Some(sender) = &self.sender else { return };
        let (done, wait) = mpsc::sync_channel(1);
        if sender.send(Message::Flush(done)).is_ok() {
            // Past the limit what is left is lost: the records end in the middle.
            let _ = wait.recv_timeout(FLUSH_LIMIT);
        }
    }
}

/// Starts the thread that writes. It ends with the last who could send it something.
fn start() -> io::Result<Sender<Message>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("records".to_owned()).spawn(move || run(&receiver))?;
    Ok(sender)
}

struct ServiceRecorder {
    directory: Arc<Path>,
    sender: Sender<Message>,
    charset: &'static Encoding,
    held: Arc<Held>,
}

impl Recorder for ServiceRecorder {
    fn begin(&self, session: &SessionInfo, began: UnixTime) -> Option<Box<dyn Recording>> {
        let name = name(session.id, session.addresses.peer, began);
        let Some(tape) = Tape::new(Arc::clone(&self.directory), name, &self.held) else {
            tracing::warn!(session = session.id, "a session is not recorded: too much waits for the disk");
            return None;
        };
        Some(Box::new(FileRecording { tape: Some(Arc::new(tape)), sender: self.sender.clone() }))
    }

    fn charset(&self) -> &str {
        self.charset.name()
    }
}

struct FileRecording {
    /// None once it is over.
    tape: Option<Arc<Tape>>,
    sender: Sender<Message>,
}

impl Recording for FileRecording {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(tape) = &self.tape else { return false };
        let mut waiting = lock(&tape.waiting);
        if waiting.is_over {
            return false;
        }
        if waiting.bytes.len() + bytes.len() > MAX_WAITING || !tape.held.take(bytes.len()) {
            waiting.is_over = true;
            tape.held.give_back(std::mem::take(&mut waiting.bytes).len());
            tracing::warn!(record = tape.name, "a session is no longer recorded: the disk takes too long");
            return false;
        }
        waiting.bytes.extend_from_slice(bytes);
        let is_told = std::mem::replace(&mut waiting.is_told, true);
        drop(waiting);
        is_told || self.sender.send(Message::Look(Arc::clone(tape))).is_ok()
    }
}

/// The file is closed where files may be waited for.
impl Drop for FileRecording {
    fn drop(&mut self) {
        // Without the thread there is no file.
        let _ = self.tape.take().map(|tape| self.sender.send(Message::Look(tape)));
    }
}

fn run(receiver: &Receiver<Message>) {
    for message in receiver {
        match message {
            Message::Look(tape) => tape.write(),
            // Whoever asked may have given up.
            Message::Flush(done) => _ = done.send(()),
        }
    }
}

impl Tape {
    /// `None` when too much waits already.
    fn new(directory: Arc<Path>, name: String, held: &Arc<Held>) -> Option<Self> {
        let held = held.take(TAPE).then(|| Arc::clone(held))?;
        Some(Self { directory, name, waiting: Mutex::default(), file: Mutex::default(), held })
    }

    /// Writes what waits.
    fn write(&self) {
        let mut waiting = lock(&self.waiting);
        let bytes = std::mem::take(&mut waiting.bytes);
        waiting.is_told = false;
        drop(waiting);
        let appended = self.append(&bytes);
        self.held.give_back(bytes.len());
        if let Err(error) = appended {
            let mut waiting = lock(&self.waiting);
            self.held.give_back(std::mem::take(&mut waiting.bytes).len());
            // It fails once, or another reason was told before.
            if !std::mem::replace(&mut waiting.is_over, true) {
                let path = self.directory.join(&self.name);
                tracing::warn!(record = %path.display(), %error, "a session is no longer recorded");
            }
        }
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut file = lock(&self.file);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(create(&self.directory, &self.name)?),
        };
        file.write_all(bytes)
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.held.give_back(TAPE + lock(&self.waiting).bytes.len());
    }
}

impl Held {
    /// Whether there is room for so many bytes, which are counted then.
    fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|held| *held <= MAX_HELD);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Makes a file that was not there, for our own eyes. A link of that name is something that is there.
fn create(directory: &Path, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let first = options.open(directory.join(format!("{name}.{EXTENSION}")));
    let others = (2..MAX_NAMES).map(|number| options.open(directory.join(format!("{name}-{number}.{EXTENSION}"))));
    let is_new = |file: &io::Result<File>| !matches!(file, Err(error) if error.kind() == io::ErrorKind::AlreadyExists);
    std::iter::once(first).chain(others).find(is_new).unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
}

const EXTENSION: &str = "ferryrec";

/// When, which and whose session it is: `20260131T120000.250Z-7-192.0.2.7-40000`.
fn name(session: u64, peer: SocketAddr, began: UnixTime) -> String {
    let time = began.to_civil(0);
    // Colons are not for names of files everywhere.
    let ip = peer.ip().to_canonical().to_string().replace(':', "-");
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z-{session}-{ip}-{}",
        time.year,
        time.month,
        time.day,
        time.hour,
        time.minute,
        time.second,
        began.nanoseconds / 1_000_000,
        peer.port()
    )
}

#[cfg(unix)]
fn check(directory: &Path) -> io::Result<()> {
    use nix::unistd::{AccessFlags, access};
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    access(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
}

#[cfg(not(unix))]
fn check(directory: &Path) -> io::Result<()> {
    directory.metadata().map(drop)
}

/// What an operator may not have meant: records in a home tell its users of each other.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    let Some(records) = &config.log.record else { return Vec::new() };
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let records_path = whole(records);
    let users = config.users.iter().map(|user| (user.name.as_str(), &user.home));
    let anonymous = config.anonymous.iter().map(|anonymous| ("anonymous", &anonymous.home));
    let has_them = |home: &PathBuf| records_path.starts_with(whole(home));
    let inside = users.chain(anonymous).filter(|(_, home)| has_them(home));
    inside.map(|(user, home)| warning(records, user, home)).collect()
}

fn warning(records: &Path, user: &str, home: &Path) -> String {
    format!("log.record: {} lies in {}, the home of {user}", records.display(), home.display())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    fn recording(directory: &Path) -> (Records, FileRecording) {
        let records = Records::default().at(Some(directory)).unwrap();
        let tape = Tape::new(directory.into(), "x".to_owned(), &records.held).unwrap();
        let recording = FileRecording { tape: Some(Arc::new(tape)), sender: records.sender.clone().unwrap() };
        (records, recording)
    }

    #[test]
    fn names_tell_when_which_and_whose() {
        let began = UnixTime { seconds: 1_769_860_800, nanoseconds: 250_999_999 };
        assert_eq!(name(7, "192.0.2.7:40000".parse().unwrap(), began), "20260131T120000.250Z-7-192.0.2.7-40000");
        assert_eq!(name(8, "[2001:db8::1]:40000".parse().unwrap(), began), "20260131T120000.250Z-8-2001-db8--1-40000");
    }

    #[test]
    fn nothing_that_is_there_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("x.ferryrec"), "mine").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(path("elsewhere"), path("x-2.ferryrec")).unwrap();
        let (records, mut recording) = recording(folder.path());
        assert!(recording.write(b"one ") && recording.write(b"two"));
        drop(recording);
        records.flush();
        assert_eq!(fs::read(path("x.ferryrec")).unwrap(), b"mine");
        assert!(!path("elsewhere").exists());
        let made = if cfg!(unix) { path("x-3.ferryrec") } else { path("x-2.ferryrec") };
        let mut content = String::new();
        File::open(&made).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "one two");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(made).unwrap().permissions()) & 0o7777, 0o600);
    }

    #[test]
    fn what_began_before_the_directory_changed_is_waited_for_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (records, mut recording) = recording(folder.path());
        let later = records.at(None).unwrap();
        for _ in 0..1000 {
            assert!(recording.write(b"more"));
        }
        drop(recording);
        later.flush();
        assert_eq!(fs::metadata(folder.path().join("x.ferryrec")).unwrap().len(), 4000);
    }

    #[test]
    fn a_directory_that_goes_away_ends_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("records");
        fs::create_dir(&directory).unwrap();
        let (records, mut recording) = recording(&directory);
        fs::remove_dir(&directory).unwrap();
        assert!(recording.write(b"one"));
        records.flush();
        assert!(!recording.write(b"two"));
    }

    #[test]
    fn a_disk_that_is_too_slow_ends_the_record_and_keeps_no_memory() {
        let held = Arc::default();
        let tape = Tape::new(Path::new("nowhere").into(), "x".to_owned(), &held).unwrap();
        // Nobody writes.
        let (sender, receiver) = mpsc::channel();
        let mut recording = FileRecording { tape: Some(Arc::new(tape)), sender };
        let taken = (0..1000).take_while(|_| recording.write(&[0; 1000])).count();
        assert_eq!(taken, MAX_WAITING / 1000);
        drop(recording);
        // What waited goes at once, and it was told once, and of the end.
        assert_eq!(held.0.load(Ordering::Relaxed), TAPE);
        assert_eq!(receiver.iter().count(), 2);
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn sessions_that_end_while_the_disk_hangs_take_no_memory_without_end() {
        let (held, (sender, receiver)) = (Arc::default(), mpsc::channel());
        let mut recorded = 0;
        // Nobody writes, and each leaves before its record is too long.
        while let Some(tape) = Tape::new(Path::new("nowhere").into(), "x".to_owned(), &held) {
            let mut recording = FileRecording { tape: Some(Arc::new(tape)), sender: sender.clone() };
            recording.write(&[0; 60_000]);
            recorded += 1;
            assert!(recorded <= MAX_HELD / TAPE, "there is no end");
        }
        assert!(held.0.load(Ordering::Relaxed) <= MAX_HELD);
        drop(receiver);
        // And when it writes again, sessions are recorded again.
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
        assert!(Tape::new(Path::new("nowhere").into(), "x".to_owned(), &held).is_some());
    }

    #[test]
    fn where_there_is_no_directory_nothing_starts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name| Records::default().at(Some(&folder.path().join(name)));
        assert!(at("none").is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(cfg!(not(unix)) || at("file").is_err());
    }
}
