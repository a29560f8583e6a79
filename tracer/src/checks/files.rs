//! Checks on files that a call names by a path: whose they and their directories are, against who
//! asks. As in may_open(), may_create(), may_delete() and inode_permission() of the kernel's
//! fs/namei.c.

use super::{
    Looker, Owner,
    mode::{self, EXECUTE, READ, WRITE},
};
use crate::paths::{Namer, Place};
use foldhash::HashMap;
use model::{Access, Text, capability::Check, trace::FileKind};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Whose directories are; they are asked once, until something may have changed them. Processes of one user
/// that see the same files can share it.
pub type Owners = Arc<Mutex<KnownOwners>>;

/// By absolute path.
#[derive(Debug, Default)]
pub struct KnownOwners {
    known: HashMap<Vec<u8>, Option<Owner>>,
    generation: u64,
}

/// What is known of the directories that a process went through.
#[derive(Debug, Default)]
pub struct Directories {
    owners: Owners,
    /// The last way that was searched: most paths have the directory of the one before them.
    last: RefCell<Option<Way>>,
    generation: u64,
}

/// From where to which directory was searched, and whether all of it could be.
#[derive(Debug)]
struct Way {
    start: Text,
    directory: Vec<u8>,
    searchable: bool,
}

/// Past this many they are asked anew.
const BOUND: usize = 16_384;

impl Directories {
    /// Takes `owners` from now on.
    pub fn share(&mut self, owners: &Owners) {
        if !Arc::ptr_eq(&self.owners, owners) {
            self.owners = Arc::clone(owners);
        }
    }

    /// Forgets what was known before `generation`: owners or modes changed since.
    pub fn refresh(&mut self, generation: u64) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.generation != generation || owners.known.len() > BOUND {
            owners.known.clear();
            owners.generation = generation;
        }
        drop(owners);
        if self.generation != generation {
            self.generation = generation;
            self.forget_ways();
        }
    }

    /// Forgets who could search what: somebody else will ask.
    pub fn forget_ways(&mut self) {
        *self.last.get_mut() = None;
    }

    fn owner(&self, namer: &Namer<'_>, directory: &[u8]) -> Option<Owner> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = owners.known.get(directory) {
            return owner.clone();
        }
        let owner = namer.owner_of(&Text::from(directory));
        owners.known.insert(directory.to_vec(), owner.clone());
        owner
    }

    /// Whether all directories up to `directory`, and it, let the process search them.
    fn searchable(&self, looker: &Looker<'_>, start: &Text, directory: &[u8]) -> bool {
        if let Some(last) = &*self.last.borrow()
            && last.directory == directory
            && last.start == *start
        {
            return last.searchable;
        }
        let mut at = Some(directory);
        let searchable = loop {
            let Some(directory) = at else { break true };
            // What lies above where the way began was not gone through.
            let above =
                start.as_bytes().len() > directory.len() && is_below(start.as_bytes(), directory);
            let owner = (!above).then(|| self.owner(looker.namer, directory));
            if let Some(Some(owner)) = owner
                && owner.is_directory()
                && !owner.lets(looker.who, EXECUTE)
            {
                break false;
            }
            at = parent(directory);
        };
        let (start, directory) = (start.clone(), directory.to_vec());
        *self.last.borrow_mut() = Some(Way { start, directory, searchable });
        searchable
    }
}

/// What `accesses` to a place pass only by a capability.
pub fn checks(
    looker: &Looker<'_>,
    place: &Place,
    accesses: &[Access],
    open_flags: Option<u64>,
) -> BTreeSet<Check> {
    const O_NOATIME: u64 = 0o1000000;
    let mut checks = BTreeSet::new();
    if accesses.is_empty() || !can_succeed(place, accesses) {
        return checks;
    }
    let who = looker.who;
    if !searchable(looker, place) {
        checks.insert(Check::Search);
    }
    let found = place.owner.as_ref();
    let lets = |wanted| found.is_none_or(|owner| owner.lets(who, wanted));
    let (mut wanted, mut of_directory) = (0, false);
    for access in accesses {
        match access {
            Access::Read | Access::List | Access::Watch => wanted |= READ,
            Access::Write | Access::Truncate => wanted |= WRITE,
            Access::Execute | Access::Enter | Access::Root => wanted |= EXECUTE,
            Access::Create if found.is_none() => of_directory = true,
            // O_TMPFILE names the directory itself.
            Access::MakeFile if found.is_some_and(Owner::is_directory) => {
                wanted |= WRITE | EXECUTE;
            }
            access if access.makes_the_name() && *access != Access::Create => of_directory = true,
            Access::Remove | Access::RemoveDirectory | Access::RenameFrom | Access::Exchange => {
                of_directory = true;
                // The entry ".." of a directory that is moved is written too.
                if *access != Access::RemoveDirectory
                    && *access != Access::Remove
                    && found.is_some_and(Owner::is_directory)
                {
                    wanted |= WRITE;
                }
            }
            _ => {}
        }
    }
    checks.extend(refused(found, wanted, lets));
    if of_directory {
        checks.extend(in_directory(looker, place, accesses));
    }
    let owned = found.is_none_or(|owner| owner.user == who.users.files);
    if !owned && open_flags.is_some_and(|flags| flags & O_NOATIME != 0) {
        checks.insert(Check::Owner);
    }
    if !owned && accesses.contains(&Access::LinkFrom) && protected(found, lets(READ | WRITE)) {
        checks.insert(Check::Owner);
    }
    checks.extend(by_path(looker, place, accesses));
    checks
}

/// Whether the call can have done anything: where nothing is there, or something is where nothing
/// may be, it failed before any right counted.
fn can_succeed(place: &Place, accesses: &[Access]) -> bool {
    let absent = place.found == Some(FileKind::Absent);
    let makes = |access: &&Access| access.makes_the_name();
    let replaces =
        |access: &Access| matches!(access, Access::Create | Access::RenameTo | Access::MakeFile);
    match accesses.iter().find(makes) {
        Some(_) if absent => true,
        Some(access) => replaces(access),
        None => !absent,
    }
}

/// The check by which an access that the mode refuses was passed.
fn refused(found: Option<&Owner>, wanted: u32, lets: impl Fn(u32) -> bool) -> Option<Check> {
    if lets(wanted) {
        return None;
    }
    let directory = found.is_some_and(Owner::is_directory);
    if wanted & WRITE != 0 {
        Some(Check::Write)
    } else if wanted & EXECUTE != 0 && !directory {
        // Without any such bit nobody executes it.
        let anybody = found.is_some_and(|owner| owner.mode & 0o111 != 0);
        (anybody && !lets(EXECUTE)).then_some(Check::Execute)
    } else if wanted & READ != 0 {
        Some(Check::Read)
    } else {
        Some(Check::Search)
    }
}

/// What making or removing a name in its directory passes.
fn in_directory(looker: &Looker<'_>, place: &Place, accesses: &[Access]) -> BTreeSet<Check> {
    let mut checks = BTreeSet::new();
    let at = place.at();
    let Some(directory) = parent(at.as_bytes()) else { return checks };
    let Some(directory) = looker.directories.owner(looker.namer, directory) else { return checks };
    let who = looker.who;
    if !directory.lets(who, WRITE | EXECUTE) {
        checks.insert(Check::Write);
    }
    let removes = accesses.iter().any(|access| {
        matches!(
            access,
            Access::Remove
                | Access::RemoveDirectory
                | Access::RenameFrom
                | Access::RenameTo
                | Access::Exchange
        )
    });
    if let Some(found) = &place.owner
        && removes
        && directory.is_sticky()
        && ![found.user, directory.user].contains(&who.users.files)
    {
        checks.insert(Check::Owner);
    }
    checks
}

/// Whether all directories on the way let the process search them.
fn searchable(looker: &Looker<'_>, place: &Place) -> bool {
    [Some(&place.named), place.resolved.as_ref()].into_iter().flatten().all(|way| {
        parent(way.as_bytes())
            .is_none_or(|directory| looker.directories.searchable(looker, &place.start, directory))
    })
}

/// Whether a hard link to somebody's file is refused to others: protected_hardlinks of proc(5).
fn protected(found: Option<&Owner>, usable: bool) -> bool {
    let set_id = found.is_some_and(|owner| {
        owner.mode & libc::S_ISUID != 0
            || owner.mode & (libc::S_ISGID | 0o010) == libc::S_ISGID | 0o010
    });
    let plain = found.is_some_and(|owner| owner.mode & libc::S_IFMT == libc::S_IFREG);
    (set_id || !plain || !usable) && mode::setting("fs/protected_hardlinks") != Some(0)
}

/// Files behind which other things stand than their mode says.
fn by_path(looker: &Looker<'_>, place: &Place, accesses: &[Access]) -> Option<Check> {
    let at = place.at();
    let opens = [Access::Read, Access::Write].iter().any(|access| accesses.contains(access));
    match at.as_bytes() {
        b"/proc/kmsg" if opens => Some(Check::KernelMessages),
        b"/dev/kmsg" if accesses.contains(&Access::Read) => {
            (mode::setting("kernel/dmesg_restrict") != Some(0)).then_some(Check::KernelMessages)
        }
        b"/dev/mem" | b"/dev/kmem" | b"/dev/port" if opens => Some(Check::MemoryDevice),
        _ => {
            let target = inspected(&place.named).or_else(|| inspected(at))?;
            looker.inspects(target).then_some(Check::Inspect)
        }
    }
}

/// The process into whose inside a path leads: those files of /proc/PID that need the right to
/// trace it, see proc(5).
fn inspected(path: &Text) -> Option<i32> {
    const INSIDE: [&[u8]; 20] = [
        b"auxv",
        b"clear_refs",
        b"cwd",
        b"environ",
        b"exe",
        b"fd",
        b"fdinfo",
        b"io",
        b"map_files",
        b"maps",
        b"mem",
        b"ns",
        b"numa_maps",
        b"pagemap",
        b"personality",
        b"root",
        b"smaps",
        b"smaps_rollup",
        b"stack",
        b"syscall",
    ];
    let mut parts = path.as_bytes().strip_prefix(b"/proc/")?.split(|&byte| byte == b'/');
    let target = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let mut name = parts.next()?;
    if name == b"task" {
        name = parts.nth(1)?;
    }
    INSIDE.contains(&name).then_some(target)
}

/// The directory that holds the name; none above the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|&byte| byte == b'/')? {
        0 if path.len() > 1 => Some(b"/"),
        0 => None,
        at => Some(&path[..at]),
    }
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory == b"/"
        || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(parent(b"/a/b"), Some(&b"/a"[..]));
        assert_eq!(parent(b"/a"), Some(&b"/"[..]));
        assert_eq!(parent(b"/"), None);
        assert!(is_below(b"/a/b", b"/a") && is_below(b"/a", b"/") && !is_below(b"/ab", b"/a"));
    }

    #[test]
    fn only_the_inside_of_a_process_is_inspected() {
        let of = |path: &str| inspected(&Text::from(path));
        assert_eq!(of("/proc/12/exe"), Some(12));
        assert_eq!(of("/proc/12/task/13/maps"), Some(12));
        assert_eq!(of("/proc/12/fd/3"), Some(12));
        assert_eq!(of("/proc/12/stat"), None);
        assert_eq!(of("/proc/self/maps"), None);
        assert_eq!(of("/proc/sys/fd"), None);
    }
}
