//! Two logs in two files: what happens in `ftpd.log`, commands and replies in `ftpd.lines.log`.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use ftp_driver::Service;
use ftp_fs::VirtualUsers;
use ftp_proto::Config;
use ftp_runtime_smol::Server;
use ftp_types::Permissions;
use jiff::Zoned;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{layer, time::FormatTime};
use tracing_subscriber::prelude::*;

struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{}", Zoned::now().strftime("[%Y-%b-%d %H:%M:%S]"))
    }
}

fn append(name: &str) -> io::Result<Arc<File>> {
    Ok(Arc::new(File::options().append(true).create(true).open(name)?))
}

/// What commands and replies are logged as.
const LINES: [&str; 2] = ["ftp_driver::commands", "ftp_driver::replies"];

fn main() -> Result<(), Box<dyn Error>> {
    let log = layer().with_ansi(false).with_timer(Stamp).with_writer(append("ftpd.log")?);
    let line_log = layer().with_ansi(false).with_timer(Stamp).with_writer(append("ftpd.lines.log")?);
    // Spans tell whose line it is.
    let lines = filter_fn(|metadata| metadata.is_span() || LINES.contains(&metadata.target()));
    tracing_subscriber::registry().with(log.with_filter(LevelFilter::INFO)).with(line_log.with_filter(lines)).init();

    let users = VirtualUsers::new();
    users.add_anonymous(".", Permissions::READ)?;
    let config = Config { report_commands: true, ..Config::default() };
    let service = Service::builder(users).config(config).build();

    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
