//! The program; everything in it lives in the library beside it.

use std::process::ExitCode;

use ferry::{cli, commands, daemon, serve};

fn main() -> ExitCode {
    let cli = cli::parse();
    if let Some(command) = &cli.command {
        return commands::run(command);
    }
    if cli.flags.daemonize && !daemon::is_in_background() {
        return daemon::launch().unwrap_or_else(|error| {
            eprintln!("ferry: --daemonize: {error}");
            ExitCode::FAILURE
        });
    }
    match serve::serve(&cli.flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.status.into()
        }
    }
}
