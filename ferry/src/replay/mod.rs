//! `ferry replay`: a recorded session, shown as it goes again.

mod json;
mod text;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ftp_driver::record::{self, Broken, Ending, Header, Record, Replayed, Step};
use ftp_proto::PathCodec;

use crate::CANNOT;
use crate::encoding::Charset;
use crate::values;

/// More is no record: they end long before.
const MAX_LEN: u64 = 32 << 20;

/// Replays a file, and tells by the status whether that gave the same.
pub(crate) fn run(file: &Path, json: bool) -> ExitCode {
    let record = match load(file) {
        Ok(record) => record,
        Err(error) => return fail(&format!("{}: {error}", file.display())),
    };
    let mut output = Output { out: io::stdout().lock(), failed: None };
    let replayed = show(&record, &mut |line| output.print(line), json);
    if let Some(error) = output.failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        return fail(&error.to_string());
    }
    judge(file, &record, &replayed)
}

/// Replays a record, and hands on each line of it, without its end.
pub fn show(record: &Record, print: &mut dyn FnMut(&str), json: bool) -> Replayed {
    let codec = record.header.settings.charset.as_deref().and_then(codec);
    print(&if json { json::header(&record.header) } else { text::header(&record.header) });
    record::replay(record, codec, &mut |step: Step<'_>| {
        let lines = if json { json::lines(&step) } else { text::lines(&step) };
        lines.iter().for_each(|line| print(line));
    })
}

fn load(file: &Path) -> Result<Record, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(format!("longer than {MAX_LEN} bytes, so that it is no record"));
    }
    record::read(&bytes).map_err(|broken: Broken| broken.to_string())
}

fn codec(label: &str) -> Option<Arc<dyn PathCodec>> {
    let charset = values::charset(label).ok().and_then(Charset::new)?;
    Some(Arc::new(charset))
}

/// What there is to say about the replay as a whole.
fn judge(file: &Path, Record { header, ending, .. }: &Record, replayed: &Replayed) -> ExitCode {
    let file = file.display();
    match ending {
        Ending::Whole => {}
        Ending::Full => eprintln!("{file}: the record had reached its limit; the session went on"),
        Ending::Cut(offset) => eprintln!("{file}: byte {offset}: the record ends in the middle of the session"),
        Ending::Broken(broken) => eprintln!("{file}: {broken}; what comes before it was replayed"),
    }
    if is_unknown(header) {
        eprintln!("{file}: paths were in a charset that is not known here, and are shown as they came");
    }
    if replayed.other_texts > 0 {
        eprintln!("{file}: replies with another text than was recorded: {}", replayed.other_texts);
    }
    if let Some(divergence) = &replayed.divergence {
        eprintln!("{file}: the replay is not what was recorded: {divergence}");
    }
    let is_good = replayed.divergence.is_none() && !matches!(ending, Ending::Broken(_));
    if is_good { ExitCode::SUCCESS } else { CANNOT.into() }
}

fn is_unknown(header: &Header) -> bool {
    header.settings.charset.as_deref().is_some_and(|charset| codec(charset).is_none())
}

fn fail(message: &str) -> ExitCode {
    eprintln!("ferry: {message}");
    CANNOT.into()
}

/// Standard output, line by line: what was shown stays shown if the session panics, as it did when it was recorded.
struct Output<'a> {
    out: io::StdoutLock<'a>,
    failed: Option<io::Error>,
}

impl Output<'_> {
    /// Once nobody reads, there is nothing more to print.
    fn print(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = writeln!(self.out, "{line}").err();
        }
    }
}
