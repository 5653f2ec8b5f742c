//! What clients can do to the logs: nothing but be told of, with a line for each thing.

use std::io::Write;

use crate::on_both_runtimes;
use crate::peer::{self, Peer};
use crate::watched::{Setup, Watched};

on_both_runtimes!(passwords_are_masked_however_they_are_sent, names_forge_no_line_of_a_log);

const FORMATS: [&str; 2] = ["text", "json"];

fn serve(runtime: &str, format: &str) -> Watched {
    let more =
        format!("[log]\nformat = '{format}'\nlevel = 'trace'\ncommand_log = 'commands.log'\ntransfer_log = 'xferlog'");
    Setup { more: &more, session: "max_login_attempts = 0", ..Setup::new(runtime) }.serve()
}

/// All logs of a server that ends.
fn logs(server: Watched) -> [(&'static str, String); 3] {
    let ended = server.finish();
    let read = |name| String::from_utf8(std::fs::read(ended.site.path(name)).unwrap()).unwrap();
    [("log", ended.log.join("\n")), ("commands", read("commands.log")), ("transfers", read("xferlog"))]
}

fn passwords_are_masked_however_they_are_sent(runtime: &str) {
    for format in FORMATS {
        let server = serve(runtime, format);
        for bytes in [
            &b"USER alice\r\nPASS hunter2\r\n"[..],
            b"PASS hunter2\r\n",
            b"pass hunter2\r\nPaSs   hunter2\r\n",
            b"  PASS hunter2\r\n\tPASS\thunter2\r\n",
            b"PASS\thunter2\r\nPASS\rhunter2\r\nPASS\0hunter2\r\n",
            b"USER alice\r\nP\xff\xf1ASS hunter2\r\n",
            b"USER alice\r\nPASS \xff\xffhunter2\r\n",
            b"USER alice\r\nhunter2\r\n",
            b"USER alice\r\nPASSS hunter2\r\nPAS hunter2\r\nPASS:hunter2\r\nPASShunter2\r\n",
            b"USER alice\r\nPASS x\r\nPASS hunter2\r\n",
            b"PASS hunter2\nPASS hunter2\r\r\n",
        ] {
            let mut peer = Peer::connect(server.address);
            peer.say([bytes, b"QUIT\r\n"].concat());
            peer.rest();
        }
        for (name, log) in logs(server) {
            let told = log.lines().find(|line| line.contains("hunter2"));
            assert!(told.is_none(), "{format} {name}: {told:?}");
        }
    }
}

fn names_forge_no_line_of_a_log(runtime: &str) {
    let forged = "2030-01-01T00:00:00.000000Z ERROR forged";
    for format in FORMATS {
        let server = serve(runtime, format);
        let mut peer = Peer::alice(server.address);
        for name in [format!("a\r{forged}"), format!("\u{1b}[2K\u{9b}2K{forged}"), format!("\u{2028}\u{85}{forged}")] {
            let mut data = peer::data(peer.passive());
            assert!(peer.command(format!("STOR {name}")).starts_with('1'));
            data.write_all(b"x").unwrap();
            drop(data);
            assert_eq!(peer.code(), "226");
            for line in [format!("MKD {name}2"), format!("SIZE {name}"), format!("USER {name}"), name.clone()] {
                peer.command(line);
            }
            peer.command("USER alice");
            peer.command("PASS x");
        }
        drop(peer);
        for (name, log) in logs(server) {
            for line in log.lines() {
                assert!(!line.starts_with(forged), "{format} {name}: {line:?}");
                let strange = line.chars().find(|letter| letter.is_control() || "\u{2028}\u{2029}".contains(*letter));
                assert!(strange.is_none(), "{format} {name}: {strange:?} in {line:?}");
            }
        }
    }
}
