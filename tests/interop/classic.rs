//! The `ftp` programs of the BSDs (tnftp) and of GNU (inetutils), driven by their command language.

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, noise, plant, text},
};

on_both_runtimes! {
    inetutils_fetches_several,
    inetutils_lists_and_moves,
    inetutils_stores_several,
    inetutils_transfers_in_active_mode,
    inetutils_transfers_in_passive_mode,
    inetutils_transfers_over_ipv6,
    inetutils_transfers_text,
    tnftp_fetches_several,
    tnftp_lists_and_moves,
    tnftp_resumes_a_download,
    tnftp_stores_several,
    tnftp_transfers_in_active_mode,
    tnftp_transfers_in_passive_mode,
    tnftp_transfers_over_ipv6,
    tnftp_transfers_text,
}

/// A program and the options for passive and for active mode.
struct Ftp {
    program: &'static str,
    passive: &'static str,
    active: &'static str,
}

const TNFTP: Ftp = Ftp { program: "tnftp", passive: "-p", active: "-A" };
const INETUTILS: Ftp = Ftp { program: "inetutils-ftp", passive: "-p", active: "-A" };

impl Ftp {
    #[track_caller]
    fn passive(&self, site: &Site, commands: &[&str]) -> String {
        self.run(site, self.passive, commands)
    }

    /// Runs commands after a login. These programs exit with success whatever happens: tests look at files instead.
    #[track_caller]
    fn run(&self, site: &Site, mode: &str, commands: &[&str]) -> String {
        let script = format!("user {USER} {PASSWORD}\n{}\nbye\n", commands.join("\n"));
        let options = ["-n", "-i", "-v", mode];
        succeed(site.client(self.program).args(options).args([site.host(), site.port()]), &script)
    }

    #[track_caller]
    fn transfer(&self, site: &Site, mode: &str) {
        plant(site.local().join("up.bin"), &noise(41, 3_000_000));
        plant(site.served().join("down.bin"), &noise(42, 3_000_000));
        plant(site.served().join("empty"), b"");
        let said =
            self.run(site, mode, &["binary", "put up.bin", "get down.bin", "get empty", "get down.bin again.bin"]);
        for (left, right) in
            [("up.bin", "up.bin"), ("down.bin", "down.bin"), ("again.bin", "down.bin"), ("empty", "empty")]
        {
            assert!(site.local().join(left).exists() && site.served().join(right).exists(), "{left}: {said}");
            assert_same_file(site.local().join(left), site.served().join(right));
        }
    }

    /// Ten of them: inetutils takes no more than twenty words in a line.
    #[track_caller]
    fn store_several(&self, site: &Site) {
        let names: Vec<String> = (0..10).map(|index| format!("file{index}.dat")).collect();
        for (seed, name) in names.iter().enumerate() {
            plant(site.local().join(name), &noise(seed as u64, 1_000 * seed));
        }
        self.passive(site, &["binary", "mkdir sub", "cd sub", "mput *.dat"]);
        for name in names {
            assert_same_file(site.local().join(&name), site.served().join("sub").join(&name));
        }
    }

    #[track_caller]
    fn fetch_several(&self, site: &Site) {
        let names: Vec<String> = (0..10).map(|index| format!("file{index}.dat")).collect();
        for (seed, name) in names.iter().enumerate() {
            plant(site.served().join("sub").join(name), &noise(seed as u64, 1_000 * seed));
        }
        self.passive(site, &["binary", "cd sub", &format!("mget {}", names.join(" "))]);
        for name in names {
            assert_same_file(site.served().join("sub").join(&name), site.local().join(&name));
        }
    }

    #[track_caller]
    fn list_and_move(&self, site: &Site) {
        plant(site.served().join("folder/old"), &noise(43, 1_000));
        plant(site.served().join("folder/unwanted"), b"x");
        plant(site.local().join("copy"), &noise(43, 1_000));
        let commands = [
            "mkdir brief",
            "rmdir brief",
            "cd folder",
            "pwd",
            "dir",
            "rename old \"new name\"",
            "delete unwanted",
            "nlist",
        ];
        let said = self.passive(site, &commands);
        assert!(said.contains("\"/folder\""), "pwd: {said}");
        assert!(said.lines().any(|line| line.starts_with("-rw") && line.trim_end().ends_with(" old")), "dir: {said}");
        assert!(said.lines().any(|line| line.trim_end() == "new name"), "nlist: {said}");
        assert_same_file(site.local().join("copy"), site.served().join("folder/new name"));
        assert!(!site.served().join("folder/unwanted").exists() && !site.served().join("brief").exists());
    }

    /// The programs write CRLF to the wire and expect it from there, and Unix lines on this side.
    #[track_caller]
    fn transfer_text(&self, site: &Site) {
        plant(site.local().join("text"), &text());
        self.passive(site, &["ascii", "put text", "get text back"]);
        assert_same_file(site.local().join("text"), site.served().join("text"));
        assert_same_file(site.local().join("text"), site.local().join("back"));
    }
}

fn tnftp_transfers_in_passive_mode(runtime: Runtime) {
    TNFTP.transfer(&Site::start(runtime), TNFTP.passive);
}

fn tnftp_transfers_in_active_mode(runtime: Runtime) {
    TNFTP.transfer(&Site::start(runtime), TNFTP.active);
}

fn tnftp_transfers_over_ipv6(runtime: Runtime) {
    TNFTP.transfer(&Site::start_ipv6(runtime), TNFTP.passive);
}

fn tnftp_transfers_text(runtime: Runtime) {
    TNFTP.transfer_text(&Site::start(runtime));
}

fn tnftp_stores_several(runtime: Runtime) {
    TNFTP.store_several(&Site::start(runtime));
}

fn tnftp_fetches_several(runtime: Runtime) {
    TNFTP.fetch_several(&Site::start(runtime));
}

fn tnftp_lists_and_moves(runtime: Runtime) {
    TNFTP.list_and_move(&Site::start(runtime));
}

fn tnftp_resumes_a_download(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(44, 2_000_000);
    plant(site.served().join("file.bin"), &contents);
    plant(site.local().join("file.bin"), &contents[..1_000_001]);
    TNFTP.passive(&site, &["binary", "reget file.bin"]);
    assert_same_file(site.served().join("file.bin"), site.local().join("file.bin"));
}

fn inetutils_transfers_in_passive_mode(runtime: Runtime) {
    INETUTILS.transfer(&Site::start(runtime), INETUTILS.passive);
}

fn inetutils_transfers_in_active_mode(runtime: Runtime) {
    INETUTILS.transfer(&Site::start(runtime), INETUTILS.active);
}

fn inetutils_transfers_over_ipv6(runtime: Runtime) {
    INETUTILS.transfer(&Site::start_ipv6(runtime), INETUTILS.active);
}

fn inetutils_transfers_text(runtime: Runtime) {
    INETUTILS.transfer_text(&Site::start(runtime));
}

fn inetutils_stores_several(runtime: Runtime) {
    INETUTILS.store_several(&Site::start(runtime));
}

fn inetutils_fetches_several(runtime: Runtime) {
    INETUTILS.fetch_several(&Site::start(runtime));
}

fn inetutils_lists_and_moves(runtime: Runtime) {
    INETUTILS.list_and_move(&Site::start(runtime));
}
