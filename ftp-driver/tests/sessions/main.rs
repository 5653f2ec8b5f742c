//! Sessions over real sockets of the loopback interface, the same on tokio and on smol, there with smol's reactor and
//! with those of threads.

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
mod stop;
mod transfers;

/// Makes each function a test on both runtimes, and on threads that have a reactor each. It gets a function that starts a server.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_tokio {
            $(#[test] fn $name() { super::$name(crate::server::on_tokio); })*
        }
        mod on_smol {
            $(#[test] fn $name() { super::$name(crate::server::on_smol); })*
        }
        mod on_workers {
            $(#[test] fn $name() { super::$name(crate::server::on_workers); })*
        }
    };
}
pub(crate) use on_both;
