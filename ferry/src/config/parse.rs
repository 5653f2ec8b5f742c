//! Parsers of single values: each takes a value of the file, and tells what is wrong with it or hands back what it
//! says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use encoding_rs::Encoding;
use ftp_driver::{IpNet, Masquerade};
use ftp_fs::{Fingerprint, HashedPassword};
use ftp_types::{Permissions, UserName, VirtualPath};
use toml::de::DeValue;

use super::section::Value;
use super::{LogFormat, LogLevel, TlsVersion};
use crate::cli::RuntimeName;
use crate::values;

pub(super) fn boolean(value: &Value<'_>) -> Option<bool> {
    value.raw().as_bool().or_else(|| value.mismatch("true or false"))
}

pub(super) fn string(value: &Value<'_>) -> Option<String> {
    text(value, "a string").map(str::to_owned)
}

pub(super) fn filled_string(value: &Value<'_>) -> Option<String> {
    let text = string(value)?;
    if text.is_empty() { value.complain("expected a string that is not empty") } else { Some(text) }
}

/// The hash of a password, by an algorithm that this version knows.
pub(super) fn password_hash(value: &Value<'_>) -> Option<String> {
    let hash = text(value, "a password hash as a string, as `ferry hash-password` prints it")?;
    match hash.parse::<HashedPassword>() {
        Ok(_) => Some(hash.to_owned()),
        Err(error) => value.complain(&error.to_string()),
    }
}

/// Versions of TLS, at least one.
pub(super) fn tls_versions(value: &Value<'_>) -> Option<Vec<TlsVersion>> {
    let expected = "an array of \"1.2\", \"1.3\" or both";
    let items = value.items(expected)?;
    if items.is_empty() {
        return value.complain(&format!("expected {expected}"));
    }
    let versions: Vec<_> = items.iter().map(one_of).collect();
    versions.into_iter().collect()
}

/// Fingerprints of certificates, at least one.
pub(super) fn fingerprints(value: &Value<'_>) -> Option<Vec<Fingerprint>> {
    let expected = "a SHA-256 fingerprint, 64 hexadecimal digits with or without colons";
    let items = value.items(&format!("an array of strings, each {expected}"))?;
    if items.is_empty() {
        return value.complain(&format!("expected at least one: {expected}"));
    }
    let fingerprints: Vec<_> = items.iter().map(|item| address(item, expected)).collect();
    fingerprints.into_iter().collect()
}

/// A path, relative to the directory of the file if it is not absolute.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    let path = text(value, "a path as a string")?;
    if path.is_empty() || path.contains('\0') {
        return value.complain("expected a path; it cannot be empty or hold NUL");
    }
    Some(value.source().path(path))
}

/// A directory that exists.
pub(super) fn directory(value: &Value<'_>) -> Option<PathBuf> {
    let path = path(value)?;
    match values::check_directory(&path) {
        Ok(()) => Some(path),
        Err(error) => value.complain(&format!("expected an existing directory: {error}")),
    }
}

/// A path as clients see it: absolute.
pub(super) fn virtual_path(value: &Value<'_>) -> Option<VirtualPath> {
    let expected = "a path inside the home that begins with a slash";
    let path = text(value, expected)?;
    if !path.starts_with('/') {
        return value.complain(&format!("expected {expected}"));
    }
    if path.split('/').any(|name| name == "..") {
        return value.complain(&format!("expected {expected}, without \"..\""));
    }
    VirtualPath::try_from(path).map_err(|error| value.complain::<()>(&error.to_string())).ok()
}

pub(super) fn user_name(value: &Value<'_>) -> Option<UserName> {
    let name = text(value, "a user name as a string")?;
    name.parse().map_err(|error: ftp_types::InvalidUserName| value.complain::<()>(&error.to_string())).ok()
}

/// Permission letters. A wrong one is reported where it stands.
pub(super) fn permissions(value: &Value<'_>) -> Option<Permissions> {
    let letters = text(value, "permission letters as a string")?;
    letters
        .parse()
        .map_err(|error: ftp_types::UnknownLetter| {
            let byte = letters.char_indices().nth(error.position).map_or(0, |(byte, _)| byte);
            value.complain_inside::<()>(byte, &error.to_string())
        })
        .ok()
}

/// Seconds, with a fraction if need be.
pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    let seconds = match value.raw() {
        DeValue::Integer(_) => integer(value).map_or(f64::INFINITY, |seconds| seconds as f64),
        DeValue::Float(float) => float.as_str().parse().unwrap_or(f64::NAN),
        _ => return value.mismatch("seconds as a number"),
    };
    values::duration(seconds).map_err(|error| value.complain::<()>(&error)).ok()
}

/// Seconds, where zero means that there is no limit.
pub(super) fn timeout(value: &Value<'_>) -> Option<Option<Duration>> {
    duration(value).map(values::unless_zero)
}

/// Bytes per second, where zero means that there is no limit.
pub(super) fn rate(value: &Value<'_>) -> Option<Option<u64>> {
    let rate = whole(0..=i64::MAX as u64)(value)?;
    Some((rate != 0).then_some(rate))
}

/// A whole number in a range.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&Value<'_>) -> Option<T>
where
    T: TryFrom<i128> + PartialOrd + std::fmt::Display,
{
    move |value| {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        if !value.raw().is_integer() {
            return value.mismatch(&expected);
        }
        let number = integer(value).and_then(|number| T::try_from(number).ok());
        number.filter(|number| range.contains(number)).or_else(|| value.complain(&format!("expected {expected}")))
    }
}

/// A number without limit, or zero for none.
pub(super) fn count(value: &Value<'_>) -> Option<u32> {
    whole(0..=u32::MAX)(value)
}

pub(super) fn charset(value: &Value<'_>) -> Option<&'static Encoding> {
    parsed(value, "a charset label as a string", values::charset)
}

pub(super) fn port_range(value: &Value<'_>) -> Option<RangeInclusive<u16>> {
    parsed(value, "a range of ports as a string, \"60000-65535\"", values::port_range)
}

pub(super) fn runtime(value: &Value<'_>) -> Option<RuntimeName> {
    one_of(value)
}

pub(super) fn log_format(value: &Value<'_>) -> Option<LogFormat> {
    one_of(value)
}

pub(super) fn log_level(value: &Value<'_>) -> Option<LogLevel> {
    one_of(value)
}

/// Verbs of commands, in any case. Each wrong one is reported.
pub(super) fn verbs(value: &Value<'_>) -> Option<Vec<String>> {
    let expected = "a command as a string, \"SITE\"";
    let items = value.items("an array of commands, [\"SITE\", \"STAT\"]")?;
    let known = |text: &str| ftp_proto::commands().any(|command| command.name.eq_ignore_ascii_case(text));
    let verb = |text: &str| known(text).then(|| text.to_owned()).ok_or_else(|| "there is no such command".to_owned());
    let verbs: Vec<Option<String>> = items.iter().map(|item| parsed(item, expected, verb)).collect();
    verbs.into_iter().collect()
}

/// IPv4, since the reply to PASV has no room for anything else; or a host that has such an address.
pub(super) fn masquerade(value: &Value<'_>) -> Option<Masquerade> {
    address(value, "an IPv4 address or the name of a host as a string")
}

/// The addresses to listen on, beside those that are `taken`. Each wrong one is reported.
pub(super) fn listen(value: &Value<'_>, taken: &mut Vec<SocketAddr>) -> Option<Vec<SocketAddr>> {
    let expected = "\"ADDRESS:PORT\", an IPv6 address in brackets";
    let items = value.items(&format!("an array of {expected}"))?;
    let addresses: Vec<Option<SocketAddr>> = items.iter().map(|item| address(item, expected)).collect();
    for (item, address) in items.iter().zip(&addresses).filter_map(|(item, address)| Some((item, (*address)?))) {
        // Port 0 asks for a port of its own every time.
        if address.port() != 0 && taken.contains(&address) {
            item.complain::<()>("this address is in the list already");
        }
        taken.push(address);
    }
    addresses.into_iter().collect()
}

/// Networks, and single addresses. Each wrong one is reported.
pub(super) fn nets(value: &Value<'_>) -> Option<Vec<IpNet>> {
    let expected = "an IP address or a network, \"10.0.0.0/8\"";
    let items = value.items("an array of addresses and networks, [\"10.0.0.0/8\"]")?;
    let nets: Vec<Option<IpNet>> = items
        .iter()
        .map(|item| {
            parsed(item, &format!("{expected}, as a string"), |text| {
                values::net(text).ok_or_else(|| format!("expected {expected}"))
            })
        })
        .collect();
    nets.into_iter().collect()
}

/// What to tell, by local address.
pub(super) fn address_map(value: &Value<'_>) -> Option<BTreeMap<IpAddr, Masquerade>> {
    let entries = value.entries("a table of addresses, { \"10.0.0.5\" = \"203.0.113.8\" }")?;
    let mut map = BTreeMap::new();
    for (key, value) in &entries {
        let told = masquerade(value);
        match key.get_ref().parse::<IpAddr>() {
            Ok(local) => _ = told.map(|told| map.insert(local.to_canonical(), told)),
            Err(_) => _ = value.complain_at::<()>(key.span().start, "expected an IP address as the key"),
        }
    }
    Some(map)
}

fn text<'a>(value: &Value<'a>, expected: &str) -> Option<&'a str> {
    value.raw().as_str().or_else(|| value.mismatch(expected))
}

fn integer(value: &Value<'_>) -> Option<i128> {
    let integer = value.raw().as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn parsed<T>(value: &Value<'_>, expected: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
    parse(text(value, expected)?).map_err(|error| value.complain::<()>(&error)).ok()
}

fn address<T: FromStr>(value: &Value<'_>, expected: &str) -> Option<T> {
    parsed(value, expected, |text| text.parse().map_err(|_| format!("expected {expected}")))
}

/// One of the names that the command line would take as well.
pub(super) fn one_of<T: ValueEnum>(value: &Value<'_>) -> Option<T> {
    let variants = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = variants.map(|name| format!("{:?}", name.get_name())).collect();
    let expected = names.join(" or ");
    parsed(value, &expected, |text| T::from_str(text, false).map_err(|_| format!("expected {expected}")))
}
