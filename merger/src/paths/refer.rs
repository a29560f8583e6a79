//! Moves between directories. Landlock refuses a move or a link that would give a file rights
//! which it did not have where it was, so the directories of such moves get the same.

use super::grant::{Moves, Rules};
use model::landlock::{FsRight, Place};
use std::collections::BTreeSet;

/// Gives the directories between which something moved the rights of one another, and the right to
/// move to those alone. Where the record tells only one end of a move, it may have been to any
/// directory of a move.
pub(super) fn level(mut rules: Rules, moves: &Moves) -> Rules {
    let groups = if moves.unknown { all_together(&rules) } else { connected(moves) };
    for (place, rule) in &mut rules {
        if !groups.iter().any(|group| group.contains(place)) {
            rule.rights.remove(&FsRight::Refer);
        }
    }
    for group in groups {
        let mut all = BTreeSet::from([FsRight::Refer]);
        for (place, rule) in &rules {
            if group.iter().any(|below| is_at_or_above(place, below)) {
                all.extend(&rule.rights);
            }
        }
        for place in &group {
            let rule = rules.entry(place.clone()).or_default();
            let before = rule.rights.len();
            rule.rights.extend(&all);
            rule.whole = true;
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

/// The directories that moves connect, directly or by others.
fn connected(moves: &Moves) -> Vec<BTreeSet<Place>> {
    let mut groups: Vec<BTreeSet<Place>> = Vec::new();
    for (from, to) in &moves.pairs {
        let mut joined: BTreeSet<Place> = from.union(to).cloned().collect();
        groups.retain(|group| {
            let apart = group.is_disjoint(&joined);
            if !apart {
                joined.extend(group.iter().cloned());
            }
            apart
        });
        groups.push(joined);
    }
    groups.sort();
    groups
}

/// One group of all that may have been moved between; none where all names stood in one directory.
fn all_together(rules: &Rules) -> Vec<BTreeSet<Place>> {
    let referring: BTreeSet<Place> = rules
        .iter()
        .filter(|(_, rule)| rule.rights.contains(&FsRight::Refer))
        .map(|(place, _)| place.clone())
        .collect();
    if moves_within_one(&referring, rules) { Vec::new() } else { vec![referring] }
}

/// Whether all names that were moved or linked stood in one directory.
fn moves_within_one(referring: &BTreeSet<Place>, rules: &Rules) -> bool {
    use model::Access::{Exchange, LinkFrom, LinkTo, RenameFrom, RenameTo};
    let mut directories = BTreeSet::new();
    for rule in referring.iter().filter_map(|place| rules.get(place)) {
        for (path, accesses) in &rule.observed {
            let moves = [RenameFrom, RenameTo, Exchange, LinkFrom, LinkTo];
            if moves.iter().any(|access| accesses.contains(access)) {
                directories.insert(path.parent());
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
