//! Random clients, valid and invalid ones at once, against a model of what the disk has to hold.
//!
//! `SOAK_SEED` chooses what they do, `SOAK_ROUNDS` how long: `just soak`. Each client has a folder and a generator of its
//! own, so that a seed means the same whatever the threads do.

mod client;
mod model;
mod vandal;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;
use nix::sys::signal::Signal;

use self::client::SoakClient;
use self::model::Model;
use crate::on_both_runtimes;
use crate::watched::Setup;

on_both_runtimes!(random_clients_find_what_a_model_says);

const CLIENTS: u64 = 6;
const VANDALS: u64 = 3;

/// A number of the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn random_clients_find_what_a_model_says(runtime: &str) {
    let (seed, rounds) = (number("SOAK_SEED", 20_260_101), number("SOAK_ROUNDS", 400));
    println!("SOAK_SEED={seed} SOAK_ROUNDS={rounds}");
    let more = "[[user]]\nname = 'vandal'\npassword = 'x'\nhome = 'ruins'\nperm = 'elradfmwMT'\n[tls]\n";
    let site = crate::common::Site::new();
    fs::create_dir(site.path("ruins")).unwrap();
    (0..CLIENTS).for_each(|place| fs::create_dir(site.path(&format!("home/{place}"))).unwrap());
    let setup = Setup { more, server: "max_connections = 0", ..Setup::new(runtime) };
    let server = setup.serve_on(site, vec![]);
    let (address, is_over) = (server.address, AtomicBool::new(false));
    let models: Vec<Model> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|place| {
                let rng = Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(place));
                scope.spawn(move || SoakClient::new(address, place, rng).run(rounds))
            })
            .collect();
        for place in 0..VANDALS {
            let rng = Rng::with_seed(seed.wrapping_mul(2000).wrapping_add(place));
            scope.spawn(|| vandal::run(address, rng, &is_over));
        }
        while clients.iter().any(|client| !client.is_finished()) {
            server.signal(Signal::SIGHUP);
            server.wait_for("configuration reloaded");
        }
        is_over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().expect("the seed is printed above")).collect()
    });
    for (place, model) in models.iter().enumerate() {
        model.assert_is(&server.site.path(&format!("home/{place}")));
    }
    assert_eq!(names(&server.site.path("home")), (0..CLIENTS).map(|place| place.to_string()).collect::<Vec<_>>());
    server.finish();
}

/// What is in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
