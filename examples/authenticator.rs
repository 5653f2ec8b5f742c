//! Who may log in is decided by the program: here everybody who knows the magic words, and each gets a tree of their
//! own, kept in memory while the server runs.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use ftp_driver::Service;
use ftp_fs::{Account, AuthError, BlockingAuthenticator, LoginAttempt, MemoryFs, Storage};
use ftp_runtime_smol::Server;
use ftp_types::{Permissions, UserName};

#[derive(Default)]
struct Cave {
    treasures: Mutex<HashMap<UserName, Storage>>,
}

impl BlockingAuthenticator for Cave {
    // It may block: the driver calls it where that delays nobody else.
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        if !attempt.password.equals(b"open-sesame") {
            return Err(AuthError::Rejected);
        }
        let mut treasures = self.treasures.lock().unwrap_or_else(PoisonError::into_inner);
        let home = treasures.entry(attempt.user.clone()).or_insert_with(|| Storage::blocking(MemoryFs::new()));
        let account = Account::new(attempt.user.clone(), home.clone(), Permissions::ALL);
        Ok(account.with_messages(format!("Enter, {}.", attempt.user), "The cave closes."))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let service = Service::builder(Cave::default()).build();
    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://ali:open-sesame@{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
