//! What is verified for those who have no hash, so that a guess at a name takes as long as one at a password.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use ftp_types::Secret;

use crate::HashedPassword;

/// One hash of each cost (scheme and parameters) that occurs in a table.
///
/// A single decoy would do if all hashes cost the same. Where they do not, it would tell names that exist from others:
/// by its being slower than some, and faster than others. So every wrong password is verified once at each cost that
/// occurs: against the user's own hash, if there is one, and against decoys for the rest. Who is let in does not wait
/// for those.
#[derive(Clone, Default)]
pub(crate) struct Decoys(BTreeMap<String, Decoy>);

#[derive(Clone)]
struct Decoy {
    hash: Arc<HashedPassword>,
    /// How many hashes of this cost there are; with the last of them goes the decoy.
    count: usize,
}

impl Decoys {
    pub(crate) fn add(&mut self, hash: &Arc<HashedPassword>) {
        self.0.entry(hash.cost()).or_insert_with(|| Decoy { hash: Arc::clone(hash), count: 0 }).count += 1;
    }

    pub(crate) fn remove(&mut self, hash: &HashedPassword) {
        let cost = hash.cost();
        if let Some(decoy) = self.0.get_mut(&cost) {
            decoy.count -= 1;
            if decoy.count == 0 {
                self.0.remove(&cost);
            }
        }
    }

    /// Does the work of one wrong password, but for that of `done`.
    pub(crate) fn verify(&self, password: &Secret, done: Option<&HashedPassword>) {
        let done = done.map(HashedPassword::cost);
        for (_, decoy) in self.0.iter().filter(|(cost, _)| Some(*cost) != done.as_ref()) {
            black_box(decoy.hash.verify(password));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::tests::VERIFIED;

    const FOUR: &str = "$2b$04$abcdefghijklmnopqrstuu9TZCje2SiNZlD32yso8m7CjQBbfb7i.";
    const FIVE: &str = "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";

    #[test]
    fn a_cost_is_verified_until_the_last_hash_that_has_it_goes() {
        let [four, five] = [FOUR, FIVE].map(|hash| Arc::new(hash.parse::<HashedPassword>().unwrap()));
        let mut decoys = Decoys::default();
        let verified = |decoys: &Decoys, done: Option<&HashedPassword>| {
            VERIFIED.take();
            decoys.verify(&Secret::from("wrong"), done);
            VERIFIED.take()
        };
        decoys.add(&four);
        decoys.add(&four);
        decoys.remove(&five);
        assert_eq!(verified(&decoys, None), [four.cost()], "what was never there takes nothing away");
        decoys.remove(&four);
        assert_eq!(verified(&decoys, None), [four.cost()]);
        assert_eq!(verified(&decoys, Some(&five)), [four.cost()]);
        assert!(verified(&decoys, Some(&four)).is_empty());
        decoys.remove(&four);
        assert!(verified(&decoys, None).is_empty());
    }
}
