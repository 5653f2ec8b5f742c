//! Password hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.

use std::fmt;
use std::str::FromStr;

use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use ftp_types::Secret;
use password_hash::phc::{Ident, PasswordHash};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;

/// A password hash that was read from a PHC string and can be verified.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword {
    hash: PasswordHash,
    scheme: Scheme,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Argon2,
    Scrypt,
    Pbkdf2,
}

/// Why a string is no password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHash {
    /// It is not of the form `$scheme$parameters$salt$hash`.
    Malformed,
    /// The scheme is none of argon2id, argon2i, argon2d, scrypt and pbkdf2.
    UnknownScheme,
    /// The salt or the hash itself is missing.
    Incomplete,
    /// The parameters are not those of the scheme, or out of its range.
    Parameters,
}

/// Hashes a password for the configuration: argon2id, with the parameters that OWASP recommends.
///
/// # Panics
/// When the system gives no random bytes for the salt.
#[must_use]
pub fn hash_password(password: &Secret) -> String {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.expose())
        .expect("the default parameters are good and the system gives random bytes");
    hash.to_string()
}

impl HashedPassword {
    /// Whether this is the hash of the password. That takes long, on purpose.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        let password = password.expose();
        match self.scheme {
            Scheme::Argon2 => Argon2::default().verify_password(password, &self.hash).is_ok(),
            Scheme::Scrypt => Scrypt::default().verify_password(password, &self.hash).is_ok(),
            Scheme::Pbkdf2 => Pbkdf2::default().verify_password(password, &self.hash).is_ok(),
        }
    }
}

impl FromStr for HashedPassword {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let hash = PasswordHash::new(text).map_err(|_| InvalidHash::Malformed)?;
        let scheme = Scheme::of(hash.algorithm)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidHash::Incomplete);
        }
        scheme.check_parameters(&hash)?;
        Ok(Self { hash, scheme })
    }
}

impl Scheme {
    fn of(algorithm: Ident) -> Result<Self, InvalidHash> {
        match algorithm.as_str() {
            "argon2id" | "argon2i" | "argon2d" => Ok(Self::Argon2),
            "scrypt" => Ok(Self::Scrypt),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Ok(Self::Pbkdf2),
            _ => Err(InvalidHash::UnknownScheme),
        }
    }

    /// A hash that can never be verified is an error in the configuration, not a wrong password.
    fn check_parameters(self, hash: &PasswordHash) -> Result<(), InvalidHash> {
        let fit = match self {
            Self::Argon2 => Params::try_from(hash).is_ok(),
            Self::Scrypt => scrypt::Params::try_from(hash).is_ok(),
            Self::Pbkdf2 => pbkdf2::Params::try_from(hash).is_ok(),
        };
        if fit { Ok(()) } else { Err(InvalidHash::Parameters) }
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedPassword(${}$***)", self.hash.algorithm)
    }
}

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a password hash of the form $scheme$parameters$salt$hash",
            Self::UnknownScheme => {
                "unknown scheme of a password hash (known: argon2id, argon2i, argon2d, scrypt, pbkdf2)"
            }
            Self::Incomplete => "a password hash without salt or without hash",
            Self::Parameters => "a password hash with parameters that its scheme does not have",
        })
    }
}

impl std::error::Error for InvalidHash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_verifies() {
        let hash = hash_password(&Secret::from("open sesame"));
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let hash: HashedPassword = hash.parse().unwrap();
        assert!(hash.verify(&Secret::from("open sesame")));
        assert!(!hash.verify(&Secret::from("open sesam")));
        assert!(!hash.verify(&Secret::default()));
    }

    #[test]
    fn hashes_of_other_programs_verify() {
        let hashes = [
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$5f/Vi+XRWGUNGScbsma6KJ4zLFIke/NJsrvr7lQLAyA",
            "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$8nX7hwFEzIB8aPajJTYK8weHQc5Ngz0pFVAKvSu4jQA",
        ];
        for hash in hashes {
            let hash: HashedPassword = hash.parse().unwrap();
            assert!(hash.verify(&Secret::from("password")), "{hash:?}");
            assert!(!hash.verify(&Secret::from("passwore")), "{hash:?}");
        }
    }

    #[test]
    fn what_could_never_be_verified_is_refused_at_once() {
        let cases = [
            ("", InvalidHash::Malformed),
            ("secret", InvalidHash::Malformed),
            ("$md5$c29tZXNhbHQ$wWKIMhR9lyDFvRz9", InvalidHash::UnknownScheme),
            ("$argon2id$v=19$m=65536,t=2,p=1", InvalidHash::Incomplete),
            (
                "$argon2id$v=19$m=1,t=0,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
                InvalidHash::Parameters,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<HashedPassword>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_does_not_print() {
        let hash: HashedPassword = hash_password(&Secret::from("x")).parse().unwrap();
        assert_eq!(format!("{hash:?}"), "HashedPassword($argon2id$***)");
    }
}
