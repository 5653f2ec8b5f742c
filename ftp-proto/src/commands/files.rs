//! Files: RETR, STOR, APPE, STOU, REST, ALLO, ABOR, RNFR, RNTO, DELE, SIZE, MDTM, MFMT, SITE (RFC 959 §4.1.3,
//! RFC 3659).

use alloc::format;
use alloc::vec::Vec;

use ftp_types::{CivilTime, FileKind, FsError, Metadata, VirtualPath, WriteMode};

use crate::Representation;
use crate::action::{Action, ActionId, Change, OpenTarget, Request, Stat, StatPurpose, TransferKind, sealed};
use crate::commands::{dirs, info};
use crate::event::Event;
use crate::reply::{self, Reply};
use crate::session::{Input, OneShot, Session};
use crate::text::{parse_number, split_word};
use crate::transfer::Job;

/// RETR, from the restart marker on.
pub(crate) fn retr(session: &mut Session, input: Input<'_>) {
    let offset = restart(&input).unwrap_or(0);
    if let Some(path) = session.path(input.argument) {
        transfer(session, OpenTarget::Read { path, offset }, TransferKind::Send(session.representation));
    }
}

/// STOR. With a restart marker it continues a file that exists (RFC 3659 §5).
pub(crate) fn stor(session: &mut Session, input: Input<'_>) {
    let mode = match restart(&input) {
        None | Some(0) => WriteMode::Replace,
        Some(offset) => WriteMode::From(offset),
    };
    store(session, &input, mode);
}

/// APPE. A restart marker makes no sense with it.
pub(crate) fn appe(session: &mut Session, input: Input<'_>) {
    if refuse_restart(session, &input) {
        return;
    }
    store(session, &input, WriteMode::Append);
}

/// STOU: the server finds the name. An argument is taken as the beginning of it.
pub(crate) fn stou(session: &mut Session, input: Input<'_>) {
    if refuse_restart(session, &input) {
        return;
    }
    let Some(path) = session.path(if input.argument.is_empty() { b"ferry" } else { input.argument }) else { return };
    let mut prefix = path.file_name().map_or_else(|| Vec::from(&b"ferry"[..]), Vec::from);
    prefix.push(b'.');
    let directory = path.parent().unwrap_or_default();
    transfer(session, OpenTarget::Unique { directory, prefix }, TransferKind::Receive(session.representation));
}

/// REST (RFC 3659 §5). Offsets count bytes of the file, which ASCII type does not let one count on the wire. TYPE takes the
/// marker away, so that none is left once the type is ASCII.
pub(crate) fn rest(session: &mut Session, input: Input<'_>) {
    if session.representation == Representation::Ascii {
        return session.reply(Reply::new(501, "REST is not possible in ASCII type, use TYPE I."));
    }
    match parse_number(input.argument).filter(|offset| i64::try_from(*offset).is_ok()) {
        Some(offset) => {
            session.marker = Some(OneShot::Restart(offset));
            session.reply(reply::text(350, format!("The next transfer begins at byte {offset}.")));
        }
        None => session.reply(Reply::new(501, "Invalid restart marker.")),
    }
}

/// ALLO. Nothing needs to be reserved.
pub(crate) fn allo(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(202, "No allocation needed."));
}

/// ABOR.
pub(crate) fn abor(session: &mut Session, _input: Input<'_>) {
    session.abort();
}

/// RNFR.
pub(crate) fn rnfr(session: &mut Session, input: Input<'_>) {
    let Some(path) = session.path(input.argument) else { return };
    if path.is_root() {
        return session.reply(Reply::new(550, "Can't rename the root directory."));
    }
    session.start_pending(Stat { path, purpose: StatPurpose::RenameSource }, Action::Stat);
}

/// RNTO.
pub(crate) fn rnto(session: &mut Session, input: Input<'_>) {
    let Some(OneShot::RenameFrom(from)) = input.marker else {
        return session.reply(Reply::new(503, "Send RNFR first."));
    };
    let Some(to) = session.path(input.argument) else { return };
    if to.is_root() {
        return session.reply(Reply::new(550, "Can't rename onto the root directory."));
    }
    session.start_pending(Change::Rename { from, to }, Action::Change);
}

/// DELE.
pub(crate) fn dele(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(input.argument) {
        session.start_pending(Change::RemoveFile(path), Action::Change);
    }
}

/// SIZE (RFC 3659 §4): of the file as it is, which is what TYPE I transfers. In ASCII type the true answer would need
/// the whole file to be read.
pub(crate) fn size(session: &mut Session, input: Input<'_>) {
    if session.representation == Representation::Ascii {
        return session.reply(Reply::new(550, "SIZE is not possible in ASCII type, use TYPE I."));
    }
    look(session, &input, StatPurpose::Size);
}

/// MDTM (RFC 3659 §3).
pub(crate) fn mdtm(session: &mut Session, input: Input<'_>) {
    look(session, &input, StatPurpose::Modified);
}

/// MFMT (draft-somers-ftp-mfxx §3.1): a time of exactly fourteen digits, a blank and the path.
pub(crate) fn mfmt(session: &mut Session, input: Input<'_>) {
    let (digits, path) = split_word(input.argument);
    let (Some(time), Some(path)) = (CivilTime::parse(digits), path.filter(|path| !path.is_empty())) else {
        return session.reply(Reply::new(501, "Send MFMT YYYYMMDDHHMMSS and a path."));
    };
    if let Some(path) = session.path(path) {
        session.start_pending(Change::SetModified { path, time: time.to_unix() }, Action::Change);
    }
}

/// SITE: the services of this site. HELP works before login, the others do not.
pub(crate) fn site(session: &mut Session, input: Input<'_>) {
    let (service, argument) = split_word(input.argument);
    let argument = argument.unwrap_or_default();
    if service.eq_ignore_ascii_case(b"HELP") {
        info::site_help(session, argument);
    } else if session.user().is_none() {
        session.reply(Reply::new(530, "Log in with USER and PASS first."));
    } else if service.eq_ignore_ascii_case(b"CHMOD") {
        chmod(session, argument);
    } else if service.is_empty() {
        session.reply(Reply::new(501, "SITE needs a service."));
    } else {
        session.reply(Reply::new(504, "Unknown SITE service."));
    }
}

/// SITE CHMOD: three octal digits, perhaps with a 0 before them, so that no client can set the bits that change who a
/// program runs as.
fn chmod(session: &mut Session, argument: &[u8]) {
    let (digits, path) = split_word(argument);
    let mode = match digits.strip_prefix(b"0").filter(|digits| digits.len() == 3).unwrap_or(digits) {
        [b'0'..=b'7', b'0'..=b'7', b'0'..=b'7'] => {
            digits.iter().fold(0, |mode, digit| mode * 8 + u32::from(digit - b'0'))
        }
        _ => return session.reply(Reply::new(501, "Send SITE CHMOD, three octal digits and a path.")),
    };
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return session.reply(Reply::new(501, "Send SITE CHMOD, three octal digits and a path."));
    };
    if let Some(path) = session.path(path) {
        session.start_pending(Change::SetMode { path, mode }, Action::Change);
    }
}

fn store(session: &mut Session, input: &Input<'_>, mode: WriteMode) {
    if let Some(path) = session.path(input.argument) {
        transfer(session, OpenTarget::Write { path, mode }, TransferKind::Receive(session.representation));
    }
}

fn transfer(session: &mut Session, target: OpenTarget, kind: TransferKind) {
    session.begin(Job { target, kind, over_control: false });
}

fn look(session: &mut Session, input: &Input<'_>, purpose: StatPurpose) {
    if let Some(path) = session.path(input.argument) {
        session.start_pending(Stat { path, purpose }, Action::Stat);
    }
}

fn restart(input: &Input<'_>) -> Option<u64> {
    match input.marker {
        Some(OneShot::Restart(offset)) => Some(offset),
        _ => None,
    }
}

fn refuse_restart(session: &mut Session, input: &Input<'_>) -> bool {
    let restarted = restart(input).is_some_and(|offset| offset > 0);
    if restarted {
        session.reply(Reply::new(450, "REST is not possible with this command."));
    }
    restarted
}

impl sealed::Sealed for Stat {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        if session.was_cancelled(id) || !session.is_pending(id) {
            return;
        }
        match outcome {
            Ok(metadata) => found(session, self.path, self.purpose, &metadata),
            Err(error) => session.refuse(error),
        }
    }
}

fn found(session: &mut Session, path: VirtualPath, purpose: StatPurpose, metadata: &Metadata) {
    match (purpose, metadata.kind) {
        (StatPurpose::Enter, FileKind::Directory) => dirs::entered(session, path),
        (StatPurpose::Enter, _) => session.refuse(FsError::NotADirectory),
        (StatPurpose::Facts, _) => dirs::described(session, &path, metadata),
        (StatPurpose::RenameSource, _) => {
            session.marker = Some(OneShot::RenameFrom(path));
            session.reply(Reply::new(350, "Ready for RNTO."));
        }
        (StatPurpose::Size, FileKind::File) => session.reply(reply::text(213, format!("{}", metadata.len))),
        (StatPurpose::Modified, FileKind::File) => {
            let time = metadata.modified.unwrap_or_default().to_civil(0);
            session.reply(reply::text(213, format!("{time}")));
        }
        (StatPurpose::Size | StatPurpose::Modified, FileKind::Directory) => session.refuse(FsError::IsADirectory),
        (StatPurpose::Size | StatPurpose::Modified, _) => session.refuse(FsError::NotRegular),
    }
}

impl sealed::Sealed for Change {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        let forgotten = session.was_cancelled(id) || !session.is_pending(id);
        match outcome {
            Ok(()) => {
                if !forgotten {
                    changed(session, &self);
                }
                session.notify(Event::Changed(self));
            }
            Err(error) if !forgotten => session.refuse(error),
            Err(_) => {}
        }
    }
}

fn changed(session: &mut Session, change: &Change) {
    let reply = match change {
        Change::MakeDirectory(path) => return dirs::made(session, path),
        Change::RemoveDirectory(_) => Reply::new(250, "Directory removed."),
        Change::RemoveFile(_) => Reply::new(250, "File removed."),
        Change::Rename { .. } => Reply::new(250, "Renamed."),
        Change::SetMode { .. } => Reply::new(200, "Mode changed."),
        Change::SetModified { path, time } => {
            let mut text = format!("Modify={}; ", time.to_civil(0)).into_bytes();
            text.extend_from_slice(&session.wire(path));
            Reply::with_text(213, text)
        }
    };
    session.reply(reply);
}
