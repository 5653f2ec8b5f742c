//! What to show in a log and to keep in a recording of a client's lines: all but the secrets.
//!
//! A recording is stricter than the log ([`CommandLine`](crate::CommandLine)), since it is sent to others, and has one more
//! thing to care for: to a session, the line that is kept must be the same as the one that came, but for the secret. So it
//! is of a length that tells nothing, known or unknown as a command as it was, a user name or none, and an HTTP request if
//! it was one.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use ftp_types::UserName;

use crate::command::{Access, Argument};
use crate::event::is_slip;
use crate::parse::{self, Command};

/// Takes the secrets out of the lines of one client, which it has to see in their order.
#[derive(Clone, Debug)]
pub struct SecretFilter {
    /// Whether a line that is no command may be a password: until a command that only users give shows that there is no
    /// login to come.
    password_ahead: bool,
    /// Whether anybody is logged in: commands that only users give show nothing before that, since they are refused.
    is_logged_in: bool,
    /// Whether an HTTP request has come, behind which there is anything but commands.
    is_http: bool,
}

impl Default for SecretFilter {
    fn default() -> Self {
        Self { password_ahead: true, is_logged_in: false, is_http: false }
    }
}

impl SecretFilter {
    /// What to keep in place of a line, when it has, or may have, a secret in it. `urgent`: a Telnet Synch came before it.
    pub fn stand_in(&mut self, line: &[u8], urgent: bool) -> Option<Vec<u8>> {
        let Some(command) = Command::parse(line) else { return self.unknown(line) };
        let (info, was_ahead) = (command.info(), self.password_ahead);
        match (info.name, info.access) {
            ("PASS", _) => self.password_ahead = true,
            ("USER" | "REIN" | "AUTH", _) => (self.password_ahead, self.is_logged_in) = (true, false),
            // It may go before lines that came before it.
            _ if urgent => {}
            (_, Access::Users) => self.password_ahead &= !self.is_logged_in,
            _ => {}
        }
        known(&command, was_ahead)
    }

    /// Somebody has logged in.
    pub fn log_in(&mut self) {
        self.is_logged_in = true;
    }

    fn unknown(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let version: &[u8] = if parse::is_http(line) { b" HTTP/1.1" } else { b"" };
        let is_hidden = self.password_ahead || self.is_http;
        self.is_http |= !version.is_empty();
        let shown = match suspect(line) {
            Some(shown) => shown,
            None if is_hidden => Cow::Borrowed(&b""[..]),
            None => return None,
        };
        // Without a blank, so that it does not become a command.
        Some([&shown, STARS, version].concat())
    }
}

/// What the log shows in place of a line that has, or may have, a secret in it. It is read by those who want to know what
/// was asked, and by nobody else, so that it leaves more as it is: names with a suspicious word in them, mechanisms of AUTH,
/// services of SITE that have nothing to do with passwords, and file names behind commands that Ferry does not know.
pub(crate) fn masked(line: &[u8]) -> Option<Vec<u8>> {
    let Some(command) = Command::parse(line) else {
        let (verb, _) = parse::words(line);
        let shown = if mentions(line, &[b"PASS"]) { Some(Cow::Borrowed(&b"PASS"[..])) } else { suspect(verb) };
        return shown.map(|shown| [&shown, &b" "[..], STARS].concat());
    };
    let argument = command.argument();
    match command.info().name {
        "USER" => user(argument, |before, next| is_gap(before) || is_gap(Some(next))),
        "AUTH" if argument.iter().all(u8::is_ascii_alphabetic) => None,
        "SITE" if !mentions(first_word(argument.trim_ascii_start()), &ACCOUNT_WORDS) => None,
        _ => known(&command, false),
    }
}

/// Words in the names of services that change accounts on other servers: PSWD, CPWD, PASSWD, ADDUSER.
const ACCOUNT_WORDS: [&[u8]; 5] = [b"PASS", b"PSW", b"PWD", b"USER", b"ACCT"];

fn mentions(text: &[u8], words: &[&[u8]]) -> bool {
    (0..text.len()).any(|place| words.iter().any(|word| starts_with(&text[place..], word)))
}

fn is_gap(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
}

fn first_word(text: &[u8]) -> &[u8] {
    text.split(|byte| is_gap(Some(byte))).next().unwrap_or_default()
}

const STARS: &[u8] = b"******";
/// The commands whose argument is a secret.
const SECRETS: [&[u8]; 3] = [b"PASS", b"ACCT", b"ADAT"];
/// Words of a line that make it suspect, wherever they stand in it.
const SUSPECT: [&[u8]; 3] = [b"PASS", b"PSWD", b"ACCT"];

/// The names that AUTH knows; anything else may be what other protocols send behind it.
const MECHANISMS: [&[u8]; 4] = [b"TLS", b"TLS-C", b"SSL", b"TLS-P"];

/// The stand-in of a known command. It is refused, or carried out, whatever the secret is.
fn known(command: &Command<'_>, password_ahead: bool) -> Option<Vec<u8>> {
    let (info, argument) = (command.info(), command.argument());
    let hidden = match info.name {
        // An empty password would be told by what follows it, or by nothing at all.
        "PASS" | "ADAT" => true,
        // The other commands of RFC 2228 hold whole commands, encoded.
        "ACCT" | "MIC" | "CONF" | "ENC" => !argument.is_empty(),
        "USER" => return user(argument, is_apart),
        "SITE" => return site(argument),
        "AUTH" => !argument.is_empty() && !MECHANISMS.iter().any(|name| name.eq_ignore_ascii_case(argument)),
        // Refused, whatever stands there; it may be a password behind a word that only looks like a command.
        _ if info.argument == Argument::None && password_ahead => !argument.is_empty(),
        _ => info.argument == Argument::None && suspect(argument).is_some(),
    };
    hidden.then(|| [info.name.as_bytes(), b" ", STARS].concat())
}

/// USER with a password behind the name. It stays a user name, or none. `is_apart` tells from the bytes before and behind a
/// word whether it is one of its own, or follows a blank.
fn user(argument: &[u8], is_apart: fn(Option<&u8>, &u8) -> bool) -> Option<Vec<u8>> {
    let word_at = |place| password_word(argument, place, is_apart).map(|word| (place, word));
    let (place, word) = (0..argument.len()).find_map(word_at)?;
    let mut name = [&argument[..place], word, b" ", STARS].concat();
    name.truncate(UserName::MAX_LEN);
    if UserName::parse(argument).is_err() && UserName::parse(&name).is_ok() {
        name.resize(UserName::MAX_LEN + 1, b'*');
    }
    Some([b"USER ", &name[..]].concat())
}

/// The word at that place of USER's argument, when a password follows it.
fn password_word(argument: &[u8], place: usize, is_apart: fn(Option<&u8>, &u8) -> bool) -> Option<&'static [u8]> {
    let (before, rest) = argument.split_at(place);
    let word = SECRETS.into_iter().find(|word| starts_with(rest, word))?;
    is_apart(before.last(), rest.get(word.len())?).then_some(word)
}

fn is_apart(before: Option<&u8>, next: &u8) -> bool {
    let behind_blank = before.is_some_and(u8::is_ascii_whitespace);
    behind_blank || (!before.is_some_and(u8::is_ascii_alphanumeric) && !next.is_ascii_alphanumeric())
}

/// SITE with a service that Ferry does not have: some of those that other servers have make accounts and change passwords.
fn site(argument: &[u8]) -> Option<Vec<u8>> {
    let blanks = argument.len() - argument.trim_ascii_start().len();
    let (blanks, rest) = argument.split_at(blanks);
    let service = first_word(rest);
    if let Some(shown) = suspect(service) {
        return Some([b"SITE ", blanks, &shown, b" ", STARS].concat());
    }
    let is_known = [&b"CHMOD"[..], b"HELP"].iter().any(|known| known.eq_ignore_ascii_case(service));
    let hides = rest.len() > service.len() + 1 && !is_known;
    // What begins with a control character is a service, too, and not none.
    let gap: &[u8] = if service.is_empty() { b"" } else { b" " };
    hides.then(|| [b"SITE ", blanks, &service[..service.len().min(32)], gap, STARS].concat())
}

/// What may be shown of a text that is no command and may hold a secret: the word that makes it suspect. Whatever is not
/// a letter is passed over: blanks, tabs and control characters between the letters are slips, too.
fn suspect(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let letters: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    let anywhere = SUSPECT.into_iter().find(|word| mentions(&letters, &[word]));
    let first = || SECRETS.into_iter().find(|word| starts_with(&letters, word));
    if let Some(word) = anywhere.or_else(first) {
        return Some(Cow::Borrowed(word));
    }
    let start = text.iter().position(u8::is_ascii_alphanumeric)?;
    let word = text[start..].split(|byte| !byte.is_ascii_alphanumeric()).next()?;
    // A slip may be no letter at all.
    let words = [word, first_word(&text[start..])];
    words.into_iter().find(|word| SECRETS.into_iter().any(|secret| is_slip(word, secret))).map(Cow::Borrowed)
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    fn kept(lines: &[&str]) -> String {
        let mut filter = SecretFilter::default();
        // As if the login had gone well before.
        if lines.contains(&"PWD") {
            filter.log_in();
        }
        let last = lines.iter().map(|line| filter.stand_in(line.as_bytes(), false)).last().flatten();
        last.map_or_else(|| "as it is".to_string(), |line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn secrets_are_taken_out_whatever_the_spelling() {
        for (line, shown) in [
            ("PASS secret", "PASS ******"),
            ("PASS", "PASS ******"),
            ("  PaSs  secret", "PASS ******"),
            ("acct secret", "ACCT ******"),
            ("ADAT c2VjcmV0", "ADAT ******"),
            ("ENC c2VjcmV0", "ENC ******"),
            ("\0PASS secret", "PASS******"),
            ("PASS\tsecret", "PASS******"),
            ("PASSsecret", "PASS******"),
            ("P A\tS\x07S secret", "PASS******"),
            ("secretPASS", "PASS******"),
            ("x PASS secret", "PASS******"),
            ("ACCT\tsecret", "ACCT******"),
            ("ADATsecret", "ADAT******"),
            ("PAS hunter2", "PAS******"),
            ("PAS\thunter2", "PAS******"),
            ("PAS-hunter2", "PAS******"),
            ("P4SS secret", "P4SS******"),
            ("P@SS secret", "P@SS******"),
            ("PA-S\thunter2", "PA-S******"),
            ("\x01PASV secret", "PASV******"),
            ("ACT secret", "ACT******"),
            ("NOOP pass secret", "NOOP ******"),
            ("USER alice PASS secret", "USER alice PASS ******"),
            ("USER alice  PASSsecret", "USER alice  PASS ******"),
            ("USER pass:secret", "USER PASS ******"),
            ("USER alice\tacct\tsecret", "USER alice\tACCT ******"),
            ("SITE ADDUSER bob hunter2", "SITE ADDUSER ******"),
            ("site cpwd old new", "SITE cpwd ******"),
            ("AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "AUTH ******"),
            ("PWD hunter2", "PWD ******"),
            ("SITE PSWD secret", "SITE PSWD ******"),
            ("SITE CPWD\told\tsecret", "SITE CPWD ******"),
            ("SITE  PASSsecret", "SITE  PASS ******"),
            ("SITE\tPSWD secret", "PSWD******"),
            ("SITE \x01secret", "SITE ******"),
            ("GET /?pass=secret HTTP/1.1", "PASS****** HTTP/1.1"),
        ] {
            assert_eq!(kept(&[line]), shown, "{line}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "RETR password.txt",
            "SITE CHMOD 600 passwords",
            "SITE HELP PASS",
            "SITE WHO ",
            "USER bypass",
            "USER pass",
            "USER passenger",
            "ACCT",
            "PASV x",
            "AUTH TLS",
            "XCRC file",
            "XMETADATA x",
            "",
        ] {
            assert_eq!(kept(&["PWD", line]), "as it is", "{line}");
        }
    }

    #[test]
    fn what_is_no_command_before_a_login_may_be_a_password() {
        assert_eq!(kept(&["hunter2"]), "******");
        assert_eq!(kept(&["USER alice", "hunter2"]), "******");
        assert_eq!(kept(&["USER alice", "PASS one", "two", "three"]), "******");
        assert_eq!(kept(&["USER alice", "GET / HTTP/1.1"]), "****** HTTP/1.1");
        assert_eq!(kept(&["USER alice", "NOOP", "hunter2"]), "******");
        assert_eq!(kept(&["USER alice", "CWD x", "hunter2"]), "******");
        assert_eq!(kept(&["PWD", "REIN", "hunter2"]), "******");
        let mut filter = SecretFilter::default();
        let mut say = |line: &[u8]| filter.stand_in(line, false);
        assert_eq!((say(b"USER alice"), say(b"PASS x")), (None, Some(b"PASS ******".to_vec())));
        filter.log_in();
        assert_eq!(filter.stand_in(b"one", false), Some(STARS.to_vec()));
        assert_eq!((filter.stand_in(b"PWD", false), filter.stand_in(b"two", false)), (None, None));
        assert_eq!(kept(&["PWD", "GET / HTTP/1.1"]), "as it is");
        assert_eq!(kept(&["PWD", "GET / HTTP/1.1", "Authorization: Basic c2VjcmV0"]), "******");
        assert_eq!(kept(&["PWD", "GET / HTTP/1.1", "CWD x", "c2VjcmV0"]), "******");
        let twice = ["PWD", "GET / HTTP/1.1", "GET / HTTP/1.1", "Authorization: Basic c2VjcmV0"];
        assert_eq!(kept(&twice), "******");
        assert_eq!(kept(&["PWD", "PASS one", "hunter2"]), "******");
        for urgent in [true, false] {
            let mut filter = SecretFilter::default();
            filter.log_in();
            filter.stand_in(b"ABOR", urgent);
            assert_eq!(filter.stand_in(b"hunter2", false), urgent.then(|| STARS.to_vec()));
        }
    }

    #[test]
    fn a_user_name_stays_one_or_none() {
        let parsed = |text: &str| {
            let kept = kept(&[&alloc::format!("USER {text}")]);
            UserName::parse(&kept.as_bytes()["USER ".len()..]).is_ok()
        };
        assert!(parsed("alice PASS secret"));
        assert!(!parsed("alice PASS sec\x01ret"));
        assert!(!parsed(&alloc::format!("alice PASS {}", "x".repeat(256))));
        assert!(parsed(&alloc::format!("{} PASS x", "a".repeat(249))));
    }
}
