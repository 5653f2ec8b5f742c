//! The sub-commands: all that `ferry` does besides serving.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use ftp_types::Secret;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::{CANNOT, USAGE, logging, replay, tls};

/// Runs a sub-command.
pub fn run(command: &Command) -> ExitCode {
    match command {
        Command::CheckConfig { file } => check_config(file),
        Command::HashPassword => report(hash_password()),
        Command::Replay { file, json } => replay::run(file, *json),
        Command::Completions { shell } => report(print(&completions(*shell))),
        Command::Man => report(manual().and_then(|page| print(&page))),
    }
}

fn check_config(file: &Path) -> ExitCode {
    match Config::load(file) {
        Ok(config) => {
            let warnings = tls::warnings(&config).into_iter().chain(logging::warnings(&config));
            warnings.for_each(|warning| eprintln!("warning: {warning}"));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            USAGE.into()
        }
    }
}

fn hash_password() -> io::Result<()> {
    let stdin = io::stdin();
    let password = if stdin.is_terminal() { ask_twice()? } else { first_line(stdin.lock())? };
    if password.is_empty() {
        return Err(io::Error::other("the password is empty"));
    }
    let hash = ftp_fs::hash_password(&password);
    print(format!("{hash}\n").as_bytes())
}

fn ask_twice() -> io::Result<Secret> {
    let first = Secret::from(&*rpassword::prompt_password("Password: ")?);
    let second = Secret::from(&*rpassword::prompt_password("The same again: ")?);
    if first == second { Ok(first) } else { Err(io::Error::other("the two passwords differ")) }
}

/// One line, without its end: what `echo` adds is no part of a password.
fn first_line(mut input: impl BufRead) -> io::Result<Secret> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ferry", &mut script);
    script
}

fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

/// A reader that has seen enough, as `head` has, is no error.
fn print(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn report(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ferry: {error}");
            CANNOT.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_is_no_part_of_a_password() {
        for input in [&b"pass word"[..], b"pass word\n", b"pass word\r\n", b"pass word\nmore\n"] {
            assert!(first_line(input).unwrap().equals(b"pass word"));
        }
        assert!(first_line(&b" \xff \n"[..]).unwrap().equals(b" \xff "));
    }
}
