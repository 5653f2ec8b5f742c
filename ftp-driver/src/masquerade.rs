//! The address that PASV tells the clients of a server behind NAT.
//!
//! It may be given as the name of a host, whose address changes: then the name is asked for again every minute, where
//! that may block, and no session waits long for the answer.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftp_proto::{Instant, ListenError};
use tracing::{debug, warn};

use crate::io::{sleep_until, within};
use crate::runtime::Runtime;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(60);
/// How long nobody asks again after there was no answer.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often clients look for the answer to a question that another has put.
const GLANCE: Duration = Duration::from_millis(50);

/// An IPv4 address to tell in replies to PASV (RFC 959 §4.1.2): as it is, or by the name of a host.
///
/// A name is looked up when a client needs it and the last answer is more than a minute old. When it cannot be found, the
/// last address stays in use; if there never was one, PASV is refused with 425, and EPSV works.
///
/// ```
/// use ftp_driver::Masquerade;
///
/// assert!(matches!("203.0.113.7".parse(), Ok(Masquerade::Address(_))));
/// assert!(matches!("ftp.example.org".parse(), Ok(Masquerade::Host(_))));
/// assert!("203.0.113".parse::<Masquerade>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Masquerade {
    /// The address.
    Address(Ipv4Addr),
    /// The name of the host whose address it is.
    Host(Arc<str>),
}

/// A text is neither an IPv4 address nor the name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMasquerade;

/// Finds the addresses of a host. It may block.
pub(crate) type Resolver = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Which address to tell whom.
#[derive(Clone)]
pub(crate) struct Masquerades {
    pub(crate) default: Option<Masquerade>,
    pub(crate) by_local: BTreeMap<IpAddr, Masquerade>,
    pub(crate) resolver: Resolver,
}

/// What is known of names. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<Arc<str>, Name>>>);

#[derive(Debug, Default)]
struct Name {
    address: Option<Ipv4Addr>,
    /// Until when nobody needs to ask.
    settled_until: Instant,
    is_asked_for: bool,
    /// Whether it was told that there is no answer.
    is_missing: bool,
}

/// The address for one PASV.
pub(crate) enum Told {
    /// It is known; none: that of the configuration of the protocol.
    Known(Option<IpAddr>),
    /// It has to be found.
    Host(Arc<str>),
}

/// A question under way.
struct Question {
    names: Names,
    host: Arc<str>,
}

enum Glance {
    Known(Ipv4Addr),
    Unknown,
    /// Somebody else asks.
    Wait,
    Ask(Question),
}

/// Finds the addresses of a host as the system does; it blocks. What [`ServiceBuilder`](crate::ServiceBuilder) uses if
/// nothing else is said.
///
/// # Errors
/// What the system says.
pub fn resolve_host(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

impl Default for Masquerades {
    fn default() -> Self {
        Self { default: None, by_local: BTreeMap::new(), resolver: Arc::new(resolve_host) }
    }
}

impl Masquerades {
    /// What to tell a client that is connected to this address of the server.
    pub(crate) fn told_at(&self, local: IpAddr) -> Told {
        match self.by_local.get(&local.to_canonical()).or(self.default.as_ref()) {
            None => Told::Known(None),
            Some(Masquerade::Address(address)) => Told::Known(Some(IpAddr::V4(*address))),
            Some(Masquerade::Host(host)) => Told::Host(Arc::clone(host)),
        }
    }
}

impl Names {
    /// The address of the host, if nobody has to be asked for it.
    pub(crate) fn known(&self, host: &Arc<str>, now: Instant) -> Option<Ipv4Addr> {
        let names = self.names();
        names.get(host).filter(|name| now < name.settled_until || name.is_asked_for).and_then(|name| name.address)
    }

    /// The address of the host. It waits for the answer for two seconds at the most, then the last one counts.
    ///
    /// # Errors
    /// [`ListenError::NoAddress`] when there never was an answer.
    pub(crate) async fn find<R: Runtime>(
        &self,
        runtime: &R,
        resolver: &Resolver,
        host: &Arc<str>,
    ) -> Result<IpAddr, ListenError> {
        let work = async {
            loop {
                match self.glance(host, runtime.now()) {
                    Glance::Known(address) => return Some(address),
                    Glance::Unknown => return None,
                    Glance::Wait => sleep_until(runtime, runtime.now() + GLANCE).await,
                    Glance::Ask(question) => {
                        let (runtime_there, resolver) = (runtime.clone(), Arc::clone(resolver));
                        // What it finds counts even if nobody waits for it any more.
                        runtime.unblock(move || question.ask(&resolver, || runtime_there.now())).await;
                    }
                }
            }
        };
        let found = within(runtime, PATIENCE, work).await.unwrap_or_else(|| self.last(host));
        found.map(IpAddr::V4).ok_or(ListenError::NoAddress)
    }

    fn glance(&self, host: &Arc<str>, now: Instant) -> Glance {
        let mut names = self.names();
        let name = names.entry(Arc::clone(host)).or_default();
        match name.address {
            Some(address) if now < name.settled_until || name.is_asked_for => Glance::Known(address),
            None if now < name.settled_until => Glance::Unknown,
            _ if name.is_asked_for => Glance::Wait,
            _ => {
                name.is_asked_for = true;
                Glance::Ask(Question { names: self.clone(), host: Arc::clone(host) })
            }
        }
    }

    fn last(&self, host: &Arc<str>) -> Option<Ipv4Addr> {
        self.names().get(host).and_then(|name| name.address)
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Arc<str>, Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    fn ask(self, resolver: &Resolver, now: impl Fn() -> Instant) {
        let answer = resolver(&self.host).and_then(|addresses| {
            let ipv4 = |address: &IpAddr| match address.to_canonical() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            };
            let none = || io::Error::new(io::ErrorKind::NotFound, "it has no IPv4 address");
            addresses.iter().find_map(ipv4).ok_or_else(none)
        });
        let mut names = self.names.names();
        let Some(name) = names.get_mut(&self.host) else { return };
        let pause = if answer.is_ok() { FRESH } else { PAUSE };
        name.settled_until = now() + pause;
        let (before, was_missing) = (name.address, std::mem::replace(&mut name.is_missing, answer.is_err()));
        name.address = answer.as_ref().ok().copied().or(before);
        drop(names);
        self.tell(answer, before, was_missing);
    }

    fn tell(&self, answer: io::Result<Ipv4Addr>, before: Option<Ipv4Addr>, was_missing: bool) {
        let host = &self.host;
        match (answer, before) {
            (Ok(address), Some(before)) if address == before && !was_missing => {}
            (Ok(address), _) => debug!(%host, %address, "the address for PASV"),
            (Err(_), _) if was_missing => {}
            (Err(error), Some(before)) => {
                warn!(%host, %error, %before, "the address for PASV cannot be found; the last one stays");
            }
            (Err(error), None) => warn!(%host, %error, "the address for PASV cannot be found; PASV is refused"),
        }
    }
}

/// Whoever asked is done with it, with an answer or without: the work may never have begun.
impl Drop for Question {
    fn drop(&mut self) {
        if let Some(name) = self.names.names().get_mut(&self.host) {
            name.is_asked_for = false;
        }
    }
}

impl From<Ipv4Addr> for Masquerade {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for Masquerade {
    type Err = InvalidMasquerade;

    /// An address, or a name of letters, digits and hyphens between dots (RFC 1123 §2.1). What ends in a number is no
    /// name, but an address gone wrong.
    fn from_str(text: &str) -> Result<Self, InvalidMasquerade> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(is_allowed)
        };
        let ends_in_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let is_name = name.len() <= 253 && name.split('.').all(is_label) && !ends_in_number;
        if is_name { Ok(Self::Host(text.into())) } else { Err(InvalidMasquerade) }
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host(host) => f.write_str(host),
        }
    }
}

impl fmt::Display for InvalidMasquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an IPv4 address or the name of a host")
    }
}

impl std::error::Error for InvalidMasquerade {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for name in ["localhost", "ftp.example.org", "ftp.example.org.", "a-1.b_c.x9", "xn--bcher-kva.example"] {
            assert_eq!(name.parse(), Ok(Masquerade::Host(name.into())));
        }
        assert_eq!("203.0.113.7".parse(), Ok(Masquerade::Address(Ipv4Addr::new(203, 0, 113, 7))));
        let long = "a.".repeat(127) + "aa";
        for wrong in
            ["", ".", "a..b", "203.0.113", "1.2.3.4.5", "256.1.1.1", "::1", "a b", "b\u{fc}cher", &long, "a:21"]
        {
            assert_eq!(wrong.parse::<Masquerade>(), Err(InvalidMasquerade), "{wrong}");
        }
    }
}
