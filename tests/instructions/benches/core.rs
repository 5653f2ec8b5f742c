//! The counted cases, each with what it is divided by: `ci/instructions.sh` compares `entry_256` of `list` with what
//! `tests/instructions/counts.tsv` has for one entry. `docs/performance.md` tells of both.
#![expect(missing_docs, reason = "of what gungraun makes of each case")]

use std::hint::black_box;

use ferry_instructions::{Desk, ENTRIES, KIB, entries, text};
use ftp_proto::{AsciiDecoder, AsciiEncoder, Facts, ListFormatter, ListStyle};
use ftp_types::{Entry, UnixTime};
use gungraun::prelude::*;

/// How much of a file is encoded at once.
const CHUNK: usize = 32 * 1024;

fn waiting_for_a_client() -> Desk {
    let mut desk = Desk::warm();
    desk.passive();
    desk
}

#[library_benchmark]
#[bench::command_1(setup = Desk::warm)]
fn noop(mut desk: Desk) -> Desk {
    desk.send(black_box(b"NOOP\r\n"));
    desk
}

#[library_benchmark]
#[bench::command_1(setup = Desk::warm)]
fn pasv(mut desk: Desk) -> Desk {
    desk.passive();
    desk
}

#[library_benchmark]
#[bench::cycle_1(setup = waiting_for_a_client)]
fn retr(mut desk: Desk) -> Desk {
    desk.download();
    desk
}

/// A formatter, what it lists, and the lines.
type Listing = (ListFormatter, Vec<Entry>, Vec<u8>);

fn listing(style: ListStyle) -> Listing {
    let now = UnixTime::from_seconds(1_709_300_000);
    (ListFormatter::new(style, now), entries(), Vec::with_capacity(ENTRIES * 256))
}

fn format((formatter, entries, mut out): Listing) -> Listing {
    for entry in &entries {
        formatter.push(entry, &mut out);
    }
    (formatter, entries, out)
}

#[library_benchmark]
#[bench::entry_256(args = (ListStyle::Long), setup = listing)]
fn list(listing: Listing) -> Listing {
    format(listing)
}

#[library_benchmark]
#[bench::entry_256(args = (ListStyle::Facts(Facts::DEFAULT)), setup = listing)]
fn mlsd(listing: Listing) -> Listing {
    format(listing)
}

/// What is encoded or decoded, and the room for what comes of it.
type Texts = (Vec<u8>, Vec<u8>);

fn lines(end: &str) -> Texts {
    (text(end), Vec::with_capacity(2 * KIB * 1024))
}

#[library_benchmark]
#[bench::kib_64(args = ("\n"), setup = lines)]
fn ascii_encode((text, mut out): Texts) -> Texts {
    let mut encoder = AsciiEncoder::new();
    for chunk in text.chunks(CHUNK) {
        encoder.push(chunk, &mut out);
    }
    encoder.finish(&mut out);
    (text, out)
}

#[library_benchmark]
#[bench::kib_64(args = ("\r\n"), setup = lines)]
fn ascii_decode((text, mut out): Texts) -> Texts {
    let mut decoder = AsciiDecoder::new();
    for chunk in text.chunks(CHUNK) {
        decoder.push(chunk, &mut out);
    }
    decoder.finish(&mut out);
    (text, out)
}

library_benchmark_group!(name = session, benchmarks = [noop, pasv, retr]);
library_benchmark_group!(name = helpers, benchmarks = [list, mlsd, ascii_encode, ascii_decode]);

// The C library copies as the processor can: without the best of it, all processors are the same to it.
main!(
    config = LibraryBenchmarkConfig::default()
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM"),
    library_benchmark_groups = [session, helpers]
);
