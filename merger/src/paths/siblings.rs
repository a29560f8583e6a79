//! Many rules in one directory become one on the directory: the next run names others.

use super::{Paths, grant::Rules, guard};
use crate::names;
use model::{
    Text,
    landlock::{FsRight, PathRule, Place},
};
use std::collections::BTreeMap;

/// How many siblings with the same rights collapse when nobody says.
const BALANCED: usize = 16;
/// How many of one pattern show that a directory's names are made up.
const OF_PATTERN: usize = 3;

/// Collapses files of one directory that may be used alike, but those of a directory that is to be
/// kept apart.
pub(super) fn collapse(rules: Rules, paths: Paths, keep_apart: impl Fn(&Place) -> bool) -> Rules {
    let (many, of_pattern) = match paths {
        Paths::Exact => return rules,
        Paths::Balanced => (BALANCED, OF_PATTERN),
        Paths::Siblings(many) => (many.max(2), many.clamp(2, OF_PATTERN)),
    };
    let mut alike = BTreeMap::<(Place, Vec<FsRight>), Vec<Place>>::new();
    for (place, rule) in &rules {
        let file = rule.rights.iter().all(|right| right.of_files());
        // What may be executed is named one by one: a directory of programs is no one program.
        if file && !rule.rights.contains(&FsRight::Execute) && !rule.whole {
            let rights = rule.rights.iter().copied().collect();
            alike.entry((directory(place), rights)).or_default().push(place.clone());
        }
    }
    let mut rules = rules;
    for ((directory, rights), places) in alike {
        if guard::guarded(&directory).is_some() || keep_apart(&directory) {
            continue;
        }
        let mut patterns = BTreeMap::<String, Vec<&Place>>::new();
        for place in &places {
            let pattern = names::pattern(&place.path.base_name());
            patterns.entry(pattern).or_default().push(place);
        }
        let made_up = patterns.iter().find(|(p, same)| p.contains('#') && same.len() >= of_pattern);
        let why = match made_up {
            _ if places.len() >= many => format!("{} files of it were used alike", places.len()),
            Some((pattern, _)) if !guard::system(&directory) => {
                format!("its names are made up: {pattern}")
            }
            _ => continue,
        };
        let mut whole = rules.remove(&directory).unwrap_or_default();
        whole.rights.extend(rights);
        whole.widened.insert(why);
        whole.whole = true;
        for place in places {
            let Some(PathRule { observed, widened, .. }) = rules.remove(&place) else { continue };
            for (path, accesses) in observed {
                whole.observed.entry(path).or_default().extend(accesses);
            }
            whole.widened.extend(widened);
        }
        rules.insert(directory, whole);
    }
    rules
}

/// The directory that holds a place; a variable's own directory is held by nothing.
fn directory(place: &Place) -> Place {
    let bytes = place.path.as_bytes();
    let path = match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(0) if place.variable.is_none() => Text::from("/"),
        Some(at) => Text::from(&bytes[..at]),
        None => Text::from(""),
    };
    Place { variable: place.variable.clone(), path }
}
