//! The end of some sessions, while the server goes on.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};

use ftp_driver::Service;
use ftp_fs::{
    Account, AuthError, BlockingAuthenticator, Credential, LoginAttempt, MemoryFs, NewUser, Storage, VirtualUsers,
};
use ftp_proto::Shutdown;
use ftp_types::{Permissions, Secret, UserName};

use crate::client::Client;
use crate::on_both;
use crate::server::{Start, in_memory};

on_both! {
    a_removed_user_may_finish_a_transfer_and_has_to_go,
    sessions_are_picked_by_what_is_known_of_them,
    judging_logins_keeps_no_session_waiting,
}

fn a_removed_user_may_finish_a_transfer_and_has_to_go(start: Start) {
    let users = Arc::new(VirtualUsers::new());
    for name in ["alice", "bob"] {
        let home = Storage::blocking(MemoryFs::new());
        let user = NewUser::new(user(name), Credential::Plain(Secret::new(b"secret")), home);
        users.add(user.permissions(Permissions::ALL)).map(drop).unwrap();
    }
    let server = start(Service::builder(Arc::clone(&users)).build());
    let [mut busy, mut idle, mut alice] = ["bob", "bob", "alice"].map(|name| {
        let mut client = server.client();
        client.command(&format!("USER {name}"), 331);
        client.command("PASS secret", 230);
        client
    });
    let mut data = busy.passive();
    busy.begin("STOR file");
    data.write_all(b"first half").unwrap();

    assert!(users.remove(&user("bob")));
    assert_eq!(server.handle.end_sessions_of(&user("bob"), Shutdown::Graceful), 2);
    assert_eq!(idle.expect(421), "421 Session ended by the administrator, closing.\r\n");
    idle.expect_end();
    data.write_all(b", second half").unwrap();
    drop(data);
    busy.expect(226);
    busy.expect(421);
    busy.expect_end();

    alice.command("NOOP", 200);
    let mut again = server.client();
    again.command("USER bob", 331);
    again.command("PASS secret", 530);
}

fn sessions_are_picked_by_what_is_known_of_them(start: Start) {
    let server = start(in_memory().build());
    let (mut first, mut second, mut nobody) = (server.logged_in(), server.logged_in(), server.client());
    let of_second = second.control.get_ref().local_addr().unwrap();
    let live = server.handle.sessions();
    assert_eq!(live.len(), 3);
    let users = live.iter().map(|live| live.session.user.as_ref().map(UserName::as_str));
    assert_eq!(users.collect::<Vec<_>>(), [Some("alice"), Some("alice"), None]);
    assert!(live.iter().all(|live| live.session.addresses.local == server.address() && live.since.seconds > 0));

    assert_eq!(server.handle.end_sessions(|live| live.session.addresses.peer == of_second, Shutdown::Now), 1);
    second.expect(421);
    second.expect_end();
    first.command("NOOP", 200);
    nobody.command("NOOP", 200);
}

/// Judges nothing until the gate opens.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Entered>, Condvar)>);

#[derive(Default)]
struct Entered {
    open: bool,
    now: usize,
    most: usize,
}

impl BlockingAuthenticator for Gate {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let (state, changed) = &*self.0;
        if attempt.user.as_str() == "slow" {
            let mut entered = state.lock().unwrap();
            entered.now += 1;
            entered.most = entered.most.max(entered.now);
            changed.notify_all();
            drop(changed.wait_while(entered, |entered| !entered.open).unwrap());
            state.lock().unwrap().now -= 1;
        }
        Ok(Account::new(attempt.user.clone(), Storage::blocking(MemoryFs::new()), Permissions::ALL))
    }
}

/// So many threads of the reactor there are not, and logins are judged at once only by so many.
const LOGINS: usize = 200;

fn judging_logins_keeps_no_session_waiting(start: Start) {
    let gate = Gate::default();
    let server = start(Service::builder(gate.clone()).max_connections(0).build());
    let mut quick = server.logged_in();
    let mut slow: Vec<Client> = (0..LOGINS).map(|_| server.client()).collect();
    for client in &mut slow {
        client.command("USER slow", 331);
        client.send("PASS secret\r\n");
    }
    let (state, changed) = &*gate.0;
    let bound = (2 * std::thread::available_parallelism().map_or(2, usize::from)).max(4);
    drop(changed.wait_while(state.lock().unwrap(), |entered| entered.now < bound).unwrap());
    // Every thread that judges is taken, and still the others are served.
    quick.command("NOOP", 200);
    quick.upload("STOR file", b"content");
    server.client().command("USER slow", 331);

    state.lock().unwrap().open = true;
    changed.notify_all();
    for client in &mut slow {
        client.expect(230);
    }
    assert_eq!(state.lock().unwrap().most, bound);
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}
