//! Password hashes: as PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, and in the forms of crypt(3).

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier, Version};
use ftp_types::Secret;
use password_hash::phc::{Output, PasswordHash};
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;

use crate::crypt::CryptHash;

/// A password hash that was read from a string and can be verified: argon2, scrypt or PBKDF2 as a PHC string, bcrypt
/// (`$2a$`, `$2b$`, `$2y$`) or sha-crypt (`$5$`, `$6$`).
///
/// bcrypt sees no more than the first 72 bytes of a password: who has a longer one logs in by those, as with every
/// other program. A password with a NUL, or of more than 511 bytes, has no bcrypt or sha-crypt hash.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Phc(Box<PasswordHash>, Scheme),
    Crypt(CryptHash),
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
    /// It is not of the form `$scheme$parameters$salt$hash`, or not of that of its scheme.
    Malformed,
    /// The scheme is none of argon2id, argon2i, argon2d, scrypt, pbkdf2, bcrypt and sha-crypt.
    UnknownScheme,
    /// The salt or the hash itself is missing.
    Incomplete,
    /// The parameters are not those of the scheme, or out of its range.
    Parameters,
    /// The parameters would have every login take longer than some seconds, or more than 2 GiB of memory.
    TooCostly,
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
        #[cfg(test)]
        tests::VERIFIED.with_borrow_mut(|verified| verified.push(self.cost()));
        let (hash, scheme) = match &self.0 {
            Form::Phc(hash, scheme) => (hash, scheme),
            Form::Crypt(hash) => return hash.verify(password),
        };
        let password = password.expose();
        match scheme {
            Scheme::Argon2 => argon2(password, hash).is_some_and(|output| hash.hash == Some(output)),
            Scheme::Scrypt => Scrypt::default().verify_password(password, &**hash).is_ok(),
            Scheme::Pbkdf2 => Pbkdf2::default().verify_password(password, &**hash).is_ok(),
        }
    }

    /// What its verification costs: the same for two hashes that have this in common.
    pub(crate) fn cost(&self) -> String {
        match &self.0 {
            Form::Phc(hash, _) => {
                let length = hash.hash.map_or(0, |hash| hash.len());
                format!("{} {:?} {} {length}", hash.algorithm, hash.version, hash.params)
            }
            Form::Crypt(hash) => hash.cost(),
        }
    }
}

impl FromStr for HashedPassword {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        if let Some(hash) = CryptHash::parse(text) {
            return hash.map(Form::Crypt).map(Self);
        }
        let name = text.strip_prefix('$').and_then(|text| text.split('$').next()).ok_or(InvalidHash::Malformed)?;
        let scheme = Scheme::of(name)?;
        let hash = PasswordHash::new(text).map_err(|_| InvalidHash::Malformed)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidHash::Incomplete);
        }
        scheme.check_parameters(&hash)?;
        Ok(Self(Form::Phc(Box::new(hash), scheme)))
    }
}

impl Scheme {
    fn of(name: &str) -> Result<Self, InvalidHash> {
        match name {
            "argon2id" | "argon2i" | "argon2d" => Ok(Self::Argon2),
            "scrypt" => Ok(Self::Scrypt),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Ok(Self::Pbkdf2),
            _ => Err(InvalidHash::UnknownScheme),
        }
    }

    /// A hash that can never be verified is an error in the configuration, not a wrong password; and so is one whose
    /// verification would keep the server busy for minutes.
    fn check_parameters(self, hash: &PasswordHash) -> Result<(), InvalidHash> {
        let (work, memory) = match self {
            Self::Argon2 => {
                let parameters = Params::try_from(hash).map_err(|_| InvalidHash::Parameters)?;
                let memory = u64::from(parameters.m_cost()) << 10;
                (memory.saturating_mul(parameters.t_cost().into()) >> 10, memory)
            }
            Self::Scrypt => {
                let parameters = scrypt::Params::try_from(hash).map_err(|_| InvalidHash::Parameters)?;
                let memory = parameters.n().saturating_mul(u64::from(parameters.r()) << 7);
                (memory.saturating_mul(parameters.p().into()) >> 10, memory)
            }
            // A kilobyte of the others takes about as long as a round of this.
            Self::Pbkdf2 => (pbkdf2::Params::try_from(hash).map_err(|_| InvalidHash::Parameters)?.rounds().into(), 0),
        };
        if work > MAX_WORK || memory > MAX_MEMORY { Err(InvalidHash::TooCostly) } else { Ok(()) }
    }
}

/// What the hash of the password is if it is made as `like` was; in memory that the system gets back at once.
///
/// glibc keeps blocks of up to 32 MiB for itself once it has seen such ones come and go, for every thread that has
/// verified: a gigabyte after a few dozen logins at a time. Larger ones come from the system, each on its own, and go
/// back to it. What is not used of them is never touched, so it is address space alone.
fn argon2(password: &[u8], like: &PasswordHash) -> Option<Output> {
    const OF_THE_SYSTEM: usize = (33 << 20) / Block::SIZE;
    let algorithm = Algorithm::try_from(like.algorithm.as_str()).ok()?;
    let version = like.version.map(Version::try_from).transpose().ok()?.unwrap_or_default();
    let params = Params::try_from(like).ok()?;
    let count = params.block_count();
    let mut memory = Vec::new();
    memory.try_reserve_exact(count.max(OF_THE_SYSTEM)).ok()?;
    memory.resize(count, Block::new());
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN))?;
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password, &like.salt?, output, &mut memory).ok()?;
    Output::new(output).ok()
}

/// So many kilobytes that argon2 or scrypt fill, or rounds of PBKDF2, take ten seconds at most.
const MAX_WORK: u64 = 8 << 20;
/// Of one verification. RFC 9106 §4 recommends as much.
const MAX_MEMORY: u64 = 2 << 30;

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.0 {
            Form::Phc(hash, _) => hash.algorithm.as_str(),
            Form::Crypt(hash) => hash.name(),
        };
        write!(f, "HashedPassword(${scheme}$***)")
    }
}

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a password hash of the form $scheme$parameters$salt$hash",
            Self::UnknownScheme => {
                "unknown scheme of a password hash (known: argon2id, argon2i, argon2d, scrypt, pbkdf2, bcrypt as $2a$, \
                 $2b$ or $2y$, sha-crypt as $5$ or $6$)"
            }
            Self::Incomplete => "a password hash without salt or without hash",
            Self::Parameters => "a password hash with parameters that its scheme does not have",
            Self::TooCostly => {
                "a password hash that takes too long to verify (at most: bcrypt with cost 16, sha-crypt with 5000000 \
                 rounds, pbkdf2 with 8388608, argon2 and scrypt with 2 GiB of memory and 8 GiB filled in all)"
            }
        })
    }
}

impl std::error::Error for InvalidHash {}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// The costs of all verifications of this thread, in their order.
        pub(crate) static VERIFIED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

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
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ", InvalidHash::Incomplete),
            (
                "$argon2id$v=19$m=1,t=0,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
                InvalidHash::Parameters,
            ),
            (
                "$argon2id$v=19$m=2097152,t=5,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
                InvalidHash::TooCostly,
            ),
            (
                "$argon2id$v=19$m=2097153,t=1,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
                InvalidHash::TooCostly,
            ),
            (
                "$scrypt$ln=22,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$5f/Vi+XRWGUNGScbsma6KJ4zLFIke/NJsrvr7lQLAyA",
                InvalidHash::TooCostly,
            ),
            (
                "$scrypt$ln=17,r=8,p=1000$c2FsdHNhbHRzYWx0c2FsdA$5f/Vi+XRWGUNGScbsma6KJ4zLFIke/NJsrvr7lQLAyA",
                InvalidHash::TooCostly,
            ),
            (
                "$pbkdf2-sha256$i=8388609,l=32$c2FsdHNhbHRzYWx0c2FsdA$8nX7hwFEzIB8aPajJTYK8weHQc5Ngz0pFVAKvSu4jQA",
                InvalidHash::TooCostly,
            ),
            ("$1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9", InvalidHash::UnknownScheme),
            ("$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaR4EbggVDjb8P19RukzXSM3e", InvalidHash::UnknownScheme),
            ("$6$salt$hash", InvalidHash::Malformed),
            ("$2b$04$tooshort", InvalidHash::Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<HashedPassword>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_costs_as_much_as_is_allowed_is_taken() {
        for text in [
            "$argon2id$v=19$m=2097152,t=4,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
            "$pbkdf2-sha256$i=8388608,l=32$c2FsdHNhbHRzYWx0c2FsdA$8nX7hwFEzIB8aPajJTYK8weHQc5Ngz0pFVAKvSu4jQA",
        ] {
            assert!(text.parse::<HashedPassword>().is_ok(), "{text}");
        }
    }

    #[test]
    fn it_does_not_print() {
        let hash: HashedPassword = hash_password(&Secret::from("x")).parse().unwrap();
        assert_eq!(format!("{hash:?}"), "HashedPassword($argon2id$***)");
        let hash = "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD".parse::<HashedPassword>().unwrap();
        assert_eq!(format!("{hash:?}"), "HashedPassword($5$***)");
    }
}
