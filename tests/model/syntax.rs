//! The lines and arguments of FTP, read in the plainest way: what the machine knows of syntax.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes that stand for a path or a name.
pub(crate) type Bytes = Vec<u8>;

/// The verb in upper case and what follows the first blank (RFC 959 §5.3).
pub(crate) fn verb_and_argument(line: &[u8]) -> (String, Bytes) {
    let begin = line.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(line.len());
    let (verb, argument) = first_word(&line[begin..]);
    (String::from_utf8_lossy(&verb).to_ascii_uppercase(), argument.unwrap_or_default())
}

/// The first word and the rest behind one blank; `None` when there is no blank.
pub(crate) fn first_word(text: &[u8]) -> (Bytes, Option<Bytes>) {
    match text.iter().position(|byte| *byte == b' ') {
        Some(blank) => (text[..blank].to_vec(), Some(text[blank + 1..].to_vec())),
        None => (text.to_vec(), None),
    }
}

/// Whether a browser sent it: the last word names the version of HTTP.
pub(crate) fn looks_like_http(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    words.len() > 1 && words.last().is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// A number of digits alone that fits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Where a path leads for somebody who stands in `here`; `None` when it cannot be a path.
pub(crate) fn walk(here: &[u8], there: &[u8]) -> Option<Bytes> {
    let start: &[u8] = if there.first() == Some(&b'/') { b"" } else { here };
    let mut names: Vec<&[u8]> = Vec::new();
    for name in start.split(|byte| *byte == b'/').chain(there.split(|byte| *byte == b'/')) {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let path = [b"/", &names.join(&b'/')[..]].concat();
    (!there.contains(&0) && path.len() <= 8192).then_some(path)
}

/// The directory that holds it, and its name in there.
pub(crate) fn parent_and_name(path: &[u8]) -> (Bytes, Bytes) {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let parent = if slash == 0 { b"/".to_vec() } else { path[..slash].to_vec() };
    (parent, path[slash + 1..].to_vec())
}

/// What is left when options as for `ls` are taken away.
pub(crate) fn without_options(argument: &[u8]) -> Bytes {
    let (word, rest) = first_word(argument);
    let rest = rest.unwrap_or_default();
    if word == b"--" {
        return rest;
    }
    let all_options = word.len() > 1 && word[1..].iter().all(|letter| b"aAlL1FRtSrdn".contains(letter));
    if word.starts_with(b"-") && all_options { without_options(&rest) } else { argument.to_vec() }
}

/// PORT's six numbers (RFC 959 §5.3.2).
pub(crate) fn six_numbers(argument: &[u8]) -> Option<SocketAddr> {
    let numbers: Option<Vec<u8>> = argument
        .split(|byte| *byte == b',')
        .map(|part| number(part).and_then(|value| u8::try_from(value).ok()))
        .collect();
    match numbers?[..] {
        [_, _, _, _, 0, 0] => None,
        [a, b, c, d, high, low] => Some((Ipv4Addr::new(a, b, c, d), u16::from(high) * 256 + u16::from(low)).into()),
        _ => None,
    }
}

/// What EPRT can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// An address.
    Address(SocketAddr),
    /// A network protocol that nobody knows.
    Unknown,
}

/// EPRT's `|protocol|address|port|` (RFC 2428 §2).
pub(crate) fn extended_address(argument: &[u8]) -> Option<Named> {
    let text = std::str::from_utf8(argument).ok()?;
    let delimiter = text.chars().next().filter(char::is_ascii_graphic)?;
    let fields: Vec<&str> = text.split(delimiter).collect();
    let ["", protocol, address, port, ""] = fields[..] else { return None };
    let port = number(port.as_bytes()).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
    let address: IpAddr = match number(protocol.as_bytes())? {
        1 => address.parse::<Ipv4Addr>().ok()?.into(),
        2 => address.parse::<Ipv6Addr>().ok()?.into(),
        _ => return Some(Named::Unknown),
    };
    Some(Named::Address((plain(address), port).into()))
}

/// An IPv4 address in the clothes of IPv6 is an IPv4 address.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether fourteen digits name a moment (RFC 3659 §2.3).
pub(crate) fn is_moment(digits: &[u8]) -> bool {
    let part = |from: usize, to: usize| number(&digits[from..to]).unwrap_or(u64::MAX);
    if digits.len() != 14 || number(digits).is_none() {
        return false;
    }
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && part(8, 10) < 24 && part(10, 12) < 60 && part(12, 14) < 60
}

/// A path in quotes, those inside it doubled (RFC 959 appendix II).
pub(crate) fn quoted(path: &[u8]) -> Bytes {
    let inside = replaced(path, |byte| (byte == b'"').then_some(b"\"\""));
    [b"\"", &inside[..], b"\""].concat()
}

/// A text as a reply has it on the wire: nothing breaks its line, and Telnet's byte is doubled.
pub(crate) fn on_the_wire(text: &[u8]) -> Bytes {
    replaced(text, |byte| match byte {
        b'\r' | b'\n' | 0 => Some(b"?"),
        0xFF => Some(b"\xff\xff"),
        _ => None,
    })
}

/// The text with some of its bytes replaced.
pub(crate) fn replaced(text: &[u8], by: impl Fn(u8) -> Option<&'static [u8]>) -> Bytes {
    let mut new = Bytes::with_capacity(text.len());
    for byte in text {
        match by(*byte) {
            Some(other) => new.extend_from_slice(other),
            None => new.push(*byte),
        }
    }
    new
}
