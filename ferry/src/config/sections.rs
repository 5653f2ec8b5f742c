//! The sections of the file, key by key.

use super::section::Section;
use super::{Config, Data, Log, Server, Session, accounts, lockout, parse, system_users, tls};
use crate::values::{BUFFERS, MAX_WORKERS};

/// Reads the whole file. What is missing keeps its default; what is wrong is reported, and keeps it as well.
pub(super) fn read(file: &mut Section<'_>, certificate_is_replaced: bool) -> Config {
    let mut config = Config::default();
    let offers_tls = file.has("tls");
    file.section("server", |section| server(section, &mut config.server, offers_tls));
    file.section("session", |section| session(section, &mut config.session));
    file.section("data", |section| data(section, &mut config.data));
    config.tls = file.section("tls", |section| tls::tls(section, certificate_is_replaced));
    config.lockout = file.section("lockout", lockout::lockout);
    file.section("log", |section| log(section, &mut config.log));
    config.anonymous = file.section("anonymous", accounts::anonymous).flatten();
    let asks_for_certificates = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    config.users = accounts::users(file, config.anonymous.is_some(), asks_for_certificates);
    match crate::system_users::REFUSAL {
        None => {
            let anonymous = config.anonymous.is_some();
            config.system_users =
                file.section("system_users", |section| system_users::system_users(section, anonymous));
        }
        Some(reason) => file.refuse_since("system_users", reason),
    }
    file.refuse("metrics");
    config
}

fn server(section: &mut Section<'_>, server: &mut Server, offers_tls: bool) {
    listen(section, server, offers_tls);
    section.set("runtime", &mut server.runtime, parse::runtime);
    section.set("workers", &mut server.workers, parse::whole(0..=MAX_WORKERS));
    section.set("banner", &mut server.banner, parse::string);
    section.set("max_connections", &mut server.max_connections, parse::count);
    section.set("max_connections_per_ip", &mut server.max_connections_per_ip, parse::count);
    section.set("shutdown_grace", &mut server.shutdown_grace, parse::duration);
    section.set_some("user", &mut server.user, parse::filled_string);
    section.set_some("pid_file", &mut server.pid_file, parse::path);
    section.set("proxy_protocol", &mut server.proxy_protocol, parse::nets);
}

/// There has to be one address at least, and no address twice.
fn listen(section: &mut Section<'_>, server: &mut Server, offers_tls: bool) {
    let (plain, implicit) = (section.value("listen"), section.value("listen_implicit_tls"));
    let mut taken = Vec::new();
    if let Some(addresses) = plain.as_ref().and_then(|value| parse::listen(value, &mut taken)) {
        server.listen = addresses;
    }
    if let Some(addresses) = implicit.as_ref().and_then(|value| parse::listen(value, &mut taken)) {
        server.listen_implicit_tls = addresses;
    }
    if let (Some(value), true) = (&plain, server.listen.is_empty() && server.listen_implicit_tls.is_empty()) {
        value.complain::<()>("expected at least one address");
    }
    if let (Some(value), false, false) = (&implicit, server.listen_implicit_tls.is_empty(), offers_tls) {
        value.complain::<()>("there is no section [tls] that says how");
    }
}

fn session(section: &mut Section<'_>, session: &mut Session) {
    section.set("idle_timeout", &mut session.idle_timeout, parse::timeout);
    section.set("login_timeout", &mut session.login_timeout, parse::timeout);
    section.set("max_login_attempts", &mut session.max_login_attempts, parse::count);
    section.set("failed_login_delay", &mut session.failed_login_delay, parse::duration);
    section.set("encoding", &mut session.encoding, parse::charset);
    section.set("use_gmt_times", &mut session.use_gmt_times, parse::boolean);
    section.set("use_sendfile", &mut session.use_sendfile, parse::boolean);
    section.set("end_when_removed", &mut session.end_when_removed, parse::boolean);
    section.set("tcp_no_delay", &mut session.tcp_no_delay, parse::boolean);
    section.set("disabled_commands", &mut session.disabled_commands, parse::verbs);
}

fn data(section: &mut Section<'_>, data: &mut Data) {
    section.set_some("passive_ports", &mut data.passive_ports, parse::port_range);
    section.set("passive_port_wait", &mut data.passive_port_wait, parse::duration);
    section.set_some("masquerade_address", &mut data.masquerade_address, parse::masquerade);
    section.set("masquerade_address_map", &mut data.masquerade_address_map, parse::address_map);
    section.set("permit_foreign_addresses", &mut data.permit_foreign_addresses, parse::boolean);
    section.set("permit_privileged_ports", &mut data.permit_privileged_ports, parse::boolean);
    section.set("connect_timeout", &mut data.connect_timeout, parse::timeout);
    section.set("stall_timeout", &mut data.stall_timeout, parse::timeout);
    section.set("read_limit", &mut data.read_limit, parse::rate);
    section.set("write_limit", &mut data.write_limit, parse::rate);
    section.set("user_read_limit", &mut data.user_read_limit, parse::rate);
    section.set("user_write_limit", &mut data.user_write_limit, parse::rate);
    section.set("server_read_limit", &mut data.server_read_limit, parse::rate);
    section.set("server_write_limit", &mut data.server_write_limit, parse::rate);
    section.set("burst", &mut data.burst, parse::duration);
    section.set("read_buffer", &mut data.read_buffer, parse::whole(BUFFERS));
    section.set("write_buffer", &mut data.write_buffer, parse::whole(BUFFERS));
}

fn log(section: &mut Section<'_>, log: &mut Log) {
    section.set("format", &mut log.format, parse::log_format);
    section.set("level", &mut log.level, parse::log_level);
    section.set_some("file", &mut log.file, parse::path);
    section.set_some("transfer_log", &mut log.transfer_log, parse::path);
    section.set_some("command_log", &mut log.command_log, parse::path);
    section.set_some("record", &mut log.record, parse::directory);
}
