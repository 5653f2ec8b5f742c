//! The configuration file: every key, and every error with its place.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use ferry::cli::RuntimeName;
use ferry::config::{Anonymous, Config, Credential, Limits, LogFormat, LogLevel, Override};
use ftp_driver::Masquerade;
use tempfile::TempDir;

/// A folder with `home/incoming` in it, and the file `ferry.toml`.
struct Site(TempDir);

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home/incoming")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, text: &str) -> Result<Config, Vec<String>> {
        let file = self.path("ferry.toml");
        fs::write(&file, text).unwrap();
        let lines = |problems: ferry::config::Problems| {
            let prefix = format!("{}:", file.display());
            let relative = problems.to_string().replace(&prefix, "");
            relative.replace(&format!("{}/", self.0.path().display()), "").lines().map(str::to_owned).collect()
        };
        Config::load(&file).map_err(lines)
    }

    fn good(&self, text: &str) -> Config {
        self.load(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    #[track_caller]
    fn bad(&self, text: &str, errors: &[&str]) {
        assert_eq!(self.load(text).expect_err("an error"), errors);
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(Site::new().good(""), Config::default());
}

#[test]
fn server_keys() {
    let config = Site::new().good(
        r#"
        [server]
        listen = ["127.0.0.1:21", "[::1]:0"]
        listen_implicit_tls = ["127.0.0.1:990"]
        runtime = "smol"
        workers = 3
        banner = "Ahoy.\nSecond line."
        max_connections = 7
        max_connections_per_ip = 2
        shutdown_grace = 2.5
        user = "ftp"
        pid_file = "/run/ferry.pid"
        proxy_protocol = ["127.0.0.1/32", "2001:db8::/32", "::1"]
        [tls]
        "#,
    );
    let server = config.server;
    assert_eq!(server.listen, ["127.0.0.1:21".parse().unwrap(), "[::1]:0".parse().unwrap()]);
    assert_eq!(server.listen_implicit_tls, ["127.0.0.1:990".parse().unwrap()]);
    assert_eq!((server.runtime, server.workers), (RuntimeName::Smol, 3));
    assert_eq!(server.banner, "Ahoy.\nSecond line.");
    let nets = ["127.0.0.1/32", "2001:db8::/32", "::1/128"].map(|net| net.parse().unwrap());
    assert_eq!(server.proxy_protocol, nets);
    assert_eq!(server.pid_file.unwrap().to_str(), Some("/run/ferry.pid"));
    assert_eq!((server.max_connections, server.max_connections_per_ip), (7, 2));
    assert_eq!(server.shutdown_grace, Duration::from_millis(2500));
    assert_eq!(server.user.as_deref(), Some("ftp"));
}

#[test]
fn session_keys() {
    let config = Site::new().good(
        r#"
        [session]
        idle_timeout = 0
        login_timeout = 0.5
        max_login_attempts = 5
        failed_login_delay = 0
        encoding = "latin1"
        use_gmt_times = false
        use_sendfile = false
        tcp_no_delay = false
        disabled_commands = ["site", "STAT"]
        "#,
    );
    let session = config.session;
    assert_eq!(session.idle_timeout, None);
    assert_eq!(session.login_timeout, Some(Duration::from_millis(500)));
    assert_eq!((session.max_login_attempts, session.failed_login_delay), (5, Duration::ZERO));
    assert_eq!(session.encoding.name(), "windows-1252");
    assert!(!session.use_gmt_times && !session.use_sendfile && !session.tcp_no_delay);
    assert_eq!(session.disabled_commands, ["site", "STAT"]);
}

#[test]
fn data_keys() {
    let config = Site::new().good(
        r#"
        [data]
        passive_ports = "60000-60010"
        masquerade_address = "203.0.113.7"
        passive_port_wait = 1.5
        masquerade_address_map = { "10.0.0.5" = "ftp.example.org", "::ffff:10.0.0.6" = "203.0.113.9" }
        permit_foreign_addresses = true
        permit_privileged_ports = true
        connect_timeout = 1
        stall_timeout = 2
        read_limit = 1_000
        write_limit = 0x10
        user_read_limit = 2
        user_write_limit = 3
        server_read_limit = 4
        server_write_limit = 5
        burst = 0.25
        read_buffer = 512
        write_buffer = 16_777_216
        "#,
    );
    let data = config.data;
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(data.passive_ports, Some(60000..=60010));
    assert_eq!(data.passive_port_wait, Duration::from_millis(1500));
    assert_eq!(data.masquerade_address, Some(Ipv4Addr::new(203, 0, 113, 7).into()));
    assert_eq!(data.masquerade_address_map[&address("10.0.0.5")], Masquerade::Host("ftp.example.org".into()));
    assert_eq!(data.masquerade_address_map[&address("10.0.0.6")], Ipv4Addr::new(203, 0, 113, 9).into());
    assert!(data.permit_foreign_addresses && data.permit_privileged_ports);
    assert_eq!(
        (data.connect_timeout, data.stall_timeout),
        (Some(Duration::from_secs(1)), Some(Duration::from_secs(2)))
    );
    assert_eq!((data.read_limit, data.write_limit), (Some(1000), Some(16)));
    assert_eq!((data.user_read_limit, data.user_write_limit), (Some(2), Some(3)));
    assert_eq!((data.server_read_limit, data.server_write_limit), (Some(4), Some(5)));
    assert_eq!(data.burst, Duration::from_millis(250));
    assert_eq!((data.read_buffer, data.write_buffer), (512, 16 * 1024 * 1024));
}

#[test]
fn accounts_and_relative_paths() {
    let site = Site::new();
    let config = site.good(
        r#"
        [[user]]
        name = "alice"
        password = "plain"
        home = "home"
        perm = "elw"
        login_message = "Hello."
        quit_message = "Bye."
        read_limit = 0
        write_limit = 5
        total_read_limit = 6
        total_write_limit = 0
        [[user.override]]
        path = "/incoming/"
        perm = "elradfmwMT"
        recursive = true
        [[user]]
        name = "bob"
        password_hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        home = "home"
        [anonymous]
        home = "home/incoming"
        total_write_limit = 7
        "#,
    );
    let [alice, bob] = &config.users[..] else { panic!("{:?}", config.users) };
    assert_eq!((alice.name.as_str(), &alice.home), ("alice", &site.path("home")));
    assert_eq!(alice.credential, Credential::Password("plain".into()));
    assert_eq!(alice.perm.to_string(), "elw");
    assert_eq!((alice.login_message.as_deref(), alice.quit_message.as_deref()), (Some("Hello."), Some("Bye.")));
    let limits = Limits { read: Some(None), write: Some(Some(5)), total_read: Some(Some(6)), total_write: Some(None) };
    assert_eq!((alice.limits, bob.limits), (limits, Limits::default()));
    let perm = "elradfmwMT".parse().unwrap();
    assert_eq!(alice.overrides, [Override { path: "/incoming".try_into().unwrap(), perm, recursive: true }]);
    assert!(matches!(&bob.credential, Credential::Hash(hash) if hash.starts_with("$argon2id$")));
    assert_eq!(format!("{:?} {:?}", alice.credential, bob.credential), "Password(***) Hash(***)");
    assert_eq!(bob.perm.to_string(), "elr");
    let perm = "elr".parse().unwrap();
    let limits = Limits { total_write: Some(Some(7)), ..Limits::default() };
    assert_eq!(config.anonymous, Some(Anonymous { limits, ..Anonymous::new(site.path("home/incoming"), perm) }));
}

#[test]
fn log_keys() {
    let site = Site::new();
    let text = "[log]\nformat = 'json'\nlevel = 'trace'\nfile = 'z'\ntransfer_log = 'x'\ncommand_log = '/y'\n";
    let log = site.good(&format!("{text}record = 'home'\n")).log;
    assert_eq!(log.record, Some(site.path("home")));
    assert_eq!((log.format, log.level), (LogFormat::Json, LogLevel::Trace));
    assert_eq!(log.transfer_log, Some(site.path("x")));
    assert_eq!(log.file, Some(site.path("z")));
    assert_eq!(log.command_log.as_deref(), Some(Path::new("/y")));
}

#[test]
fn records_go_to_a_directory_that_exists() {
    let expected = "2:10: log.record: expected an existing directory: ";
    let missing = format!("{expected}none: No such file or directory (os error 2)");
    Site::new().bad("[log]\nrecord = 'none'\n", &[&missing]);
    Site::new().bad("[log]\nrecord = 'ferry.toml'\n", &[&format!("{expected}ferry.toml is not a directory")]);
}

#[test]
fn every_error_is_reported_with_its_place() {
    Site::new().bad(
        "[server]\n\
         listen = ['0.0.0.0:1', 'nonsense', '0.0.0.0:1']\n\
         workers = 99999999999999999999999999999999999999999999\n\
         runtime = 'async-std'\n\
         user = ''\n\
         [session]\n\
         idle_timeout = -1\n\
         login_timeout = nan\n\
         use_sendfile = 1\n\
         encoding = 'utf-16'\n\
         [data]\n\
         passive_ports = '5-4'\n\
         masquerade_address_map = { 'é' = '1.2.3.4', '1.2.3.4' = '::1' }\n\
         [log]\n\
         level = 'loud'\n",
        &[
            "2:24: server.listen: expected \"ADDRESS:PORT\", an IPv6 address in brackets",
            "2:36: server.listen: this address is in the list already",
            "3:11: server.workers: expected a whole number from 0 to 1024",
            "4:11: server.runtime: expected \"tokio\" or \"smol\"",
            "5:8: server.user: expected a string that is not empty",
            "7:16: session.idle_timeout: expected seconds: 0, or 0.001 to 1000000000",
            "8:17: session.login_timeout: expected seconds: 0, or 0.001 to 1000000000",
            "9:16: session.use_sendfile: expected true or false, found an integer",
            "10:12: session.encoding: UTF-16LE cannot be used for paths, since it does not contain ASCII as it is",
            "12:17: data.passive_ports: expected FROM-TO or one port, ports being 1 to 65535 and FROM not above TO",
            "13:28: data.masquerade_address_map.\"é\": expected an IP address as the key",
            "13:57: data.masquerade_address_map.\"1.2.3.4\": expected an IPv4 address or the name of a host as a string",
            "15:9: log.level: expected \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\"",
        ],
    );
}

/// The parser of TOML does not tell where it is.
#[test]
fn a_key_of_too_many_parts_is_found_in_its_line() {
    let site = Site::new();
    let key = "a.".repeat(100) + "b = 1";
    site.bad(&key, &["1:1: recursion limit"]);
    site.bad(&format!("[server]\nworkers = 1\n{key}\n\n{key}\n"), &["3:1: recursion limit"]);
    let errors = ["2:1: recursion limit", "3:2: key with no value, expected `=`"];
    site.bad(&format!("[server]\r\n{key}\r\nx\r\n"), &errors);
}

#[test]
fn what_a_file_says_forges_no_line_of_errors() {
    let site = Site::new();
    let text = "[anonymous]\nhome = \"nowhere\\u001B[2J\\nforged\"";
    let error = r"2:8: anonymous.home: expected an existing directory: nowhere\u{1b}[2J\nforged: No such file or directory (os error 2)";
    site.bad(text, &[error]);
}

#[test]
fn a_wrong_letter_is_reported_where_it_stands() {
    let site = Site::new();
    let anonymous = |perm: &str| format!("[anonymous]\nhome = 'home'\nperm = {perm}\n");
    let error = |column| format!("3:{column}: anonymous.perm: no such permission letter 'z' (known: elradfmwMT)");
    site.bad(&anonymous("'elz'"), &[&error(11)]);
    site.bad(&anonymous("\"zel\""), &[&error(9)]);
    site.bad(&anonymous("'''elz'''"), &[&error(8)]);
    site.bad(&anonymous("\"\\u0065z\""), &[&error(8)]);
}

#[test]
fn errors_in_accounts() {
    Site::new().bad(
        "[[user]]\n\
         name = 'alice'\n\
         password = 'x'\n\
         password_hash = '$argon2id$'\n\
         home = 'home'\n\
         [[user.override]]\n\
         path = '/nowhere'\n\
         perm = 'e'\n\
         [[user.override]]\n\
         path = '/incoming/../incoming'\n\
         [[user]]\n\
         name = 'alice'\n\
         password_hash = 'x'\n\
         home = 'ferry.toml'\n\
         [[user]]\n\
         name = \"a\\nb\"\n\
         password = ''\n\
         hme = 'home'\n\
         [anonymous]\n",
        &[
            "4:17: user.password_hash: password is given as well; a user has one of the two",
            "7:8: user.override.path: expected an existing directory: home/nowhere: No such file or directory (os error 2)",
            "9:1: user.override: perm is missing: the permission letters there",
            "10:8: user.override.path: expected a path inside the home that begins with a slash, without \"..\"",
            "12:8: user.name: there is a user alice already",
            "13:17: user.password_hash: not a password hash of the form $scheme$parameters$salt$hash",
            "14:8: user.home: expected an existing directory: ferry.toml is not a directory",
            "15:1: user: home is missing: the directory that is shared",
            "16:8: user.name: a user name cannot hold control characters",
            "17:12: user.password: expected a string that is not empty",
            "18:1: user.hme: unknown key; [user] can have name, password, password_hash, certificates, \
             require_certificate, home, perm, login_message, quit_message, read_limit, write_limit, total_read_limit, total_write_limit, override",
            "19:1: anonymous: home is missing: the directory that is shared",
        ],
    );
}

#[test]
fn hashes_of_other_programs_are_good_unless_they_take_minutes() {
    let site = Site::new();
    let user = |hash: &str| format!("[[user]]\nname = 'a'\nhome = 'home'\npassword_hash = '{hash}'\n");
    let bcrypt = "abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";
    let sha256 = "Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD";
    for version in ["2a", "2b", "2y"] {
        site.good(&user(&format!("${version}$05${bcrypt}")));
    }
    site.good(&user(&format!("$5${sha256}")));
    site.good(&user(&format!("$5$rounds=10000${sha256}")));
    let too_long = "4:17: user.password_hash: a password hash that takes too long to verify (at most: bcrypt with cost 16, \
                    sha-crypt with 5000000 rounds, pbkdf2 with 8388608, argon2 and scrypt with 2 GiB of memory and 8 GiB \
                    filled in all)";
    site.bad(&user(&format!("$2b$20${bcrypt}")), &[too_long]);
    site.bad(&user(&format!("$5$rounds=99999999${sha256}")), &[too_long]);
    let unknown = "4:17: user.password_hash: unknown scheme of a password hash (known: argon2id, argon2i, argon2d, \
                   scrypt, pbkdf2, bcrypt as $2a$, $2b$ or $2y$, sha-crypt as $5$ or $6$)";
    site.bad(&user(&format!("$2x$05${bcrypt}")), &[unknown]);
    site.bad(&user("$1$salt$qJH7.N4xYta3aEG/dfqo/0"), &[unknown]);
    let parameters = "4:17: user.password_hash: a password hash with parameters that its scheme does not have";
    site.bad(&user(&format!("$5$rounds=10${sha256}")), &[parameters]);
    let malformed = "4:17: user.password_hash: not a password hash of the form $scheme$parameters$salt$hash";
    site.bad(&user(&format!("$6${sha256}")), &[malformed]);
}

#[cfg(unix)]
#[test]
fn an_override_stays_in_the_home() {
    let site = Site::new();
    std::os::unix::fs::symlink("incoming", site.path("home/inside")).unwrap();
    std::os::unix::fs::symlink("../..", site.path("home/outside")).unwrap();
    let user = |path: &str| {
        format!("[[user]]\nname = 'a'\npassword = 'x'\nhome = 'home'\n[[user.override]]\nperm = 'e'\npath = '{path}'\n")
    };
    site.good(&user("/inside"));
    site.bad(&user("/outside"), &["7:8: user.override.path: home/outside leads out of the home"]);
    site.bad(&user("/"), &["7:8: user.override.path: the home itself has its letters in the user's perm"]);
}

#[test]
fn each_wrong_proxy_has_its_place() {
    let expected = "server.proxy_protocol: expected an IP address or a network, \"10.0.0.0/8\"";
    Site::new().bad(
        "[server]\nproxy_protocol = ['127.0.0.1', 'localhost', '10.0.0.0/33',\n1]\n",
        &[
            &format!("2:32: {expected}"),
            &format!("2:45: {expected}"),
            &format!("3:1: {expected}, as a string, found an integer"),
        ],
    );
    Site::new().bad(
        "[server]\nproxy_protocol = '127.0.0.1'\n",
        &["2:18: server.proxy_protocol: expected an array of addresses and networks, [\"10.0.0.0/8\"], found a string"],
    );
}

#[test]
fn what_this_version_does_not_offer_is_refused() {
    Site::new().bad(
        "[server]\n\
         [metrics]\nlisten = '127.0.0.1:1'\n",
        &["2:2: metrics: not offered by this version of ferry"],
    );
}

/// The names are those that every Linux has.
#[cfg(all(target_os = "linux", feature = "pam"))]
#[test]
fn accounts_of_the_machine() {
    use ferry::config::{Filesystem, SystemUser, SystemUsers};

    let site = Site::new();
    assert_eq!(site.good("[system_users]\n").system_users, Some(SystemUsers::default()));
    let config = site.good(
        r#"
        [system_users]
        perm = "elr"
        rejected = ["root", "daemon"]
        require_valid_shell = false
        anonymous_user = ""
        filesystem = "home"
        pam_service = "vsftpd"
        login_message = "Ahoy."
        quit_message = "Bye."
        [[system_users.user]]
        name = "nobody"
        password = "x"
        home = "home"
        perm = "el"
        login_message = "Nobody!"
        quit_message = "Nobody?"
        read_limit = 0
        write_limit = 9
        "#,
    );
    let name = |name: &str| name.parse().unwrap();
    let nobody = SystemUser {
        name: name("nobody"),
        credential: Some(Credential::Password("x".into())),
        home: Some(site.path("home")),
        perm: Some("el".parse().unwrap()),
        login_message: Some("Nobody!".to_owned()),
        quit_message: Some("Nobody?".to_owned()),
        limits: Limits { read: Some(None), write: Some(Some(9)), ..Limits::default() },
    };
    let expected = SystemUsers {
        perm: "elr".parse().unwrap(),
        rejected: vec![name("root"), name("daemon")],
        require_valid_shell: false,
        filesystem: Filesystem::Home,
        pam_service: "vsftpd".to_owned(),
        login_message: Some("Ahoy.".to_owned()),
        quit_message: Some("Bye.".to_owned()),
        users: vec![nobody],
        ..SystemUsers::default()
    };
    assert_eq!(config.system_users, Some(expected));
    // Who is allowed by name needs nobody to be rejected.
    let config = site.good("[system_users]\nallowed = ['root']\n").system_users.unwrap();
    assert_eq!((config.allowed, config.rejected), (vec![name("root")], vec![]));
}

#[cfg(all(target_os = "linux", feature = "pam"))]
#[test]
fn mistakes_about_accounts_of_the_machine() {
    let site = Site::new();
    site.bad(
        "[system_users]\nallowed = ['root', 'no-such-user', 'anonymous', '']\nrejected = ['anonymous', 'no-such-user']\n\
         anonymous_user = 'no-such-user'\nfilesystem = 'all'\npam_service = '../x'\nshell = 1\n\
         anonymous_password = 'x'\n",
        &[
            "2:20: system_users.allowed: this machine has no user \"no-such-user\"",
            "2:36: system_users.allowed: invalid username \"anonymous\"",
            "2:49: system_users.allowed: a user name cannot be empty",
            "3:13: system_users.rejected: invalid username \"anonymous\"",
            "3:26: system_users.rejected: this machine has no user \"no-such-user\"",
            "4:18: system_users.anonymous_user: this machine has no user \"no-such-user\"",
            "5:14: system_users.filesystem: expected \"unix\" or \"home\"",
            "6:15: system_users.pam_service: the name of a PAM service is made of letters, digits, \"-\", \"_\" and \".\"",
            "7:1: system_users.shell: unknown key; [system_users] can have perm, require_valid_shell, allowed, rejected, \
             anonymous_user, anonymous_password, filesystem, pam_service, login_message, quit_message, user",
            "8:22: system_users.anonymous_password: only on Windows does anonymous_user need one",
        ],
    );
    site.bad(
        "[system_users]\nallowed = ['root']\nrejected = ['nobody']\n",
        &["3:12: system_users.rejected: allowed has names as well; the two lists are mutually exclusive"],
    );
    site.bad(
        "[system_users]\nanonymous_user = 'root'\n[anonymous]\nhome = 'home'\n",
        &["2:18: system_users.anonymous_user: there is an [anonymous] already"],
    );
    let user = |keys: &str| format!("[system_users]\nrequire_valid_shell = false\n[[system_users.user]]\n{keys}");
    let cases = [
        ("name = 'nobody'\n", "4:8: system_users.user.name: nothing is different for user \"nobody\""),
        ("name = 'root'\nperm = 'e'\n", "4:8: system_users.user.name: \"root\" is not an allowed user"),
        ("name = 'ghost'\nperm = 'e'\n", "4:8: system_users.user.name: this machine has no user \"ghost\""),
        ("name = 'anonymous'\nperm = 'e'\n", "4:8: system_users.user.name: \"anonymous\" is not an allowed user"),
        ("perm = 'e'\n", "3:1: system_users.user: name is missing: the account, or \"anonymous\""),
    ];
    for (keys, error) in cases {
        site.bad(&user(keys), &[error]);
    }
    site.bad(
        "[system_users]\nanonymous_user = 'root'\n[[system_users.user]]\nname = 'anonymous'\npassword = 'x'\n",
        &["4:8: system_users.user.name: anonymous sessions have no password"],
    );
}

/// Only where there is a list of shells is any of them not valid.
#[cfg(all(target_os = "linux", feature = "pam"))]
#[test]
fn an_allowed_user_has_a_valid_shell() {
    let site = Site::new();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let shells = fs::read_to_string("/etc/shells").unwrap_or_else(|_| nobody.shell.display().to_string());
    if shells.lines().any(|shell| Path::new(shell) == nobody.shell) {
        return;
    }
    site.bad(
        "[system_users]\nallowed = ['nobody']\n",
        &["2:12: system_users.allowed: user \"nobody\" has no valid shell, one of /etc/shells"],
    );
}

#[cfg(not(all(target_os = "linux", feature = "pam")))]
#[test]
fn accounts_of_the_machine_are_refused_where_they_cannot_be_offered() {
    let errors = Site::new().load("[system_users]\n").unwrap_err();
    assert!(errors[0].starts_with("1:2: system_users: "), "{errors:#?}");
}

#[test]
fn unknown_keys_and_wrong_types() {
    Site::new().bad(
        "x = 1\nserver = 1\n[user]\nname = 'a'\n[session]\n\"a\\nb\" = 1\n[log.format]\n",
        &[
            "1:1: x: unknown key; the file can have server, session, data, tls, lockout, log, anonymous, user, system_users, metrics",
            "2:10: server: expected a table, [server], found an integer",
            "3:1: user: expected tables, [[user]], found a table",
            "6:1: session.a\\nb: unknown key; [session] can have idle_timeout, login_timeout, max_login_attempts, \
             failed_login_delay, encoding, use_gmt_times, use_sendfile, \
             end_when_removed, tcp_no_delay, disabled_commands",
            "7:1: log.format: expected \"text\" or \"json\", found a table",
        ],
    );
}

#[test]
fn commands_that_do_not_exist_cannot_be_disabled() {
    Site::new().bad(
        "[session]\ndisabled_commands = ['SITE', 'SIT', 1]\n[data]\nread_buffer = 511\n",
        &[
            "2:30: session.disabled_commands: there is no such command",
            "2:37: session.disabled_commands: expected a command as a string, \"SITE\", found an integer",
            "4:15: data.read_buffer: expected a whole number from 512 to 16777216",
        ],
    );
}

#[test]
fn a_lockout_has_a_number_and_a_time() {
    let site = Site::new();
    let config = site.good("[lockout]\n");
    let lockout = config.lockout.unwrap();
    assert_eq!((lockout.failures, lockout.window), (20, Duration::from_secs(300)));
    assert_eq!(site.good("[server]\n").lockout, None);
    site.bad(
        "[lockout]\nfailures = 0\nwindow = 0\nduration = 1\n",
        &[
            "2:12: lockout.failures: expected a whole number from 1 to 4294967295",
            "3:10: lockout.window: expected a time; without [lockout], nobody is kept out",
            "4:1: lockout.duration: unknown key; [lockout] can have failures, window",
        ],
    );
}

#[test]
fn broken_toml() {
    let site = Site::new();
    // The texts are the parser's own.
    let places = |text: &str| -> Vec<String> {
        let errors = site.load(text).unwrap_err();
        errors.iter().map(|error| error.split(": ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(places("ä = 1\n"), ["1:1"]);
    assert_eq!(places("[server]\nworkers = 1\nworkers = 2\nbanner = 'é' runtime = 1\n"), ["3:1", "4:14"]);
    let errors = site.load(&"[".repeat(100_000)).unwrap_err();
    assert!(!errors.is_empty());
}

#[test]
fn no_mutilation_of_a_file_makes_it_panic() {
    let example = include_str!("../ferry.example.toml");
    for (at, character) in example.char_indices().filter(|(at, _)| at % 9 == 0) {
        let (before, after) = (&example[..at], &example[at + character.len_utf8()..]);
        for insert in ["", "\"", "[", "\u{0}", "é", "\n", "9e999"] {
            let _ = Config::parse(Path::new("ferry.toml"), &format!("{before}{insert}{after}"));
        }
        let _ = Config::parse(Path::new("ferry.toml"), before);
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let site = Site::new();
    let file = site.path("binary.toml");
    fs::write(&file, b"a = 1\nb = '\xc3\xa4\xff'").unwrap();
    let problems = Config::load(&file).unwrap_err().to_string();
    assert_eq!(problems, format!("{}:2:7: not UTF-8, which TOML has to be", file.display()));
}

#[test]
fn a_file_that_cannot_be_read_has_no_place() {
    let site = Site::new();
    let file = site.path("nowhere.toml");
    let problems = Config::load(&file).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("{}: cannot be read: ", file.display())), "{problems}");
}

#[test]
fn the_example_is_good_and_has_every_key() {
    let site = Site::new();
    let home = site.path("home").display().to_string();
    let example = include_str!("../ferry.example.toml").replace("/srv/alice", &home).replace("/srv/public", &home);
    let config = site.good(&example);
    assert_eq!((config.users.len(), config.anonymous.is_some()), (1, true));
    assert_eq!((&config.session, config.server.listen.len()), (&Config::default().session, 2));
    // With every commented key in force, nothing is left to complain of but what this machine has not, and what is not
    // offered.
    let commented = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => key.to_owned(),
        _ => line.to_owned(),
    };
    let everything: Vec<String> = example.lines().map(commented).collect();
    let errors = site.load(&everything.join("\n")).unwrap_err();
    let names: Vec<&str> = errors.iter().filter_map(|error| error.split(": ").nth(1)).collect();
    // There is no such account, or no such section.
    let system_users =
        if cfg!(all(target_os = "linux", feature = "pam")) { "system_users.user.name" } else { "system_users" };
    assert_eq!(
        names,
        ["tls.certfile", "tls.client_ca", "tls.certificate.certfile", "log.record", system_users, "metrics"],
        "{errors:#?}"
    );
}
