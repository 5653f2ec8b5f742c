//! `docs/commands.md` is made from the command table and must not differ from it.

use std::fmt::Write;
use std::path::Path;

use ftp_proto::{Access, Argument, commands};

fn table() -> String {
    let mut page = String::from(
        "# Commands\n\nMade from the table in `ftp-proto/src/command.rs` by `UPDATE_DOCS=1 cargo test -p ftp-proto --test \
         command_table`.\n\n| command | form and meaning | argument | who | defined in |\n|---|---|---|---|---|\n",
    );
    for info in commands() {
        let argument = match info.argument {
            Argument::None => "none",
            Argument::Optional => "optional",
            Argument::Required => "required",
        };
        let access = match info.access {
            _ if matches!(info.name, "AUTH" | "PBSZ" | "PROT") => "anyone, where TLS is offered; else 502",
            _ if !info.offered => "answered by 502",
            Access::Anyone => "anyone",
            Access::AnyoneBare => "users; anyone without argument",
            Access::AnyoneSome => "users; anyone with some arguments",
            Access::Users => "users",
        };
        let help = info.help.replace('|', "\\|").replace('<', "&lt;");
        writeln!(page, "| {} | {help} | {argument} | {access} | {} |", info.name, info.rfc).unwrap();
    }
    page
}

#[test]
fn the_page_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let expected = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "docs/commands.md is not what the command table says; run with UPDATE_DOCS=1");
}
