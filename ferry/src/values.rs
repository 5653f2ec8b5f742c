//! Values that the command line and the configuration file have in common, and what is allowed for them.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use encoding_rs::Encoding;
use ftp_driver::IpNet;

/// More threads than this are a mistake, not a wish.
pub(crate) const MAX_WORKERS: usize = 1024;

/// Sizes of buffers in bytes: below, a file goes byte by byte, and above, a few sessions use up all memory.
pub(crate) const BUFFERS: RangeInclusive<usize> = 512..=16 * 1024 * 1024;

/// The longest time that can be set, in seconds: about thirty years. Far beyond it, arithmetic with times would fail.
const MAX_SECONDS: f64 = 1e9;
/// The shortest time that is not zero.
const MIN_SECONDS: f64 = 1e-3;

/// What [`duration`] takes, in words.
pub(crate) const DURATION_RULE: &str = "expected seconds: 0, or 0.001 to 1000000000";

/// A time from its seconds.
///
/// # Errors
/// [`DURATION_RULE`] when it is negative, not a number, or out of bounds.
pub(crate) fn duration(seconds: f64) -> Result<Duration, String> {
    let fits = seconds == 0.0 || (MIN_SECONDS..=MAX_SECONDS).contains(&seconds);
    fits.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten().ok_or_else(|| DURATION_RULE.to_owned())
}

/// A time as text: seconds, perhaps with a fraction.
///
/// # Errors
/// As for [`duration`].
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    duration(text.parse().map_err(|_| DURATION_RULE)?)
}

/// A time that may be absent: zero means none.
#[must_use]
pub(crate) fn unless_zero(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

/// An address of this machine. `localhost` is one by any account (RFC 6761 §6.3); other names may have several addresses,
/// or none when the machine starts, so that they are not taken.
///
/// # Errors
/// What is allowed.
pub(crate) fn interface(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "expected an IP address, or localhost".to_owned())
}

/// A range of ports, `60000-65535`, or one port alone.
///
/// # Errors
/// What is allowed.
pub(crate) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = port(first).and_then(|first| Some(first..=port(last)?));
    range
        .filter(|range| !range.is_empty())
        .ok_or_else(|| "expected FROM-TO or one port, ports being 1 to 65535 and FROM not above TO".to_owned())
}

/// Digits alone: the standard library would take a plus sign.
fn port(text: &str) -> Option<u16> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// A network, or one address alone. IPv4 networks in IPv6 clothes are what they are.
pub(crate) fn net(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    match net {
        IpNet::V6(v6) => match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
            (Some(v4), Some(prefix_len)) => IpNet::new(v4.into(), prefix_len).ok(),
            _ => Some(net),
        },
        IpNet::V4(_) => Some(net),
    }
}

/// A charset by any of its labels in the WHATWG encoding standard.
///
/// # Errors
/// What is allowed.
pub(crate) fn charset(label: &str) -> Result<&'static Encoding, String> {
    let encoding = Encoding::for_label(label.as_bytes())
        .ok_or("expected a charset label of the WHATWG encoding standard, such as utf-8, windows-1252 or shift_jis")?;
    // UTF-16 and the replacement encoding can be read but not written; paths go both ways.
    if encoding.output_encoding() != encoding {
        return Err(format!("{} cannot be used for paths, since it does not contain ASCII as it is", encoding.name()));
    }
    Ok(encoding)
}

/// Checks that a directory to share exists.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_directory(path: &Path) -> Result<(), String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is not a directory", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces() {
        assert_eq!(interface("localhost"), interface("127.0.0.1"));
        assert_eq!(interface("LocalHost"), Ok(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(interface("::1"), Ok("::1".parse().unwrap()));
        for wrong in ["", "nowhere", "localhost:21", "[::1]", "127.0.0.1/8"] {
            assert_eq!(interface(wrong), Err("expected an IP address, or localhost".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn port_ranges() {
        assert_eq!(port_range("60000-65535"), Ok(60000..=65535));
        assert_eq!(port_range("2000"), Ok(2000..=2000));
        assert_eq!(port_range("2000 - 2001"), Ok(2000..=2001));
        for wrong in ["", "-", "0", "0-5", "5-", "-5", "5-4", "1-65536", "a-b", "+5", "1-2-3", "５"] {
            assert!(port_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nets() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(net(text).unwrap().to_string(), meant, "{text}");
        }
        for wrong in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.1:21", "::1/129", "/8"] {
            assert_eq!(net(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(unless_zero(Duration::ZERO), None);
        for wrong in ["-1", "nan", "inf", "1e99", "0.00001", "", "ten"] {
            assert_eq!(seconds(wrong), Err(DURATION_RULE.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn charsets_go_both_ways() {
        assert_eq!(charset("latin1").unwrap().name(), "windows-1252");
        assert_eq!(charset("UTF8").unwrap().name(), "UTF-8");
        for wrong in ["utf-16", "utf-16le", "hz-gb-2312", "klingon", ""] {
            assert!(charset(wrong).is_err(), "{wrong}");
        }
    }
}
