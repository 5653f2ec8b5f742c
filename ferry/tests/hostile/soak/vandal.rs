//! A client that says anything, at any time, to see what breaks.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;

use crate::peer::{self, connect_from};

const WORDS: [&[u8]; 40] = [
    b"USER vandal\r\nPASS x\r\n",
    b"EPSV\r\n",
    b"PASV\r\n",
    b"PASV\r\n",
    b"EPSV ALL\r\n",
    b"PORT 127,0,0,1,4,1\r\n",
    b"EPRT |1|127.0.0.1|1025|\r\n",
    b"RETR a\r\n",
    b"STOR a\r\n",
    b"STOR b\r\n",
    b"APPE a\r\n",
    b"STOU\r\n",
    b"LIST\r\n",
    b"MLSD\r\n",
    b"NLST -la\r\n",
    b"STAT /\r\n",
    b"ABOR\r\n",
    b"\xff\xf4\xff\xf2ABOR\r\n",
    b"QUIT\r\n",
    b"REIN\r\n",
    b"USER ",
    b"PASS ",
    b"REST 99\r\n",
    b"RNFR a\r\n",
    b"RNTO b\r\n",
    b"MKD c\r\n",
    b"CWD c\r\n",
    b"CDUP\r\n",
    b"RMD c\r\n",
    b"DELE a\r\n",
    b"AUTH TLS\r\n",
    b"PBSZ 0\r\nPROT P\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xff\xfd",
    b"TYPE A\r\n",
    b"SITE CHMOD 777 a\r\n",
];

/// Breaks what it can until it is over.
pub(super) fn run(address: SocketAddr, mut rng: Rng, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let mut control = TcpStream::connect(address).unwrap();
        control.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut said = if rng.bool() { WORDS[0].to_vec() } else { vec![] };
        for _ in 0..rng.usize(..40) {
            said.extend(WORDS[rng.usize(..WORDS.len())]);
            if rng.u8(..20) == 0 {
                said.extend((0..rng.usize(..6000)).map(|_| rng.u8(..)));
            }
        }
        for piece in said.chunks(rng.usize(1..200)) {
            // It may have been sent away, or not be listened to.
            if control.write_all(piece).is_err() {
                break;
            }
        }
        visit(address, &mut rng);
        if rng.bool() {
            peer::reset(control);
        } else {
            // Not at once, which bounds how many there are.
            let _ = control.shutdown(Shutdown::Write);
            let _ = control.set_read_timeout(Some(Duration::from_millis(100)));
            while control.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        }
    }
}

/// Knocks at some port of the server, from one address or another, with something to say.
fn visit(address: SocketAddr, rng: &mut Rng) {
    let from = [127, 0, 0, rng.u8(1..3)];
    if let Ok(mut stream) = connect_from(from.into(), address) {
        let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01");
    }
}
