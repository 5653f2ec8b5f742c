//! The command lines that the walk tries in every state: each verb of the table, right, wrong and without its argument.

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: &'static str,
    /// The command that answers for it; others that do the same under another name, or get the same replies, share it.
    pub(crate) family: &'static str,
}

impl Line {
    /// The verb, or what there is in its place.
    pub(crate) fn called(&self) -> &'static str {
        match self.text {
            TOO_LONG => "a line that is too long",
            _ if self.text.ends_with("HTTP/1.1") => "an HTTP request",
            _ if self.family == UNKNOWN => "no command",
            text => text.split(' ').next().unwrap_or_default(),
        }
    }

    /// The line as it goes over the wire.
    pub(crate) fn wire(&self) -> Vec<u8> {
        let text = if self.text == TOO_LONG { "A".repeat(5000) } else { self.text.to_owned() };
        [text.as_bytes(), b"\r\n"].concat()
    }
}

/// Stands for a line beyond the limit.
pub(crate) const TOO_LONG: &str = "(too long)";
/// Stands for a line that is no command.
pub(crate) const UNKNOWN: &str = "(no command)";
/// What the greeting answers: the connection itself.
pub(crate) const GREETING: &str = "(connection)";

/// All of them.
pub(crate) fn lines() -> Vec<Line> {
    let of_family = |(family, texts): &(&'static str, &'static [&'static str])| {
        let family = *family;
        texts.iter().map(move |text| Line { text, family }).collect::<Vec<_>>()
    };
    FAMILIES.iter().flat_map(of_family).collect()
}

/// Lines that are let wait behind others. What they do when their turn comes is what they do in the state of that
/// moment, so that a few of each kind suffice: one that ends a transfer, one that ends the session, those that may run
/// beside a transfer, one that may not, one that no transfer lets through, one that is refused.
pub(crate) const MAY_WAIT: &[&str] = &["ABOR", "QUIT", "USER alice", "PASV", "RETR f", "NOOP x", "AUTH TLS"];

const FAMILIES: &[(&str, &[&str])] = &[
    ("USER", &["USER alice", "USER \u{1}", "USER"]),
    ("PASS", &["PASS secret", "PASS"]),
    ("ACCT", &["ACCT a", "ACCT"]),
    ("REIN", &["REIN", "REIN x"]),
    ("QUIT", &["QUIT", "QUIT x"]),
    ("CWD", &["CWD /docs", "CWD \0", "CWD", "XCWD /docs", "XCWD", "CDUP", "CDUP x", "XCUP", "XCUP x"]),
    ("PWD", &["PWD", "PWD x", "XPWD", "XPWD x"]),
    ("MKD", &["MKD /new", "MKD \0", "MKD", "XMKD /new", "XMKD"]),
    ("RMD", &["RMD /empty", "RMD /", "RMD \0", "RMD", "XRMD /empty", "XRMD", "DELE /f", "DELE \0", "DELE"]),
    ("PORT", &["PORT 10,0,0,1,200,10", "PORT 10,0,0,2,200,10", "PORT 10,0,0,1,0,21", "PORT x", "PORT"]),
    ("PASV", &["PASV", "PASV x"]),
    ("PORT", &["EPRT |1|10.0.0.1|51210|", "EPRT |2|::1|51210|", "EPRT |3|x|1|", "EPRT x", "EPRT"]),
    ("EPSV", &["EPSV", "EPSV 1", "EPSV 2", "EPSV x", "EPSV ALL"]),
    ("TYPE", &["TYPE A", "TYPE I", "TYPE E", "TYPE x", "TYPE"]),
    ("STRU", &["STRU F", "STRU R", "STRU x", "STRU", "MODE S", "MODE B", "MODE x", "MODE"]),
    ("RETR", &["RETR f", "RETR \0", "RETR"]),
    ("STOR", &["STOR f", "STOR \0", "STOR", "APPE f", "APPE \0", "APPE"]),
    ("STOU", &["STOU", "STOU x", "STOU \0"]),
    ("REST", &["REST 0", "REST 5", "REST x", "REST"]),
    ("ALLO", &["ALLO 5", "ALLO"]),
    ("ABOR", &["ABOR", "ABOR x"]),
    ("RNFR", &["RNFR /f", "RNFR /", "RNFR \0", "RNFR"]),
    ("RNTO", &["RNTO /g", "RNTO /", "RNTO \0", "RNTO"]),
    ("SIZE", &["SIZE f", "SIZE \0", "SIZE", "MDTM f", "MDTM \0", "MDTM"]),
    ("MFMT", &["MFMT 20200102030405 f", "MFMT 2020 f", "MFMT 20200102030405", "MFMT 20200102030405 \0", "MFMT"]),
    ("SITE", &["SITE CHMOD 644 f", "SITE CHMOD 999 f", "SITE CHMOD 644", "SITE HELP", "SITE HELP x", "SITE x", "SITE"]),
    ("LIST", &["LIST", "LIST -la /docs", "LIST \0", "NLST", "NLST /docs", "NLST \0"]),
    ("MLSD", &["MLSD", "MLSD /docs", "MLSD \0"]),
    ("MLST", &["MLST", "MLST f", "MLST \0"]),
    ("STAT", &["STAT", "STAT /docs", "STAT \0"]),
    ("FEAT", &["FEAT", "FEAT x"]),
    ("OPTS", &["OPTS UTF8 ON", "OPTS UTF8 OFF", "OPTS UTF8 x", "OPTS MLST size;", "OPTS MLST size", "OPTS x", "OPTS"]),
    ("HELP", &["HELP", "HELP NOOP", "HELP x"]),
    ("NOOP", &["NOOP", "NOOP x", "CLNT x", "CLNT"]),
    ("SYST", &["SYST", "SYST x"]),
    ("AUTH", &["AUTH TLS", "AUTH x", "AUTH"]),
    ("PBSZ", &["PBSZ 0", "PBSZ x", "PBSZ"]),
    ("PROT", &["PROT P", "PROT C", "PROT S", "PROT x", "PROT"]),
    ("CCC", &["CCC", "ADAT x", "MIC x", "CONF x", "ENC x", "SMNT x", "HOST x", "LANG", "LANG x"]),
    (UNKNOWN, &["", "WHAT", "GET / HTTP/1.1", TOO_LONG]),
];
