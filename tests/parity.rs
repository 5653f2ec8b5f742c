//! `docs/reference-parity.md` promises nothing that is not there: every row names a test, and every name in it exists.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// A row with what the reference has, what Ferry has, where they differ, and the tests that show it.
struct Row<'a> {
    line: usize,
    cells: Vec<&'a str>,
}

/// The headers of the tables that this is about.
const COLUMNS: [&str; 4] = ["pyftpdlib", "Ferry", "where it differs, and why", "shown by"];

#[test]
fn every_row_names_tests_that_exist() {
    let (text, mut files) = (page(), Files::default());
    let mut wrong = Vec::new();
    for row in rows(&text) {
        let tests = quoted(row.cells[3]);
        if tests.is_empty() {
            wrong.push(format!("line {}: no test", row.line));
        }
        for test in tests {
            if !files.has_test(test) {
                wrong.push(format!("line {}: there is no test {test}", row.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_item_exists() {
    let (text, mut files) = (page(), Files::default());
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let ours = cells(line)[1];
        for item in quoted(ours) {
            if !files.has_item(item) {
                wrong.push(format!("line {}: there is no {item}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_row_is_empty_or_planned() {
    let text = page();
    assert!(rows(&text).len() > 100, "the page has lost rows");
    for Row { line, cells } in rows(&text) {
        assert!(!cells[0].is_empty() && !cells[1].is_empty(), "line {line}");
        let words = cells.join(" ").to_lowercase();
        assert!(!words.contains("planned") && !words.contains("not yet"), "line {line}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/reference-parity.md")).expect("the page")
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut rows = Vec::new();
    let mut within = false;
    for (line, text) in lines {
        if !text.starts_with('|') {
            within = false;
            continue;
        }
        let cells = cells(text);
        if cells == COLUMNS {
            within = true;
        } else if within && !text.starts_with("|-") {
            assert_eq!(cells.len(), COLUMNS.len(), "line {line} has another number of cells");
            rows.push(Row { line, cells });
        }
    }
    rows
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Files that have been read, since rows name the same ones over and over.
#[derive(Default)]
struct Files {
    texts: HashMap<PathBuf, String>,
    crates: HashMap<String, String>,
}

impl Files {
    fn text(&mut self, path: &str) -> &str {
        let path = root().join(path);
        self.texts.entry(path).or_insert_with_key(|path| fs::read_to_string(path).unwrap_or_default())
    }

    /// A function with `#[test]` before it or in the list of a macro, a scenario of a transcript, or a function of a script
    /// of `ci/`.
    fn has_test(&mut self, name: &str) -> bool {
        let Some((file, name)) = name.split_once("::") else { return false };
        if file.starts_with("transcripts/") {
            let scenario = format!("== {name}");
            return self.text(&format!("tests/trace/{file}")).lines().any(|line| line == scenario);
        }
        let text = self.text(file);
        if file.ends_with(".sh") {
            return text.contains(&format!("\n{name}() {{\n"));
        }
        let Some(at) = text.find(&format!("fn {name}(")) else { return false };
        let attributes = text[..at].rsplit("\n\n").next().unwrap_or_default();
        attributes.contains("#[test]") || lists(text).any(|list| words(list).any(|word| word == name))
    }

    /// A key of the configuration, a flag, a file, a program, or a path to something public.
    fn has_item(&mut self, item: &str) -> bool {
        if let Some((section, key)) = item.strip_prefix('[').and_then(|item| item.rsplit_once("] ")) {
            let heading = format!("`[{section}]`");
            let page = self.text("docs/configuration.md");
            let sections =
                page.split("\n#").filter(|part| part.lines().next().is_some_and(|line| line.contains(&heading)));
            return sections.flat_map(str::lines).any(|line| {
                let first = line.strip_prefix('|').and_then(|line| line.split('|').next());
                first.is_some_and(|cell| quoted(cell).contains(&key))
            });
        }
        if let Some(flag) = item.strip_prefix("--") {
            let field = format!("pub {}:", flag.replace('-', "_"));
            return matches!(flag, "help" | "version") || self.text("ferry/src/cli.rs").contains(&field);
        }
        match item.split_once("::") {
            Some((name, path)) => {
                let sources = self.crate_sources(name);
                !sources.is_empty() && path.split("::").all(|part| declares(sources, part))
            }
            None if item.contains('/') => root().join(item).exists(),
            None => true,
        }
    }

    fn crate_sources(&mut self, name: &str) -> &str {
        let folder = name.trim_start_matches("ftp_runtime_");
        let folder = if folder == name { name.replace('_', "-") } else { format!("runtime-{folder}") };
        self.crates.entry(folder).or_insert_with_key(|folder| all_sources(&root().join(folder).join("src")))
    }
}

/// What stands in the calls of the macros that make tests of functions.
fn lists(text: &str) -> impl Iterator<Item = &str> {
    let calls = ["\non_both!", "\non_both_runtimes!", "\nexamples!"];
    calls.into_iter().flat_map(|call| text.split(call).skip(1)).filter_map(|rest| rest.split([')', '}']).next())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// Whether there is an item, a field, a method or a variant of this name.
fn declares(sources: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 7] = ["fn", "struct", "enum", "trait", "const", "type", "mod"];
    sources.lines().map(str::trim_start).any(|line| {
        let variant = line.strip_prefix(name).is_some_and(|rest| rest.starts_with([',', '(', ' ', '{']));
        let field = line.strip_prefix("pub ").and_then(|line| line.strip_prefix(name));
        let words: Vec<&str> = words(line).filter(|word| !word.is_empty()).collect();
        let declared = words.windows(2).any(|pair| KEYWORDS.contains(&pair[0]) && pair[1] == name);
        variant || declared || field.is_some_and(|rest| rest.starts_with(':'))
    })
}

fn all_sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &all_sources(&path);
        } else {
            text += &fs::read_to_string(&path).unwrap_or_default();
        }
    }
    text
}
