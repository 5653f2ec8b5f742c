//! The async driver of the Ferry FTP server, for any runtime.
//!
//! [`serve_connection`] turns the pure [`Session`](ftp_proto::Session) of `ftp-proto` and the storage of `ftp-fs` into
//! one future that serves one client. It needs a [`Runtime`]: `ftp-runtime-tokio` and `ftp-runtime-smol` have one each,
//! and a `Server` for the common case, whose accept loop is [`serve`].
//!
//! Nothing here spawns, and nothing is locked while something is awaited. What a session does at one time (reading
//! commands, writing replies, moving a file, waiting) is polled by one task, so that ABOR is answered while a transfer
//! stalls: it drops the transfer's future.
//!
//! # Logs
//! The driver logs by [`tracing`]: what happens under the target `ftp_driver::log`, commands (with
//! [`Config::report_commands`](ftp_proto::Config::report_commands)) under `ftp_driver::commands` and replies under
//! `ftp_driver::replies`, at the level `DEBUG`. By these targets a subscriber sends them to different places. The span
//! `session` around them has the number of the session, its peer and its user; it is made when something happens and
//! closed when nothing does, so that idle sessions cost a subscriber nothing; 64 sessions of a server at most keep theirs
//! behind a transfer, for the next one, until a timer of theirs goes off. Passwords are masked, and nothing that a client
//! sends can break a line. Who wants the same without `tracing` implements [`Observer`].
//!
//! # Hooks
//! Whoever wants to act on what happens implements [`Hooks`].

#![deny(unsafe_code)]

mod actions;
mod bell;
mod certificates;
mod connection;
mod control;
mod data;
mod direct;
mod holdings;
mod hook_queue;
mod hooks;
mod io;
mod limits;
mod list;
mod log;
mod masquerade;
mod maybe_tls;
mod observer;
mod outlet;
mod ports;
mod proxy_header;
mod pump;
pub mod record;
mod rendezvous;
mod room;
mod runtime;
mod seats;
mod server;
mod service;
mod sessions;
mod shutdown;
mod slice;
pub mod sockets;
mod storage;
mod stretch;
mod task;
mod throttle;
mod tls;
mod tls_buffer;
mod tls_connection;
mod tls_sessions;
mod wire;
mod zero_copy;

pub use certificates::{CertificateError, CertificatesByName};
pub use connection::serve_connection;
pub use ftp_fs::BoxFuture;
pub use hooks::{FileTransfer, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, TreeChange};
pub use ipnet::IpNet;
pub use limits::{Exceeded, Limits, Maxima, Place};
pub use masquerade::{InvalidMasquerade, Masquerade, resolve_host};
pub use observer::{Observer, SessionInfo, Summary};
pub use proxy_header::{ProxyError, identify_client};
pub use runtime::{Addresses, Route, Runtime, Stream};
pub use rustls;
pub use server::{Endpoint, Handle, serve, serve_settling};
pub use service::{Service, ServiceBuilder};
pub use sessions::LiveSession;
pub use shutdown::{Stop, Stopping};
pub use slice::take_short_turns;
pub use tls::TlsServer;
