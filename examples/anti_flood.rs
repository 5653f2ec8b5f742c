//! An address from which more than 300 commands a second come is sent away for an hour.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ftp_driver::{Handle, Observer, Service, SessionInfo};
use ftp_fs::VirtualUsers;
use ftp_proto::{Config, Event, Shutdown};
use ftp_runtime_smol::Server;
use ftp_types::Permissions;

const COMMANDS_PER_SECOND: u32 = 300;
const BAN: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Guard {
    handle: OnceLock<Handle>,
    addresses: Mutex<HashMap<IpAddr, Account>>,
}

/// What an address may still do until then.
struct Account {
    commands_left: u32,
    until: Instant,
}

impl Guard {
    /// Counts so many commands, and ends the sessions of an address that has none left.
    fn count(&self, session: &SessionInfo, commands: u32) {
        let (address, now) = (session.addresses.peer.ip(), Instant::now());
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.get(&address).is_none_or(|account| account.until < now) {
            // Now and then is often enough to forget the others whose time is over.
            addresses.retain(|_, account| account.until >= now);
            let until = now + Duration::from_secs(1);
            addresses.insert(address, Account { commands_left: COMMANDS_PER_SECOND, until });
        }
        let Some(account) = addresses.get_mut(&address) else { return };
        account.commands_left = account.commands_left.saturating_sub(commands);
        if account.commands_left > 0 {
            return;
        }
        account.until = now + BAN;
        drop(addresses);
        if let Some(handle) = self.handle.get() {
            handle.end_sessions(|live| live.session.addresses.peer.ip() == address, Shutdown::Now);
        }
    }
}

impl Observer for Guard {
    fn connected(&self, session: &SessionInfo) {
        self.count(session, 0);
    }

    fn event(&self, session: &SessionInfo, event: &Event) {
        if matches!(event, Event::Command(_)) {
            self.count(session, 1);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let guard = Arc::new(Guard::default());
    let config = Config { report_commands: true, ..Config::default() };
    let service = Service::builder(users).config(config).observer(Arc::clone(&guard)).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    let _ = guard.handle.set(server.handle());
    println!("listening on ftp://{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
