//! Measures FTP servers against each other and against what the kernel allows, on loopback. Linux only.
//!
//! `docs/performance.md` says how to run it and what it told.

#[cfg(target_os = "linux")]
mod accounting;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod content;
#[cfg(target_os = "linux")]
mod identity;
#[cfg(target_os = "linux")]
mod limit;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod reactor;
#[cfg(target_os = "linux")]
mod reply;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod statistics;
#[cfg(target_os = "linux")]
mod tls;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the benchmarks measure by what Linux tells: they run there alone");
}
