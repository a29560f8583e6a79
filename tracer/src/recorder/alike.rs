//! Calls that passed, like one that passed before: they say nothing but that they were made once more, and
//! are not looked at again.

use super::Recorder;
use crate::{
    observe::{Before, Event, Passed, Stat},
    program::Pending,
};
use foldhash::{HashMap, fast::RandomState};
use model::{Sysno, Text};
use std::{
    hash::BuildHasher,
    time::{Duration, Instant},
};

/// For how long it is believed that a path leads to where it led: others than the traced processes may
/// change that.
const AGE: Duration = Duration::from_millis(50);
/// How many are kept.
const BOUND: usize = 1024;

/// What two calls have in common that are alike; `T` is a path.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Likeness<T> {
    process: i32,
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
    fn of(event: &Event, passed: &Passed<'a>) -> Option<Likeness<&'a Text>> {
        Some(Likeness {
            process: event.tid,
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
        let Likeness { process, sysno, args, before, stat, result, .. } = *self;
        Likeness { process, sysno, args, path, opened, before, stat, result }
    }
}

impl Likeness<Text> {
    fn is(&self, other: &Likeness<&Text>) -> bool {
        let (path, opened) = (&self.path, self.opened.as_ref());
        let Likeness { process, sysno, args, before, stat, result, .. } = *self;
        Likeness { process, sysno, args, path, opened, before, stat, result } == *other
    }
}

#[derive(Debug)]
struct Known {
    likeness: Likeness<Text>,
    /// What it said.
    pending: Pending,
    /// Where the file lies that it opened, or that its descriptor is.
    at: Option<Text>,
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
#[derive(Debug, Default)]
pub struct Alike {
    known: HashMap<u64, Option<Known>>,
    state: RandomState,
    since: Option<Instant>,
}

impl Recorder {
    /// A call is about to be made that may change what calls with paths see.
    pub fn forget_alike(&mut self) {
        self.alike.known.clear();
    }

    /// A file was removed, and nothing else: a descriptor that is it has no name any more.
    pub fn forget_alike_behind(&mut self, removed: &Text) {
        let name = last(removed);
        let is_behind = |known: &Option<Known>| known.as_ref().is_some_and(|k| k.is_behind(name));
        self.alike.known.retain(|_, known| !is_behind(known));
    }

    /// More calls that passed follow.
    pub fn refresh_alike(&mut self) {
        if self.alike.since.is_none_or(|since| since.elapsed() > AGE) {
            self.alike = Alike { since: Some(Instant::now()), ..Alike::default() };
        }
    }

    /// Records a call that was made before, and passed, with the kernel's answer where there was one. What
    /// it saw is looked at now, unless a call like it passed just before. Where the file lies that it opened,
    /// if that is what it did. A process of one thread made it.
    pub fn passed_with(&mut self, event: &Event, passed: Passed<'_>) -> Option<Text> {
        let likeness = Likeness::of(event, &passed);
        let hash = likeness.as_ref().map(|likeness| self.alike.state.hash_one(likeness));
        let Some((likeness, hash)) = likeness.zip(hash) else {
            return self.pass(event, Some(passed), passed.result).1;
        };
        let before = self.alike.known.get(&hash);
        if let Some(Some(known)) = before
            && known.likeness.is(&likeness)
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
        let known = pending.filter(|_| is_second).map(|pending| {
            let (likeness, at) = (likeness.to_owned(), at.clone());
            Known { likeness, pending, at }
        });
        self.alike.known.insert(hash, known);
        at
    }
}
