//! The hosts that the configuration names: looked up once at the start, so that an operator hears at once of one that
//! cannot be found.

use std::collections::BTreeSet;
use std::thread;

use ftp_driver::{Masquerade, resolve_host};
use tracing::warn;

use crate::config::Data;

/// Warns of hosts that have no address. The server does not wait for it; PASV asks anew in its time.
pub(crate) fn look_up(data: &Data) {
    let named = |address: &Masquerade| match address {
        Masquerade::Host(host) => Some(host.clone()),
        Masquerade::Address(_) => None,
    };
    let hosts: BTreeSet<_> =
        data.masquerade_address.iter().chain(data.masquerade_address_map.values()).filter_map(named).collect();
    if hosts.is_empty() {
        return;
    }
    let work = move || hosts.iter().for_each(|host| look_up_host(host));
    if let Err(error) = thread::Builder::new().name("hosts".to_owned()).spawn(work) {
        warn!(%error, "the hosts of data.masquerade_address are looked up when clients need them");
    }
}

fn look_up_host(host: &str) {
    let error = match resolve_host(host) {
        Ok(addresses) if addresses.iter().any(|address| address.to_canonical().is_ipv4()) => return,
        Ok(_) => "it has no IPv4 address".to_owned(),
        Err(error) => error.to_string(),
    };
    warn!(host, error, "data.masquerade_address: the host cannot be found; until it can, PASV is refused");
}
