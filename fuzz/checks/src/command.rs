//! Command lines: parsed, printed, parsed again; and what a log shows of them.

use ftp_proto::{Command, CommandLine, commands};

use crate::cut::Chance;

/// What a password looks like here. Its first letter ends no escape (`\x9c`, `\u{9c}`, `\n`), or an escape with the
/// rest of the letters behind it would be taken for the password.
const SECRET: &str = "Quiet-horse-battery-staple";

/// Parsing is that of the naive parser; printing is its inverse; no log line breaks, or shows a password.
///
/// # Panics
/// When that does not hold.
pub fn command(line: &[u8]) {
    parses_naively(line);
    every_value_comes_back(line);
    shows_no_control_character(line);
    shows_no_password(line);
}

fn parses_naively(line: &[u8]) {
    let (verb, argument) = naive(line);
    let expected = known(&verb).map(|name| (name, argument));
    let parsed = Command::parse(line);
    assert_eq!(parsed.map(|command| (command.info().name, command.argument())), expected);
    if let Some(command) = parsed {
        assert_eq!(Command::parse(&printed(&command)), Some(command));
    }
}

/// From the value to bytes and back, for every verb there is.
fn every_value_comes_back(argument: &[u8]) {
    for info in commands() {
        let line = if argument.is_empty() { info.name.into() } else { [info.name.as_bytes(), b" ", argument].concat() };
        let command = Command::parse(&line).expect("a known verb");
        assert_eq!((command.info().name, command.argument()), (info.name, argument));
        assert_eq!(printed(&command), line);
    }
}

fn shows_no_control_character(line: &[u8]) {
    let shown = CommandLine::new(line);
    for text in [shown.to_string(), format!("{shown:?}")] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

fn shows_no_password(junk: &[u8]) {
    // A fuzzer learns what it is compared with.
    if junk.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
        return;
    }
    let mut chance = Chance::of(junk);
    let mut spelled = |word: &str| -> String {
        word.chars().map(|letter| if chance.below(2) == 0 { letter.to_ascii_lowercase() } else { letter }).collect()
    };
    let (pass, acct, adat, user) = (spelled("PASS"), spelled("ACCT"), spelled("ADAT"), spelled("USER"));
    for verb in [&pass, &acct, &adat] {
        for blanks in ["", " ", "\t \t"] {
            for between in [" ", "\t", ""] {
                hides(&[blanks.as_bytes(), verb.as_bytes(), between.as_bytes(), junk, SECRET.as_bytes()].concat());
            }
        }
    }
    hides(&[user.as_bytes(), b" alice ", pass.as_bytes(), b" ", junk, SECRET.as_bytes()].concat());
    // Behind what is no command it may be one that was meant for PASS.
    let line = [junk, pass.as_bytes(), b" ", SECRET.as_bytes()].concat();
    if known(&naive(&line).0).is_none() {
        hides(&line);
    }
}

fn hides(line: &[u8]) {
    let shown = CommandLine::new(line).to_string();
    assert!(!shown.contains(SECRET), "{shown}");
}

fn printed(command: &Command<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    command.write_to(&mut line);
    line
}

/// The verb in upper case, and everything behind the first blank (RFC 959 §5.3).
fn naive(line: &[u8]) -> (String, &[u8]) {
    let blanks = line.iter().take_while(|byte| [b' ', b'\t'].contains(byte)).count();
    let mut words = line[blanks..].splitn(2, |byte| *byte == b' ');
    let verb = words.next().unwrap_or_default().iter().map(|byte| char::from(*byte).to_ascii_uppercase()).collect();
    (verb, words.next().unwrap_or_default())
}

fn known(verb: &str) -> Option<&'static str> {
    commands().map(|info| info.name).find(|name| *name == verb)
}
