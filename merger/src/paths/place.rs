//! Paths that differ between runs: names that were made, numbered directories, and directories of
//! the user.

use model::{
    Access, Policy, Shared, Text,
    landlock::Place,
    policy::{Evidence, FileEntry},
    trace::FileKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// The working directory's name among [`Evidence::places`].
const CWD: &str = "CWD";

/// Which paths cannot have a rule of their own, and where they are in each run.
pub(super) struct Places<'a> {
    policy: &'a Policy,
    made: BTreeSet<&'a Text>,
    /// All runs had one process.
    single: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(policy: &'a Policy) -> Places<'a> {
        let mut made = BTreeSet::new();
        for (path, entry) in policy.files.iter().filter(|(_, entry)| makes(entry)) {
            made.insert(path);
            made.extend(&entry.resolved);
        }
        let single = policy.evidence.values().all(|evidence| evidence.single);
        Places { policy, made, single }
    }

    /// The nearest path at or above `path` that is there before a run starts, and whether it is
    /// the same; `None` for what is no file.
    /// `own`: in /proc it is in the entry of the run's first process, which `profgen run` becomes.
    pub(super) fn standing(&self, path: &Text, own: bool) -> Option<(Text, Option<&'static str>)> {
        let bytes = path.as_bytes();
        if !bytes.starts_with(b"/") || is_anonymous(bytes) {
            return None;
        }
        let mut at = path.clone();
        let mut why = None;
        while let Some(reason) = self.shifting(&at, own) {
            at = at.parent();
            why = Some(reason);
        }
        Some((at, why))
    }

    /// Why there can be no rule at `path`.
    fn shifting(&self, path: &Text, own: bool) -> Option<&'static str> {
        let bytes = path.as_bytes();
        if bytes == b"/" {
            return None;
        }
        if bytes.ends_with(b"/*") {
            return Some("too many names to record");
        }
        if self.made.contains(path) {
            return Some("made by a run, and a rule needs a file that is there before");
        }
        let mut parts = bytes[1..].split(|&byte| byte == b'/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(b"proc"), Some(b"self" | b"thread-self"), _) if !self.single && !own => {
                Some("a process's own directory, and a rule cannot name a process to come")
            }
            (Some(b"proc"), Some(name), _) if is_number(name) => {
                Some("a process's own directory, and a rule cannot name a process to come")
            }
            (Some(b"dev"), Some(b"pts"), Some(name)) if is_number(name) => {
                Some("a terminal that is numbered anew each time")
            }
            _ => None,
        }
    }

    /// Whether the entry in /proc of the process that names it can be told for this file.
    pub(super) fn is_own(&self, entry: &FileEntry) -> bool {
        self.single || entry.own
    }

    /// Where an absolute path of `runs` is: itself, or below directories that the next run may
    /// have elsewhere.
    pub(super) fn places(&self, path: &Text, runs: Option<&Shared<String>>) -> BTreeSet<Place> {
        let mut places = BTreeSet::new();
        let all = self.policy.evidence.iter();
        let chosen = all.filter(|(id, _)| runs.is_none_or(|runs| runs.contains(*id)));
        for evidence in chosen.map(|(_, evidence)| evidence) {
            places.extend(of_run(path, evidence));
        }
        if places.is_empty() {
            places.insert(Place::absolute(path.clone()));
        }
        places
    }
}

/// The nearest directories above `path`: each of them when several are the same.
fn of_run(path: &Text, evidence: &Evidence) -> Vec<Place> {
    let mut nearest: Vec<(&str, usize)> = Vec::new();
    for (name, value) in &evidence.places {
        let value = trimmed(value.as_bytes());
        let Some(rest) = path.as_bytes().strip_prefix(value) else { continue };
        if value.len() < 2 || !(rest.is_empty() || rest.starts_with(b"/")) {
            continue;
        }
        match nearest.first() {
            Some((_, length)) if *length > value.len() => continue,
            Some((_, length)) if *length < value.len() => nearest.clear(),
            _ => {}
        }
        nearest.push((name, value.len()));
    }
    let mut places: Vec<Place> = nearest
        .iter()
        .map(|(name, length)| Place {
            variable: Some((*name).to_owned()),
            path: Text::from(&path.as_bytes()[*length..]),
        })
        .collect();
    // Whether the program named it from its working directory or as it is, no record says.
    if places.is_empty() || nearest.iter().any(|(name, _)| *name == CWD) {
        places.push(Place::absolute(path.clone()));
    }
    places
}

/// The values of all variables.
pub(super) fn variables(policy: &Policy) -> BTreeMap<String, BTreeSet<Text>> {
    let mut variables = BTreeMap::<String, BTreeSet<Text>>::new();
    for (name, value) in policy.evidence.values().flat_map(|evidence| &evidence.places) {
        variables.entry(name.clone()).or_default().insert(Text::from(trimmed(value.as_bytes())));
    }
    variables
}

/// Whether a run made the name.
pub(super) fn makes(entry: &FileEntry) -> bool {
    entry.done.iter().any(|access| match access {
        Access::Create => entry.found.contains(&FileKind::Absent),
        // O_TMPFILE names the directory, which is there.
        Access::MakeFile => !entry.found.contains(&FileKind::Directory),
        other => other.makes_the_name(),
    })
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while value.len() > 1 && value.ends_with(b"/") {
        value = &value[..value.len() - 1];
    }
    value
}

pub(super) fn is_number(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

/// `pipe:[12]`, `socket:[12]`, `anon_inode:[eventfd]`: what a descriptor names that is no file.
fn is_anonymous(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.ends_with(b"]") && name.windows(2).any(|pair| pair == b":[")
}
