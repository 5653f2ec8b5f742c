//! The servers: how each is configured for its best, and started.
//!
//! All serve the same tree to the anonymous user, who may upload into one directory, and keep no logs.

mod ferry;
mod limit;
mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
mod unftp;
mod vsftpd;

use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::tls::Version;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// The program whose kernel calls are those that cannot be done without
    Limit,
    FerryTokio,
    FerrySmol,
    Vsftpd,
    PureFtpd,
    Proftpd,
    Pyftpdlib,
    Unftp,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Limit,
        Self::FerryTokio,
        Self::FerrySmol,
        Self::Vsftpd,
        Self::PureFtpd,
        Self::Proftpd,
        Self::Pyftpdlib,
        Self::Unftp,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::FerryTokio => "ferry-tokio",
            Self::FerrySmol => "ferry-smol",
            Self::Vsftpd => "vsftpd",
            Self::PureFtpd => "pure-ftpd",
            Self::Proftpd => "proftpd",
            Self::Pyftpdlib => "pyftpdlib",
            Self::Unftp => "unftp",
        }
    }

    /// Whether Ferry is compared with it.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Limit | Self::FerryTokio | Self::FerrySmol)
    }

    /// What TLS it speaks at best.
    pub(crate) fn tls(self) -> Version {
        if self == Self::Unftp { Version::Tls12 } else { Version::Tls13 }
    }

    /// Whether it has a system user, which has to be there, and be root's to become.
    fn forks_as_user(self) -> bool {
        matches!(self, Self::Vsftpd | Self::PureFtpd | Self::Proftpd)
    }

    /// Its program, whether or not it is there.
    pub(crate) fn program(self, places: &Places) -> PathBuf {
        let peer = |path: &str| places.peers.join(path);
        match self {
            Self::Limit => places.own.clone(),
            Self::FerryTokio | Self::FerrySmol => places.ferry.clone(),
            Self::Vsftpd => peer("vsftpd/usr/sbin/vsftpd"),
            Self::PureFtpd => peer("pure-ftpd/usr/sbin/pure-ftpd"),
            Self::Proftpd => peer("proftpd/usr/sbin/proftpd"),
            Self::Pyftpdlib => peer("pyftpdlib/bin/python"),
            Self::Unftp => peer("unftp/bin/unftp"),
        }
    }

    /// Why it cannot be measured, if so.
    pub(crate) fn missing(self, places: &Places) -> Option<String> {
        let program = self.program(places);
        if !program.is_file() {
            return Some(format!("{} is not there", program.display()));
        }
        if self.forks_as_user() && !rustix::process::geteuid().is_root() {
            return Some("it needs root".into());
        }
        None
    }

    /// How it is started; its files go into `setting.work`.
    pub(crate) fn launch(self, places: &Places, setting: &Setting<'_>) -> io::Result<Launch> {
        let program = self.program(places);
        let mut launch = match self {
            Self::Limit => limit::launch(setting),
            Self::FerryTokio => ferry::launch("tokio", setting)?,
            Self::FerrySmol => ferry::launch("smol", setting)?,
            Self::Vsftpd => vsftpd::launch(setting)?,
            Self::PureFtpd => pure_ftpd::launch(setting)?,
            Self::Proftpd => proftpd::launch(places, setting)?,
            Self::Pyftpdlib => pyftpdlib::launch(setting)?,
            Self::Unftp => unftp::launch(setting),
        };
        launch.arguments.insert(0, program.into_os_string().into_string().map_err(|_| io::Error::other("program"))?);
        launch.libraries = places.peers.join("libraries/usr/lib/x86_64-linux-gnu");
        launch.as_user = self.forks_as_user();
        Ok(launch)
    }
}

/// Where programs are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) own: PathBuf,
    pub(crate) ferry: PathBuf,
    pub(crate) peers: PathBuf,
}

/// What a server is to serve, and where.
pub(crate) struct Setting<'a> {
    pub(crate) address: SocketAddrV4,
    pub(crate) root: &'a Path,
    /// A directory of its own for configuration and state.
    pub(crate) work: &'a Path,
    /// The case has TLS. Some servers are faster if they do not offer it.
    pub(crate) tls: bool,
    /// PEM: certificate and key, and both in one file.
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
    pub(crate) both: &'a Path,
}

impl Setting<'_> {
    /// Writes a file into the working directory, and says its name.
    fn write(&self, name: &str, text: &str) -> io::Result<String> {
        let path = self.work.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

/// A command line, and what it needs.
#[derive(Default)]
pub(crate) struct Launch {
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    libraries: PathBuf,
    as_user: bool,
}

impl Launch {
    fn new(arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { arguments: arguments.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The command, in the control group if there is one. The user `ftp` exists for it alone: the machine's list of users
    /// is covered, where only the server sees it.
    pub(crate) fn command(&self, group: Option<&Path>, setting: &Setting<'_>) -> io::Result<Command> {
        let mut script = String::from("set -e\nulimit -n \"$(ulimit -H -n)\"\n");
        if let Some(group) = group {
            script += &format!("echo $$ > '{}/cgroup.procs'\n", group.display());
        }
        let shell = if self.as_user {
            for (name, line) in [
                ("passwd", format!("ftp:x:2121:2121::{}:/bin/sh\n", setting.root.display())),
                ("group", "ftp:x:2121:\n".to_owned()),
            ] {
                let file = setting.write(name, &(std::fs::read_to_string(format!("/etc/{name}"))? + &line))?;
                script += &format!("mount --bind '{file}' /etc/{name}\n");
            }
            &["unshare", "--mount", "sh"][..]
        } else {
            &["sh"]
        };
        // Whatever ends this program ends the server, too.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).args(shell);
        script += "exec \"$@\"\n";
        command.args(["-c", &script, "server"]).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // The libraries of the peers may lack friends that others have.
        command.env("LD_LIBRARY_PATH", &self.libraries);
        Ok(command)
    }
}
