//! HAProxy in front of the server, on control and data connections, telling clients by the PROXY protocol.
//!
//! The client is 127.0.0.9, which HAProxy serves on 127.0.0.2 and whom the server, on 127.0.0.3, knows by headers alone:
//! connections of HAProxy come from 127.0.0.1.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::AsRawFd,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, Signal, kill_process},
};

use crate::{
    process::{succeed, wait_within},
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, noise, plant},
};

on_both_runtimes! {
    tells_clients_by_version_1,
    tells_clients_by_version_2,
}

const STOP_LIMIT: Duration = Duration::from_secs(30);

fn tells_clients_by_version_1(runtime: Runtime) {
    transfer(runtime, "send-proxy");
}

fn tells_clients_by_version_2(runtime: Runtime) {
    transfer(runtime, "send-proxy-v2");
}

/// Files up and down in each mode: passive ones through HAProxy, active ones beside it.
#[track_caller]
fn transfer(runtime: Runtime, header: &str) {
    let (control, data) = (listener(), listener());
    let passive_port = address(&data).port();
    let site = Site::start_behind_proxy(runtime, passive_port);
    let _proxy = HaProxy::start(&site, header, [(&control, site.port()), (&data, passive_port.to_string())]);
    let url = |path: &str| format!("ftp://{}{path}", address(&control));
    for (name, mode) in [("epsv", &[][..]), ("pasv", &["--disable-epsv"]), ("active", &["-P", "127.0.0.9"])] {
        plant(site.local().join(name), &noise(7, 500_000));
        curl(&site, &[mode, &["-T", name, &url("/")]].concat());
        assert_same_file(site.local().join(name), site.served().join(name));
        let back = format!("{name}.back");
        curl(&site, &[mode, &["-o", &back, &url(&format!("/{name}"))]].concat());
        assert_same_file(site.served().join(name), site.local().join(back));
    }
    let told = curl(&site, &["-v", "-Q", "STAT", &url("/")]);
    assert!(told.contains("Connected from 127.0.0.9"), "{told}");
}

#[track_caller]
fn curl(site: &Site, arguments: &[&str]) -> String {
    let mut command = site.client("curl");
    command.args(["-sS", "--max-time", "60", "--interface", "127.0.0.9", "-u", &format!("{USER}:{PASSWORD}")]);
    succeed(command.args(arguments), "")
}

/// A socket that a child inherits.
fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.2:0").expect("a port of 127.0.0.2");
    fcntl_setfd(&listener, FdFlags::empty()).expect("an open descriptor");
    listener
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket")
}

struct HaProxy(Option<Child>);

impl HaProxy {
    /// Serves each listener by a port of the server.
    fn start(site: &Site, header: &str, services: [(&TcpListener, String); 2]) -> Self {
        let mut text =
            "defaults\n mode tcp\n timeout connect 30s\n timeout client 60s\n timeout server 60s\n".to_owned();
        for (index, (listener, port)) in services.iter().enumerate() {
            let (descriptor, server) = (listener.as_raw_fd(), site.host());
            text += &format!("listen l{index}\n bind fd@{descriptor}\n server ferry {server}:{port} {header}\n");
        }
        let file = site.local().join("haproxy.cfg");
        fs::write(&file, text).expect("a configuration");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        Self(Some(
            child.unwrap_or_else(|error| panic!("haproxy, of the Debian package `haproxy`, does not start: {error}")),
        ))
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let child = self.0.take().expect("a proxy stops once");
        // It may have failed to start, which its output tells.
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let ended = wait_within(child, STOP_LIMIT);
        if std::thread::panicking() {
            eprintln!("---- haproxy: {ended:?}");
        }
    }
}
