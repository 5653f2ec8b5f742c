//! A copy of the workspace with the mutations in it, and its test programs.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    compiler::{self, Complaint},
    find::find,
    mutation::{Kind, Mutation, Name},
    plant::{Planted, SWITCH, plant},
    subject::Subject,
};

/// The copy, and what is planted in it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    target: PathBuf,
    subject: &'static Subject,
    /// Mutations that are no valid code.
    pub(crate) dropped: BTreeSet<Name>,
    /// Functions that have to stay const.
    keep: Vec<String>,
}

/// The sources with mutations in them.
type PlantedFiles = Vec<(PathBuf, Planted)>;

/// A test program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where cargo would start it.
    pub(crate) directory: PathBuf,
}

impl Tree {
    /// Copies the files of the workspace as they are now, but for those that git ignores.
    pub(crate) fn copy(workspace: &Path, build: &Path, subject: &'static Subject) -> Result<Self> {
        let root = build.join("tree");
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
        }
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace)
            .output()?;
        for file in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let file = Path::new(std::str::from_utf8(file)?);
            // One that is gone from the disk and not yet from git.
            if workspace.join(file).exists() {
                copy(&workspace.join(file), &root.join(file))?;
            }
        }
        let tree = Self { root, target: build.join("target"), subject, dropped: BTreeSet::new(), keep: Vec::new() };
        tree.relax()?;
        Ok(tree)
    }

    /// Changed code may warn, and is to be quick.
    fn relax(&self) -> Result<()> {
        let manifest = self.root.join("Cargo.toml");
        let mut text = fs::read_to_string(&manifest)?.replace("= \"deny\"", "= \"allow\"");
        for package in self.subject.optimized {
            text.push_str(&format!("\n[profile.dev.package.{package}]\nopt-level = 1\n"));
        }
        Ok(fs::write(manifest, text)?)
    }

    /// Plants all mutations that the compiler takes, and builds the tests.
    pub(crate) fn build(&mut self) -> Result<(Vec<Mutation>, Vec<Program>)> {
        let originals = sources(&self.root, self.subject)?;
        loop {
            let (mutations, planted) = self.plant(&originals)?;
            let built = compiler::build(&self.root, &self.target, self.subject)?;
            if built.complaints.is_empty() {
                return Ok((mutations, built.programs));
            }
            self.give_way(&built.complaints, &mutations, &planted)?;
        }
    }

    fn plant(&self, originals: &[(PathBuf, String)]) -> Result<(Vec<Mutation>, PlantedFiles)> {
        let (mut all, mut files) = (Vec::new(), Vec::new());
        let mut first = 1;
        for (file, text) in originals {
            let mut found = find(file, text, first, &self.keep).with_context(|| file.display().to_string())?;
            first += u32::try_from(found.mutations.len())?;
            found.mutations.retain(|mutation| !self.dropped.contains(&mutation.name));
            let mut planted = plant(text, &found.mutations, &found.constness);
            if file.ends_with("src/lib.rs") {
                planted.text.push_str(SWITCH);
            }
            write_when_changed(&self.root.join(file), &planted.text)?;
            all.append(&mut found.mutations);
            files.push((file.clone(), planted));
        }
        Ok((all, files))
    }

    /// Takes out what the compiler complains of.
    fn give_way(
        &mut self,
        complaints: &[Complaint],
        mutations: &[Mutation],
        planted: &[(PathBuf, Planted)],
    ) -> Result<()> {
        let before = (self.dropped.len(), self.keep.len());
        for complaint in complaints {
            if let Some(function) = &complaint.not_const {
                self.keep.push(function.clone());
                continue;
            }
            let numbers = complaint.mutations(planted, mutations);
            let named = mutations.iter().filter(|mutation| numbers.contains(&mutation.number));
            self.dropped.extend(named.map(|mutation| mutation.name.clone()));
        }
        if (self.dropped.len(), self.keep.len()) == before {
            bail!("the tests do not build, and no mutation is at fault:\n{}", complaints[0].text);
        }
        Ok(())
    }
}

impl Complaint {
    /// Those that it speaks of; when it speaks of none, those nearby that may leave something out that is needed.
    fn mutations(&self, planted: &[(PathBuf, Planted)], mutations: &[Mutation]) -> Vec<u32> {
        let mut exact = Vec::new();
        let mut near = Vec::new();
        for (file, span) in &self.spans {
            let Some((_, planted)) = planted.iter().find(|(name, _)| name == file) else { continue };
            for (place, number) in &planted.places {
                if place.start < span.end && span.start < place.end {
                    exact.push(*number);
                } else if place.start.abs_diff(span.start) < 2000 {
                    near.push(*number);
                }
            }
        }
        if exact.is_empty() {
            let leaves_out = |number: &u32| {
                let kind = mutations.iter().find(|mutation| mutation.number == *number).map(|mutation| &mutation.kind);
                matches!(kind, Some(Kind::LeftOut | Kind::NeverTaken { .. }))
            };
            near.retain(leaves_out);
            return near;
        }
        exact
    }
}

/// The sources of a crate that mutations are looked for in, and their texts.
pub(crate) fn sources(root: &Path, subject: &Subject) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let source = Path::new(subject.package).join("src");
    list(root, &source, &mut files)?;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        !name.ends_with("tests.rs") && !subject.skipped.iter().any(|skipped| file.starts_with(source.join(skipped)))
    });
    files.sort();
    files.into_iter().map(|file| Ok((file.clone(), fs::read_to_string(root.join(&file))?))).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().expect("a file is in a directory"))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    // Cargo builds again what is newer than the last build.
    let modified = fs::metadata(from)?.modified()?;
    fs::File::options().write(true).open(to)?.set_modified(modified)?;
    Ok(())
}

fn list(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn write_when_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path)? != text {
        fs::write(path, text)?;
    }
    Ok(())
}
