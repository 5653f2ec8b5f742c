//! What is logged where: events on standard error, transfers and commands in files of their own, records of sessions in
//! a directory.
//!
//! No session waits for a log: every line goes to a [`Sink`], and records have a thread as well.

mod commands;
mod journals;
mod records;
mod sink;
mod transfers;

use std::io::{self, IsTerminal};
use std::path::Path;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

pub use self::journals::{JournalError, Journals};
pub use self::records::warnings;
pub use self::sink::Sink;
use crate::config::{LogFormat, LogLevel};

/// The log, on standard error or in a file.
pub struct Log {
    sink: Sink,
    set_level: Box<dyn Fn(LogLevel) + Send + Sync>,
}

impl Log {
    /// Sends what the process logs there from now on; without a file, to standard error.
    ///
    /// # Errors
    /// When the file cannot be opened, there can be no thread, or the process logs somewhere already.
    pub fn start(format: LogFormat, level: LogLevel, file: Option<&Path>) -> io::Result<Self> {
        let sink = match file {
            Some(file) => Sink::append(file)
                .map_err(|error| io::Error::new(error.kind(), format!("log.file: {}: {error}", file.display())))?,
            None => Sink::stderr()?,
        };
        let colours = file.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (filter, handle) = reload::Layer::new(targets(level));
        // Spans tell who an event is about, whatever their own level.
        let filter = filter.or(filter_fn(|metadata| metadata.is_span() && is_ours(metadata.target())));
        let lines = lines(format, colours, sink.clone()).with_filter(filter);
        tracing_subscriber::registry().with(lines).try_init().map_err(io::Error::other)?;
        // It fails only when the subscriber is gone, which lives as long as the process.
        let set_level = Box::new(move |level| _ = handle.reload(targets(level)));
        Ok(Self { sink, set_level })
    }

    /// Logs more, or less.
    pub fn set_level(&self, level: LogLevel) {
        (self.set_level)(level);
    }

    /// Opens the file anew, if it is one: it may have been moved away.
    pub fn reopen(&self) {
        self.sink.reopen();
    }

    /// Waits until everything is written, for a bounded time.
    pub fn flush(&self) {
        self.sink.flush();
    }
}

fn lines<S>(format: LogFormat, colours: bool, sink: Sink) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(move || sink.clone());
    match format {
        LogFormat::Text => layer.with_ansi(colours).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Our own crates' events at the level that was asked for, others' at most as warnings: runtimes tell a lot that says
/// nothing about FTP.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(OURS.map(|target| (target, level)))
}

fn is_ours(target: &str) -> bool {
    OURS.iter().any(|ours| target.starts_with(ours))
}

const OURS: [&str; 2] = ["ferry", "ftp_"];
