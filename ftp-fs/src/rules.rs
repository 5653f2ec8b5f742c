//! Permission letters for a whole tree: a base set and overrides for single directories.

use ftp_types::{Permissions, Right, VirtualPath};

/// What a user may do where.
///
/// Of all overrides that apply to a path the one with the longest path counts, alone; the base set counts when none
/// does. Paths are those of [resolved](crate::BlockingBackend::resolve) places: an override given for a link would
/// guard the link and not what it leads to.
///
/// They are compared byte by byte. Where the file system ignores case, or the form of accented letters, another spelling
/// of a directory's name passes its override by: do not rely on overrides that take rights away there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PermissionRules {
    base: Permissions,
    overrides: Vec<Override>,
}

/// Other permission letters for one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The directory.
    pub path: VirtualPath,
    /// What the user may do there, in place of everything said for the directories above.
    pub permissions: Permissions,
    /// Whether it holds for everything below. If not, it holds for the directory and for the entries in it that are
    /// not directories, those yet to be made included: it governs MKD of a new directory, but not RMD of one that
    /// exists.
    pub recursive: bool,
}

impl PermissionRules {
    /// The same rights everywhere.
    #[must_use]
    pub const fn new(base: Permissions) -> Self {
        Self { base, overrides: Vec::new() }
    }

    /// The rules with one more override; one that was given for the same path before is replaced.
    #[must_use]
    pub fn with_override(mut self, rule: Override) -> Self {
        self.overrides.retain(|old| old.path != rule.path);
        self.overrides.push(rule);
        self
    }

    /// The rules without the override for this path.
    #[must_use]
    pub fn without_override(mut self, path: &VirtualPath) -> Self {
        self.overrides.retain(|rule| rule.path != *path);
        self
    }

    /// What the user may do where no override applies.
    #[must_use]
    pub const fn base(&self) -> Permissions {
        self.base
    }

    /// The overrides, in no particular order.
    #[must_use]
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// What the user may do with the thing at a resolved path.
    #[must_use]
    pub fn at(&self, path: &VirtualPath, is_directory: bool) -> Permissions {
        self.overrides
            .iter()
            .filter(|rule| rule.applies_to(path, is_directory))
            .max_by_key(|rule| rule.path.as_bytes().len())
            .map_or(self.base, |rule| rule.permissions)
    }

    /// Whether the right depends on what kind of thing is at the path.
    pub(crate) fn depend_on_kind(&self, path: &VirtualPath, right: Right) -> bool {
        self.at(path, true).allows(right) != self.at(path, false).allows(right)
    }

    /// Whether an override is given for the path or for something below it. Such a directory stays where it is: moved,
    /// it would leave its override behind.
    pub(crate) fn pin(&self, path: &VirtualPath) -> bool {
        self.overrides.iter().any(|rule| rule.path.starts_with(path))
    }
}

impl Override {
    fn applies_to(&self, path: &VirtualPath, is_directory: bool) -> bool {
        match path.strip_prefix(&self.path) {
            None => false,
            Some([]) => true,
            Some(rest) => self.recursive || !is_directory && !rest.contains(&b'/'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::try_from(text).unwrap()
    }

    fn rules(overrides: &[(&str, &str, bool)]) -> PermissionRules {
        overrides.iter().fold(PermissionRules::new(Permissions::READ), |rules, (at, letters, recursive)| {
            let permissions = letters.parse().unwrap();
            rules.with_override(Override { path: path(at), permissions, recursive: *recursive })
        })
    }

    #[test]
    fn the_most_specific_override_wins_in_whatever_order_they_are_given() {
        let mut overrides = [("/a", "e", true), ("/a/b", "w", true), ("/a/b/c", "d", true)];
        for _ in 0..2 {
            let rules = rules(&overrides);
            assert_eq!(rules.at(&path("/a/x"), false).to_string(), "e");
            assert_eq!(rules.at(&path("/a/b/x/y"), false).to_string(), "w");
            assert_eq!(rules.at(&path("/a/b/c"), true).to_string(), "d");
            assert_eq!(rules.at(&path("/"), true), Permissions::READ);
            overrides.reverse();
        }
    }

    #[test]
    fn an_override_is_taken_back_alone() {
        let rules = rules(&[("/a", "e", true), ("/b", "w", true)]).without_override(&path("/a"));
        assert_eq!(rules.at(&path("/a"), true), Permissions::READ);
        assert_eq!(rules.at(&path("/b"), true).to_string(), "w");
    }

    #[test]
    fn overrides_are_judged_by_whole_names() {
        let rules = rules(&[("/in", "w", true)]);
        assert_eq!(rules.at(&path("/in2"), true), Permissions::READ);
        assert_eq!(rules.at(&path("/in2/x"), false), Permissions::READ);
        assert_eq!(rules.at(&path("/in/x"), false).to_string(), "w");
    }

    #[test]
    fn a_flat_override_leaves_existing_directories_alone() {
        let rules = rules(&[("/in", "w", false)]);
        assert_eq!(rules.at(&path("/in"), true).to_string(), "w");
        assert_eq!(rules.at(&path("/in/file"), false).to_string(), "w");
        assert_eq!(rules.at(&path("/in/sub"), true), Permissions::READ);
        assert_eq!(rules.at(&path("/in/sub/file"), false), Permissions::READ);
        assert!(rules.depend_on_kind(&path("/in/x"), Right::Store));
        assert!(!rules.depend_on_kind(&path("/in/x/y"), Right::Store));
    }

    #[test]
    fn a_second_override_for_a_path_replaces_the_first() {
        let rules = rules(&[("/in", "w", false), ("/in", "d", true)]);
        assert_eq!(rules.at(&path("/in/x/y"), false).to_string(), "d");
        assert_eq!(rules.overrides().len(), 1);
    }
}
