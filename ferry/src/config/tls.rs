//! `[tls]`, whose files are read with it.

use std::path::PathBuf;

use clap::ValueEnum;

use super::parse;
use super::section::{Section, Value};
use crate::tls::{self, TlsFile, TlsFileError};

/// `[tls]`: AUTH TLS is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The chain of certificates, the server's own first; none: the first of `certificates`, or one is made at start.
    pub certfile: Option<PathBuf>,
    /// Its private key; none: it is in `certfile`, too.
    pub keyfile: Option<PathBuf>,
    /// `[[tls.certificate]]`: those for clients that ask for a name in them.
    pub certificates: Vec<Certificate>,
    /// The versions of TLS that are spoken; empty: all that are safe.
    pub versions: Vec<TlsVersion>,
    /// Whether nobody logs in without TLS.
    pub control_required: bool,
    /// Whether nothing is transferred without TLS.
    pub data_required: bool,
    /// Whether data connections have to resume the TLS session of the control connection.
    pub require_session_reuse: bool,
    /// The authorities of the certificates that clients show; none: they are asked for no certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether they have to show one.
    pub client_certificates: ClientCertificates,
    /// Whether an upload that ends without `close_notify` is whole all the same.
    pub lenient_eof: bool,
}

/// `[[tls.certificate]]`: one more chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain of certificates, the server's own first.
    pub certfile: PathBuf,
    /// Its private key; none: it is in `certfile`, too.
    pub keyfile: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TlsVersion {
    #[value(name = "1.2")]
    V1_2,
    #[value(name = "1.3")]
    V1_3,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ClientCertificates {
    #[default]
    Required,
    Optional,
}

/// Reads `[tls]`, and the files that it names; but for `certfile` and `keyfile` if others are in their place.
pub(super) fn tls(section: &mut Section<'_>, certificate_is_replaced: bool) -> Tls {
    let values = Values::of(section);
    let client_ca = section.value(TlsFile::ClientCa.key());
    let path = |value: &Option<Value<'_>>| value.as_ref().and_then(parse::path);
    let mut tls = Tls {
        certfile: path(&values.certfile),
        keyfile: path(&values.keyfile),
        client_ca: path(&client_ca),
        ..Tls::default()
    };
    section.set("versions", &mut tls.versions, parse::tls_versions);
    section.set("control_required", &mut tls.control_required, parse::boolean);
    section.set("data_required", &mut tls.data_required, parse::boolean);
    section.set("require_session_reuse", &mut tls.require_session_reuse, parse::boolean);
    section.set("lenient_eof", &mut tls.lenient_eof, parse::boolean);
    if let Some(value) = section.value("client_certificates") {
        if client_ca.is_none() {
            value.complain::<()>("client_ca is missing: the authorities of these certificates");
        }
        tls.client_certificates = parse::one_of(&value).unwrap_or_default();
    }
    if !certificate_is_replaced {
        values.check_key();
        values.complain(tls.certfile.as_deref().and_then(|chain| tls::check_pair(chain, tls.keyfile.as_deref()).err()));
    }
    if let (Some(value), Some(path)) = (&client_ca, &tls.client_ca) {
        complain_of(value, tls::check_authorities(path).err());
    }
    // The first of all need not have a name, for it is the one for clients that ask for none.
    let mut needs_name = tls.certfile.is_some();
    tls.certificates =
        section.sections("certificate", |section| certificate(section, std::mem::replace(&mut needs_name, true)));
    tls
}

fn certificate(section: &mut Section<'_>, needs_name: bool) -> Option<Certificate> {
    let values = Values::of(section);
    let path = |value: &Option<Value<'_>>| value.as_ref().and_then(parse::path);
    let (certfile, keyfile) = (path(&values.certfile), path(&values.keyfile));
    if values.certfile.is_none() {
        section.complain("certfile is missing: the chain of certificates");
    }
    let certfile = certfile?;
    let checked = match needs_name {
        true => tls::check_named_pair(&certfile, keyfile.as_deref()),
        false => tls::check_pair(&certfile, keyfile.as_deref()),
    };
    values.complain(checked.err());
    Some(Certificate { certfile, keyfile })
}

/// Where a certificate and its key are named.
struct Values<'a> {
    certfile: Option<Value<'a>>,
    keyfile: Option<Value<'a>>,
}

impl<'a> Values<'a> {
    fn of(section: &mut Section<'a>) -> Self {
        Self { certfile: section.value(TlsFile::Certfile.key()), keyfile: section.value(TlsFile::Keyfile.key()) }
    }

    fn check_key(&self) {
        if let (Some(keyfile), None) = (&self.keyfile, &self.certfile) {
            keyfile.complain::<()>("certfile is missing: the certificates that the key is for");
        }
    }

    fn complain(&self, error: Option<TlsFileError>) {
        let file = error.as_ref().map(TlsFileError::file);
        let value = if file == Some(TlsFile::Keyfile) { &self.keyfile } else { &self.certfile };
        if let Some(value) = value {
            complain_of(value, error);
        }
    }
}

fn complain_of(value: &Value<'_>, error: Option<TlsFileError>) {
    match error {
        Some(error) if error.is_unreadable() => value.complain_of_file(&error.to_string()),
        Some(error) => _ = value.complain::<()>(&error.to_string()),
        None => {}
    }
}
