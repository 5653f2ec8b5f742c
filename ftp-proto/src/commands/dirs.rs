//! Directories and listings: CWD, CDUP, PWD, MKD, RMD, LIST, NLST, MLSD, MLST (RFC 959 §4.1.1, §4.1.3; RFC 3659 §7).

use ftp_types::VirtualPath;

use crate::action::{Action, Change, Stat, StatPurpose};
use crate::listing::ListStyle;
use crate::reply::{Reply, quoted};
use crate::session::{Input, Session};
use crate::transfer::listing;

/// CWD. Without an argument it goes to the root.
pub(crate) fn cwd(session: &mut Session, input: Input<'_>) {
    let argument = if input.argument.is_empty() { b"/" } else { input.argument };
    if let Some(path) = session.path(argument) {
        enter(session, path);
    }
}

/// CDUP. The parent of the root is the root.
pub(crate) fn cdup(session: &mut Session, _input: Input<'_>) {
    let parent = session.cwd.parent().unwrap_or_default();
    enter(session, parent);
}

/// PWD.
pub(crate) fn pwd(session: &mut Session, _input: Input<'_>) {
    let text = quoted(&session.wire(&session.cwd), " is the current directory.");
    session.reply(Reply::with_text(257, text));
}

/// MKD.
pub(crate) fn mkd(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(input.argument) {
        session.start_pending(Change::MakeDirectory(path), Action::Change);
    }
}

/// RMD.
pub(crate) fn rmd(session: &mut Session, input: Input<'_>) {
    let Some(path) = session.path(input.argument) else { return };
    if path.is_root() {
        return session.reply(Reply::new(550, "Can't remove the root directory."));
    }
    session.start_pending(Change::RemoveDirectory(path), Action::Change);
}

/// LIST.
pub(crate) fn list(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(without_options(input.argument)) {
        session.begin(listing(path, ListStyle::Long, true));
    }
}

/// NLST.
pub(crate) fn nlst(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(without_options(input.argument)) {
        session.begin(listing(path, ListStyle::Names, true));
    }
}

/// MLSD. It wants a directory.
pub(crate) fn mlsd(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(input.argument) {
        session.begin(listing(path, ListStyle::Facts(session.facts), false));
    }
}

/// MLST.
pub(crate) fn mlst(session: &mut Session, input: Input<'_>) {
    if let Some(path) = session.path(input.argument) {
        session.start_pending(Stat { path, purpose: StatPurpose::Facts }, Action::Stat);
    }
}

fn enter(session: &mut Session, path: VirtualPath) {
    session.start_pending(Stat { path, purpose: StatPurpose::Enter }, Action::Stat);
}

/// The session is where the client wanted it.
pub(crate) fn entered(session: &mut Session, path: VirtualPath) {
    session.cwd = path;
    let text = quoted(&session.wire(&session.cwd), " is the current directory.");
    session.reply(Reply::with_text(250, text));
}

/// MKD has done its work: 257 with the absolute path, as RFC 959 appendix II asks.
pub(crate) fn made(session: &mut Session, path: &VirtualPath) {
    let text = quoted(&session.wire(path), " created.");
    session.reply(Reply::with_text(257, text));
}

/// Takes away what clients send as if to `ls`: `-a`, `-la /path`. Entries are shown all the same way, hidden ones
/// included. A word is options only when all its letters are, so that most names that begin with a dash are names;
/// `--` ends the options.
fn without_options(argument: &[u8]) -> &[u8] {
    let mut rest = argument;
    loop {
        let (word, behind) = crate::text::split_word(rest);
        let behind = behind.unwrap_or_default();
        match word {
            b"--" => return behind,
            [b'-', letters @ ..] if !letters.is_empty() && letters.iter().all(|l| OPTIONS.contains(l)) => rest = behind,
            _ => return rest,
        }
    }
}

/// What an `ls` option can be: all, almost all, long, one column, classify, recursive, order of time, of size,
/// reversed, directory itself, numeric.
const OPTIONS: &[u8] = b"aAlL1FRtSrdn";

/// The text of MLST's middle line.
pub(crate) fn described(session: &mut Session, path: &VirtualPath, metadata: &ftp_types::Metadata) {
    let line = crate::listing::fact_line(session.facts, metadata, &session.wire(path));
    session.reply(Reply::lines(250, "Listing:", alloc::vec![line], "End."));
}

/// STAT with a path: the listing over the control connection.
pub(crate) fn stat(session: &mut Session, input: &Input<'_>) {
    if let Some(path) = session.path(without_options(input.argument)) {
        let mut job = listing(path, ListStyle::Long, true);
        job.over_control = true;
        session.begin(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_away_and_names_are_not() {
        let cases = [
            ("", ""),
            ("-a", ""),
            ("-la", ""),
            ("-al x y", "x y"),
            ("-a -l  x", " x"),
            ("-1 -- -a", "-a"),
            ("-x-", "-x-"),
            ("-", "-"),
            ("-name", "-name"),
            ("x -a", "x -a"),
        ];
        for (argument, path) in cases {
            assert_eq!(without_options(argument.as_bytes()), path.as_bytes(), "{argument}");
        }
    }
}
