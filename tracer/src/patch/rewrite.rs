//! Rewrites a site of a space so that its calls go to a stub, adds sorts of calls to one, and puts the
//! program's own bytes back.

use super::{
    area,
    function::{Memory, Of, Paged, Table},
    memory::{Code, write_data},
    pads,
    site::{LONG, Proof},
    space::{Block, Pads, Passing, Site, Space},
    stub::{CHOICE, Moved, Sort, Stub},
};
use model::{Sysno, Text};
use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};
use supervisor::{
    memory::read_u64,
    procfs::{self, Mapping},
};

/// What is known of a place in a file, relative to its call. The same in each process.
#[derive(Debug, Clone)]
pub struct Known {
    /// The instructions from the replaced one to the call.
    pub moved: Vec<Moved>,
    gaps: Vec<Range<u64>>,
}

/// What was found out about places in files: (file, inode, offset of the call).
#[derive(Debug, Default)]
pub struct Atlas(HashMap<(Text, u64, u64), Option<Known>>);

/// Whether a site's bytes may change while another thread executes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No other thread runs in this space.
    None,
    /// There are some.
    Running,
}

impl Atlas {
    /// What moves into a stub for the call at `call`, and the gaps near it, as `memory` of the process
    /// shows.
    pub fn of(
        &mut self,
        tid: i32,
        memory: &impl Memory,
        code: &[Mapping],
        call: u64,
    ) -> Option<Known> {
        let mapping = code_of_file(code, call)?;
        let place = (mapping.path.clone(), mapping.inode, mapping.offset + (call - mapping.start));
        let known = match self.0.entry(place) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let all = procfs::mappings(tid).ok()?;
                let base = base_of(mapping, &all);
                place.insert(base.and_then(|base| Known::of(&Paged::of(tid), base, call)))
            }
        };
        let known = known.as_ref()?.moved_to(call);
        // The file may have been written to since, or the program has changed its code.
        are_in_place(memory, &known.moved).then_some(known)
    }
}

/// Where the file of a mapping begins in memory.
fn base_of(mapping: &Mapping, all: &[Mapping]) -> Option<u64> {
    let parts = all.iter().rev().skip_while(|part| part.start > mapping.start);
    let parts = parts.take_while(|part| part.path == mapping.path || part.path.is_empty());
    Some(parts.filter(|part| part.path == mapping.path && part.offset == 0).last()?.start)
}

/// Whether a file's code is there. Code that may change under our hands is left alone, and so is what other
/// processes share.
pub fn is_of_file(mapping: &Mapping) -> bool {
    mapping.is_code() && !mapping.writable && mapping.private
}

/// The mapping with a file's code that holds `call`.
pub fn code_of_file(code: &[Mapping], call: u64) -> Option<&Mapping> {
    procfs::mapping_of(code, call).filter(|mapping| is_of_file(mapping))
}

/// Whether all of these instructions stand where they were.
fn are_in_place(memory: &impl Memory, moved: &[Moved]) -> bool {
    moved.iter().all(|moved| memory.holds(moved.address, &moved.bytes))
}

impl Known {
    fn of(memory: &impl Memory, base: u64, call: u64) -> Option<Known> {
        let table = Table::of(memory, base)?;
        let (entry, range) = table.around(memory, call)?;
        let proof = Proof::of(&memory.bytes(range.clone())?, &range, call)?;
        let gaps = pads::near(&table, memory, entry);
        Some(Known { moved: proof.moved, gaps }.moved_to(call.wrapping_neg()))
    }

    /// The same with all addresses `by` further on.
    fn moved_to(&self, by: u64) -> Known {
        let moved = self.moved.iter().map(|moved| Moved {
            address: moved.address.wrapping_add(by),
            bytes: moved.bytes.clone(),
        });
        let gap = |gap: &Range<u64>| gap.start.wrapping_add(by)..gap.end.wrapping_add(by);
        Known { moved: moved.collect(), gaps: self.gaps.iter().map(gap).collect() }
    }
}

impl Space {
    /// Rewrites the site whose call is at `call`; `None` when it cannot be.
    pub fn rewrite(
        &mut self,
        atlas: &mut Atlas,
        tid: i32,
        others: Others,
        call: u64,
        sysno: Sysno,
        sort: Sort,
    ) -> Option<()> {
        if let Some(block) = self.former(tid, call) {
            self.write(tid, others, block)?;
            return self.add(tid, block, sysno, sort);
        }
        let known = atlas.of(tid, &Of(tid), self.code(tid)?, call)?;
        let block = self.blocks.len();
        if block as u64 >= area::BLOCKS {
            return None;
        }
        let (jump, pads) = self.way(&Of(tid), &known, block)?;
        // Where only this sort has no stub, others of the place may.
        let Some(stub) = Stub::new(block, 0, &known.moved, call, &sort) else { return Some(()) };
        let counted = read_u64(tid, area::counter(block, 0)).unwrap_or_default();
        let passing = vec![Passing { sort, sysno, stub, counted }];
        self.blocks.push(Block { moved: known.moved, call, jump, pads, passing });
        self.write(tid, others, block)
    }

    /// A block for the same place with the same bytes, from before they were mapped away.
    fn former(&self, tid: i32, call: u64) -> Option<usize> {
        let is_same = |block: &Block| block.call == call && are_in_place(&Of(tid), &block.moved);
        self.blocks.iter().position(is_same)
    }

    /// The jump for the first moved instruction, and what it needs between functions.
    pub fn way(
        &self,
        memory: &impl Memory,
        known: &Known,
        block: usize,
    ) -> Option<(Vec<u8>, Pads)> {
        let first = &known.moved[0];
        let far = area::far(block).to_vec();
        let door = area::door(block);
        let mut pads = Vec::new();
        let mut jump = if first.bytes.len() >= LONG {
            let to = match near(first.address, door) {
                Some(_) => door,
                None => pads::free(&known.gaps, memory, &self.pads, pads::FAR, None)?,
            };
            if to != door {
                pads.push((to, far.clone()));
            }
            near(first.address, to)?
        } else {
            let from = Some(first.address);
            let to = match pads::free(&known.gaps, memory, &self.pads, pads::FAR, from) {
                Some(place) if near(place, door).is_none() => {
                    pads.push((place, far.clone()));
                    place
                }
                _ => {
                    let place = pads::free(&known.gaps, memory, &self.pads, pads::NEAR, from)?;
                    let to = if near(place, door).is_some() {
                        door
                    } else {
                        let mut used = self.pads.clone();
                        used.insert(place, block);
                        let to = pads::free(&known.gaps, memory, &used, pads::FAR, None)?;
                        pads.push((to, far.clone()));
                        to
                    };
                    pads.push((place, near(place, to)?));
                    place
                }
            };
            let distance = to.wrapping_sub(first.address + 2) as i64;
            vec![0xeb, i8::try_from(distance).ok()? as u8]
        };
        pads.push((door, far));
        // Nothing of the old instruction is left, so that the code still reads as code.
        jump.resize(first.bytes.len(), 0x90);
        Some((jump, pads))
    }

    /// Writes all of a block whose jump is not there, or not any more; the jump last.
    fn write(&mut self, tid: i32, others: Others, block: usize) -> Option<()> {
        let code = Code::of(tid).ok()?;
        let known = &self.blocks[block];
        for (variant, passing) in known.passing.iter().enumerate() {
            code.write(area::stub(block, variant), &passing.stub.code).ok()?;
        }
        let current = area::stub(block, known.passing.len() - 1);
        code.write(area::slot(block), &current.to_le_bytes()).ok()?;
        for (address, bytes) in &known.pads {
            code.write(*address, bytes).ok()?;
            self.pads.insert(*address, block);
        }
        let (first, call) = (known.moved[0].address, known.call);
        self.jumps.insert(first, block);
        self.keep_taken(tid)?;
        let known = &self.blocks[block];
        put(&code, others, first, &known.moved[0].bytes, &known.jump)?;
        self.sites.insert(call + 2, Site::Rewritten(block));
        self.changed(&code)
    }

    /// Says in the program's memory where something is rewritten.
    pub fn keep_taken(&mut self, tid: i32) -> Option<()> {
        let taken = self.ranges_taken();
        if self.taken.as_ref() != Some(&taken) {
            let words = taken.iter().flat_map(|range| [range.start, range.end]);
            let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
            write_data(tid, area::TAKEN, &bytes).ok()?;
            self.taken = Some(taken);
        }
        Some(())
    }

    /// Something was written for the sites.
    pub fn changed(&mut self, code: &Code) -> Option<()> {
        self.changes += 1;
        code.write(area::CHANGES, &self.changes.to_le_bytes()).ok()
    }

    /// Forgets what is not in the memory of a copy: it was written after the copying, before anybody
    /// knew of it.
    pub fn keep_what_is_there(&mut self, tid: i32) {
        let memory = Of(tid);
        let mut changes = [0; 8];
        if memory.read(area::CHANGES, &mut changes).is_some()
            && u64::from_le_bytes(changes) == self.changes
        {
            return;
        }
        for (index, block) in self.blocks.iter_mut().enumerate() {
            // The values of a choice may be more by now than they were.
            let stub = |variant: usize, passing: &Passing| {
                let code = &passing.stub.code;
                let fixed =
                    if passing.sort.choice.is_some() { CHOICE as usize } else { code.len() };
                memory.holds(area::stub(index, variant), &code[..fixed])
            };
            let kept = block.passing.iter().enumerate().take_while(|(at, p)| stub(*at, p)).count();
            block.passing.truncate(kept);
            let choices = block.passing.iter_mut().enumerate();
            for (variant, passing) in choices.filter(|(_, passing)| passing.sort.choice.is_some()) {
                let mut of = [0; 8];
                // What cannot be read is gone with the process.
                let _ = memory.read(area::stub(index, variant) + CHOICE, &mut of);
                passing.stub.code[CHOICE as usize..].copy_from_slice(&of);
                if let Some(choice) = &mut passing.sort.choice {
                    choice.of = u64::from_le_bytes(of);
                }
            }
        }
        // Blocks are made one after another, and of each the stub first.
        let made = self.blocks.iter().take_while(|block| !block.passing.is_empty()).count();
        self.blocks.truncate(made);
        self.pads.retain(|_, block| *block < made);
        let (blocks, sites) = (&self.blocks, &mut self.sites);
        self.jumps.retain(|address, block| {
            blocks.get(*block).is_some_and(|block| memory.holds(*address, &block.jump))
        });
        sites.retain(|_, site| !matches!(site, Site::Rewritten(block) if *block >= made));
    }

    /// Lets another sort of call of a site pass. What is there already is written again where the
    /// program lost it: it may have dropped the page (MADV_DONTNEED).
    pub fn add(&mut self, tid: i32, block: usize, sysno: Sysno, sort: Sort) -> Option<()> {
        let known = self.blocks.get_mut(block)?;
        if let Some(variant) = known.passing.iter().position(|known| known.sort.is_like(&sort)) {
            let passing = &mut known.passing[variant];
            let Some(sort) = passing.sort.with(&sort) else { return Some(()) };
            passing.stub = Stub::new(block, variant, &known.moved, known.call, &sort)?;
            passing.sort = sort;
            let choice = &passing.stub.code[CHOICE as usize..];
            let code = Code::of(tid).ok()?;
            code.write(area::stub(block, variant) + CHOICE, choice).ok()?;
            return self.changed(&code);
        }
        let variant = known.passing.len();
        if variant as u64 >= area::VARIANTS {
            return None;
        }
        let stub = Stub::new(block, variant, &known.moved, known.call, &sort)?;
        let code = Code::of(tid).ok()?;
        code.write(area::stub(block, variant), &stub.code).ok()?;
        // The only byte in which the stubs of a site differ.
        let changed = (area::stub(block, variant) >> (8 * area::VARIANT_BYTE)) as u8;
        code.write(area::slot(block) + area::VARIANT_BYTE, &[changed]).ok()?;
        // In a copy there may be what another sort was counted to.
        let counted = read_u64(tid, area::counter(block, variant)).unwrap_or_default();
        known.passing.push(Passing { sort, sysno, stub, counted });
        self.changed(&code)
    }

    /// Whether the jump of a block stands where it was written.
    pub fn is_in_place(&self, tid: i32, block: usize) -> bool {
        let Some(known) = self.blocks.get(block) else { return false };
        Of(tid).holds(known.moved[0].address, &known.jump)
    }

    /// Gives a range its own bytes back, and those that reach a stub through it.
    pub fn undo(&mut self, tid: i32, others: Others, start: u64, end: u64) {
        if self.jumps.is_empty() {
            return;
        }
        let range = start..end;
        let touched = |known: &Block| {
            range.contains(&known.moved[0].address)
                || known.pads.iter().any(|(address, _)| range.contains(address))
        };
        let within: Vec<(u64, usize)> = self
            .jumps
            .iter()
            .filter(|(_, block)| self.blocks.get(**block).is_some_and(touched))
            .map(|(&address, &block)| (address, block))
            .collect();
        if within.is_empty() {
            return;
        }
        let Ok(code) = Code::of(tid) else { return };
        let _ = self.changed(&code);
        for (address, block) in within {
            if self.is_in_place(tid, block) {
                let known = &self.blocks[block];
                put(&code, others, address, &known.jump, &known.moved[0].bytes);
            }
            self.jumps.remove(&address);
            self.sites.remove(&(self.blocks[block].call + 2));
        }
    }
}

/// `jmp rel32` at `from`, when `to` is within its reach.
fn near(from: u64, to: u64) -> Option<Vec<u8>> {
    let distance = i32::try_from(to.wrapping_sub(from + LONG as u64) as i64).ok()?;
    Some([&[0xe9][..], &distance.to_le_bytes()].concat())
}

fn put(code: &Code, others: Others, address: u64, old: &[u8], new: &[u8]) -> Option<()> {
    match others {
        Others::None => code.write(address, new).ok(),
        Others::Running => code.replace(address, old, new).ok(),
    }
}
