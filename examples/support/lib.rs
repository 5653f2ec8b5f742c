//! What the examples have in common: an address to listen on, and a client that tries them out.
//!
//! Each example takes an address as its argument and serves there until it is killed. Without one it serves on a free
//! port, is tried out by a small client, shows what was said, and ends.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::{env, process, thread};

/// Where the example is to listen: the program's argument, or any free port of this machine.
#[must_use]
pub fn address() -> SocketAddr {
    let argument = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    argument.parse().unwrap_or_else(|_| {
        eprintln!("{argument:?} is not an address like 127.0.0.1:2121");
        process::exit(2);
    })
}

/// Tells where the example listens, for users who log in with this name and password. If it was started without an
/// argument, it is tried out by a client in another thread, and `stop` is called afterwards.
pub fn listening(address: SocketAddr, user: &str, password: &str, stop: impl FnOnce() + Send + 'static) {
    let login = if user == "anonymous" { String::new() } else { format!("{user}:{password}@") };
    println!("listening on ftp://{login}{address}");
    if env::args().len() > 1 {
        return;
    }
    let (user, password) = (user.to_owned(), password.to_owned());
    thread::spawn(move || match try_out(address, &user, &password) {
        Ok(()) => stop(),
        Err(error) => {
            eprintln!("the example does not work: {error}");
            process::exit(1);
        }
    });
}

/// Logs in, lists the directory and leaves, printing what is said.
fn try_out(address: SocketAddr, user: &str, password: &str) -> io::Result<()> {
    let mut control = BufReader::new(TcpStream::connect(address)?);
    expect(&mut control, "220")?;
    command(&mut control, &format!("USER {user}"), "331")?;
    command(&mut control, &format!("PASS {password}"), "230")?;
    let reply = command(&mut control, "EPSV", "229")?;
    let port = reply.split('|').nth(3).and_then(|port| port.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut data = TcpStream::connect(SocketAddr::new(address.ip(), port))?;
    command(&mut control, "NLST", "1")?;
    let mut names = String::new();
    data.read_to_string(&mut names)?;
    names.lines().for_each(|name| println!("   {name}"));
    drop(data);
    expect(&mut control, "226")?;
    command(&mut control, "QUIT", "221")?;
    match control.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("the server goes on after QUIT")),
    }
}

fn command(control: &mut BufReader<TcpStream>, line: &str, code: &str) -> io::Result<String> {
    println!("C: {line}");
    control.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
    expect(control, code)
}

fn expect(control: &mut BufReader<TcpStream>, code: &str) -> io::Result<String> {
    let mut reply = String::new();
    control.read_line(&mut reply)?;
    println!("S: {}", reply.trim_end());
    if reply.starts_with(code) { Ok(reply) } else { Err(io::Error::other(format!("expected {code}"))) }
}

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
