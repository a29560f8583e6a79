//! Moves between directories. Landlock refuses a move or a link that would give a file rights
//! which it did not have where it was, so the directories of such moves get the same.

use super::grant::Rules;
use model::landlock::{FsRight, Place};
use std::collections::BTreeSet;

/// Gives all directories between which something may have moved the rights of all of them; where
/// there is one only, nothing moved between directories.
pub(super) fn level(mut rules: Rules) -> Rules {
    let referring: Vec<Place> = rules
        .iter()
        .filter(|(_, rule)| rule.rights.contains(&FsRight::Refer))
        .map(|(place, _)| place.clone())
        .collect();
    if moves_within_one(&referring, &rules) {
        for place in &referring {
            if let Some(rule) = rules.get_mut(place) {
                rule.rights.remove(&FsRight::Refer);
            }
        }
        return rules;
    }
    let mut all = BTreeSet::new();
    for (place, rule) in &rules {
        if referring.iter().any(|below| is_at_or_above(place, below)) {
            all.extend(&rule.rights);
        }
    }
    for place in &referring {
        if let Some(rule) = rules.get_mut(place) {
            let before = rule.rights.len();
            rule.rights.extend(&all);
            if rule.rights.len() > before {
                rule.widened.insert(
                    "files may have moved to or from it, and such directories need equal rights"
                        .to_owned(),
                );
            }
        }
    }
    rules
}

/// Whether all names that were moved or linked stood in one directory.
fn moves_within_one(referring: &[Place], rules: &Rules) -> bool {
    use model::Access::{Exchange, LinkFrom, LinkTo, RenameFrom, RenameTo};
    let mut directories = BTreeSet::new();
    for rule in referring.iter().filter_map(|place| rules.get(place)) {
        for (path, accesses) in &rule.observed {
            let moves = [RenameFrom, RenameTo, Exchange, LinkFrom, LinkTo];
            if moves.iter().any(|access| accesses.contains(access)) {
                directories.insert(super::place::parent(path));
            }
        }
    }
    directories.len() < 2
}

fn is_at_or_above(place: &Place, below: &Place) -> bool {
    let (above, path) = (place.path.as_bytes(), below.path.as_bytes());
    place.variable == below.variable
        && path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || above == b"/")
}
