//! The configurations that are walked through, and the bounds of the walk.

use std::time::Duration;

use ftp_proto::{Config, TlsPolicy};

use crate::alphabet::{self, Line};

/// One walk.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: &'static str,
    /// What the pages say of it.
    pub(crate) about: &'static str,
    pub(crate) config: Config,
    pub(crate) implicit_tls: bool,
    /// Whether clients may present a certificate.
    pub(crate) certificates: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) words: Words,
    pub(crate) bounds: Bounds,
}

/// How far the walk goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Lines that wait.
    pub(crate) lane: usize,
    /// Cancelled actions that have not ended, beside one that ABOR waits for.
    pub(crate) leftovers: usize,
    /// Whether behind as many lines as may wait every other one is tried, or only those that may.
    pub(crate) all_behind: bool,
}

/// Which lines are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// All.
    All,
    /// All that change no parameter of later ones.
    NoParameters,
    /// One command of each kind.
    OneOfEach,
}

impl Words {
    fn lines(self) -> Vec<Line> {
        let wanted = |line: &Line| match self {
            Self::All => true,
            Self::NoParameters => !PARAMETERS.contains(&line.text),
            Self::OneOfEach => KINDS.contains(&line.family) && !PARAMETERS.contains(&line.text),
        };
        alphabet::lines().into_iter().filter(wanted).collect()
    }

    /// What the pages call them.
    pub(crate) const fn shown(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::NoParameters => "all but `TYPE I`, `REST 0`, `REST 5`, `EPSV ALL`",
            Self::OneOfEach => "one command of each kind",
        }
    }
}

/// The lines that change nothing but a parameter of later ones.
const PARAMETERS: &[&str] = &["TYPE I", "REST 0", "REST 5", "EPSV ALL"];

/// One command for each way that commands go.
const KINDS: &[&str] = &[
    "USER",
    "PASS",
    "REIN",
    "QUIT",
    "CWD",
    "RMD",
    "PORT",
    "PASV",
    "RETR",
    "ABOR",
    "STAT",
    "NOOP",
    "AUTH",
    "PBSZ",
    "PROT",
    alphabet::UNKNOWN,
];

/// What CI walks.
pub(crate) fn ordinary() -> Vec<Settings> {
    let bounds = Bounds { lane: 1, leftovers: 0, all_behind: false };
    let late = Bounds { leftovers: 1, lane: 0, ..bounds };
    all(Words::OneOfEach, bounds, late)
}

/// What the page says of the lines that may wait.
pub(crate) fn told() -> String {
    let lines: Vec<String> = alphabet::MAY_WAIT.iter().map(|text| format!("`{text}`")).collect();
    format!("Lines that wait are {}: one\nof each kind, as far as waiting goes.", lines.join(", "))
}

/// What `just explore` walks.
pub(crate) fn wide() -> Vec<Settings> {
    let bounds = Bounds { lane: 2, leftovers: 0, all_behind: true };
    let late = Bounds { lane: 1, leftovers: 1, all_behind: false };
    all(Words::NoParameters, bounds, late)
}

fn all(words: Words, bounds: Bounds, late: Bounds) -> Vec<Settings> {
    let plain = Config { max_login_attempts: 0, failed_login_delay: Duration::ZERO, ..Config::default() };
    let delayed = Config { failed_login_delay: Duration::from_secs(3), ..plain.clone() };
    let limited = Config { max_login_attempts: 2, ..delayed.clone() };
    let offered = Config { tls: Some(TlsPolicy::default()), ..plain.clone() };
    let both = TlsPolicy { control_required: true, data_required: true };
    let required = Config { tls: Some(both), ..plain.clone() };
    let make = |name, about, config: &Config, words: Words, bounds| Settings {
        name,
        about,
        config: config.clone(),
        implicit_tls: false,
        certificates: false,
        lines: words.lines(),
        words,
        bounds,
    };
    let few = |name, about, config| make(name, about, config, words, bounds);
    vec![
        make(
            "plain",
            "no TLS; wrong logins are told at once, and there is no limit to them",
            &plain,
            Words::All,
            bounds,
        ),
        make("plain, late answers", "the same, and cancelled work may end late", &plain, words, late),
        few("delay", "wrong logins are told after 3 s", &delayed),
        few("limit", "wrong logins are told after 3 s, and the second ends the session", &limited),
        make("TLS", "TLS is offered", &offered, Words::NoParameters, bounds),
        make("TLS, late answers", "the same, and cancelled work may end late", &offered, Words::OneOfEach, late),
        few("TLS required", "nobody logs in, and no data goes, without TLS", &required),
        Settings { implicit_tls: true, ..few("implicit TLS", "TLS comes before the greeting", &offered) },
        Settings {
            certificates: true,
            ..make("certificates", "TLS is offered, clients may have certificates", &offered, Words::OneOfEach, bounds)
        },
    ]
}
