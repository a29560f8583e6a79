//! What one image did, while it grows: its clock, its descriptors and its names, alike ones folded
//! from the start, so that ten thousand connections take the room of one.

use model::{
    Sysno, Text,
    descriptor::{Descriptor, Detail, Image, Name, NameUse, Object, Origin, Use},
    trace::Address,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many descriptors that differ only by path, or by the number that was inherited, are apart.
const APART: usize = 8;
/// The same of inherited ones: whoever started the program told it their numbers.
const INHERITED_APART: usize = 64;
/// How many records of descriptors an image keeps; past it only origin and object tell them apart.
const DESCRIPTORS_BOUND: usize = 1024;
/// How many names an image keeps; past it siblings share one, past twice as many all paths do.
const NAMES_BOUND: usize = 4096;

/// What makes a new record different from all others but for its path or number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Base {
    origin: Origin,
    object: Object,
    stack: Option<u32>,
}

/// What else does, as long as there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Apart {
    No,
    Number(i32),
    Path(Text),
    Many,
}

#[derive(Debug)]
struct Group {
    base: usize,
    record: Descriptor,
    open: u64,
    by_use: HashMap<(Sysno, u8, Option<Detail>), usize>,
}

/// The descriptors and names of an image that still runs.
#[derive(Debug)]
pub struct Growing {
    /// Place of its process in the recorder's list.
    pub process: usize,
    /// Place of its program in the recorder's list.
    pub program: usize,
    /// Whether it began with fork.
    pub forked: bool,
    /// The tick of now.
    pub clock: u64,
    /// The tick before its own code was first seen at work.
    pub entered_main: Option<u64>,
    /// Which stacks were walked already, by what lies on them.
    pub stacks: HashMap<u64, Option<u32>>,
    groups: Vec<Group>,
    bases: Vec<usize>,
    base_index: HashMap<Base, usize>,
    group_index: HashMap<(usize, Apart), usize>,
    calls: BTreeMap<Sysno, (u64, u64)>,
    names: Vec<NameUse>,
    name_index: HashMap<(Sysno, Name, Option<u32>), usize>,
    /// Descriptors of others, who share the table.
    foreign: HashMap<u64, usize>,
    descriptors_cut: bool,
    names_cut: bool,
}

/// How well a use went, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded.
    Ok,
    /// It failed.
    Failed,
    /// The result was not seen.
    Unknown,
}

impl Growing {
    /// An image that begins.
    pub fn new(process: usize, program: usize, forked: bool) -> Growing {
        Growing {
            process,
            program,
            forked,
            clock: 0,
            entered_main: None,
            stacks: HashMap::new(),
            groups: Vec::new(),
            bases: Vec::new(),
            base_index: HashMap::new(),
            group_index: HashMap::new(),
            calls: BTreeMap::new(),
            names: Vec::new(),
            name_index: HashMap::new(),
            foreign: HashMap::new(),
            descriptors_cut: false,
            names_cut: false,
        }
    }

    /// A call that is entered.
    pub fn called(&mut self, call: Sysno) {
        let clock = self.clock;
        self.calls.entry(call).or_insert((clock, clock)).1 = clock;
    }

    /// A descriptor that was made during this tick. `origin` names others by their records. Gives
    /// its record.
    pub fn made(
        &mut self,
        number: i32,
        origin: Origin,
        object: Object,
        stack: Option<u32>,
    ) -> usize {
        let group = self.group(number, origin, object, stack);
        let clock = self.clock;
        let group_state = &mut self.groups[group];
        group_state.open += 1;
        let record = &mut group_state.record;
        record.count += 1;
        record.made_last = clock;
        if record.numbers.len() < Descriptor::NUMBERS_BOUND {
            record.numbers.insert(number);
        }
        group
    }

    fn group(
        &mut self,
        number: i32,
        mut origin: Origin,
        object: Object,
        mut stack: Option<u32>,
    ) -> usize {
        let crowded = self.groups.len() >= DESCRIPTORS_BOUND;
        if crowded {
            self.descriptors_cut = true;
            stack = None;
            reference(&mut origin).map(Option::take);
        }
        let mut base = Base { origin: origin.clone(), object, stack };
        if let Some(Some(to)) = reference(&mut base.origin) {
            *to = self.groups[*to as usize].base as u32;
        }
        let (mut apart, bound) = match &mut base.origin {
            Origin::Inherited { path, .. } => {
                *path = None;
                (Apart::Number(number), INHERITED_APART)
            }
            Origin::Opened { paths, .. } => {
                (std::mem::take(paths).pop_first().map_or(Apart::No, Apart::Path), APART)
            }
            _ => (Apart::No, usize::MAX),
        };
        let next = self.bases.len();
        let base = *self.base_index.entry(base).or_insert(next);
        if base == next {
            self.bases.push(0);
        }
        if let Some(&group) = self.group_index.get(&(base, apart.clone())) {
            return group;
        }
        if apart != Apart::No && (self.bases[base] >= bound || crowded) {
            apart = Apart::Many;
        }
        self.bases[base] += 1;
        let next = self.groups.len();
        let group = *self.group_index.entry((base, apart)).or_insert(next);
        if group == next {
            self.add(base, origin, object, stack);
        } else {
            join(&mut self.groups[group].record.origin, origin);
        }
        group
    }

    fn add(&mut self, base: usize, origin: Origin, object: Object, stack: Option<u32>) {
        let record = Descriptor {
            origin,
            object,
            count: 0,
            numbers: BTreeSet::new(),
            made: self.clock,
            made_last: self.clock,
            closed: None,
            close_on_exec: true,
            inherited_by_children: false,
            crossed_exec: false,
            stack,
            uses: Vec::new(),
        };
        self.groups.push(Group { base, record, open: 0, by_use: HashMap::new() });
    }

    /// The record of a descriptor that another image made, which shares the table.
    pub fn foreign(&mut self, serial: u64, number: i32, origin: Origin, object: Object) -> usize {
        if let Some(&group) = self.foreign.get(&serial) {
            return group;
        }
        let group = self.made(number, origin, object, None);
        self.foreign.insert(serial, group);
        group
    }

    /// A descriptor of another image, which shares the table, has this record here.
    pub fn shares(&mut self, serial: u64, record: usize) {
        self.foreign.insert(serial, record);
    }

    /// A descriptor that was closed during this tick.
    pub fn closed(&mut self, group: usize, close_on_exec: bool) {
        let group = &mut self.groups[group];
        group.open = group.open.saturating_sub(1);
        group.record.closed = Some(self.clock);
        group.record.close_on_exec &= close_on_exec;
    }

    /// A descriptor that is open at the image's end.
    pub fn left_open(&mut self, group: usize, close_on_exec: bool, executes: bool) {
        let record = &mut self.groups[group].record;
        record.close_on_exec &= close_on_exec;
        record.crossed_exec |= executes && !close_on_exec;
    }

    /// A descriptor that a child gets.
    pub fn inherited(&mut self, group: usize) {
        self.groups[group].record.inherited_by_children = true;
    }

    /// What was done through a descriptor. Gives its place, for [`failed`](Growing::failed).
    pub fn used(
        &mut self,
        group: usize,
        call: Sysno,
        argument: u8,
        detail: Option<Detail>,
        count: u64,
    ) -> (usize, usize) {
        let clock = self.clock;
        let Group { record, by_use, .. } = &mut self.groups[group];
        let next = record.uses.len();
        let at = *by_use.entry((call, argument, detail)).or_insert(next);
        if at == next {
            let (first, last) = (clock, clock);
            let (failed, stack) = (0, None);
            record.uses.push(Use { call, argument, detail, first, last, count, failed, stack });
        } else {
            let known = &mut record.uses[at];
            known.last = clock;
            known.count += count;
        }
        (group, at)
    }

    /// A use failed.
    pub fn failed(&mut self, (group, at): (usize, usize)) {
        if let Some(known) = self.groups.get_mut(group).and_then(|g| g.record.uses.get_mut(at)) {
            known.failed += 1;
        }
    }

    /// A global name that was used during this tick.
    pub fn named(&mut self, call: Sysno, what: Name, stack: Option<u32>, outcome: Outcome) {
        let (mut key, mut bounded) = ((call, what, stack), false);
        for bound in [NAMES_BOUND, 2 * NAMES_BOUND] {
            if self.names.len() >= bound && !self.name_index.contains_key(&key) {
                bounded = true;
                key = (call, wider(key.1, bound > NAMES_BOUND), None);
            }
        }
        self.names_cut |= bounded;
        let next = self.names.len();
        let at = *self.name_index.entry(key).or_insert_with_key(|(call, what, stack)| {
            let (call, what, stack) = (*call, what.clone(), *stack);
            let first = self.clock;
            self.names.push(NameUse { call, what, first, last: first, count: 0, ok: 0, stack });
            next
        });
        let name = &mut self.names[at];
        name.last = self.clock;
        name.count += 1;
        name.ok += u64::from(outcome == Outcome::Ok);
    }

    /// Whether descriptors, and whether names were folded at a bound.
    pub fn cut(&self) -> (bool, bool) {
        (self.descriptors_cut, self.names_cut)
    }

    /// The most descriptors and names that are kept apart.
    pub const BOUNDS: (u64, u64) = (DESCRIPTORS_BOUND as u64, NAMES_BOUND as u64);

    /// The trace's form; process and program are still the recorder's places.
    pub fn finish(mut self) -> Image {
        let places = self.merge_many();
        let mut records: Vec<Descriptor> = Vec::new();
        for (at, group) in self.groups.into_iter().enumerate() {
            let mut record = group.record;
            if let Some(Some(to)) = reference(&mut record.origin) {
                *to = places[*to as usize] as u32;
            }
            if group.open > 0 {
                record.closed = None;
            }
            if places[at] == records.len() {
                records.push(record);
            } else {
                merge(&mut records[places[at]], record);
            }
        }
        for record in &mut records {
            record.uses.sort_by_key(|used| used.first);
        }
        Image {
            process: self.process as u32,
            program: self.program as u32,
            forked: self.forked,
            count: 1,
            clock: self.clock,
            entered_main: self.entered_main,
            descriptors: records,
            names: self.names,
            calls: self.calls,
        }
    }

    /// Where each record goes: those that were apart join the record of the many, where there came to
    /// be one.
    fn merge_many(&mut self) -> Vec<usize> {
        let many: HashSet<usize> = self
            .group_index
            .keys()
            .filter(|(_, apart)| *apart == Apart::Many)
            .map(|(base, _)| *base)
            .collect();
        let (mut next, mut of_base) = (0, HashMap::new());
        let mut place = |group: &Group| {
            let inherited = matches!(group.record.origin, Origin::Inherited { .. });
            let new = next;
            let at = if many.contains(&group.base) && !inherited {
                *of_base.entry(group.base).or_insert(new)
            } else {
                new
            };
            next += usize::from(at == new);
            at
        };
        self.groups.iter().map(&mut place).collect()
    }
}

/// What an origin refers to, where it can refer to something.
fn reference(origin: &mut Origin) -> Option<&mut Option<u32>> {
    match origin {
        Origin::Opened { at: to, .. }
        | Origin::Accepted { from: to }
        | Origin::Duplicated { from: to, .. }
        | Origin::Received { over: to } => Some(to),
        _ => None,
    }
}

/// An origin that refers to nothing.
pub fn forget_reference(origin: &mut Origin) {
    reference(origin).map(Option::take);
}

/// Adds the paths of another origin that is else the same.
fn join(origin: &mut Origin, other: Origin) {
    if let (Origin::Opened { paths, more, .. }, Origin::Opened { paths: others, more: also, .. }) =
        (origin, other)
    {
        paths.extend(others);
        *more |= also;
        while paths.len() > Descriptor::PATHS_BOUND {
            paths.pop_last();
            *more = true;
        }
    }
}

/// Adds another record of the same base.
pub fn merge(record: &mut Descriptor, other: Descriptor) {
    join(&mut record.origin, other.origin);
    record.count += other.count;
    record.numbers.extend(other.numbers);
    while record.numbers.len() > Descriptor::NUMBERS_BOUND {
        record.numbers.pop_last();
    }
    record.made = record.made.min(other.made);
    record.made_last = record.made_last.max(other.made_last);
    // One that is open at the end has no last closing.
    record.closed = record.closed.zip(other.closed).map(|(one, other)| one.max(other));
    record.close_on_exec &= other.close_on_exec;
    record.inherited_by_children |= other.inherited_by_children;
    record.crossed_exec |= other.crossed_exec;
    for used in other.uses {
        let same = |known: &&mut Use| {
            (known.call, known.argument, known.detail) == (used.call, used.argument, used.detail)
        };
        match record.uses.iter_mut().find(same) {
            Some(known) => {
                known.first = known.first.min(used.first);
                known.last = known.last.max(used.last);
                known.count += used.count;
                known.failed += used.failed;
            }
            None => record.uses.push(used),
        }
    }
}

/// A name that stands for its siblings, or for all of its kind.
fn wider(name: Name, all: bool) -> Name {
    let widen = |path: Text| {
        let bytes = path.as_bytes();
        let end = bytes.iter().rposition(|&byte| byte == b'/').filter(|_| !all);
        let directory = end.map_or(&b"/"[..], |at| &bytes[..=at]);
        Text::from([directory, b"*"].concat())
    };
    match name {
        Name::Path { path, accesses, flags } => Name::Path { path: widen(path), accesses, flags },
        Name::Exec { path } => Name::Exec { path: widen(path) },
        Name::Address { address: Address::Inet { .. }, operation } => {
            Name::Address { address: Address::Inet { host: "*".to_owned(), port: 0 }, operation }
        }
        Name::Address { address: Address::Unix { path, .. }, operation } => {
            let address = Address::Unix { path: widen(path), resolved: None };
            Name::Address { address, operation }
        }
        Name::Address { address: Address::Abstract { .. }, operation } => {
            Name::Address { address: Address::Abstract { name: Text::from("*") }, operation }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
