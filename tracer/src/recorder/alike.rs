//! Calls that passed, like one that passed before: they say nothing but that they were made once more, and
//! are not looked at again. Another process of the same program may have made that one.

use super::Recorder;
use crate::{
    checks::Credentials,
    observe::{Before, Event, Passed, Stat},
    paths::View,
    program::Pending,
};
use foldhash::{HashMap, fast::RandomState};
use model::{Sysno, Text};
use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};
use supervisor::procfs;

/// For how long it is believed that a path leads to where it led: others than the traced processes may
/// change that.
const AGE: Duration = Duration::from_millis(200);
/// Which of the values of a call that tell what it does is what its descriptor means.
const MEANT: usize = 5;
/// How many are kept.
const BOUND: usize = 4096;

/// Who makes a call, and from where: those who have this in common see the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Standing {
    program: usize,
    /// Which of the credentials that were seen.
    who: usize,
    /// The first process of the run, and others.
    is_first: bool,
    /// Where it sees files, or means a descriptor, in its own way.
    process: Option<i32>,
    /// Which of the working directories that were seen, where the path is relative to that.
    directory: Option<usize>,
}

/// What two calls have in common that are alike; `T` is a path.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Likeness<T> {
    standing: Standing,
    sysno: Sysno,
    args: [u64; 6],
    path: T,
    opened: Option<T>,
    before: Option<Before>,
    stat: Option<Stat>,
    /// 0 where it worked.
    result: i64,
}

impl<'a> Likeness<&'a Text> {
    fn of(event: &Event, passed: &Passed<'a>, standing: Standing) -> Option<Likeness<&'a Text>> {
        Some(Likeness {
            standing,
            sysno: event.sysno,
            args: passed.tells?,
            path: passed.path?,
            opened: passed.opened,
            before: passed.before,
            stat: passed.stat,
            result: passed.result?.min(0),
        })
    }

    fn to_owned(&self) -> Likeness<Text> {
        let (path, opened) = (self.path.clone(), self.opened.cloned());
        let Likeness { standing, sysno, args, before, stat, result, .. } = *self;
        Likeness { standing, sysno, args, path, opened, before, stat, result }
    }
}

impl Likeness<Text> {
    fn is(&self, other: &Likeness<&Text>) -> bool {
        let (path, opened) = (&self.path, self.opened.as_ref());
        let Likeness { standing, sysno, args, before, stat, result, .. } = *self;
        Likeness { standing, sysno, args, path, opened, before, stat, result } == *other
    }
}

#[derive(Debug)]
struct Known {
    likeness: Likeness<Text>,
    /// What it said.
    pending: Pending,
    /// Where the file lies that it opened, or that its descriptor is.
    at: Option<Text>,
    /// When it was looked at.
    since: Instant,
}

impl Known {
    /// Whether it may have been about what a descriptor is that has this name.
    fn is_behind(&self, name: &[u8]) -> bool {
        self.likeness.path.is_empty() && self.at.as_ref().is_none_or(|at| last(at) == name)
    }
}

/// The last component of a path.
fn last(path: &Text) -> &[u8] {
    path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// Calls that passed since the last one that may have changed what they saw, by the hash of their likeness:
/// the first of a kind leaves only that, for most are the only ones.
#[derive(Debug)]
pub struct Alike {
    known: HashMap<u64, Option<Known>>,
    state: RandomState,
    /// Who was seen so far, as which, and their working directories.
    who: Vec<Credentials>,
    directories: HashMap<Text, usize>,
    /// The process whose calls follow, and when they began to.
    standing: Option<Standing>,
    now: Instant,
}

impl Default for Alike {
    fn default() -> Alike {
        Alike {
            known: HashMap::default(),
            state: RandomState::default(),
            who: Vec::new(),
            directories: HashMap::default(),
            standing: None,
            now: Instant::now(),
        }
    }
}

impl Alike {
    /// Which of those that were seen.
    fn who(&mut self, who: &Credentials) -> usize {
        let known = self.who.iter().position(|known| known.are_like(who));
        known.unwrap_or_else(|| {
            self.who.push(who.clone());
            self.who.len() - 1
        })
    }

    /// Which of the directories that were seen; `None` where it has no name.
    fn directory(&mut self, process: i32) -> Option<usize> {
        let path = procfs::link(process, "cwd").ok()?;
        if path.as_bytes().ends_with(b" (deleted)") {
            return None;
        }
        let next = self.directories.len();
        Some(*self.directories.entry(path).or_insert(next))
    }

    fn forget(&mut self) {
        self.known.clear();
        self.who.clear();
        self.directories.clear();
        self.standing = None;
    }
}

impl Recorder {
    /// A call is about to be made that may change what calls with paths see.
    pub fn forget_alike(&mut self) {
        self.alike.forget();
    }

    /// A file was removed, and nothing else: a descriptor that is it has no name any more.
    pub fn forget_alike_behind(&mut self, removed: &Text) {
        let name = last(removed);
        let is_behind = |known: &Option<Known>| known.as_ref().is_some_and(|k| k.is_behind(name));
        self.alike.known.retain(|_, known| !is_behind(known));
    }

    /// More calls that passed follow, of one process.
    pub fn refresh_alike(&mut self) {
        if self.alike.known.len() >= BOUND {
            self.alike.forget();
        }
        self.alike.standing = None;
        self.alike.now = Instant::now();
    }

    /// Who makes these calls, and from where this one.
    fn standing(&mut self, event: &Event, passed: &Passed<'_>) -> Option<Standing> {
        let process = event.tid;
        let mut standing = match self.alike.standing {
            Some(known) => known,
            None => {
                let state = self.processes.get_mut(&process)?;
                let who = self.alike.who(state.who(process, &mut self.users)?);
                let is_own = state.view.get_or_insert_with(|| View::of(process)).is_own();
                let process = (!is_own).then_some(process);
                let (program, is_first) = (state.program, state.id == 0);
                Standing { program, who, is_first, process, directory: None }
            }
        };
        let is_absolute = passed.path.is_some_and(|path| path.as_bytes().first() == Some(&b'/'));
        let means = passed.tells.is_some_and(|tells| tells[MEANT] != 0);
        let is_relative = !is_absolute && !means && passed.opened.is_none();
        if is_relative && standing.process.is_none() && standing.directory.is_none() {
            standing.directory = self.alike.directory(process);
            if standing.directory.is_none() {
                standing.process = Some(process);
            }
        }
        self.alike.standing = Some(standing);
        let process = if means { Some(process) } else { standing.process };
        Some(Standing {
            process,
            directory: standing.directory.filter(|_| is_relative),
            ..standing
        })
    }

    /// Records a call that was made before, and passed, with the kernel's answer where there was one. What
    /// it saw is looked at now, unless a call like it passed just before. Where the file lies that it opened,
    /// if that is what it did. A process of one thread made it.
    pub fn passed_with(&mut self, event: &Event, passed: Passed<'_>) -> Option<Text> {
        let standing = passed.tells.and_then(|_| self.standing(event, &passed));
        let likeness = standing.and_then(|standing| Likeness::of(event, &passed, standing));
        let hash = likeness.as_ref().map(|likeness| self.alike.state.hash_one(likeness));
        let Some((likeness, hash)) = likeness.zip(hash) else {
            return self.pass(event, Some(passed), passed.result).1;
        };
        let before = self.alike.known.get(&hash);
        if let Some(Some(known)) = before
            && known.likeness.is(&likeness)
            && self.alike.now.saturating_duration_since(known.since) < AGE
        {
            let slot = self.slots.of(event.sysno);
            self.calls += 1;
            let state = self.processes.get(&event.tid)?;
            super::count(&mut self.records, state.id, slot, 1);
            let program = &mut self.programs[known.pending.program()];
            program.add(slot, 1);
            program.settle(&known.pending, passed.result);
            return known.at.clone();
        }
        let is_second = before.is_some();
        let (pending, at) = self.pass(event, Some(passed), passed.result);
        if self.alike.known.len() >= BOUND {
            self.alike.known.clear();
        }
        let known = pending.filter(|_| is_second && !self.seen_elsewhere).map(|pending| {
            let (likeness, at, since) = (likeness.to_owned(), at.clone(), self.alike.now);
            Known { likeness, pending, at, since }
        });
        self.alike.known.insert(hash, known);
        at
    }
}
