//! Sessions over real sockets of the loopback interface, the same on tokio and on smol, and on threads of either that have
//! a reactor each.

mod abort;
mod certificates;
mod client;
mod confidential;
mod connections;
mod dismissal;
#[cfg(unix)]
mod hooks;
mod pieces;
mod proxied;
mod rendezvous;
mod secure;
mod server;
mod settling;
mod stop;
mod transfers;

/// Makes each function a test on both runtimes, and on their threads that have a reactor each. It gets a function that
/// starts a server.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_tokio {
            $(#[test] fn $name() { super::$name(crate::server::on_tokio); })*
        }
        mod on_smol {
            $(#[test] fn $name() { super::$name(crate::server::on_smol); })*
        }
        mod on_smol_workers {
            $(#[test] fn $name() { super::$name(crate::server::on_smol_workers); })*
        }
        mod on_tokio_workers {
            $(#[test] fn $name() { super::$name(crate::server::on_tokio_workers); })*
        }
    };
}
pub(crate) use on_both;
