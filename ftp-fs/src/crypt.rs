//! Password hashes in the forms of crypt(3) that other programs make: bcrypt and sha-crypt. They are verified here and
//! never made.

use ftp_types::Secret;
use sha_crypt::{PasswordVerifier, ShaCrypt};

use crate::InvalidHash;

/// A hash of crypt(3) whose form and cost have been checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CryptHash {
    text: String,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// With the logarithm of the number of rounds.
    Bcrypt(u32),
    Sha256(u32),
    Sha512(u32),
}

impl CryptHash {
    /// Reads what begins as one of these does; `None`: it is something else.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, InvalidHash>> {
        let mut fields = text.strip_prefix('$')?.split('$');
        let scheme = match fields.next()? {
            "2a" | "2b" | "2y" => parse_bcrypt(text),
            "5" => parse_sha_crypt(fields).and_then(|fields| fields.check(43, "./0123456789ABCD")).map(Scheme::Sha256),
            "6" => parse_sha_crypt(fields).and_then(|fields| fields.check(86, "./01")).map(Scheme::Sha512),
            _ => return None,
        };
        Some(scheme.map(|scheme| Self { text: text.to_owned(), scheme }))
    }

    /// Whether this is the hash of the password. To crypt(3) a password ends at a NUL, and what is longer than it takes
    /// is no password; bcrypt looks at the first 72 bytes alone. The work is the same whatever the password is.
    pub(crate) fn verify(&self, password: &Secret) -> bool {
        let password = password.expose();
        let taken = &password[..password.len().min(MAX_PASSWORD)];
        let good = match self.scheme {
            Scheme::Bcrypt(_) => bcrypt::verify(taken, &self.text).unwrap_or(false),
            Scheme::Sha256(_) | Scheme::Sha512(_) => ShaCrypt::default().verify_password(taken, &*self.text).is_ok(),
        };
        good && taken.len() == password.len() && !password.contains(&0)
    }

    /// Its first field.
    pub(crate) fn name(&self) -> &str {
        self.text[1..].split('$').next().unwrap_or_default()
    }

    /// What its verification costs: the same for two hashes that have this in common.
    pub(crate) fn cost(&self) -> String {
        format!("{:?}", self.scheme)
    }
}

fn parse_bcrypt(text: &str) -> Result<Scheme, InvalidHash> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| InvalidHash::Malformed)?;
    match parts.get_cost() {
        cost @ 4..=MAX_BCRYPT_COST => Ok(Scheme::Bcrypt(cost)),
        cost @ 0..=31 if cost > MAX_BCRYPT_COST => Err(InvalidHash::TooCostly),
        _ => Err(InvalidHash::Parameters),
    }
}

/// The fields of a sha-crypt hash behind the first.
struct ShaFields<'a> {
    rounds: u32,
    salt: &'a str,
    hash: &'a str,
}

fn parse_sha_crypt<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<ShaFields<'a>, InvalidHash> {
    let mut next = || fields.next().ok_or(InvalidHash::Incomplete);
    let (first, rounds) = (next()?, sha_crypt::Params::RECOMMENDED_ROUNDS);
    let (salt, rounds) = match first.strip_prefix("rounds=") {
        Some(rounds) => (next()?, rounds.parse().map_err(|_| InvalidHash::Parameters)?),
        None => (first, rounds),
    };
    let hash = next()?;
    if next().is_ok() { Err(InvalidHash::Malformed) } else { Ok(ShaFields { rounds, salt, hash }) }
}

impl ShaFields<'_> {
    /// The rounds, if the hash has the length that it has to have, and the bits behind its end are zero.
    fn check(self, length: usize, last: &str) -> Result<u32, InvalidHash> {
        let Self { rounds, salt, hash } = self;
        if salt.is_empty() || hash.is_empty() {
            return Err(InvalidHash::Incomplete);
        }
        let is_base64 =
            |text: &str| text.bytes().all(|byte| matches!(byte, b'.' | b'/') || byte.is_ascii_alphanumeric());
        if !is_base64(salt) || !is_base64(hash) || hash.len() != length || !hash.ends_with(|end| last.contains(end)) {
            return Err(InvalidHash::Malformed);
        }
        match rounds {
            sha_crypt::Params::ROUNDS_MIN..=MAX_SHA_ROUNDS => Ok(rounds),
            rounds if rounds > MAX_SHA_ROUNDS => Err(InvalidHash::TooCostly),
            _ => Err(InvalidHash::Parameters),
        }
    }
}

/// The longest password that crypt(3) takes. It also bounds the work: that of sha-crypt grows with the password.
const MAX_PASSWORD: usize = 511;
/// Each step doubles the time; this one takes about ten seconds.
const MAX_BCRYPT_COST: u32 = 16;
/// Several seconds.
const MAX_SHA_ROUNDS: u32 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CryptHash, InvalidHash> {
        CryptHash::parse(text).unwrap()
    }

    fn check(password: &[u8], hash: &str) {
        let hash = parse(hash).unwrap();
        assert!(hash.verify(&Secret::new(password)), "{}", hash.text);
        assert!(!hash.verify(&Secret::new(&[password, b"!"].concat())) || password.len() >= 72, "{}", hash.text);
    }

    /// Those of OpenBSD's implementation, as jBCrypt and crypt_blowfish carry them along.
    #[test]
    fn the_reference_vectors_of_bcrypt() {
        check(b"", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.");
        check(b"a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe");
        check(b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        check(b"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK");
        check(b"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a");
        // Bytes above 127, where `$2x$` was wrong.
        check(b"\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e");
    }

    #[test]
    fn bcrypt_hashes_of_other_programs() {
        // libxcrypt
        check(b"open sesame", "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW");
        check("pässwörd".as_bytes(), "$2y$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G");
    }

    #[test]
    fn bcrypt_looks_at_72_bytes_and_at_no_password_with_a_nul() {
        let hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
        let long = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        check(&[&long[..], b"chars after 72 are ignored"].concat(), hash);
        check(long, hash);
        assert!(!parse(hash).unwrap().verify(&Secret::new(&long[..71])));
        // The key is repeated, with a NUL in between.
        let hash = parse("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
        assert!(!hash.verify(&Secret::new(b"U*U\0U*U")) && !hash.verify(&Secret::new(b"U*U\0")));
    }

    /// "Unix crypt using SHA-256 and SHA-512", version 0.6.
    #[test]
    fn the_vectors_of_the_specification_of_sha_crypt() {
        check(b"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5");
        check(b"Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA");
        check(
            b"Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        );
        check(
            b"Hello world!",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/\
             YTBmSK6H9qs/y3RnOaw5v.",
        );
    }

    #[test]
    fn sha_crypt_hashes_of_other_programs() {
        // openssl passwd -5, -6
        check(b"correct horse", "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD");
        check(
            b"correct horse",
            "$6$Xy./9z$pvPNDFcqYiGsqgXjvtb/R1xxjkCyW2MnR5eW.sBM0wsu.QYMoy72kYmijcQ4xWQzKx/mC8L70dJBmFITgfgUA0",
        );
        // libxcrypt
        check(
            b"Hello world!",
            "$6$rounds=1000$a$etRegYB7OzfC0rKIDTD5HDOKA3TrIgjFWJWSJhckd8xeXLRNPzgrUQW.DIpjDtEzSXVe0im.mdoSw3SYoG0gl1",
        );
    }

    #[test]
    fn sha_crypt_takes_what_crypt_takes() {
        let hash = "$6$ab$ndS3hufowWO1IIU/Wj1P9Q2zMU.q1YXgR3NWVJJ2yayJLYFUb0jkvDkSYtiHaiBEJi3LlyCEgCyPvF4SiUVH9.";
        let hash = parse(hash).unwrap();
        assert!(hash.verify(&Secret::new(&[b'x'; 511])));
        assert!(!hash.verify(&Secret::new(&[b'x'; 512])));
        let hash = parse("$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD").unwrap();
        assert!(!hash.verify(&Secret::new(b"correct horse\0")));
    }

    #[test]
    fn what_could_never_be_verified_or_would_take_minutes_is_refused() {
        let salted = "abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";
        let (sha256, sha512) = ("x".repeat(42) + ".", "x".repeat(85) + ".");
        let cases = [
            (format!("$2b$05${salted}"), Ok(Scheme::Bcrypt(5))),
            (format!("$2b$16${salted}"), Ok(Scheme::Bcrypt(16))),
            (format!("$2b$17${salted}"), Err(InvalidHash::TooCostly)),
            (format!("$2b$31${salted}"), Err(InvalidHash::TooCostly)),
            (format!("$2b$32${salted}"), Err(InvalidHash::Parameters)),
            (format!("$2b$03${salted}"), Err(InvalidHash::Parameters)),
            (format!("$2b$xx${salted}"), Err(InvalidHash::Malformed)),
            (format!("$2b$05${salted}x"), Err(InvalidHash::Malformed)),
            (format!("$2b$05${}é", &salted[2..]), Err(InvalidHash::Malformed)),
            (format!("$5$salt${sha256}"), Ok(Scheme::Sha256(5000))),
            (format!("$6$salt${sha512}"), Ok(Scheme::Sha512(5000))),
            (format!("$5$salt${sha512}"), Err(InvalidHash::Malformed)),
            (format!("$6$salt${}z", &sha512[1..]), Err(InvalidHash::Malformed)),
            (format!("$5$salt${}E", &sha256[1..]), Err(InvalidHash::Malformed)),
            (format!("$6$sa:lt${sha512}"), Err(InvalidHash::Malformed)),
            (format!("$6$salt$:{}", &sha512[1..]), Err(InvalidHash::Malformed)),
            (format!("$6$salt${sha512}$"), Err(InvalidHash::Malformed)),
            (format!("$6$rounds=1000$salt${sha512}"), Ok(Scheme::Sha512(1000))),
            (format!("$6$rounds=999$salt${sha512}"), Err(InvalidHash::Parameters)),
            (format!("$6$rounds=x$salt${sha512}"), Err(InvalidHash::Parameters)),
            (format!("$6$rounds=5000000$salt${sha512}"), Ok(Scheme::Sha512(5_000_000))),
            (format!("$6$rounds=5000001$salt${sha512}"), Err(InvalidHash::TooCostly)),
            (format!("$6$rounds=99999999999$salt${sha512}"), Err(InvalidHash::Parameters)),
            (format!("$6$${sha512}"), Err(InvalidHash::Incomplete)),
            ("$6$salt$".to_owned(), Err(InvalidHash::Incomplete)),
            ("$6$salt".to_owned(), Err(InvalidHash::Incomplete)),
            ("$6".to_owned(), Err(InvalidHash::Incomplete)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text).map(|hash| hash.scheme), expected, "{text}");
        }
        // What was wrong about `$2x$` would have to be done wrong again.
        for text in ["", "5", "$", "$2x$05$", "$1$salt$hash", "$argon2id$"] {
            assert!(CryptHash::parse(text).is_none(), "{text}");
        }
    }
}
