//! `docs/hostile-input.md` names no test that does not exist, and all of those that are here.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks and looks like a test.
fn named(page: &str) -> Vec<(&str, &str)> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|name| name.split_once("::"))
        .filter(|(file, name)| file.contains('/') && *name != "SCENARIO")
        .collect()
}

fn exists(file: &str, name: &str) -> bool {
    if file.starts_with("transcripts/") {
        let text = fs::read_to_string(root().join("tests/trace").join(file)).unwrap_or_default();
        return text.lines().any(|line| line.strip_prefix("== ") == Some(name));
    }
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    text.contains(&format!("fn {name}("))
}

#[test]
fn every_row_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/hostile-input.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 80, "the page has lost rows");
    let missing: Vec<_> = named.iter().filter(|(file, name)| !exists(file, name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what is held")) {
        assert!(row.matches("::").count() > 0, "no test in {row}");
    }
}
