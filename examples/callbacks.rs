//! Hooks: something of one's own whenever something has happened. Uploads that were cut are deleted.

use std::error::Error;
use std::path::Path;
use std::{fs, io};

use ftp_driver::{
    BoxFuture, FileTransfer, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, Service, SessionInfo,
    Summary, TreeChange,
};
use ftp_fs::{Credential, NewUser, Remains, VirtualUsers};
use ftp_runtime_tokio::Server;
use ftp_types::Permissions;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

struct Callbacks;

impl Hooks for Callbacks {
    fn connected(&self, session: SessionInfo) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{session} connected") })
    }

    fn disconnected(&self, Summary { session, reason, .. }: Summary) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{session} disconnected: {reason}") })
    }

    fn logged_in(&self, event: LoggedIn) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} logged in", event.session) })
    }

    fn login_failed(&self, event: LoginFailed) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} failed to log in as {}", event.session, event.user) })
    }

    fn logged_out(&self, event: LoggedOut) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} logged out: {}", event.session, event.reason) })
    }

    fn file_sent(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} got {}", event.session, event.path) })
    }

    fn file_received(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} put {}", event.session, event.path) })
    }

    fn incomplete_sent(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} got a part of {}", event.transfer.session, event.transfer.path) })
    }

    fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let IncompleteTransfer { transfer: FileTransfer { session, path, real_path, bytes, .. }, remains, .. } =
                event;
            println!("{session} put a part of {path}");
            // Only what is nothing but a part: a file that was there before is not ours to delete.
            let (Remains::Partial, Some(real_path)) = (remains, real_path) else { return };
            // What takes time, or a disk, is done elsewhere. The session goes on either way.
            match spawn_blocking(move || delete(&real_path, bytes)).await {
                Ok(Ok(true)) => println!("{session} deleted {path}"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => println!("{session} cannot delete {path}: {error}"),
                Err(error) => println!("{session} {error}"),
            }
        })
    }

    fn changed(&self, event: TreeChange) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{} changed the tree: {:?}", event.session, event.change) })
    }

    fn missed(&self, session: SessionInfo, count: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move { println!("{session} did {count} things more") })
    }
}

/// Deletes the file, unless the client has put the whole of it there meanwhile.
fn delete(part: &Path, bytes: u64) -> io::Result<bool> {
    let is_part = fs::metadata(part)?.len() <= bytes;
    if is_part { fs::remove_file(part).map(|()| true) } else { Ok(false) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add(NewUser::new("user".parse()?, Credential::Plain("12345".into()), ".").letters("elradfmw"))?;
    users.add_anonymous(".", Permissions::READ)?;
    let service = Service::builder(users).hooks(Callbacks).build();

    Runtime::new()?.block_on(async {
        let server = Server::bind(ferry_examples::address(), service)?;
        println!("listening on ftp://user:12345@{}", server.local_addrs()[0]);
        server.serve().await;
        Ok(())
    })
}
