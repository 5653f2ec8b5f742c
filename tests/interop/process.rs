//! Client programs as children: started, fed, waited for within a bound, and judged.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Far more than any client needs here; a client that takes longer hangs.
const CLIENT_LIMIT: Duration = Duration::from_secs(120);

/// Runs a client to its end, `input` being its standard input, and insists on success.
#[track_caller]
pub(crate) fn succeed(command: &mut Command, input: &str) -> String {
    let output = run(command, input);
    assert!(output.status.success(), "{command:?} failed with {}\n{}", output.status, transcript(&output));
    transcript(&output)
}

/// Runs a client to its end, whatever the end is.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = start(command);
    let mut stdin = child.stdin.take().expect("standard input is piped");
    match stdin.write_all(input.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{command:?} takes no input: {error}"),
        _ => drop(stdin),
    }
    match wait_within(child, CLIENT_LIMIT) {
        Ok(output) => output,
        Err(output) => panic!("{command:?} took more than {CLIENT_LIMIT:?}\n{}", transcript(&output)),
    }
}

/// Waits for a child; past the limit it is killed, and what it printed until then is the error.
pub(crate) fn wait_within(child: Child, limit: Duration) -> Result<Output, Output> {
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(ended) = receiver.recv_timeout(limit) {
        return Ok(ended.expect("a child can be waited for"));
    }
    // It may have ended this very moment, so a failing kill means nothing.
    let _ = kill_process(pid, Signal::KILL);
    Err(receiver.recv().expect("the waiting thread answers").expect("a child can be waited for"))
}

/// The lines that a child prints, read at once however late they are asked for.
pub(crate) fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // A test that is over listens no more; what is printed still has to go somewhere.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Both output streams as text.
fn transcript(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn start(command: &mut Command) -> Child {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    started.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy();
            panic!("`{program}` is not installed; the Debian package `{}` has it", package_of(&program))
        }
        _ => panic!("{command:?} does not start: {error}"),
    })
}

fn package_of(program: &str) -> &str {
    match program {
        "ncftpput" | "ncftpget" | "ncftpls" => "ncftp",
        other => other,
    }
}
