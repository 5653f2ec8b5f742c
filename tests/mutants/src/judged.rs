//! The mutations that somebody has looked at and that may survive, each with the reason.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::mutation::Name;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judged {
    #[serde(default)]
    survivor: Vec<Survivor>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivor {
    file: String,
    function: String,
    change: String,
    /// The number of the change, when the function has it more than once.
    #[serde(default = "one")]
    occurrence: u32,
    why: String,
}

const fn one() -> u32 {
    1
}

impl Judged {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Why this one may survive.
    pub(crate) fn reason(&self, name: &Name) -> Option<&str> {
        self.survivor.iter().find(|survivor| survivor.is(name)).map(|survivor| &*survivor.why)
    }

    /// Those of a crate that are none of the survivors.
    pub(crate) fn gone<'a>(&'a self, package: &'a str, survivors: &'a [&Name]) -> impl Iterator<Item = String> + 'a {
        let of_crate = self.survivor.iter().filter(move |judged| Path::new(&judged.file).starts_with(package));
        let gone = of_crate.filter(|judged| !survivors.iter().any(|name| judged.is(name)));
        gone.map(|judged| format!("{} {}: {}", judged.file, judged.function, judged.change))
    }
}

impl Survivor {
    fn is(&self, name: &Name) -> bool {
        name.file == Path::new(&self.file)
            && (&self.function, &self.change, self.occurrence) == (&name.function, &name.change, name.occurrence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{find::find, subject::SUBJECTS, tree::sources};

    #[test]
    fn each_that_was_judged_is_a_change_of_the_code_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let judged = Judged::read(&root.join("tests/mutants/survivors.toml")).unwrap();
        let mut found = Vec::new();
        for subject in SUBJECTS {
            for (file, text) in sources(&root, subject).unwrap() {
                found.extend(find(&file, &text, 1, &[]).unwrap().mutations);
            }
        }
        let exists = |survivor: &&Survivor| found.iter().any(|mutation| survivor.is(&mutation.name));
        let stale: Vec<_> = judged.survivor.iter().filter(|survivor| !exists(survivor)).collect();
        assert!(stale.is_empty(), "no such change, or no longer: {stale:#?}");
        assert!(judged.survivor.iter().all(|survivor| !survivor.why.trim().is_empty()));
    }
}
