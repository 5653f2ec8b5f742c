//! Processes in the background on Unix.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{self, Command, ExitCode, Stdio};

use nix::unistd;

use super::MARK;
use crate::CANNOT;

/// Starts the server in the background, and hands on its ready lines and its exit status: success once it serves.
///
/// # Errors
/// When it cannot be started.
pub fn launch() -> io::Result<ExitCode> {
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).env(MARK, "1").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = command.spawn()?;
    let mut ready = false;
    if let Some(lines) = server.stdout.take() {
        // It ends with the process, or when the server lets go of it.
        for line in BufReader::new(lines).lines() {
            ready = true;
            // Whoever started us may have closed the pipe; that ends nothing.
            let _ = writeln!(io::stdout(), "{}", line?);
        }
    }
    if ready {
        return Ok(ExitCode::SUCCESS);
    }
    let status = server.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(status.filter(|code| *code != 0).unwrap_or(CANNOT).into())
}

/// Leaves the session of the terminal, whose end would be this process's end as well.
///
/// # Errors
/// What the system says.
pub fn leave_terminal() -> io::Result<()> {
    Ok(unistd::setsid().map(drop)?)
}

/// Lets go of standard output and standard error, for which somebody may wait. `logs`: whether there is another log.
///
/// # Errors
/// What the system says.
pub fn let_go_of_output(logs: bool) -> io::Result<()> {
    if !logs {
        eprintln!("ferry: process {} keeps no log from here on; log.file names a file for one", process::id());
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    unistd::dup2_stdout(&null)?;
    Ok(unistd::dup2_stderr(&null)?)
}
