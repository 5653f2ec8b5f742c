//! `[tls]`, whose files are read with it.

use std::path::PathBuf;

use super::parse;
use super::section::{Section, Value};
use crate::tls::{self, TlsFile};

/// `[tls]`: AUTH TLS is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The chain of certificates, the server's own first; none: one is made at start.
    pub certfile: Option<PathBuf>,
    /// Its private key; none: it is in `certfile`, too.
    pub keyfile: Option<PathBuf>,
    /// Whether nobody logs in without TLS.
    pub control_required: bool,
    /// Whether nothing is transferred without TLS.
    pub data_required: bool,
    /// Whether data connections have to resume the TLS session of the control connection.
    pub require_session_reuse: bool,
    /// The authorities whose certificates clients have to show; none: they need no certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether an upload that ends without `close_notify` is whole all the same.
    pub lenient_eof: bool,
}

/// Reads `[tls]`, and the files that it names.
pub(super) fn tls(section: &mut Section<'_>) -> Tls {
    let values = Values {
        certfile: section.value(TlsFile::Certfile.key()),
        keyfile: section.value(TlsFile::Keyfile.key()),
        client_ca: section.value(TlsFile::ClientCa.key()),
    };
    let path = |file| values.of(file).and_then(parse::path);
    let mut tls = Tls {
        certfile: path(TlsFile::Certfile),
        keyfile: path(TlsFile::Keyfile),
        client_ca: path(TlsFile::ClientCa),
        ..Tls::default()
    };
    section.set("control_required", &mut tls.control_required, parse::boolean);
    section.set("data_required", &mut tls.data_required, parse::boolean);
    section.set("require_session_reuse", &mut tls.require_session_reuse, parse::boolean);
    section.set("lenient_eof", &mut tls.lenient_eof, parse::boolean);
    values.check(&tls);
    tls
}

/// Where the files are named.
struct Values<'a> {
    certfile: Option<Value<'a>>,
    keyfile: Option<Value<'a>>,
    client_ca: Option<Value<'a>>,
}

impl<'a> Values<'a> {
    fn of(&self, file: TlsFile) -> Option<&Value<'a>> {
        match file {
            TlsFile::Certfile => self.certfile.as_ref(),
            TlsFile::Keyfile => self.keyfile.as_ref(),
            TlsFile::ClientCa => self.client_ca.as_ref(),
        }
    }

    fn check(&self, tls: &Tls) {
        if let (Some(keyfile), None) = (&self.keyfile, &self.certfile) {
            keyfile.complain::<()>("certfile is missing: the certificates that the key is for");
        }
        for error in tls::check(tls) {
            match self.of(error.file()) {
                Some(value) if error.is_unreadable() => value.complain_of_file(&error.to_string()),
                Some(value) => _ = value.complain::<()>(&error.to_string()),
                None => {}
            }
        }
    }
}
