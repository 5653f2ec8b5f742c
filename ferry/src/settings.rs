//! From flags and file to what is served: a flag that is given wins over the file.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ftp_types::Permissions;

use crate::cli::Flags;
use crate::config::{Anonymous, Config, Credential, LogLevel, Problems, User};
use crate::tls::{self, TlsFile, TlsFileError};

/// Why flags and file give no configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is wrong.
    File(Problems),
    /// Flags that say nothing beside this file.
    NoAccountForFlags(PathBuf),
    /// The current directory, which is to be shared, cannot be found.
    NoCurrentDirectory(io::Error),
    /// A key without certificates.
    KeyWithoutCertificate,
    /// A file that TLS cannot be offered with, named by a flag or together with one; first what stands before its key.
    TlsFile(&'static str, TlsFileError),
}

impl SettingsError {
    /// Whether flags and configuration are right as far as it can be told, and the system does not let files be read
    /// that they name.
    #[must_use]
    pub fn is_of_the_system(&self) -> bool {
        match self {
            Self::File(problems) => problems.are_of_the_system(),
            Self::TlsFile(_, error) => error.is_unreadable(),
            Self::NoAccountForFlags(_) | Self::NoCurrentDirectory(_) | Self::KeyWithoutCertificate => false,
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problems) => problems.fmt(f),
            Self::NoAccountForFlags(file) => write!(
                f,
                "--directory and --write are for the anonymous user or for --username, but {} has other users and no \
                 [anonymous]",
                file.display()
            ),
            Self::NoCurrentDirectory(error) => write!(f, "the current directory cannot be shared: {error}"),
            Self::KeyWithoutCertificate => f.write_str("--keyfile needs --certfile: the certificates that it is for"),
            Self::TlsFile(prefix, error) => write!(f, "{prefix}{}: {error}", error.file().key()),
        }
    }
}

impl std::error::Error for SettingsError {}

/// What the flags say, over what the file says, over the defaults. Reads the file.
///
/// # Errors
/// As [`SettingsError`] says.
pub fn load(flags: &Flags) -> Result<Config, SettingsError> {
    let file = flags.config.as_deref();
    let load = if replaces_certificate(flags) { Config::load_without_certificate } else { Config::load };
    let mut config = file.map_or_else(|| Ok(Config::default()), load).map_err(SettingsError::File)?;
    apply_to_server(flags, &mut config);
    apply_to_sessions(flags, &mut config);
    apply_to_tls(flags, &mut config)?;
    apply_to_accounts(flags, &mut config)?;
    Ok(config)
}

fn apply_to_server(flags: &Flags, config: &mut Config) {
    let server = &mut config.server;
    server.listen = listen(flags.interface, flags.port, &server.listen);
    // --port is the port of FTP; the other is another one.
    server.listen_implicit_tls = listen(flags.interface, None, &server.listen_implicit_tls);
    replace(&mut server.runtime, flags.runtime);
    replace(&mut server.workers, flags.workers);
    replace(&mut server.banner, flags.banner.clone());
    replace(&mut server.max_connections, flags.max_cons);
    replace(&mut server.max_connections_per_ip, flags.max_cons_per_ip);
    if flags.record.is_some() {
        config.log.record.clone_from(&flags.record);
    }
    if flags.debug {
        config.log.level = config.log.level.max(LogLevel::Debug);
    }
}

fn apply_to_sessions(flags: &Flags, config: &mut Config) {
    let (session, data) = (&mut config.session, &mut config.data);
    replace(&mut session.max_login_attempts, flags.max_login_attempts);
    replace(&mut session.encoding, flags.encoding);
    session.use_gmt_times &= !flags.use_localtime;
    session.use_sendfile &= !flags.disable_sendfile;
    if let Some(timeout) = flags.timeout {
        session.idle_timeout = crate::values::unless_zero(timeout);
        data.stall_timeout = session.idle_timeout;
    }
    if flags.nat_address.is_some() {
        data.masquerade_address.clone_from(&flags.nat_address);
        data.masquerade_address_map.clear();
    }
    data.passive_ports = flags.range.clone().or_else(|| data.passive_ports.take());
    data.permit_foreign_addresses |= flags.permit_foreign_addresses;
    data.permit_privileged_ports |= flags.permit_privileged_ports;
}

/// Each of `--interface` and `--port` replaces its half of the file's addresses.
fn listen(interface: Option<IpAddr>, port: Option<u16>, configured: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = configured.to_vec();
    if let Some(interface) = interface {
        addresses.iter_mut().for_each(|address| *address = SocketAddr::new(interface, address.port()));
    }
    if let Some(port) = port {
        addresses.iter_mut().for_each(|address| address.set_port(port));
    }
    let mut seen = BTreeSet::new();
    let replaced = interface.is_some() || port.is_some();
    addresses.retain(|address| seen.insert(*address) || !replaced);
    addresses
}

/// Whether certificate or key of the file do not count; then the pair is checked once it is complete.
fn replaces_certificate(flags: &Flags) -> bool {
    flags.certfile.is_some() || flags.keyfile.is_some()
}

/// A `--certfile` brings its own key, so that it is in place of both files.
fn apply_to_tls(flags: &Flags, config: &mut Config) -> Result<(), SettingsError> {
    if !flags.ask_for_tls() {
        return Ok(());
    }
    let tls = config.tls.get_or_insert_default();
    tls.control_required |= flags.tls_control_required;
    tls.data_required |= flags.tls_data_required;
    if flags.certfile.is_some() {
        tls.certfile.clone_from(&flags.certfile);
        tls.keyfile = None;
    }
    if flags.keyfile.is_some() {
        tls.keyfile.clone_from(&flags.keyfile);
    }
    match &tls.certfile {
        None if tls.keyfile.is_some() => Err(SettingsError::KeyWithoutCertificate),
        Some(certfile) if replaces_certificate(flags) => {
            let blame = |error: TlsFileError| {
                let by_flag = error.file() != TlsFile::Certfile || flags.certfile.is_some();
                SettingsError::TlsFile(if by_flag { "--" } else { "tls." }, error)
            };
            tls::check_pair(certfile, tls.keyfile.as_deref()).map_err(blame)
        }
        _ => Ok(()),
    }
}

/// `--username` is in place of all accounts of the file. Without it, `--directory` and `--write` are about the
/// anonymous user, whom a server with no account at all has as well.
fn apply_to_accounts(flags: &Flags, config: &mut Config) -> Result<(), SettingsError> {
    let perm = if flags.write { Permissions::ALL } else { Permissions::READ };
    if let (Some(name), Some(password)) = (&flags.username, &flags.password) {
        let home = home(flags)?;
        config.users = vec![User::new(name.clone(), Credential::Password(password.clone()), home, perm)];
        config.anonymous = None;
        config.system_users = None;
        return Ok(());
    }
    let asked = flags.directory.is_some() || flags.write;
    match (&mut config.anonymous, &flags.config) {
        (Some(anonymous), _) => {
            replace(&mut anonymous.home, flags.directory.clone());
            replace(&mut anonymous.perm, flags.write.then_some(perm));
        }
        (None, Some(file)) if asked && !(config.users.is_empty() && config.system_users.is_none()) => {
            return Err(SettingsError::NoAccountForFlags(file.clone()));
        }
        (None, Some(_)) if !asked => {}
        (None, _) => config.anonymous = Some(Anonymous::new(home(flags)?, perm)),
    }
    Ok(())
}

fn home(flags: &Flags) -> Result<PathBuf, SettingsError> {
    let current = || std::env::current_dir().map_err(SettingsError::NoCurrentDirectory);
    // Absolute, since it is shown at start.
    Ok(match &flags.directory {
        Some(directory) if directory.is_absolute() => directory.clone(),
        Some(directory) => current()?.join(directory),
        None => current()?,
    })
}

fn replace<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use super::*;
    use crate::cli;
    use crate::config::DEFAULT_PORT;

    fn settings(arguments: &[&str]) -> Result<Config, SettingsError> {
        let arguments = [&["ferry"], arguments].concat();
        load(&cli::parse_from(arguments).unwrap().flags)
    }

    fn with_file(text: &str, arguments: &[&str]) -> Result<Config, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ferry.toml");
        fs::write(&file, text).unwrap();
        settings(&[&["--config", file.to_str().unwrap()], arguments].concat())
    }

    #[test]
    fn without_any_flag_the_current_directory_is_shared_anonymous_and_read_only() {
        let config = settings(&[]).unwrap();
        let home = std::env::current_dir().unwrap();
        assert_eq!(config.anonymous, Some(Anonymous::new(home, Permissions::READ)));
        assert_eq!(Config { anonymous: None, ..config }, Config::default());
    }

    #[test]
    fn every_flag_wins_over_the_file() {
        let file = "[server]\nlisten = ['127.0.0.9:9', '[::1]:9']\nruntime = 'tokio'\nworkers = 9\nbanner = 'file'\n\
            max_connections = 9\nmax_connections_per_ip = 9\n[session]\nidle_timeout = 9\nmax_login_attempts = 9\n\
            encoding = 'koi8-r'\n[data]\npassive_ports = '9-10'\nmasquerade_address = '9.9.9.9'\nstall_timeout = 9\n\
            [anonymous]\nhome = '.'\n[log]\nlevel = 'error'\n";
        let arguments = "-i 127.0.0.1 -p 0 --runtime smol --workers 2 --banner flag --max-cons 3 --max-cons-per-ip 4 \
            --timeout 1.5 --max-login-attempts 5 --encoding latin1 -r 6-7 -n 8.8.8.8 --permit-foreign-addresses \
            --permit-privileged-ports --use-localtime --disable-sendfile -D -w";
        let config = with_file(file, &arguments.split_whitespace().collect::<Vec<_>>()).unwrap();
        let (server, session, data) = (&config.server, &config.session, &config.data);
        assert_eq!(server.listen, [SocketAddr::from(([127, 0, 0, 1], 0))]);
        assert_eq!((server.runtime, server.workers, &*server.banner), (cli::RuntimeName::Smol, 2, "flag"));
        assert_eq!((server.max_connections, server.max_connections_per_ip), (3, 4));
        assert_eq!(session.idle_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(data.stall_timeout, session.idle_timeout);
        assert_eq!((session.max_login_attempts, session.encoding), (5, encoding_rs::WINDOWS_1252));
        assert_eq!(
            (&data.passive_ports, &data.masquerade_address),
            (&Some(6..=7), &Some(Ipv4Addr::new(8, 8, 8, 8).into()))
        );
        assert!(data.permit_foreign_addresses && data.permit_privileged_ports);
        assert!(!session.use_gmt_times && !session.use_sendfile);
        assert_eq!(config.log.level, LogLevel::Debug);
        assert_eq!(config.anonymous.unwrap().perm, Permissions::ALL);
    }

    #[test]
    fn any_flag_for_tls_asks_for_it() {
        for flag in ["--tls", "--tls-control-required", "--tls-data-required"] {
            let tls = settings(&[flag]).unwrap().tls.unwrap();
            assert_eq!(tls.control_required, flag == "--tls-control-required");
            assert_eq!(tls.data_required, flag == "--tls-data-required");
            assert_eq!((tls.certfile, tls.keyfile), (None, None));
        }
        assert_eq!(settings(&[]).unwrap().tls, None);
        assert!(matches!(settings(&["--keyfile", "x"]), Err(SettingsError::KeyWithoutCertificate)));
    }

    #[test]
    fn flags_for_tls_leave_the_other_keys_of_the_file() {
        let config =
            with_file("[tls]\nlenient_eof = true\ndata_required = true\n", &["--tls-control-required"]).unwrap();
        let tls = config.tls.unwrap();
        assert!(tls.lenient_eof && tls.data_required && tls.control_required && !tls.require_session_reuse);
    }

    #[test]
    fn certificates_of_a_flag_come_with_their_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name).display().to_string();
            fs::write(&path, text).unwrap();
            path
        };
        let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (of_file, of_flag) = (make(), make());
        let certificate = write("cert.pem", of_file.cert.pem());
        let key = write("key.pem", of_file.signing_key.serialize_pem());
        let both = write("both.pem", of_flag.cert.pem() + &of_flag.signing_key.serialize_pem());
        let file = format!("[tls]\ncertfile = '{certificate}'\nkeyfile = '{key}'\n");
        let tls = with_file(&file, &["--certfile", &both]).unwrap().tls.unwrap();
        assert_eq!((tls.certfile, tls.keyfile), (Some(both.clone().into()), None));
        // What the flags replace need not even be there, and what they do not replace is blamed on the file.
        let broken = "[tls]\ncertfile = '/no/such/file'\nkeyfile = '/no/such/key'\n";
        assert_eq!(with_file(broken, &["--certfile", &both]).unwrap().tls.unwrap().certfile, Some(both.clone().into()));
        assert!(with_file(broken, &["--tls"]).is_err());
        let error = with_file(broken, &["--keyfile", &both]).unwrap_err();
        assert!(error.to_string().starts_with("tls.certfile: /no/such/file: cannot be read: "), "{error}");
        let error = with_file(&file, &["--keyfile", &both]).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("--keyfile: {both}: the private key is not that of ")),
            "{error}"
        );
        assert!(!error.is_of_the_system());
        let error = with_file(&file, &["--certfile", &certificate, "--keyfile", "/no/such/key"]).unwrap_err();
        assert!(error.is_of_the_system(), "{error}");
    }

    #[test]
    fn the_port_of_implicit_tls_is_no_flags() {
        let file = "[server]\nlisten_implicit_tls = ['0.0.0.0:990']\n[tls]\n";
        let server = with_file(file, &["-i", "127.0.0.1", "-p", "1"]).unwrap().server;
        assert_eq!(server.listen_implicit_tls, ["127.0.0.1:990".parse().unwrap()]);
        assert_eq!(server.listen, ["127.0.0.1:1".parse().unwrap()]);
    }

    #[test]
    fn what_no_flag_says_comes_from_the_file() {
        let file =
            "[server]\nlisten = ['127.0.0.9:9', '[::1]:10']\n[session]\nidle_timeout = 0\nuse_gmt_times = false\n";
        let config = with_file(file, &["-p", "1"]).unwrap();
        assert_eq!(config.server.listen, ["127.0.0.9:1".parse().unwrap(), "[::1]:1".parse().unwrap()]);
        assert_eq!(config.session.idle_timeout, None);
        assert!(!config.session.use_gmt_times);
        let interface = with_file(file, &["-i", "::1"]).unwrap().server.listen;
        assert_eq!(interface, ["[::1]:9".parse().unwrap(), "[::1]:10".parse().unwrap()]);
    }

    #[test]
    fn the_flags_user_is_in_place_of_all_others() {
        let file = "[[user]]\nname = 'alice'\npassword = 'x'\nhome = '.'\n[anonymous]\nhome = '.'\n";
        let config = with_file(file, &["-u", "bob", "-P", "y", "-d", "/"]).unwrap();
        assert_eq!(config.users.len(), 1);
        assert_eq!(config.users[0].name.as_str(), "bob");
        assert_eq!(config.users[0].home, PathBuf::from("/"));
        assert_eq!(config.anonymous, None);
    }

    #[test]
    fn directory_and_write_need_somebody_whom_they_are_for() {
        let users = "[[user]]\nname = 'alice'\npassword = 'x'\nhome = '.'\n";
        assert!(matches!(with_file(users, &["-w"]), Err(SettingsError::NoAccountForFlags(_))));
        assert_eq!(with_file(users, &[]).unwrap().anonymous, None);
        assert_eq!(with_file("", &["-w"]).unwrap().anonymous.unwrap().perm, Permissions::ALL);
        assert_eq!(with_file("", &[]).unwrap().anonymous, None);
    }

    #[test]
    fn the_help_tells_the_defaults() {
        let help = <cli::Cli as clap::CommandFactory>::command().term_width(200).render_help().to_string();
        let defaults = Config::default();
        let tells = |flag: &str, value: &dyn fmt::Display| {
            let line = help.lines().find(|line| line.contains(flag)).unwrap();
            assert!(line.contains(&format!("[default: {value}]")), "{line}");
        };
        tells("--port ", &DEFAULT_PORT);
        tells("--max-cons ", &defaults.server.max_connections);
        tells("--max-cons-per-ip ", &defaults.server.max_connections_per_ip);
        tells("--workers ", &defaults.server.workers);
        tells("--timeout ", &defaults.session.idle_timeout.unwrap().as_secs());
        tells("--max-login-attempts ", &defaults.session.max_login_attempts);
        tells("--encoding ", &defaults.session.encoding.name().to_lowercase());
        tells("--runtime ", &format!("{:?}", defaults.server.runtime).to_lowercase());
        let listen = [(Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(), (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into()];
        assert_eq!(defaults.server.listen, listen);
    }
}
