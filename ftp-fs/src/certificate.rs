//! The certificates that clients present under TLS, and the fingerprints that accounts know them by.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The certificate that a client presented on its control connection. It has been verified before anybody is asked about
/// it: an authority that the server trusts has signed it, and it is valid at this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    der: Arc<[u8]>,
    fingerprint: Fingerprint,
}

impl ClientCertificate {
    /// A certificate in DER.
    #[must_use]
    pub fn new(der: impl Into<Arc<[u8]>>) -> Self {
        let der = der.into();
        let fingerprint = Fingerprint::of(&der);
        Self { der, fingerprint }
    }

    /// The certificate in DER, for those who look for names in it.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// The SHA-256 digest of a certificate in DER. As text, it is 64 hexadecimal digits, with or without colons between the
/// pairs: what `openssl x509 -noout -fingerprint -sha256` tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

/// A text that is no [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; 32];
        let mut rest = text.as_bytes();
        for (index, byte) in bytes.iter_mut().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix(b":").unwrap_or(rest);
            }
            let (pair, behind) = rest.split_at_checked(2).ok_or(InvalidFingerprint)?;
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
            rest = behind;
        }
        if rest.is_empty() { Ok(Self(bytes)) } else { Err(InvalidFingerprint) }
    }
}

fn hex(digit: u8) -> Result<u8, InvalidFingerprint> {
    // A digit of base 16 is less than 16.
    char::from(digit).to_digit(16).map(|digit| digit as u8).ok_or(InvalidFingerprint)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvalidFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a SHA-256 fingerprint: 64 hexadecimal digits, colons between the pairs allowed")
    }
}

impl std::error::Error for InvalidFingerprint {}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn text_and_back() {
        let fingerprint = Fingerprint::of(b"abc");
        assert_eq!(ABC.parse(), Ok(fingerprint));
        assert_eq!(ABC.to_uppercase().parse(), Ok(fingerprint));
        let shown = fingerprint.to_string();
        assert!(shown.starts_with("BA:78:16:BF:") && shown.len() == 95);
        assert_eq!(shown.parse(), Ok(fingerprint));
        assert_eq!(shown.to_lowercase().parse(), Ok(fingerprint));
        let certificate = ClientCertificate::new(*b"abc");
        assert_eq!((certificate.der(), certificate.fingerprint()), (&b"abc"[..], fingerprint));
    }

    #[test]
    fn anything_else_is_none() {
        let long = format!("{ABC}0");
        let colons = format!("{ABC}:");
        let early = format!(":{ABC}");
        let doubled = Fingerprint::of(b"abc").to_string().replacen(':', "::", 1);
        let not_ascii = ABC.replacen("ba", "\u{e4}", 1);
        for text in ["", &ABC[1..], &long, &colons, &early, &doubled, &ABC.replace('b', "g"), &not_ascii, " "] {
            assert_eq!(text.parse::<Fingerprint>(), Err(InvalidFingerprint), "{text}");
        }
    }
}
