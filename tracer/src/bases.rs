//! The directories that paths start from, kept from one call to the next: most calls that name a file
//! start where the one before them did, and then neither the kernel's name of the directory nor a
//! descriptor of it is asked for again.
//!
//! What is kept is believed only while no call can have changed it:
//!
//! * A number of a descriptor means the same directory until its process closes it, makes another one of
//!   it or executes an image; the working directory stays until its process changes it. A call is seen
//!   before it is performed, and it has been performed when its thread makes the next one: in between,
//!   nothing of its process is kept or believed, except for the thread itself, which stands still in it.
//! * Directories have the same paths, and paths lead to the same ones, until any traced process renames,
//!   removes, exchanges or mounts one, or removes a link; in between, nothing of anybody is.
//! * Threads of one process have one table and one working directory, and processes have none together.
//!   Where a call asks for something else (CLONE_FILES without CLONE_THREAD, unshare, setns), or for what
//!   works without calls (io_uring, and a listener of its own, by which it may give others descriptors),
//!   nothing is kept any more.
//! * Others than the traced processes may rename directories too: nothing is believed for longer than
//!   [`AGE`].
//!
//! Only a descriptor that its process has is held open, and no longer than it does, so that nothing
//! stays busy for our sake.

use foldhash::HashMap;
use libc::AT_FDCWD;
use model::{Access, Sysno, Text, trace::FileKind};
use nix::errno::Errno;
use std::{
    cell::RefCell,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// For how long a directory is believed to be where it was.
const AGE: Duration = Duration::from_millis(50);
/// How many directories are kept: each takes a descriptor of ours.
const BOUND: usize = 32;
/// Of how many ways from one of them it is known where they lead.
const WAYS_BOUND: usize = 4_096;

/// Where a relative path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The working directory.
    Current,
    /// A descriptor of the process.
    Descriptor(i32),
}

impl Base {
    /// The base that an `int dfd` argument means.
    pub fn from_argument(argument: u64) -> Base {
        match argument as i32 {
            AT_FDCWD => Base::Current,
            fd => Base::Descriptor(fd),
        }
    }

    /// Its name in the entry of a thread in /proc.
    pub fn proc_name(self) -> String {
        match self {
            Base::Current => "cwd".to_owned(),
            Base::Descriptor(fd) => format!("fd/{fd}"),
        }
    }
}

/// A directory from which paths are followed.
#[derive(Debug)]
pub struct Start {
    /// Its path.
    pub path: Text,
    directory: Directory,
    /// Where ways from it lead, when not to where they are named.
    ways: Mutex<HashMap<Vec<u8>, Option<Text>>>,
    /// The directory at the end of the last way that was followed.
    held: Mutex<Option<(Vec<u8>, Arc<OwnedFd>)>>,
}

/// Where a way leads.
#[derive(Debug)]
pub struct Led {
    /// `None` when it leads to where it is named, through no link and never back.
    pub at: Option<Text>,
    /// The directory there, where that is open.
    pub directory: Option<OwnedFd>,
}

#[derive(Debug)]
enum Directory {
    /// The root, which is profgen's own.
    Root,
    Open(OwnedFd),
    /// It cannot be opened.
    Shut,
}

impl Start {
    /// The root of profgen.
    fn root() -> Start {
        Start::new(Text::from("/"), Directory::Root)
    }

    /// A directory that is, or could not be, open.
    pub fn at(path: Text, directory: Option<OwnedFd>) -> Start {
        Start::new(path, directory.map_or(Directory::Shut, Directory::Open))
    }

    fn new(path: Text, directory: Directory) -> Start {
        Start { path, directory, ways: Mutex::default(), held: Mutex::default() }
    }

    /// What the kernel takes for it; for the root, from which only absolute paths start, anything.
    pub fn fd(&self) -> Option<i32> {
        match &self.directory {
            Directory::Root => Some(AT_FDCWD),
            Directory::Open(fd) => Some(fd.as_raw_fd()),
            Directory::Shut => None,
        }
    }

    /// Where `way`, a path from here to a directory, leads: as known, or as `find` says; as [`Led::at`]. With
    /// `holds` the directory stays open until another way is followed.
    ///
    /// # Errors
    /// That of `find`.
    pub fn lead(
        &self,
        way: &[u8],
        holds: bool,
        find: impl FnOnce() -> nix::Result<Led>,
    ) -> nix::Result<Option<Text>> {
        if way.is_empty() {
            return Ok(None);
        }
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ways.get(way) {
            return Ok(known.clone());
        }
        let Led { at, directory } = find()?;
        if ways.len() >= WAYS_BOUND {
            ways.clear();
        }
        ways.insert(way.to_vec(), at.clone());
        if let Some(directory) = directory.filter(|_| holds) {
            let held = Some((way.to_vec(), Arc::new(directory)));
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        }
        Ok(at)
    }

    /// The directory at the end of this way, if it is open.
    pub fn held(&self, way: &[u8]) -> Option<Arc<OwnedFd>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|(of, _)| of == way).map(|(_, directory)| Arc::clone(directory))
    }
}

/// What a call may change of what is kept, found once per call from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbs {
    /// Nothing, unless one of its accesses says so.
    Nothing,
    /// What the number in this argument means.
    Number(usize),
    /// What any number of the process means, and its working directory.
    Process,
    /// The working directory.
    Directory,
    /// What its process and others have together: the flags are this one of the values.
    Shares(usize),
    /// It begins what nobody sees.
    Begins,
    /// The same, with SECCOMP_FILTER_FLAG_NEW_LISTENER in this argument.
    BeginsListener(usize),
}

impl Disturbs {
    /// What a call disturbs; `flags` says which of its values are the flags of clone(2).
    pub fn of(sysno: Sysno, flags: Option<usize>) -> Disturbs {
        match sysno.name().unwrap_or_default() {
            "close" => Disturbs::Number(0),
            "dup2" | "dup3" => Disturbs::Number(1),
            "close_range" | "execve" | "execveat" | "exit_group" => Disturbs::Process,
            "chdir" | "fchdir" => Disturbs::Directory,
            "clone" | "clone3" => flags.map_or(Disturbs::Begins, Disturbs::Shares),
            "unshare" | "setns" | "io_uring_setup" => Disturbs::Begins,
            "seccomp" => Disturbs::BeginsListener(1),
            _ => Disturbs::Nothing,
        }
    }
}

/// A call that is perhaps not performed yet.
#[derive(Debug, Clone, Copy)]
struct Underway {
    process: i32,
    tid: i32,
    /// It may change the paths of directories, whoever uses them.
    names: bool,
}

#[derive(Debug)]
struct Entry {
    /// Whose; 0 for the root.
    process: i32,
    base: Base,
    since: Instant,
    start: Arc<Start>,
}

/// Directories that were started from.
#[derive(Debug, Default)]
pub struct Bases {
    /// Whether an engine shows all calls by which one should be forgotten.
    kept: bool,
    /// Whether it also shows those on descriptors.
    descriptors_stand: bool,
    /// Whether the last directory may stay open, though no traced process may have it any more.
    holds: bool,
    entries: RefCell<Vec<Entry>>,
    /// Calls of threads that have made none since.
    underway: Vec<Underway>,
}

impl Bases {
    /// From here on directories are kept: all calls are seen, except, without `descriptors_stand`, those
    /// that close and duplicate descriptors.
    pub fn keep(&mut self, descriptors_stand: bool) {
        self.kept = true;
        self.descriptors_stand(descriptors_stand);
    }

    /// From here on calls on descriptors are seen too, or are not: what is known of descriptors is
    /// forgotten.
    pub fn descriptors_stand(&mut self, stand: bool) {
        self.descriptors_stand = stand;
        self.forget(|entry| entry.base != Base::Current);
    }

    /// Many calls are looked at now, one after another, that were made before: meanwhile the directory of the
    /// last one may stay open.
    pub fn hold(&mut self, holds: bool) {
        self.holds = holds;
        for entry in self.entries.get_mut().iter().filter(|_| !holds) {
            *entry.start.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Whether it may.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// A thread makes a call: what it did before is performed.
    pub fn entered(&mut self, tid: i32) {
        self.underway.retain(|call| call.tid != tid);
    }

    /// The call of a thread may change what is kept, once it is let go.
    pub fn disturbed(
        &mut self,
        process: i32,
        tid: i32,
        disturbs: Disturbs,
        args: &[u64; 6],
        values: &[u64],
    ) {
        match disturbs {
            Disturbs::Nothing => return,
            Disturbs::Number(at) => {
                let number = Base::Descriptor(args[at] as i32);
                self.forget(|entry| entry.process == process && entry.base == number);
            }
            Disturbs::Process => self.forget(|entry| entry.process == process),
            Disturbs::Directory => {
                self.forget(|entry| entry.process == process && entry.base == Base::Current);
            }
            Disturbs::Shares(at) => {
                return self.shares(values.get(at).copied().unwrap_or_default());
            }
            Disturbs::Begins => return self.stop(),
            Disturbs::BeginsListener(at) => {
                if args[at] & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
                    self.stop();
                }
                return;
            }
        }
        self.underway.push(Underway { process, tid, names: false });
    }

    /// What a call does to a file, and what that was before, may change the paths of directories, once
    /// it is let go.
    pub fn renamed(
        &mut self,
        process: i32,
        tid: i32,
        mut accesses: impl Iterator<Item = (Access, Option<FileKind>)>,
    ) {
        let names = |(access, found): (Access, _)| match access {
            Access::Remove => matches!(found, None | Some(FileKind::Symlink)),
            access => access.moves_paths(),
        };
        if self.kept && accesses.any(names) {
            self.forget(|_| true);
            self.underway.push(Underway { process, tid, names: true });
        }
    }

    /// A thread is gone, and with it what it was about to do.
    pub fn thread_ended(&mut self, tid: i32) {
        self.underway.retain(|call| call.tid != tid);
    }

    /// A process is gone, or all of it but the thread that executed another image.
    pub fn process_ended(&mut self, process: i32) {
        self.underway.retain(|call| call.process != process);
        self.forget(|entry| entry.process == process);
    }

    /// Where paths start that `process` follows from `base`: as kept, or as `read` says.
    ///
    /// # Errors
    /// That of `read`.
    pub fn start(
        &self,
        process: i32,
        base: Base,
        read: impl FnOnce() -> nix::Result<Start>,
    ) -> nix::Result<Arc<Start>> {
        if base == Base::Current || self.descriptors_stand {
            self.find(process, base, read)
        } else {
            read().map(Arc::new)
        }
    }

    /// The root, where it is profgen's own.
    pub fn root(&self) -> Arc<Start> {
        let root = self.find(0, Base::Current, || Ok(Start::root()));
        root.unwrap_or_else(|_| Arc::new(Start::root()))
    }

    /// What is kept of a descriptor.
    pub fn known(&self, process: i32, fd: i32) -> Option<Arc<Start>> {
        let unknown = || Err(Errno::EBADF);
        self.start(process, Base::Descriptor(fd), unknown).ok()
    }

    fn find(
        &self,
        process: i32,
        base: Base,
        read: impl FnOnce() -> nix::Result<Start>,
    ) -> nix::Result<Arc<Start>> {
        let underway = |call: &Underway| call.names || call.process == process;
        if !self.kept || self.underway.iter().any(underway) {
            return read().map(Arc::new);
        }
        let now = Instant::now();
        let at = |entries: &[Entry]| {
            entries.iter().position(|entry| entry.process == process && entry.base == base)
        };
        let mut entries = self.entries.borrow_mut();
        if let Some(at) = at(&entries) {
            if now.duration_since(entries[at].since) < AGE {
                return Ok(Arc::clone(&entries[at].start));
            }
            entries.remove(at);
        }
        let start = Arc::new(read()?);
        if entries.len() >= BOUND {
            // The oldest: the others came after it.
            entries.remove(0);
        }
        entries.push(Entry { process, base, since: now, start: Arc::clone(&start) });
        Ok(start)
    }

    fn forget(&mut self, which: impl Fn(&Entry) -> bool) {
        self.entries.get_mut().retain(|entry| !which(entry));
    }

    /// Threads share all of it, processes nothing; anything else is more than is followed here.
    fn shares(&mut self, flags: u64) {
        const ALL: u64 = (libc::CLONE_THREAD | libc::CLONE_FILES | libc::CLONE_FS) as u64;
        if ![0, ALL].contains(&(flags & ALL)) {
            self.stop();
        }
    }

    fn stop(&mut self) {
        self.kept = false;
        self.forget(|_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const NO_ARGS: [u64; 6] = [0; 6];

    /// How often a directory is read when it is started from twice, with `between` in between.
    fn reads(base: Base, between: impl FnOnce(&mut Bases)) -> u32 {
        let mut bases = Bases::default();
        bases.keep(true);
        let count = Cell::new(0);
        let read = || {
            count.set(count.get() + 1);
            Ok(Start::at(Text::from("/a"), None))
        };
        bases.entered(1);
        bases.start(1, base, read).unwrap();
        between(&mut bases);
        bases.entered(1);
        bases.start(1, base, read).unwrap();
        count.get()
    }

    #[test]
    fn a_directory_is_read_once_until_its_number_or_process_changes() {
        let three = Base::Descriptor(3);
        let close = |number: u64, process: i32| {
            let args = [number, 0, 0, 0, 0, 0];
            move |bases: &mut Bases| {
                bases.disturbed(process, process, Disturbs::Number(0), &args, &[]);
            }
        };
        assert_eq!(reads(three, |_| {}), 1);
        assert_eq!(reads(three, close(4, 1)), 1);
        assert_eq!(reads(three, close(3, 2)), 1, "another's number 3");
        assert_eq!(reads(three, close(3, 1)), 2);
        assert_eq!(reads(Base::Current, close(3, 1)), 1);
        let chdir = |bases: &mut Bases| bases.disturbed(1, 1, Disturbs::Directory, &NO_ARGS, &[]);
        assert_eq!(reads(Base::Current, chdir), 2);
        assert_eq!(reads(three, chdir), 1);
        assert_eq!(reads(three, |bases| bases.descriptors_stand(false)), 2);
        assert_eq!(reads(three, |_| std::thread::sleep(2 * AGE)), 2);
    }

    #[test]
    fn nothing_is_kept_while_another_thread_has_yet_to_change_it() {
        // Thread 2 of the same process is about to change the directory, and 3 of another to rename one.
        for (process, tid, names) in [(1, 2, false), (3, 3, true)] {
            let mut bases = Bases::default();
            bases.keep(true);
            bases.entered(tid);
            if names {
                bases.renamed(process, tid, [(Access::RenameFrom, None)].into_iter());
            } else {
                bases.disturbed(process, tid, Disturbs::Directory, &NO_ARGS, &[]);
            }
            let read = || Ok(Start::at(Text::from("/a"), None));
            let first = bases.start(1, Base::Current, read).unwrap();
            let second = bases.start(1, Base::Current, read).unwrap();
            assert!(!Arc::ptr_eq(&first, &second));
            // Its next call: it has done so.
            bases.entered(tid);
            let third = bases.start(1, Base::Current, read).unwrap();
            assert!(Arc::ptr_eq(&third, &bases.start(1, Base::Current, read).unwrap()));
        }
    }

    #[test]
    fn a_table_that_processes_share_ends_it() {
        let clone = |flags: i32| {
            move |bases: &mut Bases| {
                bases.disturbed(1, 1, Disturbs::Shares(0), &NO_ARGS, &[flags as u64]);
            }
        };
        assert_eq!(reads(Base::Current, clone(libc::SIGCHLD)), 1);
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_THREAD;
        assert_eq!(reads(Base::Current, clone(thread)), 1);
        assert_eq!(reads(Base::Current, clone(libc::CLONE_FILES)), 2);
    }
}
