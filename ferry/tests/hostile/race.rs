//! Confinement while another process swaps a folder with a link that leads out, and a file with such a link.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::symlink;
use std::time::Instant;

use crate::common::{LIMIT, Site};
use crate::on_both_runtimes;
use crate::outside::Outside;
use crate::peer::{self, Peer};
use crate::swapper::Swapper;
use crate::watched::Setup;

on_both_runtimes!(nothing_outside_is_reached_while_folders_and_links_are_swapped);

/// What is tried in each round, in this order.
const LINES: [&str; 40] = [
    "RETR door/file",
    "STOR door/new",
    "APPE door/log",
    "LIST door",
    "NLST door",
    "MLSD door",
    "STAT door",
    "CWD door",
    "PWD",
    "SIZE file",
    "RETR file",
    "STOR new",
    "MKD fresh",
    "RMD fresh",
    "CWD /",
    "MKD door/made",
    "RMD door/made",
    "STOR door/victim",
    "DELE door/victim",
    "RNFR door/file",
    "RNTO door/renamed",
    "RNFR door/renamed",
    "RNTO door/file",
    "RNFR own",
    "RNTO door/own",
    "RNFR door/own",
    "RNTO own",
    "SIZE door/file",
    "MDTM door/file",
    "MLST door/file",
    "SITE CHMOD 640 door/file",
    "MFMT 20200101000000 door/file",
    "RETR leaf",
    "SIZE leaf",
    "MDTM leaf",
    "SITE CHMOD 640 leaf",
    "MFMT 20200101000000 leaf",
    "MLST leaf",
    "APPE leaf",
    "STOR leaf",
];
const BATCHES: usize = 8;
const ROUNDS: usize = 10;

/// For each line, whether it was refused and whether it was not.
type Outcomes = BTreeMap<&'static str, [bool; 2]>;

fn nothing_outside_is_reached_while_folders_and_links_are_swapped(runtime: &str) {
    let site = Site::new();
    let outside = Outside::new(&site);
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let (mut outcomes, mut batches) = (Outcomes::new(), 0);
    let began = Instant::now();
    while batches < BATCHES || !was_a_race(&outcomes) {
        assert!(began.elapsed() < LIMIT, "there is no race: {outcomes:#?}");
        let swapper = start_swapping(&server.site);
        for _ in 0..ROUNDS {
            LINES.iter().for_each(|line| attempt(&mut client, line, &outside, &mut outcomes));
        }
        drop(swapper);
        outside.assert_untouched();
        batches += 1;
    }
    drop(client);
    server.finish();
}

/// Whether every line was refused for the link and not refused for the folder. A listing of the file `leaf` works for
/// the link, too: it shows the link.
fn was_a_race(outcomes: &Outcomes) -> bool {
    let both = |line: &&str| outcomes.get(*line) == Some(&[true, true]);
    LINES
        .iter()
        .filter(|line| line.contains(" door") || line.contains(" leaf"))
        .filter(|line| **line != "MLST leaf")
        .all(both)
}

fn start_swapping(site: &Site) -> Swapper {
    for folder in ["home", "aside"] {
        let _ = fs::remove_dir_all(site.path(folder).join("door"));
    }
    let _ = fs::remove_dir_all(site.path("aside"));
    for name in ["door", "leaf", "own"] {
        let _ = fs::remove_file(site.path("home").join(name));
    }
    fs::create_dir_all(site.path("home/door")).unwrap();
    fs::create_dir(site.path("aside")).unwrap();
    for name in ["home/door/file", "home/door/victim", "home/leaf", "home/own"] {
        site.write(name, "within");
    }
    symlink(site.path("outside"), site.path("aside/door")).unwrap();
    symlink("../outside/file", site.path("aside/leaf")).unwrap();
    let pair = |name: &str| (site.path("home").join(name), site.path("aside").join(name));
    Swapper::start(&[pair("door"), pair("leaf")])
}

fn attempt(client: &mut Peer, line: &'static str, outside: &Outside, outcomes: &mut Outcomes) {
    let moves_data = ["RETR", "STOR", "APPE", "LIST", "NLST", "MLSD"].iter().any(|verb| line.starts_with(verb));
    let reply = if moves_data { transfer(client, line, outside) } else { client.command(line) };
    outside.assert_not_in(line, &reply);
    let refused = matches!(reply.as_bytes()[0], b'4' | b'5');
    outcomes.entry(line).or_default()[usize::from(refused)] = true;
}

/// The last reply to a command that moves data.
fn transfer(client: &mut Peer, line: &str, outside: &Outside) -> String {
    let mut data = peer::data(client.passive());
    let reply = client.command(line);
    if !reply.starts_with('1') {
        return reply;
    }
    if line.starts_with("STOR") || line.starts_with("APPE") {
        let _ = data.write_all(b"more");
        data.shutdown(Shutdown::Write).unwrap();
    }
    outside.assert_not_in(line, peer::read_all(&mut data));
    drop(data);
    client.reply().expect("hung up after a transfer")
}
