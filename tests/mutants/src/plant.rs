//! Writes all mutations of a file into it, each behind a switch, so that one build serves for all of them.

use std::ops::Range;

use crate::mutation::{Kind, Mutation};

/// A source with its mutations in it.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) text: String,
    /// Which bytes of the text belong to which mutation.
    pub(crate) places: Vec<(Range<usize>, u32)>,
}

/// What goes into the source at a place. Nothing of the source itself is moved.
struct Insertion {
    at: usize,
    /// Closes what was opened by an earlier insertion: goes before whatever opens at the same place.
    closes: bool,
    /// The mutations that it belongs to, and how much of its text is theirs.
    parts: Vec<(u32, String)>,
}

/// Plants the mutations into the text. `constness` is where `const` goes.
pub(crate) fn plant(text: &str, mutations: &[Mutation], constness: &[Range<usize>]) -> Planted {
    let mut insertions = Vec::new();
    let mut rest = mutations;
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|other| belongs_together(first, other)).count();
        let (group, behind) = rest.split_at(same);
        insertions.extend(insertions_of(group));
        rest = behind;
    }
    // What was found first is outside: it opens first and closes last.
    let mut numbered: Vec<_> = insertions.into_iter().enumerate().collect();
    numbered.sort_by_key(|(place, insertion)| {
        let place = i64::try_from(*place).expect("few");
        (insertion.at, !insertion.closes, if insertion.closes { -place } else { place })
    });
    write(text, numbered.into_iter().map(|(_, insertion)| insertion), constness)
}

fn belongs_together(one: &Mutation, other: &Mutation) -> bool {
    let same_kind =
        matches!((&one.kind, &other.kind), (Kind::Returns(_), Kind::Returns(_)) | (Kind::Becomes(_), Kind::Becomes(_)));
    one.number == other.number || (same_kind && one.place == other.place)
}

fn insertions_of(group: &[Mutation]) -> Vec<Insertion> {
    let first = &group[0];
    let Range { start, end } = first.place.clone();
    let opens = |parts| Insertion { at: start, closes: false, parts };
    let closes = |code: &str| Insertion { at: end, closes: true, parts: vec![(0, code.to_owned())] };
    let own = |code: String| vec![(first.number, code)];
    match &first.kind {
        Kind::Returns(_) => vec![opens(choices(group, |value| format!("return {value}"), "_ => {} }"))],
        Kind::Becomes(_) => {
            let parts = [vec![(0, "(".to_owned())], choices(group, |value| format!("({value})"), "_ => (")].concat();
            vec![opens(parts), closes(") })")]
        }
        Kind::LeftOut => vec![opens(own(format!("if crate::mutant() != {} {{ ", first.number))), closes(" }")],
        Kind::NeverTaken { has_guard: false } => vec![opens(own(format!(" if crate::mutant() != {}", first.number)))],
        Kind::NeverTaken { has_guard: true } => {
            vec![opens(own(format!("(crate::mutant() != {}) && (", first.number))), closes(")")]
        }
    }
}

/// `match mutant() { 3 => this, 4 => that, otherwise`, each on a line of its own.
fn choices(group: &[Mutation], arm: impl Fn(&str) -> String, otherwise: &str) -> Vec<(u32, String)> {
    let mut parts = vec![(0, "match crate::mutant() {\n".to_owned())];
    for mutation in group {
        let (Kind::Returns(value) | Kind::Becomes(value)) = &mutation.kind else { continue };
        parts.push((mutation.number, format!("{} => {},\n", mutation.number, arm(value))));
    }
    parts.push((0, otherwise.to_owned()));
    parts
}

fn write(text: &str, insertions: impl Iterator<Item = Insertion>, constness: &[Range<usize>]) -> Planted {
    let mut planted = Planted { text: String::new(), places: Vec::new() };
    let mut copied = 0;
    for insertion in insertions {
        copy(text, copied..insertion.at, constness, &mut planted.text);
        copied = insertion.at;
        for (number, code) in insertion.parts {
            let start = planted.text.len();
            planted.text.push_str(&code);
            if number != 0 {
                planted.places.push((start..planted.text.len(), number));
            }
        }
    }
    copy(text, copied..text.len(), constness, &mut planted.text);
    planted
}

/// Copies a part of the source; insertions never stand within `const`.
fn copy(text: &str, part: Range<usize>, constness: &[Range<usize>], out: &mut String) {
    let mut at = part.start;
    for gone in constness.iter().filter(|gone| part.contains(&gone.start)) {
        out.push_str(&text[at..gone.start]);
        at = gone.end;
    }
    out.push_str(&text[at..part.end]);
}

/// Goes at the end of a crate's root: which mutation is switched on, by the environment.
pub(crate) const SWITCH: &str = r#"
mod mutant_switch {
    extern crate std;
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static CHOSEN: AtomicU32 = AtomicU32::new(u32::MAX);
    pub(crate) fn mutant() -> u32 {
        match CHOSEN.load(Relaxed) {
            u32::MAX => {
                let chosen = std::env::var("FERRY_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                CHOSEN.store(chosen, Relaxed);
                chosen
            }
            chosen => chosen,
        }
    }
}
use mutant_switch::mutant;
"#;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::find::find;

    fn planted(text: &str) -> Planted {
        let found = find(Path::new("x.rs"), text, 1, &[]).unwrap();
        plant(text, &found.mutations, &found.constness)
    }

    #[test]
    fn what_is_planted_is_rust_and_says_where_each_mutation_is() {
        let text =
            "const fn f(a: u8) -> bool { match a { 1 if a < 2 || x == y => g(), _ => {} } a += 1; !(a == b && c) }";
        let planted = planted(text);
        syn::parse_file(&planted.text).unwrap_or_else(|error| panic!("{error}: {}", planted.text));
        assert!(!planted.text.contains("const"));
        for (place, number) in &planted.places {
            assert!(planted.text[place.clone()].contains(&number.to_string()), "{number}");
        }
    }

    #[test]
    fn nested_expressions_close_in_turn() {
        let text = planted("fn f() -> String { a + b == c }").text;
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.ends_with("3 => (a + b != c), _ => ((match crate::mutant() { 4 => (a - b), 5 => (a * b), _ => (a + b) }) == c) }) }"), "{flat}");
    }
}
