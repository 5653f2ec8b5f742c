//! Real FTP clients against the `ferry` program, on both of its runtimes.
//!
//! Every test starts a server of its own on a port of the kernel's choice, lets one client do what its users do, and
//! compares contents by SHA-256. A client that is not installed makes its tests fail and name the Debian package: a
//! skipped test would look like a passed one. `ci/interop.sh` builds the server first, then runs all of this.

/// Makes two tests of each case, `tokio::case` and `smol::case`; a case is a `fn(Runtime)`.
macro_rules! on_both_runtimes {
    ($($case:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $case() { super::$case(crate::server::Runtime::Tokio); })+
        }
        mod smol {
            $(#[test] fn $case() { super::$case(crate::server::Runtime::Smol); })+
        }
    };
}

mod classic;
mod curl;
mod examples;
mod ftplib;
mod haproxy;
mod lftp;
mod ncftp;
mod process;
mod server;
mod tls;
mod tree;
mod wget;
