//! Where log lines go: a thread that writes them, so that no session ever waits for a disk or a pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

/// Lines that may wait. Past it they are lost, and counted: better than a server that stands still because nobody
/// reads its log.
const QUEUE: usize = 8192;
/// How long the end of the process may wait for the last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Takes lines for a file or for standard error. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Sink {
    sender: SyncSender<Message>,
    asked: Arc<Asked>,
}

/// What cannot go through a queue, since it is about a full one.
#[derive(Debug, Default)]
struct Asked {
    lost: AtomicU64,
    reopen: AtomicBool,
}

enum Message {
    /// A line with its end.
    Line(Vec<u8>),
    /// Look at what was asked for besides.
    Wake,
    /// Tell when everything before this is written.
    Flush(SyncSender<()>),
}

struct Writer {
    target: Target,
    asked: Arc<Asked>,
    /// Whether the last write failed; one report is enough until it works again.
    failing: bool,
}

enum Target {
    Stderr,
    File { path: PathBuf, file: File },
}

impl Sink {
    /// Writes to standard error.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn stderr() -> io::Result<Self> {
        Self::start(Target::Stderr)
    }

    /// Appends to a file, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append(path: &Path) -> io::Result<Self> {
        Self::start(Target::File { path: path.to_owned(), file: open(path)? })
    }

    /// Hands a line on, which has to have its end. Never waits.
    pub fn write_line(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line)) {
            self.asked.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew: it may have been moved away. If it cannot be opened, the old one stays. Never waits.
    pub fn reopen(&self) {
        self.asked.reopen.store(true, Ordering::Release);
        // When the queue is full, there is something to wake the thread already.
        let _ = self.sender.try_send(Message::Wake);
    }

    /// Waits until everything is written, for a bounded time.
    pub fn flush(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            // Past the limit the lines are lost, as they would be past the queue.
            let _ = wait.recv_timeout(FLUSH_LIMIT);
        }
    }

    fn start(target: Target) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let asked = Arc::new(Asked::default());
        let writer = Writer { target, asked: Arc::clone(&asked), failing: false };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, asked })
    }
}

/// One event of `tracing` is one write.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        for message in receiver {
            match message {
                Message::Line(line) => self.write(&line),
                Message::Wake => {}
                // Whoever asked may have given up.
                Message::Flush(done) => _ = done.send(()),
            }
            if self.asked.reopen.swap(false, Ordering::Acquire) {
                self.reopen();
            }
            let lost = self.asked.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(lines = lost, log = %self.target.name(), "log lines lost: it takes them too slowly");
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        match self.target.write(line) {
            Ok(()) => self.failing = false,
            Err(error) => {
                // About standard error there is nobody to tell.
                if !self.failing && !matches!(self.target, Target::Stderr) {
                    tracing::error!(log = %self.target.name(), %error, "cannot write to the log");
                }
                self.failing = true;
            }
        }
    }

    fn reopen(&mut self) {
        if let Target::File { path, file } = &mut self.target {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::error!(log = %path.display(), %error, "cannot reopen the log; the old file stays")
                }
            }
        }
    }
}

impl Target {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::File { file, .. } => file.write_all(line),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Stderr => "standard error".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_appended_to_and_reopened_after_it_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let sink = Sink::append(&path).unwrap();
        sink.write_line(b"one\n".to_vec());
        sink.flush();
        fs::rename(&path, &moved).unwrap();
        sink.write_line(b"two\n".to_vec());
        sink.flush();
        sink.reopen();
        sink.flush();
        sink.write_line(b"three\n".to_vec());
        sink.flush();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_log_that_cannot_be_reopened_goes_on_in_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let moved = folder.path().join("moved");
        let sink = Sink::append(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        sink.reopen();
        sink.write_line(b"still\n".to_vec());
        sink.flush();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "still\n");
    }
}
