//! The program; everything in it lives in the library beside it.

use std::process::ExitCode;

use ferry::{cli, commands, serve};

fn main() -> ExitCode {
    let cli = cli::parse();
    if let Some(command) = &cli.command {
        return commands::run(command);
    }
    match serve::serve(&cli.flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.status.into()
        }
    }
}
