//! What each command does when it is its turn.

use ftp_proto::StatPurpose;
use ftp_types::{FileKind, FsError, WriteMode};

use crate::effects::Said;
use crate::machine::{Facts, Machine, Marker};
use crate::syntax::{
    Bytes, first_word, is_moment, number, on_the_wire, parent_and_name, quoted, walk, without_options,
};
use crate::table;
use crate::tasks::{Alteration, How, Sight, Target, Task};

/// The facts in the order in which they are written.
const FACTS: [&str; 9] = ["type", "perm", "size", "modify", "unique", "unix.mode", "unix.uid", "unix.gid", "create"];

/// Which command is which.
impl Machine {
    pub(crate) fn carry_out(&mut self, verb: &str, argument: &[u8], marker: Option<Marker>) {
        match verb {
            "USER" => self.user_command(argument),
            "PASS" => self.pass_command(argument),
            "REIN" => self.rein_command(),
            "QUIT" => self.quit_command(),
            "AUTH" => self.auth_command(argument),
            "PBSZ" => self.pbsz_command(argument),
            "PROT" => self.prot_command(argument),
            "PASV" => self.pasv_command(),
            "EPSV" => self.epsv_command(argument),
            "PORT" => self.port_command(argument),
            "EPRT" => self.eprt_command(argument),
            "ABOR" => self.abor_command(),
            "ACCT" | "ALLO" => self.say(Said::code(202)),
            "NOOP" | "CLNT" => self.say(Said::code(200)),
            "SYST" => self.say(Said::with(215, "UNIX")),
            "FEAT" => self.feat_command(),
            "HELP" => self.help_command(argument),
            "STAT" if argument.is_empty() => self.say(Said::code(211)),
            "OPTS" => self.opts_command(argument),
            "TYPE" => self.type_command(argument),
            "STRU" => self.only_value(argument, "F", "RP"),
            "MODE" => self.only_value(argument, "S", "BCZ"),
            "REST" => self.rest_command(argument),
            "SITE" => self.site_command(argument),
            "PWD" | "XPWD" => self.say(Said::with(257, on_the_wire(&quoted(&self.cwd)))),
            verb => self.on_files(verb, argument, marker),
        }
    }

    fn on_files(&mut self, verb: &str, argument: &[u8], marker: Option<Marker>) {
        if verb == "RNTO" && !matches!(marker, Some(Marker::RenameFrom(_))) {
            return self.say(Said::code(503));
        }
        let offset = if let Some(Marker::Restart(offset)) = marker { offset } else { 0 };
        if matches!(verb, "APPE" | "STOU") && offset > 0 {
            return self.say(Said::code(450));
        }
        if verb == "SIZE" && self.ascii {
            return self.say(Said::code(550));
        }
        let (digits, rest) = first_word(argument);
        let argument = match verb {
            "CWD" | "XCWD" if argument.is_empty() => b"/".to_vec(),
            "CDUP" | "XCUP" => b"..".to_vec(),
            "STOU" if argument.is_empty() => b"ferry".to_vec(),
            "LIST" | "NLST" | "STAT" => without_options(argument),
            "MFMT" if !is_moment(&digits) || rest.as_ref().is_none_or(Vec::is_empty) => {
                return self.say(Said::code(501));
            }
            "MFMT" => rest.unwrap_or_default(),
            _ => argument.to_vec(),
        };
        let Some(path) = walk(&self.cwd, &argument) else { return self.say(Said::code(553)) };
        if path == b"/" && matches!(verb, "RMD" | "XRMD" | "RNFR" | "RNTO") {
            return self.say(Said::code(550));
        }
        if self.ascii && offset > 0 && matches!(verb, "RETR" | "STOR") {
            return self.say(Said::code(501));
        }
        self.on_path(verb, path, offset, marker, digits);
    }

    fn on_path(&mut self, verb: &str, path: Bytes, offset: u64, marker: Option<Marker>, digits: Bytes) {
        let look = |why| Task::Look { path: path.clone(), why };
        let (send, receive) = (How::Send { ascii: self.ascii }, How::Receive { ascii: self.ascii });
        let list = |file_will_do| Target::List { path: path.clone(), file_will_do };
        let alteration = match (verb, marker) {
            ("CWD" | "XCWD" | "CDUP" | "XCUP", _) => return self.await_answer(look(StatPurpose::Enter)),
            ("SIZE", _) => return self.await_answer(look(StatPurpose::Size)),
            ("MDTM", _) => return self.await_answer(look(StatPurpose::Modified)),
            ("MLST", _) => return self.await_answer(look(StatPurpose::Facts)),
            ("RNFR", _) => return self.await_answer(look(StatPurpose::RenameSource)),
            ("RETR", _) => return self.begin(Target::Read(path, offset), send, false),
            ("STOR", _) if offset > 0 => {
                return self.begin(Target::Write(path, WriteMode::From(offset)), receive, false);
            }
            ("STOR", _) => return self.begin(Target::Write(path, WriteMode::Replace), receive, false),
            ("APPE", _) => return self.begin(Target::Write(path, WriteMode::Append), receive, false),
            ("STOU", _) => return self.begin(unique(&path), receive, false),
            ("LIST", _) => return self.begin(list(true), How::LongList, false),
            ("NLST", _) => return self.begin(list(true), How::Names, false),
            ("STAT", _) => return self.begin(list(true), How::LongList, true),
            ("MLSD", _) => return self.begin(list(false), How::Facts(self.facts.names("")), false),
            ("MKD" | "XMKD", _) => Alteration::MakeDirectory(path),
            ("RMD" | "XRMD", _) => Alteration::RemoveDirectory(path),
            ("DELE", _) => Alteration::RemoveFile(path),
            ("MFMT", _) => Alteration::Time(path, String::from_utf8_lossy(&digits).into_owned()),
            ("RNTO", Some(Marker::RenameFrom(from))) => Alteration::Rename(from, path),
            (verb, _) => unreachable!("{verb} is known"),
        };
        self.await_answer(Task::Alter(alteration));
    }
}

/// A name that begins like this one, in the same directory.
fn unique(path: &[u8]) -> Target {
    let (directory, name) = parent_and_name(path);
    let prefix = if name.is_empty() { b"ferry.".to_vec() } else { [&name[..], b"."].concat() };
    Target::Unique { directory, prefix }
}

/// Parameters and information.
impl Machine {
    fn type_command(&mut self, argument: &[u8]) {
        let code = match &argument.to_ascii_uppercase()[..] {
            b"A" | b"A N" | b"AN" | b"L7" | b"L 7" => {
                self.ascii = true;
                200
            }
            b"I" | b"L8" | b"L 8" => {
                self.ascii = false;
                200
            }
            [b'A' | b'E' | b'L', rest @ ..] if rest.len() < 4 => 504,
            _ => 501,
        };
        self.say(Said::code(code));
    }

    /// STRU and MODE know one value; others are known and not offered.
    fn only_value(&mut self, argument: &[u8], value: &str, not_offered: &str) {
        let is_one_of =
            |values: &str| matches!(argument, [letter] if values.as_bytes().contains(&letter.to_ascii_uppercase()));
        let code = match () {
            () if is_one_of(value) => 200,
            () if is_one_of(not_offered) => 504,
            () => 501,
        };
        self.say(Said::code(code));
    }

    /// Offsets of files, which lines do not have.
    fn rest_command(&mut self, argument: &[u8]) {
        match number(argument).filter(|offset| *offset <= i64::MAX as u64 && !self.ascii) {
            Some(offset) => {
                self.marker = Some(Marker::Restart(offset));
                self.say(Said::with(350, format!(" {offset}.")));
            }
            None => self.say(Said::code(501)),
        }
    }

    fn feat_command(&mut self) {
        let offered = self.refusal("MLST", b"").is_none_or(|code| code == 530);
        let line = format!(" MLST {}", self.facts.names("*"));
        self.say(if offered { Said::with(211, line) } else { Said::code(211) });
    }

    fn help_command(&mut self, argument: &[u8]) {
        let verb = String::from_utf8_lossy(argument).to_ascii_uppercase();
        let fits = argument.is_empty() || table::is_known(&verb);
        self.say(Said::code(if fits { 214 } else { 501 }));
    }

    /// `OPTS UTF8 ON` works before login, since old clients send it first.
    fn opts_command(&mut self, argument: &[u8]) {
        let (name, options) = first_word(argument);
        let options = options.unwrap_or_default();
        let said = match &name.to_ascii_uppercase()[..] {
            b"UTF8" | b"UTF-8" => Said::code(match &options.to_ascii_uppercase()[..] {
                b"" | b"ON" => 200,
                b"OFF" => 504,
                _ => 501,
            }),
            _ if self.user().is_none() => Said::code(530),
            b"MLST" if options.contains(&b' ') || !(options.is_empty() || options.contains(&b';')) => Said::code(501),
            b"MLST" => {
                self.facts = Facts::named(&options);
                Said::with(200, format!("MLST OPTS {}\r\n", self.facts.names("")))
            }
            _ => Said::code(501),
        };
        self.say(said);
    }

    fn site_command(&mut self, argument: &[u8]) {
        let (service, rest) = first_word(argument);
        let rest = rest.unwrap_or_default();
        let code = match &service.to_ascii_uppercase()[..] {
            b"HELP" if [&b""[..], b"CHMOD", b"HELP"].contains(&&rest.to_ascii_uppercase()[..]) => 214,
            b"HELP" => 501,
            _ if self.user().is_none() => 530,
            b"CHMOD" => return self.chmod(&rest),
            b"" => 501,
            _ => 504,
        };
        self.say(Said::code(code));
    }

    fn chmod(&mut self, argument: &[u8]) {
        let (digits, path) = first_word(argument);
        let octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
        let fits = octal && (digits.len() == 3 || (digits.len() == 4 && digits[0] == b'0'));
        let mode = u32::from_str_radix(&String::from_utf8_lossy(&digits), 8).ok().filter(|_| fits);
        let (Some(mode), Some(path)) = (mode, path.filter(|path| !path.is_empty())) else {
            return self.say(Said::code(501));
        };
        match walk(&self.cwd, &path) {
            Some(path) => self.await_answer(Task::Alter(Alteration::Mode(path, mode))),
            None => self.say(Said::code(553)),
        }
    }
}

/// The replies that follow from what storage says.
impl Machine {
    pub(crate) fn seen(&mut self, path: &[u8], why: StatPurpose, seen: Result<Sight, FsError>) {
        let sight = match seen {
            Ok(sight) => sight,
            Err(error) => return self.say(Said::code(storage_code(error))),
        };
        let said = match why {
            StatPurpose::Enter if sight.kind == FileKind::Directory => {
                self.cwd = path.to_vec();
                Said::with(250, on_the_wire(&quoted(path)))
            }
            StatPurpose::RenameSource => {
                self.marker = Some(Marker::RenameFrom(path.to_vec()));
                Said::code(350)
            }
            StatPurpose::Facts => Said::with(250, [b" ", &on_the_wire(path)[..], b"\r\n"].concat()),
            StatPurpose::Size if sight.kind == FileKind::File => Said::with(213, format!(" {}\r\n", sight.len)),
            StatPurpose::Modified if sight.kind == FileKind::File => {
                Said::with(213, format!(" {}\r\n", sight.modified.1))
            }
            _ => Said::code(550),
        };
        self.say(said);
    }

    pub(crate) fn altered(&mut self, alteration: &Alteration, altered: Result<(), FsError>) {
        if let Err(error) = altered {
            return self.say(Said::code(storage_code(error)));
        }
        self.say(match alteration {
            Alteration::MakeDirectory(path) => Said::with(257, on_the_wire(&quoted(path))),
            Alteration::Mode(..) => Said::code(200),
            Alteration::Time(path, time) => {
                Said::with(213, [b"Modify=", time.as_bytes(), b"; ", &on_the_wire(path)[..]].concat())
            }
            Alteration::RemoveDirectory(_) | Alteration::RemoveFile(_) | Alteration::Rename(..) => Said::code(250),
        });
    }
}

impl Facts {
    /// The chosen ones with this mark. With a star all are shown, as FEAT does.
    fn names(self, mark: &str) -> String {
        let shown = FACTS.iter().zip(self.0).filter(|(_, chosen)| *chosen || mark == "*");
        shown.map(|(name, chosen)| format!("{name}{};", if chosen { mark } else { "" })).collect()
    }

    fn named(names: &[u8]) -> Self {
        let names = String::from_utf8_lossy(names).to_ascii_lowercase();
        Self(FACTS.map(|fact| names.split(';').any(|name| name == fact)))
    }
}

/// How the RFCs call what storage refuses (RFC 959 §4.2.2 and §5.4, RFC 3659).
pub(crate) fn storage_code(error: FsError) -> u16 {
    match error {
        FsError::Cancelled => 426,
        FsError::Busy => 450,
        FsError::Io | FsError::Exhausted => 451,
        FsError::NoSpace => 452,
        FsError::Unsupported => 504,
        FsError::QuotaExceeded => 552,
        FsError::InvalidName => 553,
        FsError::OffsetPastEnd => 554,
        _ => 550,
    }
}
