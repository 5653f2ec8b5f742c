//! Configuration files: whatever is written in one, there is a configuration or a list of problems, each with its
//! place.

use std::path::Path;

use ferry::config::{Config, Credential};

/// The text of a file.
///
/// # Panics
/// When a problem has no place in the text, or is more than a line; when a comment changes what a file says.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = parse(text);
    match &parsed {
        Ok(config) => shows_no_password(config),
        Err(problems) => problems.iter().for_each(|problem| problem.is_in(text)),
    }
    assert_eq!(parse(text), parsed, "the same text says the same");
    // A byte order mark means nothing but at the very start.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let parsed = parse(text);
    let below_comment = parse(&format!("# a comment\n{text}"));
    let moved = |problems: Vec<Problem>| problems.into_iter().map(Problem::one_line_below).collect::<Vec<_>>();
    assert_eq!(below_comment, parsed.map_err(moved), "a comment moves what is below it, and nothing else");
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    column: usize,
    message: String,
}

const FILE: &str = "/nowhere/ferry.toml";

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(Path::new(FILE), text).map_err(|problems| {
        let shown = problems.to_string();
        shown.split('\n').map(|line| Problem::read(line).unwrap_or_else(|| panic!("no problem: {line:?}"))).collect()
    })
}

impl Problem {
    /// `FILE:LINE:COLUMN: message`.
    fn read(shown: &str) -> Option<Self> {
        let (line, rest) = shown.strip_prefix(FILE)?.strip_prefix(':')?.split_once(':')?;
        let (column, message) = rest.split_once(": ")?;
        Some(Self { line: line.parse().ok()?, column: column.parse().ok()?, message: message.to_owned() })
    }

    fn is_in(&self, text: &str) {
        assert!(!self.message.is_empty() && !self.message.chars().any(char::is_control), "{self:?}");
        let line = self.line.checked_sub(1).and_then(|index| text.split('\n').nth(index));
        let line = line.unwrap_or_else(|| panic!("there is no such line: {self:?}"));
        assert!((1..=line.chars().count() + 1).contains(&self.column), "there is no such column: {self:?}");
    }

    fn one_line_below(self) -> Self {
        Self { line: self.line + 1, ..self }
    }
}

/// What is printed of a configuration has no password in it; none is looked for that could stand there by chance.
fn shows_no_password(config: &Config) {
    let shown = format!("{config:?}");
    for user in &config.users {
        if let Credential::Password(password) = &user.credential {
            let password = String::from_utf8_lossy(password.expose());
            assert!(!password.starts_with("secret-") || !shown.contains(&*password), "{password} is shown");
        }
    }
}
