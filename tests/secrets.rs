//! What a recording keeps of a client's lines: no secret, and nothing that a session would answer in another way.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Config, Framed, LineReader, SecretFilter, TlsPolicy};
use proptest::{collection::vec, prelude::*, sample::select};

/// Nobody calls anything else so.
const SECRET: &str = "hunter2";

const WORDS: &[&str] = &[
    "PASS", "ACCT", "ADAT", "USER", "SITE", "PSWD", "passwd", "PAS", "PASSS", "PSAS", "NOOP", "ENC", "QUIT", "HELP",
    "CHMOD", "alice", "AUTH", "PWD", "GET", "HTTP/1.1", "STAT", "RETR", "",
];
const BETWEEN: &[&str] = &[" ", "  ", "\t", "\r", "\0", "", "\u{7f}", ":"];

/// Words in any case, with anything between them.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let word = (select(WORDS), select(BETWEEN), any::<bool>());
    let words = vec(word, 1..5);
    (words, any::<bool>(), select(&[SECRET, "", "\u{1}", "é"][..]), 0..300_usize).prop_map(
        |(words, long, end, more)| {
            let mut line = String::new();
            for (word, between, lower) in words {
                line += &if lower { word.to_lowercase() } else { word.to_owned() };
                line += between;
            }
            line += end;
            line += &"x".repeat(if long { more } else { 0 });
            line.into_bytes()
        },
    )
}

/// A session in one of the states that lines are judged in.
fn driver(state: usize) -> Driver {
    let tls = (state == 3).then_some(TlsPolicy { control_required: true, data_required: false });
    let mut driver = Driver::new(Config { failed_login_delay: Duration::ZERO, tls, ..Config::default() });
    match state {
        1 => driver.send(b"USER alice\r\n"),
        2 => driver.log_in("alice", "secret"),
        _ => {}
    }
    driver.codes();
    driver
}

/// What is done and said at a line, but for the words. Whatever it asks, the answer is the same.
fn answer(state: usize, line: &[u8]) -> (Vec<u16>, Vec<String>, bool) {
    let mut driver = driver(state);
    driver.send(&[line, b"\r\n"].concat());
    let asked = |driver: &Driver| driver.ledger.outstanding().map(|action| kind(&format!("{action:?}"))).collect();
    let questions: Vec<String> = asked(&driver);
    while let Some(action) = driver.ledger.take(|_| true) {
        driver.fail_work(action);
    }
    (driver.codes(), questions, driver.session.is_closed())
}

fn kind(action: &str) -> String {
    action.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn a_service_of_site_that_begins_with_no_letter_is_still_one() {
    for line in ["SITE \u{1}hunter2", "SITE \u{7f}\u{1}hunter2", "SITE \t\u{1}hunter2", "SITE  \u{1}hunter2"] {
        let kept = SecretFilter::default().stand_in(line.as_bytes(), false).expect("it may be a secret");
        assert!(!String::from_utf8_lossy(&kept).contains(SECRET), "{line:?}");
        assert_eq!(answer(2, &kept), answer(2, line.as_bytes()), "{line:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_session_answers_what_is_kept_as_it_answered_what_came(line in line(), state in 0..4_usize, shown: bool) {
        let wire = [&line[..], b"\r\n"].concat();
        let (_, Some(Framed::Line { line, urgent })) = LineReader::new().push(&wire) else { return Ok(()) };
        let mut filter = SecretFilter::default();
        if shown {
            filter.log_in();
            filter.stand_in(b"PWD", false);
        }
        if let Some(kept) = filter.stand_in(&line, urgent) {
            let text = String::from_utf8_lossy(&kept).into_owned();
            prop_assert!(!text.contains(SECRET) && !text.contains("xxxxxxxx"), "{text}");
            prop_assert_eq!(answer(state, &kept), answer(state, &line), "{}", text);
        }
    }

    #[test]
    fn a_line_that_begins_with_the_word_has_no_secret_left(
        blanks in vec(select(&[" ", "\t"][..]), 0..3),
        verb in select(&["PASS", "pass", "aCCt", "ADAT", "P ASS", "PA\0SS", "PASS\t", "PAS", "ACTC"][..]),
        between in select(BETWEEN),
    ) {
        let line = format!("{}{verb}{between}{SECRET}", blanks.concat());
        // Two letters of a slip and the secret in one word may be anything.
        prop_assume!(!(between.is_empty() && matches!(verb, "PAS" | "ACTC")));
        let mut filter = SecretFilter::default();
        filter.stand_in(b"PWD", false);
        let kept = filter.stand_in(line.as_bytes(), false);
        prop_assert!(kept.is_some_and(|kept| !String::from_utf8_lossy(&kept).contains(SECRET)), "{line:?}");
    }
}
