//! Which rights stand on which path, for what runs did.

use super::place::{Places, is_number};
use model::{
    Access, Policy, Text, Words,
    landlock::{self, FsRight, PathRule, Place, Stands},
    policy::FileEntry,
    trace::{Address, EndpointOperation, FileKind},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Rules = BTreeMap<Place, PathRule>;

/// The rules for everything that runs did.
pub(super) fn rules(policy: &Policy) -> (Rules, Moves) {
    let mut granter = Granter {
        places: Places::new(policy),
        moved: moved(policy),
        arrived: arrived(policy),
        ioctl: policy.calls.keys().any(|sysno| sysno.name() == Some("ioctl")),
        rules: Rules::new(),
    };
    for (path, entry) in &policy.files {
        granter.file(path, entry);
    }
    granter.programs(policy);
    granter.sockets(policy);
    let moves = granter.moves(policy);
    (granter.rules, moves)
}

/// The kinds of what was moved or linked to each name, as far as the record tells.
fn arrived(policy: &Policy) -> BTreeMap<&Text, BTreeSet<FileKind>> {
    let mut arrived = BTreeMap::<&Text, BTreeSet<FileKind>>::new();
    for entry in policy.files.values() {
        for to in &entry.moves {
            arrived.entry(to).or_default().extend(&entry.found);
        }
    }
    arrived
}

/// The kinds of all that was moved or linked.
fn moved(policy: &Policy) -> Vec<FileKind> {
    let from = [Access::RenameFrom, Access::LinkFrom, Access::Exchange];
    let entries = policy.files.values();
    let moving = entries.filter(|entry| from.iter().any(|access| entry.done.contains(access)));
    let kinds: Words<FileKind> = moving.flat_map(|entry| entry.found.iter().copied()).collect();
    kinds.iter().copied().collect()
}

struct Granter<'a> {
    places: Places<'a>,
    moved: Vec<FileKind>,
    arrived: BTreeMap<&'a Text, BTreeSet<FileKind>>,
    ioctl: bool,
    rules: Rules,
}

impl Granter<'_> {
    fn file(&mut self, path: &Text, entry: &FileEntry) {
        let tried = entry.tried.iter().filter(|access| meant(**access, entry));
        for access in entry.done.iter().chain(tried) {
            let mut rights = match self.arrived.get(path) {
                Some(kinds) => needs(*access, entry, &Vec::from_iter(kinds.iter().copied())),
                None => needs(*access, entry, &self.moved),
            };
            let device = entry
                .found
                .iter()
                .any(|kind| matches!(kind, FileKind::CharDevice | FileKind::BlockDevice));
            if device && self.ioctl && matches!(access, Access::Read | Access::Write) {
                rights.push(FsRight::IoctlDev);
            }
            // Of what is only looked at there may be many.
            if rights.is_empty() {
                continue;
            }
            for name in self.names(path, entry) {
                self.grant(&name, *access, &rights, entry);
            }
        }
    }

    fn grant(&mut self, path: &Text, access: Access, rights: &[FsRight], entry: &FileEntry) {
        let (of_parent, of_itself): (Vec<FsRight>, Vec<FsRight>) =
            rights.iter().copied().partition(|right| right.stands_on() == Stands::Parent);
        // O_TMPFILE names the directory in which it makes a file without a name.
        let inside = access == Access::MakeFile && entry.found.contains(&FileKind::Directory);
        if !of_parent.is_empty() {
            let directory = if inside { path.clone() } else { path.parent() };
            self.add(&directory, path, access, &of_parent, Some(entry));
        }
        if !of_itself.is_empty() {
            self.add(path, path, access, &of_itself, Some(entry));
        }
    }

    fn add(
        &mut self,
        at: &Text,
        path: &Text,
        access: Access,
        rights: &[FsRight],
        entry: Option<&FileEntry>,
    ) {
        let own = entry.is_some_and(|entry| self.places.is_own(entry));
        let Some((standing, why)) = self.places.standing(at, own) else { return };
        for place in self.places.places(&standing, entry.map(|entry| &entry.runs)) {
            let rule = self.rules.entry(place).or_default();
            rule.rights.extend(rights);
            rule.observed.entry(path.clone()).or_default().insert(access);
            rule.widened.extend(why.map(str::to_owned));
            rule.whole |= why.is_some() || rights.iter().any(|right| !right.of_files());
        }
    }

    /// The names of a file that a rule can be for. One's own entry in /proc has another number in
    /// each run.
    fn names(&self, path: &Text, entry: &FileEntry) -> Vec<Text> {
        let own = self.places.is_own(entry);
        let numbered = |name: &Text| {
            let rest = name.as_bytes().strip_prefix(b"/proc/");
            rest.is_some_and(|rest| {
                is_number(rest.split(|&byte| byte == b'/').next().unwrap_or_default())
            })
        };
        let names = names(path, entry).into_iter();
        names.filter(|name| *name == path || !own || !numbered(name)).cloned().collect()
    }

    /// Between which directories something moved.
    fn moves(&self, policy: &Policy) -> Moves {
        let mut moves = Moves::default();
        let arrives = [Access::RenameTo, Access::LinkTo];
        let leaves = [Access::RenameFrom, Access::LinkFrom, Access::Exchange];
        for (path, entry) in &policy.files {
            let arrived = arrives.iter().any(|access| entry.done.contains(access));
            let left = leaves.iter().any(|access| entry.done.contains(access));
            moves.unknown |= arrived && !self.arrived.contains_key(path);
            moves.unknown |= left && entry.moves.is_empty() && !self.arrived.contains_key(path);
            for to in &entry.moves {
                let other = policy.files.get(to);
                let (from, to) = (real(path, Some(entry)), real(to, other));
                if from.parent() != to.parent() {
                    let places = |path: &Text, entry: Option<&FileEntry>| {
                        let standing = self.places.standing(&path.parent(), false);
                        let runs = entry.map(|entry| &entry.runs);
                        standing.map(|(at, _)| self.places.places(&at, runs)).unwrap_or_default()
                    };
                    moves.pairs.push((places(from, Some(entry)), places(to, other)));
                }
            }
        }
        moves
    }

    /// What the kernel opens for a program that is executed: itself and its loader. Libraries the
    /// program opens itself, and they are among its files.
    fn programs(&mut self, policy: &Policy) {
        let mut opened = BTreeSet::new();
        for (path, entry) in &policy.files {
            if entry.done.contains(&Access::Read) {
                opened.insert(path);
                opened.extend(&entry.resolved);
            }
        }
        for (path, program) in &policy.programs {
            // A linker reads the loader too.
            let loader = !opened.contains(path) || path.base_name().starts_with("ld");
            let rights: &[FsRight] = if program.executed || loader {
                &[FsRight::Execute, FsRight::ReadFile]
            } else {
                &[FsRight::ReadFile]
            };
            self.add(path, path, Access::Execute, rights, None);
        }
    }

    fn sockets(&mut self, policy: &Policy) {
        let bound = policy.endpoints.get(&EndpointOperation::Bind).into_iter().flatten();
        for entry in bound {
            if let Address::Unix { path, resolved } = &entry.address {
                let path = resolved.as_ref().unwrap_or(path);
                let (access, right) = (Access::MakeSocket, FsRight::MakeSock);
                let runs = entry.runs.clone().into();
                let of_runs = FileEntry { runs, ..FileEntry::default() };
                self.add(&path.parent(), path, access, &[right], Some(&of_runs));
            }
        }
    }
}

/// Between which directories something was moved or linked.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Those that differ: from, to.
    pub(super) pairs: Vec<(BTreeSet<Place>, BTreeSet<Place>)>,
    /// Of some moves the record tells only one end.
    pub(super) unknown: bool,
}

/// The names of a file: where links led, and as it was named. A descriptor's name in /proc stands
/// for what it leads to.
fn names<'a>(path: &'a Text, entry: &'a FileEntry) -> Vec<&'a Text> {
    let bytes = path.as_bytes();
    let by_descriptor = !entry.resolved.is_empty()
        && (bytes.starts_with(b"/dev/fd/")
            || bytes.starts_with(b"/proc/") && bytes.windows(4).any(|part| part == b"/fd/"));
    let own = (!by_descriptor).then_some(path);
    own.into_iter().chain(&entry.resolved).collect()
}

/// Where a name really is.
fn real<'a>(path: &'a Text, entry: Option<&'a FileEntry>) -> &'a Text {
    entry.and_then(|entry| entry.resolved.first()).unwrap_or(path)
}

/// Whether a failed access must be granted, for it to fail as it did. What Landlock asks only
/// after the kernel found that the name is or is not there, and may be opened, needs no right.
fn meant(access: Access, entry: &FileEntry) -> bool {
    let there = |kind: &FileKind| *kind != FileKind::Absent;
    let special = |kind: &FileKind| {
        matches!(kind, FileKind::CharDevice | FileKind::BlockDevice | FileKind::Fifo)
    };
    match access {
        Access::Execute => entry.found.contains(&FileKind::File),
        Access::Remove
        | Access::RemoveDirectory
        | Access::RenameFrom
        | Access::RenameTo
        | Access::Exchange
        | Access::LinkFrom => entry.found.iter().any(there),
        Access::Read | Access::Write => entry.found.iter().any(special),
        _ => false,
    }
}

fn needs(access: Access, entry: &FileEntry, moved: &[FileKind]) -> Vec<FsRight> {
    let found: Vec<FileKind> = match access {
        // What it replaces next time is of the kind that was moved there this time.
        Access::RenameTo | Access::Exchange => entry.found.iter().chain(moved).copied().collect(),
        _ => entry.found.iter().copied().collect(),
    };
    let mut rights = landlock::needs(access, moved, &found);
    match access {
        Access::Read if entry.found.contains(&FileKind::Directory) => {
            rights.push(FsRight::ReadDir);
        }
        Access::Create if !entry.found.contains(&FileKind::Absent) => rights.clear(),
        Access::MakeFile if entry.found.contains(&FileKind::Directory) => {
            rights.extend([FsRight::ReadFile, FsRight::WriteFile, FsRight::Truncate]);
        }
        _ => {}
    }
    rights
}
