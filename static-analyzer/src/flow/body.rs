//! The instructions of a function: recursive descent from its entries.

use super::Code;
use crate::{
    decode::{Decode, Dest, Flow as Next, Op},
    landing::{self, Landing},
    ranges::Range,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// Instructions past these are not decoded.
const INSTRUCTIONS_MAX: usize = 1 << 19;
/// The jump of a stub is among its first instructions, so many.
const STUB_MAX: usize = 3;
/// Ranges past these are not taken in: what is jumped to there is a function of its own.
const PARTS_MAX: usize = 4;

/// An instruction.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    pub at: u64,
    pub length: u8,
    /// Its effects in [`Body::ops`].
    pub ops: (u32, u16),
    pub next: Next,
    /// Whether a block begins with it.
    pub leads: bool,
}

impl Instruction {
    pub fn end(&self) -> u64 {
        self.at.wrapping_add(u64::from(self.length))
    }
}

/// A function's instructions.
#[derive(Debug)]
pub struct Body {
    pub range: Range,
    /// Other ranges that belong to the function, as jumps lead into the middle of them: compilers put
    /// what is rarely reached elsewhere, with a description of its own.
    parts: Vec<Range>,
    /// Targets of jumps that lay in none of them.
    outside: Vec<u64>,
    entry: u64,
    pub list: Vec<Instruction>,
    pub ops: Vec<Op>,
    by_address: FxHashMap<u64, u32>,
    landings: Vec<Landing>,
    /// The targets of jumps through tables, by the address of the jump.
    pub tables: FxHashMap<u64, BTreeSet<u64>>,
    /// Those tables, where it is known how far they are read.
    pub through: FxHashSet<u64>,
    /// Bytes that are no instruction.
    pub invalid: Vec<u64>,
    /// How many of these jumps from a described beginning lead to. The end of a table, a beginning in
    /// the middle, and that of a part to which nothing leads are guesses at times.
    pub certain: usize,
    pub cut: bool,
}

impl Body {
    pub fn new(range: Range, entry: u64, landings: Vec<Landing>) -> Body {
        Body {
            range,
            parts: Vec::new(),
            outside: Vec::new(),
            entry,
            list: Vec::new(),
            ops: Vec::new(),
            by_address: FxHashMap::default(),
            landings,
            tables: FxHashMap::default(),
            through: FxHashSet::default(),
            invalid: Vec::new(),
            certain: 0,
            cut: false,
        }
    }

    /// The number of the instruction at an address.
    pub fn number(&self, at: u64) -> Option<u32> {
        self.by_address.get(&at).copied()
    }

    pub fn get(&self, number: u32) -> Option<&Instruction> {
        self.list.get(number as usize)
    }

    pub fn ops_of(&self, instruction: &Instruction) -> &[Op] {
        let (start, count) = instruction.ops;
        self.ops.get(start as usize..start as usize + usize::from(count)).unwrap_or_default()
    }

    /// Whether an address is in the function.
    pub fn holds(&self, at: u64) -> bool {
        self.ranges().any(|range| (range.start..range.end).contains(&at))
    }

    /// The ranges that are the function.
    pub fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        [self.range].into_iter().chain(self.parts.iter().copied())
    }

    /// Whether a call in the function may end in a landing pad of it.
    pub fn may_throw(&self, instruction: &Instruction) -> bool {
        !self.landings.is_empty() && matches!(instruction.next, Next::Call(_))
    }

    /// Where in the function a call leads, if it is no call of the function itself.
    pub fn inner_call(&self, instruction: &Instruction) -> Option<u64> {
        match instruction.next {
            Next::Call(Dest::Direct(target)) => Some(target).filter(|&target| {
                target != self.entry
                    && self.holds(target)
                    && self.ranges().all(|range| range.start != target)
            }),
            _ => None,
        }
    }

    /// Where an exception out of the instruction lands.
    pub fn landing(&self, at: u64) -> Option<u64> {
        let within = |&&(start, end, _): &&Landing| (start..end).contains(&at);
        self.landings.iter().find(within).map(|landing| landing.2)
    }

    /// Decodes what can be reached from an address. Answers whether anything is new.
    pub fn decode(&mut self, code: Code<'_>, decoder: &mut impl Decode, from: u64) -> bool {
        // What a table leads to may be none of its entries: only a jump takes a range in.
        if !self.holds(from) {
            self.outside.push(from);
            return false;
        }
        let mut left = vec![from];
        let mut grew = false;
        while let Some(start) = left.pop() {
            if !self.holds(start) && !self.take_in(code, decoder, start, &mut left) {
                continue;
            }
            if let Some(number) = self.number(start) {
                let instruction = &mut self.list[number as usize];
                grew |= !instruction.leads;
                instruction.leads = true;
                continue;
            }
            grew = true;
            self.run(code, decoder, start, &mut left);
        }
        grew
    }

    /// Takes in the range that a jump leads into the middle of, and what was jumped to there before.
    /// Answers whether there is one.
    fn take_in(
        &mut self,
        code: Code<'_>,
        decoder: &mut impl Decode,
        target: u64,
        left: &mut Vec<u64>,
    ) -> bool {
        let room = self.range.known && self.parts.len() < PARTS_MAX;
        let part = code.ranges.holding(code.elf, target).filter(|_| room);
        let part = part.filter(|part| part.known && !code.ranges.begins(target));
        let Some(part) = part.filter(|_| !is_stub(code, decoder, target)) else {
            self.outside.push(target);
            return false;
        };
        let pads = code.ranges.handlers(part.start);
        let pads = pads.map(|at| landing::read(code.elf, part.start, at));
        self.landings.extend(pads.into_iter().flatten());
        self.parts.push(part);
        let within = |at: &mut u64| (part.start..part.end).contains(at);
        left.extend(self.outside.extract_if(.., within));
        true
    }

    /// Decodes up to the next jump.
    fn run(&mut self, code: Code<'_>, decoder: &mut impl Decode, start: u64, left: &mut Vec<u64>) {
        let mut at = start;
        while self.holds(at) {
            if let Some(number) = self.number(at) {
                self.list[number as usize].leads = true;
                return;
            }
            if self.list.len() >= INSTRUCTIONS_MAX {
                self.cut = true;
                return;
            }
            let first = self.ops.len() as u32;
            let decoded =
                code.elf.from(at).and_then(|bytes| decoder.decode(bytes, at, &mut self.ops));
            let Some((length, next)) = decoded.filter(|_| code.elf.is_code(at)) else {
                self.ops.truncate(first as usize);
                self.invalid.push(at);
                return;
            };
            let count = (self.ops.len() as u32 - first) as u16;
            self.by_address.insert(at, self.list.len() as u32);
            let leads = at == start;
            self.list.push(Instruction { at, length, ops: (first, count), next, leads });
            let end = at.wrapping_add(u64::from(length));
            match next {
                Next::Branch(target, _) => left.extend([target, end]),
                Next::Jump(Dest::Direct(target)) => left.push(target),
                Next::Call(_) => {
                    left.extend(self.landing(at));
                    left.extend(self.list.last().and_then(|call| self.inner_call(call)));
                }
                _ => {}
            }
            let ends = matches!(next, Next::Branch(..) | Next::Jump(_) | Next::Return | Next::Stop);
            if ends || matches!(next, Next::Call(Dest::Direct(to)) if code.never_returns(to)) {
                return;
            }
            at = end;
        }
    }

    /// Adds targets of a jump through a table. Answers whether any is new.
    pub fn add_table(
        &mut self,
        code: Code<'_>,
        decoder: &mut impl Decode,
        jump: u64,
        targets: BTreeSet<u64>,
    ) -> bool {
        let known = self.tables.entry(jump).or_default();
        let new: Vec<u64> = targets.difference(known).copied().collect();
        known.extend(&new);
        for &target in &new {
            self.decode(code, decoder, target);
        }
        !new.is_empty()
    }
}

/// Whether code at an address only goes on through a word of the linker's. One description holds all
/// such stubs, which have nothing to do with one another.
fn is_stub(code: Code<'_>, decoder: &mut impl Decode, at: u64) -> bool {
    let (mut at, mut ops) = (at, Vec::new());
    for _ in 0..STUB_MAX {
        let decoded = code.elf.from(at).and_then(|bytes| decoder.decode(bytes, at, &mut ops));
        match decoded {
            Some((length, Next::Next)) => at = at.wrapping_add(u64::from(length)),
            Some((_, Next::Jump(Dest::Mem(mem)))) => {
                return mem.base.is_none() && mem.index.is_none();
            }
            _ => return false,
        }
    }
    false
}
