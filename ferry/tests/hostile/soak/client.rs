//! A client that knows what it has stored, and is surprised by nothing else.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use fastrand::Rng;

use super::model::Model;
use crate::peer::{self, Peer, read_all};

const NAMES: [&str; 7] = ["a", "b", "c", "two words", "\u{fc}ber", "-x", "%41"];
const FOLDERS: [&str; 3] = ["", "a/", "b/"];

pub(super) struct SoakClient {
    address: SocketAddr,
    place: u64,
    rng: Rng,
    peer: Peer,
    model: Model,
}

fn log_in(address: SocketAddr, place: u64) -> Peer {
    let mut peer = Peer::alice(address);
    assert!(peer.command("TYPE I").starts_with("200"));
    assert!(peer.command(format!("CWD /{place}")).starts_with("250"));
    peer
}

impl SoakClient {
    pub(super) fn new(address: SocketAddr, place: u64, rng: Rng) -> Self {
        Self { address, place, rng, peer: log_in(address, place), model: Model::default() }
    }

    pub(super) fn run(mut self, rounds: u64) -> Model {
        for _ in 0..rounds {
            self.step();
        }
        self.model
    }

    fn step(&mut self) {
        let path = self.path();
        match self.rng.u8(..17) {
            0..=2 => self.store(&path, "STOR"),
            3 => self.store(&path, "APPE"),
            4..=5 => self.retrieve(&path),
            6 => self.list(&path),
            7 => self.size(&path),
            8 => {
                let expected = self.model.delete(&path);
                self.simple("DELE", &path, expected);
            }
            9..=10 => {
                let expected = self.model.make(&path);
                self.simple("MKD", &path, expected);
            }
            11 => {
                let expected = self.model.remove(&path);
                self.simple("RMD", &path, expected);
            }
            12 => self.rename(&path),
            13 => self.cut_upload(&path),
            14 => self.abort_download(&path),
            15 => self.pipeline(&path),
            _ => self.leave(),
        }
    }

    fn path(&mut self) -> String {
        let (folder, name) = (self.rng.usize(..FOLDERS.len()), self.rng.usize(..NAMES.len()));
        format!("{}{}", FOLDERS[folder], NAMES[name])
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.rng.u8(..10) {
            0 => 0,
            1 => self.rng.usize(..400_000),
            _ => self.rng.usize(..5000),
        };
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    /// A path as the client spells it, from where it is or from the root.
    fn spelled(&mut self, path: &str) -> String {
        match self.rng.u8(..4) {
            0 => format!("/{}/{path}", self.place),
            1 => format!("./none/..//{path}"),
            _ => path.to_owned(),
        }
    }

    #[track_caller]
    fn simple(&mut self, verb: &str, path: &str, expected: bool) {
        let line = format!("{verb} {}", self.spelled(path));
        let reply = self.peer.command(&line);
        assert_eq!(reply.starts_with('2'), expected, "{line}: {reply}; {:?}", self.model.names(""));
        assert!(expected || reply.starts_with("550"), "{line}: {reply}");
    }

    /// Gives a command with a data connection; nothing if it was refused.
    fn begin(&mut self, line: &str) -> Option<TcpStream> {
        let data = peer::data(self.peer.passive());
        let reply = self.peer.command(line);
        // MLSD is not for files.
        assert!(reply.starts_with('1') || reply.starts_with("550") || reply.starts_with("501"), "{line}: {reply}");
        reply.starts_with('1').then_some(data)
    }

    fn store(&mut self, path: &str, verb: &str) {
        let (line, bytes) = (format!("{verb} {}", self.spelled(path)), self.bytes());
        let data = self.begin(&line);
        assert_eq!(data.is_some(), self.model.can_store(path), "{line}");
        let Some(mut data) = data else { return };
        data.write_all(&bytes).unwrap();
        data.shutdown(Shutdown::Write).unwrap();
        assert_eq!(self.peer.code(), "226", "{line}");
        let old = if verb == "APPE" { self.model.content(path).cloned().unwrap_or_default() } else { vec![] };
        self.model.put(path, [old, bytes].concat());
    }

    fn retrieve(&mut self, path: &str) {
        let content = self.model.content(path).cloned();
        let offset = content.as_ref().filter(|_| self.rng.bool()).map_or(0, |content| self.rng.usize(..=content.len()));
        let line = format!("RETR {}", self.spelled(path));
        let port = self.peer.passive();
        let data = peer::data(port);
        if offset > 0 {
            assert!(self.peer.command(format!("REST {offset}")).starts_with("350"));
        }
        let reply = self.peer.command(&line);
        assert_eq!(reply.starts_with('1'), content.is_some(), "{line}: {reply}");
        if let Some(content) = content {
            assert!(read_all(data) == content[offset..], "{line} from {offset}");
            assert_eq!(self.peer.code(), "226", "{line}");
        }
    }

    fn list(&mut self, path: &str) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let line = format!("{} {folder}", ["NLST", "MLSD"][self.rng.usize(..2)]);
        let data = self.begin(line.trim_end());
        // Of a file, NLST lists it.
        if self.model.content(folder).is_none() {
            assert_eq!(data.is_some(), self.model.exists(folder), "{line}");
        }
        let Some(data) = data else { return };
        let listing = String::from_utf8(read_all(data)).unwrap();
        assert_eq!(self.peer.code(), "226", "{line}");
        if self.model.is_folder(folder) {
            let name = |line: &str| line.split_once("; ").map_or(line, |(_, name)| name).to_owned();
            let mut names: Vec<String> = listing.lines().map(name).collect();
            names.iter_mut().for_each(|name| *name = name.rsplit('/').next().unwrap().to_owned());
            names.sort();
            let mut expected = self.model.names(folder);
            expected.sort();
            assert_eq!(names, expected, "{line}");
        }
    }

    fn size(&mut self, path: &str) {
        let reply = self.peer.command(format!("SIZE {path}"));
        match self.model.content(path) {
            Some(content) => assert_eq!(reply, format!("213 {}", content.len()), "{path}"),
            None => assert!(reply.starts_with("550"), "{path}: {reply}"),
        }
    }

    fn rename(&mut self, from: &str) {
        let to = self.path();
        if !self.model.is_plain_rename(from, &to) {
            return;
        }
        let line = format!("RNFR {}", self.spelled(from));
        let reply = self.peer.command(line);
        assert_eq!(reply.starts_with("350"), self.model.exists(from), "RNFR {from}: {reply}");
        if reply.starts_with("350") {
            let expected = self.model.rename(from, &to);
            self.simple("RNTO", &to, expected);
        }
    }

    /// Begins an upload and cuts it. An old file stays as it was.
    fn cut_upload(&mut self, path: &str) {
        let existed = self.model.exists(path);
        let bytes = self.bytes();
        let Some(mut data) = self.begin(&format!("STOR {path}")) else {
            return assert!(!self.model.can_store(path), "STOR {path}");
        };
        // The server may end it first.
        let _ = data.write_all(&bytes);
        if self.rng.bool() {
            let reply = self.peer.command("ABOR");
            assert!(reply.starts_with("426"), "{reply}");
            assert_eq!(self.peer.code(), "226");
        } else {
            peer::reset(data);
            let code = self.peer.code();
            assert!(["425", "426"].contains(&code.as_str()), "{code}");
        }
        if !existed {
            // What came stays for a resume.
            assert!(self.peer.command(format!("DELE {path}")).starts_with("250"), "{path}");
        }
    }

    fn abort_download(&mut self, path: &str) {
        let Some(content) = self.model.content(path).cloned() else { return };
        let mut data = self.begin(&format!("RETR {path}")).expect("it is there");
        let _ = data.read(&mut [0; 100]);
        let codes = (self.peer.command("ABOR")[..3].to_owned(), self.peer.code());
        // A small one may have been whole by then.
        let expected = [("426", "226"), ("226", "225"), ("226", "226")];
        assert!(expected.contains(&(codes.0.as_str(), codes.1.as_str())), "{codes:?} of {} bytes", content.len());
    }

    /// Says many things at once, and expects as many answers.
    fn pipeline(&mut self, path: &str) {
        let known = match self.model.content(path) {
            Some(content) => format!("213 {}", content.len()),
            None => "550".to_owned(),
        };
        let count = self.rng.usize(1..30);
        self.peer.say(format!("SIZE {path}\r\nNOOP\r\nXYZZ\r\n").repeat(count));
        for _ in 0..count {
            assert!(self.peer.reply().unwrap().starts_with(&known));
            assert_eq!((self.peer.code(), self.peer.code()), ("200".to_owned(), "500".to_owned()));
        }
    }

    /// Goes in one of many ways, and comes back.
    fn leave(&mut self) {
        let old = std::mem::replace(&mut self.peer, log_in(self.address, self.place));
        match self.rng.u8(..3) {
            0 => old.reset(),
            1 => old.half_close(),
            _ => drop(old),
        }
    }
}
