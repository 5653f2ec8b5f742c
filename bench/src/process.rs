//! A server that runs: started on an address of its own, awaited, and ended with all its processes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::accounting::{Account, Group};
use crate::identity::Identity;
use crate::servers::{Kind, Places, Setting};

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(3);

pub(crate) struct Running {
    pub(crate) address: SocketAddrV4,
    pub(crate) account: Account,
    child: Child,
    work: TempDir,
}

impl Running {
    /// Starts it, and returns when it greets. `number` differs for each that is started: what connections of earlier ones
    /// leave behind is then nobody's affair.
    pub(crate) fn start(
        kind: Kind,
        places: &Places,
        root: &Path,
        identity: &Identity,
        tls: bool,
        number: u16,
    ) -> io::Result<Self> {
        let work = tempfile::Builder::new().prefix("ferry-bench-").tempdir()?;
        // Servers that give up root have to find their way in.
        fs::set_permissions(work.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let [high, low] = number.to_be_bytes();
        let address = free_address(Ipv4Addr::new(127, 77, high, low))?;
        let setting = Setting {
            address,
            root,
            work: work.path(),
            tls,
            certificate: &identity.certificate,
            key: &identity.key,
            both: &identity.both,
        };
        let group = Group::create(&format!("ferry-bench-{}-{number}", std::process::id()));
        let launch = kind.launch(places, &setting)?;
        let mut command = launch.command(group.as_ref().map(Group::path), &setting)?;
        let output = File::create(work.path().join("output"))?;
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        let account = Account::new(group, child.id());
        let mut running = Self { address, account, child, work };
        running.await_greeting().map_err(|error| {
            let said = fs::read_to_string(running.work.path().join("output")).unwrap_or_default();
            io::Error::new(error.kind(), format!("{} does not start: {error}; {}", kind.name(), said.trim()))
        })?;
        Ok(running)
    }

    fn await_greeting(&mut self) -> io::Result<()> {
        let started = Instant::now();
        loop {
            match greeting(self.address) {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > START => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    /// Ends it: politely, then not. Nothing can be done about failures here.
    fn drop(&mut self) {
        signal(&[self.child.id()], Signal::TERM);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < STOP {
            thread::sleep(Duration::from_millis(2));
        }
        signal(&self.account.processes().unwrap_or_default(), Signal::KILL);
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(&[self.child.id()], Signal::KILL);
        }
        drop(self.child.wait());
    }
}

fn signal(processes: &[u32], signal: Signal) {
    for process in processes {
        if let Some(process) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(process, signal);
        }
    }
}

/// A port of the address that nobody has.
fn free_address(address: Ipv4Addr) -> io::Result<SocketAddrV4> {
    let port = TcpListener::bind((address, 0))?.local_addr()?.port();
    Ok(SocketAddrV4::new(address, port))
}

fn greeting(address: SocketAddrV4) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut digits = [0; 3];
    stream.read_exact(&mut digits)?;
    if &digits == b"220" { Ok(()) } else { Err(io::Error::other("no greeting of 220")) }
}
