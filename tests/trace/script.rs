//! How transcripts are written.
//!
//! ```text
//! # A comment.
//! == the behaviour that the scenario shows
//! @ login alice            before anything else: log in and drop the replies (see `play::Settings` for the others)
//! C: RETR a b              the client sends a line
//! LONGLINE                 the client sends a line of 5,000 bytes, whose tail reads `DELE readme.txt`
//! C> RE                    the client sends bytes, without an end of line; \r \n \0 \xFF \\ are understood
//! S: 150 Opening*          the server's next line: a code and a text, in which * stands for anything
//! S: 226                   the server's next reply whatever its text, all lines of it
//! S: ...                   any number of lines, up to one like that of the next `S:`
//! S: nothing               the server has not said anything more
//! A: Open Read /a 0 -> NotFound     the session asks for this, and is answered so (see `answer.rs`)
//! A: Accept*               the session has asked for this, and is not answered yet
//! A: nothing               everything the session asked for has been answered
//! O: Cancel*, O: Release(File*)     an output, anywhere among those since the last step that did something
//! P: 100                   100 bytes have moved
//! T: 30                    30 seconds pass
//! E: eof                   the client closes its control connection; also `stop`, `stop now`: the server stops; and
//!                          `dismiss`, `dismiss now`: it ends this session
//! X: Quit                  the session has ended, for this reason
//! ```
//!
//! Where a scenario waits for a reply that has not come, the questions that concern the server alone (accounts, files,
//! listeners; not connections and transfers) are answered out of a tiny tree, oldest first, until it comes.

/// One line of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Setting(String),
    Client(Vec<u8>),
    Server(Line),
    Ask { action: String, answer: Option<String> },
    AskedNothing,
    Output(String),
    Progress(u64),
    Time(f64),
    Eof,
    Stop,
    StopNow,
    Dismiss,
    DismissNow,
    Closed(String),
}

/// What is expected of the server.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// A whole reply of this code.
    Reply(String),
    /// One line, by pattern.
    Pattern(String),
    Skip,
    Nothing,
}

pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn parse(file: &str, text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(name) = line.strip_prefix("== ") {
            scenarios.push(Scenario { name: name.to_owned(), steps: Vec::new() });
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let kind = parse_step(line).unwrap_or_else(|| panic!("{file}:{number}: not a step: {line}"));
            let scenario = scenarios.last_mut().unwrap_or_else(|| panic!("{file}:{number}: outside of a scenario"));
            scenario.steps.push(Step { number, text: line.to_owned(), kind });
        }
    }
    assert!(!scenarios.is_empty(), "{file} has no scenario");
    scenarios
}

fn parse_step(line: &str) -> Option<Kind> {
    if line == "LONGLINE" {
        return Some(Kind::Client([&[b'x'; 5000][..], b" DELE readme.txt\r\n"].concat()));
    }
    // A blank behind the mark belongs to it, and all further ones to the text.
    let (mark, text) = (line.get(..2)?, line.get(2..)?);
    let text = text.strip_prefix(' ').unwrap_or(text);
    Some(match mark {
        "@ " | "@" => Kind::Setting(line[1..].trim().to_owned()),
        "C:" => Kind::Client([unescaped(text)?, b"\r\n".to_vec()].concat()),
        "C>" => Kind::Client(unescaped(text)?),
        "S:" => Kind::Server(parse_line(text)),
        "A:" if text == "nothing" => Kind::AskedNothing,
        "A:" => match text.split_once(" -> ") {
            Some((action, answer)) => Kind::Ask { action: action.to_owned(), answer: Some(answer.to_owned()) },
            None => Kind::Ask { action: text.to_owned(), answer: None },
        },
        "O:" => Kind::Output(text.to_owned()),
        "P:" => Kind::Progress(text.parse().ok()?),
        "T:" => Kind::Time(text.parse().ok()?),
        "E:" => match text {
            "eof" => Kind::Eof,
            "stop" => Kind::Stop,
            "stop now" => Kind::StopNow,
            "dismiss" => Kind::Dismiss,
            "dismiss now" => Kind::DismissNow,
            _ => return None,
        },
        "X:" => Kind::Closed(text.to_owned()),
        _ => return None,
    })
}

fn parse_line(text: &str) -> Line {
    match text {
        "..." => Line::Skip,
        "nothing" => Line::Nothing,
        code if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) => Line::Reply(code.to_owned()),
        pattern => Line::Pattern(pattern.to_owned()),
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'\\', [b'r', behind @ ..]) => (b'\r', behind),
            (b'\\', [b'n', behind @ ..]) => (b'\n', behind),
            (b'\\', [b't', behind @ ..]) => (b'\t', behind),
            (b'\\', [b'0', behind @ ..]) => (0, behind),
            (b'\\', [b'\\', behind @ ..]) => (b'\\', behind),
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?, behind)
            }
            (b'\\', _) => return None,
            (byte, behind) => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    Some(bytes)
}

/// Whether the text fits the pattern, in which `*` stands for any text and `\*` for itself.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    match pattern.as_bytes() {
        [] => text.is_empty(),
        [b'*', ..] => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| fits(&pattern[1..], &text[at..]))
        }
        [b'\\', b'*', ..] => text.starts_with('*') && fits(&pattern[2..], &text[1..]),
        _ => {
            let first = pattern.chars().next().expect("there is one");
            text.strip_prefix(first).is_some_and(|rest| fits(&pattern[first.len_utf8()..], rest))
        }
    }
}
