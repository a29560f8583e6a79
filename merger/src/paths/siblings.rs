//! Many rules in one directory become one on the directory: the next run names others.

use super::{Paths, grant::Rules, guard};
use crate::names;
use model::{
    Text,
    landlock::{FsRight, PathRule, Place},
};
use std::collections::{BTreeMap, BTreeSet};

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
    let mut alike = BTreeMap::<(Option<&str>, &[u8], &BTreeSet<FsRight>), Vec<&Place>>::new();
    for (place, rule) in &rules {
        let file = rule.rights.iter().all(|right| right.of_files());
        // What may be executed is named one by one: a directory of programs is no one program.
        if file && !rule.rights.contains(&FsRight::Execute) && !rule.whole {
            let of = (place.variable.as_deref(), directory(place), &rule.rights);
            alike.entry(of).or_default().push(place);
        }
    }
    let mut wholes: Vec<Whole> = Vec::new();
    for ((variable, path, rights), places) in alike {
        let why = why(&places, many, of_pattern);
        let Some((why, is_made_up)) = why else { continue };
        let directory = Place { variable: variable.map(str::to_owned), path: Text::from(path) };
        if guard::guarded(&directory).is_some()
            || keep_apart(&directory)
            || is_made_up && guard::system(&directory)
        {
            continue;
        }
        let places = places.into_iter().cloned().collect();
        wholes.push(Whole { directory, rights: rights.clone(), places, why });
    }
    let mut rules = rules;
    for Whole { directory, rights, places, why } in wholes {
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

/// A directory that files of it become.
struct Whole {
    directory: Place,
    rights: BTreeSet<FsRight>,
    places: Vec<Place>,
    why: String,
}

/// Why files of one directory become that, and whether only their names say so.
fn why(places: &[&Place], many: usize, of_pattern: usize) -> Option<(String, bool)> {
    if places.len() >= many {
        return Some((format!("{} files of it were used alike", places.len()), false));
    }
    if places.len() < of_pattern {
        return None;
    }
    let mut patterns = BTreeMap::<String, usize>::new();
    for place in places {
        *patterns.entry(names::pattern(&place.path.base_name())).or_default() += 1;
    }
    let made_up = patterns.iter().find(|(p, same)| p.contains('#') && **same >= of_pattern);
    made_up.map(|(pattern, _)| (format!("its names are made up: {pattern}"), true))
}

/// The directory that holds a place; a variable's own directory is held by nothing.
fn directory(place: &Place) -> &[u8] {
    let bytes = place.path.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(0) if place.variable.is_none() => b"/",
        Some(at) => &bytes[..at],
        None => b"",
    }
}
