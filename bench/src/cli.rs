//! The command line.

use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::servers::{Kind, Places};
use crate::{cases, limit, report, results, run};

#[derive(Parser)]
#[command(name = "ferry-bench", about = "Measures FTP servers on loopback", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the cases and print their table
    Run(RunArguments),
    /// Print the table of earlier results
    Table {
        /// What `run --json` wrote; of a case that several files have the last one counts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Tell the cases and the servers
    List(PlaceArguments),
    /// Serve as the limit program does
    #[command(hide = true)]
    Limit { address: SocketAddrV4, root: PathBuf, certificate: PathBuf, key: PathBuf },
}

#[derive(Args)]
struct PlaceArguments {
    /// The program to measure
    #[arg(long, default_value = "target/release/ferry")]
    ferry: PathBuf,
    /// Where bench/peers.sh has put the others
    #[arg(long, default_value = "target/peers", env = "FERRY_PEERS")]
    peers: PathBuf,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    places: PlaceArguments,
    /// Only these cases
    #[arg(long, num_args = 1.., value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// Only these servers
    #[arg(long, num_args = 1.., value_name = "SERVER")]
    pub(crate) servers: Vec<Kind>,
    /// How often each server has its turn in each case [5, or 1 if quick]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Less of everything: minutes in place of half an hour, and figures that are less exact
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the served files are: a directory on the file system to measure with
    #[arg(long, default_value = "/dev/shm")]
    pub(crate) root: PathBuf,
    /// Write all values here
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the table here, too
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

impl RunArguments {
    pub(crate) fn places(&self) -> io::Result<Places> {
        self.places.resolve()
    }
}

impl PlaceArguments {
    fn resolve(&self) -> io::Result<Places> {
        let absolute = |path: &PathBuf| std::path::absolute(path);
        Ok(Places { own: std::env::current_exe()?, ferry: absolute(&self.ferry)?, peers: absolute(&self.peers)? })
    }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Table { files } => table(&files),
        Command::List(places) => list(&places),
        Command::Limit { address, root, certificate, key } => limit::serve(address, root, &certificate, &key),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ferry-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(files: &[PathBuf]) -> io::Result<()> {
    let read =
        |file: &PathBuf| serde_json::from_slice::<results::Results>(&std::fs::read(file)?).map_err(io::Error::other);
    let all = files.iter().map(read).collect::<io::Result<Vec<_>>>()?;
    if let Some(results) = all.into_iter().reduce(results::Results::and) {
        print!("{}", report::markdown(&results));
    }
    Ok(())
}

fn list(places: &PlaceArguments) -> io::Result<()> {
    let places = places.resolve()?;
    println!("cases:");
    for case in cases::ALL {
        println!("  {:<16} {}", case.name, case.title);
    }
    println!("servers:");
    for kind in Kind::ALL {
        let state = kind.missing(&places).map_or_else(|| "ready".to_owned(), |why| format!("left out: {why}"));
        println!("  {:<16} {state}", kind.name());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
