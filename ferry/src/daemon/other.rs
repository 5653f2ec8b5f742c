//! Systems that have no such processes.

use std::io;
use std::process::ExitCode;

/// Refuses.
///
/// # Errors
/// Always.
pub fn launch() -> io::Result<ExitCode> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Unix has processes in the background"))
}

/// Never called.
///
/// # Errors
/// None.
pub fn leave_terminal() -> io::Result<()> {
    Ok(())
}

/// Never called.
///
/// # Errors
/// None.
pub fn let_go_of_output(_: bool) -> io::Result<()> {
    Ok(())
}
