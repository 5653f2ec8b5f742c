//! Properties of the session that hold for every input, however it is cut, and whenever its questions are answered.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Command, Config, Output, Shutdown};
use proptest::{collection::vec, prelude::*, sample::select};

/// Lines that together reach every part of the session. None of them ends it.
const LINES: &[&str] = &[
    "NOOP",
    "PWD",
    "CWD docs",
    "CWD /nowhere",
    "CDUP",
    "MKD new",
    "RMD new",
    "TYPE I",
    "TYPE A",
    "PASV",
    "EPSV",
    "PORT 10,0,0,1,200,10",
    "PORT 10,0,0,2,200,10",
    "RETR readme.txt",
    "RETR nowhere",
    "STOR new.txt",
    "APPE readme.txt",
    "STOU",
    "LIST",
    "NLST /docs",
    "MLSD",
    "MLST readme.txt",
    "STAT",
    "STAT /docs",
    "ABOR",
    "REST x",
    "RNFR readme.txt",
    "RNTO other.txt",
    "DELE other.txt",
    "SIZE readme.txt",
    "MDTM readme.txt",
    "MFMT 20200102030405 readme.txt",
    "SITE CHMOD 644 readme.txt",
    "FEAT",
    "OPTS MLST type;",
    "HELP",
    "WHATEVER",
    "",
    "USER alice",
    "PASS secret",
    "REIN",
    "AUTH TLS",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => vec(any::<u8>().prop_filter("no end of line, no Telnet", |byte| !matches!(byte, b'\r' | b'\n' | 0xFF)), 0..50),
    ]
}

/// No wait for the answer to a wrong password, and no end of the session by it.
fn config() -> Config {
    Config { failed_login_delay: Duration::ZERO, max_login_attempts: 0, ..Config::default() }
}

fn logged_in() -> Driver {
    let mut driver = Driver::new(config());
    driver.log_in("alice", "secret");
    driver
}

/// Sends what is left, answering the oldest question whenever the session takes no more.
fn press_on(driver: &mut Driver) {
    while driver.backlog() > 0 {
        let oldest = driver.ledger.take(|_| true).expect("a session that takes nothing waits for something");
        driver.finish(oldest);
    }
}

/// Every output of a session that gets its input in these pieces, and its answers as late as may be.
fn outputs_of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut driver = logged_in();
    for piece in pieces {
        driver.send(piece);
        press_on(&mut driver);
    }
    driver.finish_all();
    driver.ledger.log.clone()
}

/// The input in pieces of these sizes, over and over.
fn cut<'a>(mut input: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = *sizes.next()?;
        let (piece, rest) = input.split_at(size.min(input.len()));
        input = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What can happen to a session, in random order.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next so many bytes of the input come.
    Send(usize),
    /// The question of this index is answered well, with a failure, or as the session wants it.
    Succeed(usize),
    Fail(usize),
    Finish(usize),
    Progress(u64),
    /// So many seconds pass.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..40_usize).prop_map(Step::Send),
        2 => (0..4_usize).prop_map(Step::Succeed),
        1 => (0..4_usize).prop_map(Step::Fail),
        2 => (0..4_usize).prop_map(Step::Finish),
        1 => any::<u64>().prop_map(Step::Progress),
        1 => (1..20_u64).prop_map(Step::Wait),
    ];
    vec(step, 0..120)
}

/// Takes the steps; what is left of the input comes at their end if the session still goes on.
fn take_steps(driver: &mut Driver, mut input: &[u8], steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Send(count) => {
                let (now, later) = input.split_at(count.min(input.len()));
                driver.send(now);
                input = later;
            }
            Step::Succeed(index) => answer(driver, index, Driver::do_work),
            Step::Fail(index) => answer(driver, index, Driver::fail_work),
            Step::Finish(index) => answer(driver, index, Driver::finish),
            Step::Progress(bytes) => driver.progress(bytes),
            Step::Wait(seconds) => driver.wait(Duration::from_secs(seconds)),
        }
    }
    driver.send(input);
}

fn answer(driver: &mut Driver, index: usize, how: fn(&mut Driver, ftp_proto::Action)) {
    let mut passed_over = 0..index;
    let action = driver.ledger.take(|_| passed_over.next().is_none());
    if let Some(action) = action {
        how(driver, action);
    }
}

fn wire(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).collect()
}

/// Lines that ask for a number back, so that the order of the replies shows: `REST n` in type I.
fn numbered(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let number = |(index, line): (usize, &Vec<u8>)| [line.clone(), format!("REST {index}").into_bytes()];
    let mut numbered = vec![b"TYPE I".to_vec()];
    numbered.extend(lines.iter().enumerate().flat_map(number));
    numbered
}

/// Lines that leave user and type as they are, and are not HTTP.
fn quiet_line() -> impl Strategy<Value = Vec<u8>> {
    line().prop_filter("leaves user and type alone", |line| {
        let word = line.trim_ascii_start().split(|byte| *byte == b' ').next().unwrap_or_default();
        let http = line.windows(5).any(|part| part == b"HTTP/");
        !http && ![&b"USER"[..], b"PASS", b"REIN", b"TYPE", b"QUIT"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
    })
}

proptest! {
    #[test]
    fn no_split_of_the_input_changes_the_outputs(
        lines in vec(line(), 1..60),
        sizes in vec(1..30_usize, 1..10),
    ) {
        let input = wire(&lines);
        let whole = outputs_of([&input[..]].into_iter());
        prop_assert_eq!(&whole, &outputs_of(cut(&input, &sizes)));
        prop_assert_eq!(&whole, &outputs_of(input.chunks(1)));
    }

    #[test]
    fn telnet_and_odd_bytes_are_the_same_in_pieces(
        input in vec(prop_oneof![select(&b"\r\n\xFF\xF4\xF2\xFB\xFA\xF0\0 "[..]), any::<u8>()], 0..200),
        sizes in vec(1..5_usize, 1..10),
    ) {
        let whole = outputs_of([&input[..]].into_iter());
        prop_assert_eq!(whole, outputs_of(cut(&input, &sizes)));
    }

    #[test]
    fn every_command_gets_one_final_reply_and_all_come_in_order(
        lines in vec(quiet_line(), 1..40),
        steps in steps(),
    ) {
        let mut driver = logged_in();
        let before = (driver.ledger.finals, driver.ledger.preliminaries);
        let lines = numbered(&lines);
        // Time stands still: a timeout would add a reply of its own.
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Wait(_))).collect();
        take_steps(&mut driver, &wire(&lines), &steps);
        press_on(&mut driver);
        driver.finish_all();

        prop_assert_eq!(driver.ledger.finals - before.0, lines.len());
        let transfers = |line: &&Vec<u8>| Command::parse(line).is_some_and(|command| {
            ["RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"].contains(&command.info().name)
        });
        prop_assert!(driver.ledger.preliminaries - before.1 <= lines.iter().filter(transfers).count());
        let told: Vec<String> = driver.ledger.replies.iter().map(ToString::to_string).collect();
        let told: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix("350 The next transfer begins at byte ")).collect();
        let asked: Vec<String> = (0..(lines.len() - 1) / 2).map(|number| format!("{number}.")).collect();
        prop_assert_eq!(told, asked);
    }

    #[test]
    fn whatever_happens_nothing_is_left_behind(
        lines in vec(line(), 0..40),
        steps in steps(),
        end in 0..4,
    ) {
        let mut driver = logged_in();
        take_steps(&mut driver, &wire(&lines), &steps);
        match end {
            0 => driver.eof(),
            1 => driver.shutdown(Shutdown::Now),
            2 => {
                driver.shutdown(Shutdown::Graceful);
                driver.finish_all();
            }
            _ => {
                driver.finish_all();
                driver.wait(Duration::from_secs(100_000));
            }
        }
        driver.finish_all();
        driver.assert_nothing_left();
    }

    #[test]
    fn parse_print_parse_gives_the_same(line in prop_oneof![line(), select(LINES).prop_map(|l| [b" \t", l.to_lowercase().as_bytes(), b" x "].concat())]) {
        if let Some(command) = Command::parse(&line) {
            let mut printed = Vec::new();
            command.write_to(&mut printed);
            prop_assert_eq!(Command::parse(&printed), Some(command));
        }
    }

    #[test]
    fn a_client_that_reads_no_reply_is_made_to_wait(line in select(LINES)) {
        let mut driver = logged_in();
        let flood = wire(&vec![line.as_bytes().to_vec(); 2000]);
        let (mut taken, mut calls) = (0, 0);
        loop {
            let count = driver.session.handle_input(&flood[taken..], driver.now);
            taken += count;
            calls += 1;
            if count == 0 {
                break;
            }
            prop_assert!(calls < 100);
        }
        prop_assert!(!driver.session.wants_input());
        prop_assert!(taken <= 64 * (line.len() + 2), "{taken} bytes taken");
        let outputs: Vec<Output> = std::iter::from_fn(|| driver.session.poll_output()).take(200).collect();
        prop_assert!(outputs.len() < 100, "{} outputs held", outputs.len());
        for output in outputs {
            driver.ledger.note(output);
        }
        // And with somebody who reads, all of it is answered.
        driver.send(&flood[taken..]);
        press_on(&mut driver);
        driver.finish_all();
        prop_assert!(driver.ledger.finals > 2000);
    }
}

#[test]
fn a_flood_without_commands_is_bounded() {
    for flood in [vec![b'x'; 1 << 20], vec![0xFF; 1 << 20], vec![b'\r'; 1 << 20], vec![0; 1 << 20]] {
        let mut driver = logged_in();
        let log = driver.ledger.log.len();
        assert_eq!(driver.session.handle_input(&flood, driver.now), flood.len());
        driver.drain();
        assert_eq!(driver.ledger.log.len() - log, 1, "one 500 and no more");
    }
}

#[test]
fn endless_empty_lines_are_made_to_wait_too() {
    let mut driver = logged_in();
    let flood = b"\n".repeat(1 << 20);
    let taken = driver.session.handle_input(&flood, driver.now);
    assert!(taken < 100, "{taken}");
    driver.drain();
    assert!(driver.session.wants_input());
}
