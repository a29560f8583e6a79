//! What is known of one address space that has stubs: its processes, its sites, and what was counted.

use super::{
    area,
    stub::{Moved, Place, Sort, Stub},
};
use foldhash::{HashMap, HashSet};
use model::{Sysno, Text};
use std::collections::BTreeMap;
use std::ops::Range;
use supervisor::{
    memory,
    procfs::{self, Mapping},
};

/// More calls than this nobody makes between two stops: something else wrote there.
const COUNT_MAX: u64 = 1 << 40;

/// A place from which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// It stopped so many times.
    Stopped(u8),
    /// It has this block of stubs.
    Rewritten(usize),
    /// It cannot be rewritten.
    Never,
}

/// One sort of call that passes from a site.
#[derive(Debug, Clone)]
pub struct Passing {
    /// What it must be.
    pub sort: Sort,
    /// The call.
    pub sysno: Sysno,
    /// Its code.
    pub stub: Stub,
    /// Its counter when it was last read.
    pub counted: u64,
}

/// What is written between functions, and where.
pub type Pads = Vec<(u64, Vec<u8>)>;

/// A site that was rewritten.
#[derive(Debug, Clone)]
pub struct Block {
    /// The instructions from the replaced one to the call.
    pub moved: Vec<Moved>,
    /// Where the site's own call is.
    pub call: u64,
    /// What was written over the first of them.
    pub jump: Vec<u8>,
    /// What was written between functions for it, and where.
    pub pads: Pads,
    /// What passes.
    pub passing: Vec<Passing>,
}

/// What becomes of calls with paths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ring {
    /// None passed yet.
    #[default]
    Unused,
    /// They are recorded in the ring, of which so many bytes were read.
    Read(u64),
    /// They all stop, as long as there are several threads.
    Waits,
    /// They all stop.
    Closed,
}

/// An address space.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// The processes that live in it; what passes is the first one's.
    pub members: Vec<i32>,
    /// Its one process is about to make another one that lives in it first, as vfork(2) does.
    pub is_lent: bool,
    /// That one: its maker waits until it has left.
    pub guest: Option<i32>,
    /// Children that were copied from it and have not stopped yet.
    pub expected: HashSet<i32>,
    /// The code of its image is still being mapped, and not all of that stops.
    pub loading: bool,
    /// What its image begins with, where it has not begun when this was set.
    pub begins: Option<Box<libc::user_regs_struct>>,
    /// Its counters can be written.
    pub opened: bool,
    /// Nothing passes any more.
    pub closed: bool,
    /// What is read of its ring.
    pub ring: Ring,
    /// Its process may be somebody else by now.
    pub is_renamed: bool,
    /// How often it was emptied so that no descriptor is meant any more.
    pub rewound: u64,
    /// It was emptied while the process went on: what its records opened and meant still counts.
    pub emptied: bool,
    /// Another process may have moved what its records opened: it stops at its next path.
    pub moved: bool,
    /// The files that records opened which were read and still count, by descriptor; `None` for one that has
    /// no name any more.
    pub files: HashMap<i32, Option<Text>>,
    /// Its threads did not let it be rewritten: for how many more stops that is believed.
    pub deaf_for: u32,
    /// For how many the next time.
    pub ask_again: u32,
    /// Its sites, by the address after the call.
    pub sites: HashMap<u64, Site>,
    /// Those that were rewritten.
    pub blocks: Vec<Block>,
    /// Which blocks' jumps are in place, by where they begin.
    pub jumps: BTreeMap<u64, usize>,
    /// Which block each used place between functions belongs to, and each door.
    pub pads: BTreeMap<u64, usize>,
    /// How often something was written for the sites.
    pub changes: u64,
    /// The code of files that is mapped; dropped when it may have changed.
    pub code: Option<Vec<Mapping>>,
    /// What stopped of what may pass: after which address, and what it was.
    pub seen: Vec<(u64, Sysno, Sort)>,
    /// Whether code may have been mapped of which it is known what calls.
    pub due: Due,
    /// Where code begins that was prepared.
    pub prepared: HashSet<u64>,
    /// How much had been added by then to what the program has shown.
    pub additions: u64,
    /// Where something is rewritten, as the program's stubs read it.
    pub taken: Option<[Range<u64>; area::TAKEN_MAX]>,
}

/// Whether a space is to be prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Due {
    /// It is not.
    #[default]
    No,
    /// At once.
    Now,
    /// When no more code seems to follow.
    Soon,
}

/// How much is kept of what stopped in one space.
const SEEN_MAX: usize = 1024;

impl Space {
    /// Keeps what stopped and may pass in a later image.
    pub fn saw(&mut self, after: u64, sysno: Sysno, sort: &Sort) {
        if self.seen.len() < SEEN_MAX {
            self.seen.push((after, sysno, sort.clone()));
        }
    }

    /// The code of files that is mapped, asked for where that may have changed.
    pub fn code(&mut self, tid: i32) -> Option<&[Mapping]> {
        if self.code.is_none() {
            self.code = procfs::code(tid).ok();
        }
        self.code.as_deref()
    }

    /// Few ranges, in whole pages, in which everything lies that is rewritten; the others end where they
    /// begin.
    pub fn ranges_taken(&self) -> [Range<u64>; area::TAKEN_MAX] {
        let mut taken = [const { 0..0 }; area::TAKEN_MAX];
        // The area counts as a whole.
        let ends = [area::AREA.start, area::AREA.end - 0x1000];
        let mut used: Vec<u64> = self.jumps.keys().chain(self.pads.keys()).copied().collect();
        used.retain(|address| !area::AREA.contains(address));
        used.extend(ends);
        used.sort_unstable();
        let mut gaps: Vec<usize> = (1..used.len()).filter(|&at| used[at] != ends[1]).collect();
        gaps.sort_unstable_by_key(|&at| std::cmp::Reverse(used[at] - used[at - 1]));
        gaps.truncate(area::TAKEN_MAX - 1);
        gaps.sort_unstable();
        let starts = std::iter::once(0).chain(gaps.iter().copied());
        let ends = gaps.iter().copied().chain([used.len()]);
        for (range, (start, end)) in taken.iter_mut().zip(starts.zip(ends)) {
            if let [first, .., last] | [first @ last] = used[start..end] {
                // What is written at an address may reach into the next page.
                *range = first & !0xfff..(last + 0x1fff) & !0xfff;
            }
        }
        taken
    }

    /// What was counted since the last time, less what was taken back. `None` when the memory is gone;
    /// `false` beside what is right when something is not.
    pub fn counts(&mut self, tid: i32) -> Option<(Vec<(Sysno, i64)>, bool)> {
        let numbers = self.read(tid)?;
        let (mut counts, mut sound) = (Vec::new(), true);
        for (index, block) in self.blocks.iter_mut().enumerate() {
            for (variant, passing) in block.passing.iter_mut().enumerate() {
                let now = numbers[index * area::VARIANTS as usize + variant];
                // A call that was counted here the last time may have been taken back since.
                let count = now.wrapping_sub(passing.counted) as i64;
                passing.counted = now;
                if count.unsigned_abs() > COUNT_MAX {
                    sound = false;
                } else if count != 0 {
                    counts.push((passing.sysno, count));
                }
            }
        }
        Some((counts, sound))
    }

    /// Takes the counters as they are, of the blocks from `first` on, for what was counted already.
    pub fn set_base(&mut self, tid: i32, first: usize) {
        let numbers = self.read(tid).unwrap_or_default();
        for (index, block) in self.blocks.iter_mut().enumerate().skip(first) {
            for (variant, passing) in block.passing.iter_mut().enumerate() {
                let at = index * area::VARIANTS as usize + variant;
                passing.counted = numbers.get(at).copied().unwrap_or_default();
            }
        }
    }

    fn read(&self, tid: i32) -> Option<Vec<u64>> {
        let mut bytes = vec![0; self.blocks.len() * area::VARIANTS as usize * 8];
        if !bytes.is_empty() {
            memory::read(tid, area::counter(0, 0), &mut bytes).ok()?;
        }
        let number = |chunk: &[u8]| chunk.try_into().map_or(0, u64::from_le_bytes);
        Some(bytes.chunks_exact(8).map(number).collect())
    }

    /// Where a thread that stands in a stub, or on the way to one, would stand without it. A call that
    /// it would have counted is not.
    pub fn place(&mut self, address: u64) -> Option<u64> {
        if let Some(&block) = self.pads.get(&address) {
            return Some(self.blocks.get(block)?.moved[0].address);
        }
        let (block, variant) = area::owner(address)?;
        let passing = self.blocks.get_mut(block)?.passing.get_mut(variant)?;
        let Place { address, counted } = passing.stub.place(address);
        passing.counted = passing.counted.wrapping_add(u64::from(counted));
        Some(address)
    }

    /// Forgets what was rewritten in a range that is mapped anew: what was there is gone.
    pub fn forget(&mut self, start: u64, end: u64) {
        self.code = None;
        if self.sites.is_empty() {
            return;
        }
        let within = |address: &u64| (start..end).contains(address);
        self.sites.retain(|address, _| !within(address));
        self.jumps.retain(|address, _| !within(address));
        self.pads.retain(|address, _| !within(address));
        self.prepared.retain(|address| !within(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ranges_take_all_that_is_rewritten_and_the_area() {
        let mut space = Space::default();
        let area = area::AREA;
        let taken = |space: &Space| {
            let mut taken = space.ranges_taken().to_vec();
            taken.retain(|range| !range.is_empty());
            taken
        };
        assert_eq!(taken(&space), std::slice::from_ref(&area));
        let program = [0x40_1000, 0x40_1ffe, 0x40_9000];
        let (library, loader) = ([0x7f00_0000_1008, 0x7f00_0000_2000], [0x7fff_f000_0010]);
        for (block, address) in [&program[..], &library, &loader].concat().into_iter().enumerate() {
            space.jumps.insert(address, block);
            space.pads.insert(area::door(block), block);
        }
        let expected = [
            0x40_1000..0x40_a000 + 0x1000,
            area,
            0x7f00_0000_1000..0x7f00_0000_3000 + 0x1000,
            0x7fff_f000_0000..0x7fff_f000_2000,
        ];
        let within =
            |range: &Range<u64>, one: &Range<u64>| one.start >= range.start && one.end <= range.end;
        let found = taken(&space);
        assert_eq!(found.len(), area::TAKEN_MAX);
        for (found, expected) in found.iter().zip(&expected) {
            assert!(within(expected, found), "{found:x?} {expected:x?}");
        }
        for address in space.jumps.keys() {
            assert!(
                found.iter().any(|range| range.contains(address) && range.contains(&(address + 6)))
            );
        }
    }
}
