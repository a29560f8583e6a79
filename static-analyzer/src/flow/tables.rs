//! Jump tables: where an indirect jump inside the function can lead.

use super::{Call, Code, Facts, Flow, Target, body::Instruction};
use crate::{
    decode::{Decode, Dest, Flow as Next, Op},
    value::Atom,
};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};

/// Entries past these are not read.
const ENTRIES_MAX: u64 = 1 << 14;
/// The largest numbers of one byte and of two.
const WIDTHS: [u64; 2] = [0xff, 0xffff];
/// How far back the comparison is looked for that bounds the index.
const LOOK_BACK: usize = 24;
/// Parts of a function past these, to which nothing leads, are not looked into.
const PARTS_MAX: usize = 1 << 16;

impl Flow {
    /// The targets of the jumps through tables, by the address of the jump.
    pub(super) fn jump_tables(&mut self, code: Code<'_>) -> Vec<(u64, BTreeSet<u64>)> {
        let mut found = Vec::new();
        for number in self.indirect_jumps() {
            let instruction = self.body.list[number];
            let mut targets = BTreeSet::new();
            for atom in self.destinations(code, &instruction) {
                if let Atom::Distance(table, _) | Atom::Element(table, 8, _) = atom {
                    self.tables.insert(table);
                }
                match atom {
                    Atom::Distance(table, base) => {
                        targets.extend(self.entries(code, number, table, Some(base)));
                    }
                    Atom::Element(table, 8, _) => {
                        targets.extend(self.entries(code, number, table, None));
                        let bounded = self.span(table).filter(|_| code.precision.table_bounds);
                        self.body.through.extend(bounded.map(|_| table));
                    }
                    Atom::Address(target) if self.body.holds(target) => {
                        targets.insert(target);
                    }
                    _ => {}
                }
            }
            if !targets.is_empty() {
                found.push((instruction.at, targets));
            }
        }
        found
    }

    fn indirect_jumps(&self) -> Vec<usize> {
        let list = self.body.list.iter().enumerate();
        list.filter(|(_, instruction)| {
            matches!(instruction.next, Next::Jump(Dest::Reg(_) | Dest::Mem(_)))
        })
        .map(|(number, _)| number)
        .collect()
    }

    /// What the operand of an indirect jump can hold.
    fn destinations(&mut self, code: Code<'_>, instruction: &Instruction) -> Vec<Atom> {
        let Some(mut state) = self.at(code, instruction.at) else { return Vec::new() };
        match instruction.next {
            Next::Jump(Dest::Reg(reg)) => self.sets.atoms(&state.reg(reg)).to_vec(),
            Next::Jump(Dest::Mem(mem)) => self.loaded(code, &mut state, &mem),
            _ => Vec::new(),
        }
    }

    /// The entries of a table: as many as the index can have values. Where that is not known, as
    /// many as some comparison before the jump speaks of, and more as long as they lead into the
    /// function. Where bounds are not to be relied on, what they allow is read, and what would be read
    /// without them. An index that only its width bounds was not compared, since all its values have
    /// an entry or no others occur: such a table may end where another begins.
    fn entries(&mut self, code: Code<'_>, jump: usize, table: u64, base: Option<u64>) -> Vec<u64> {
        let width = if base.is_some() { 4 } else { 8 };
        let span = self.span(table);
        let count = span.map(|span| (span / width + 1).min(ENTRIES_MAX));
        let compared = match count {
            Some(_) if code.precision.table_bounds => None,
            _ => self.compared_before(jump),
        };
        let bound = count.max(compared).unwrap_or(0);
        let mut found = Vec::new();
        let mut last = count.filter(|_| code.precision.table_bounds).unwrap_or(ENTRIES_MAX);
        let by_width = span.is_some_and(|span| WIDTHS.contains(&(span / width)));
        let by_width = by_width && code.precision.table_bounds;
        if by_width && let Some(next) = code.next_table(table) {
            last = last.min((next - table).div_ceil(width));
        }
        for index in 0..last {
            let target = match base {
                Some(base) => {
                    let distance = code.elf.half(table.wrapping_add(4 * index));
                    distance.map(|distance| base.wrapping_add_signed(i64::from(distance as i32)))
                }
                None => code.pointer(table.wrapping_add(8 * index)),
            };
            let Some(target) = target.filter(|&target| code.elf.is_code(target)) else { break };
            if !self.body.holds(target) {
                let not_yet = by_width && code.tables.is_none();
                self.unsure |= not_yet;
                if index >= bound || not_yet {
                    break;
                }
            }
            found.push(target);
        }
        found
    }

    /// How many values the index may have, by the last comparison before the jump.
    fn compared_before(&self, jump: usize) -> Option<u64> {
        let before = &self.body.list[jump.saturating_sub(LOOK_BACK)..jump];
        before.iter().rev().find_map(|instruction| {
            self.body.ops_of(instruction).iter().find_map(|op| match op {
                Op::Compare { with, .. } => {
                    with.checked_add(1).filter(|&count| count <= ENTRIES_MAX)
                }
                _ => None,
            })
        })
    }

    /// When a jump in the function is not understood, looks into the parts of it that nothing leads
    /// to, or nothing but a call that does not come back. Answers whether there were any.
    pub(super) fn fill_room(&mut self, code: Code<'_>, decoder: &mut impl Decode) -> bool {
        if !self.body.range.known || !self.jumps_anywhere() {
            return false;
        }
        let mut known: BTreeMap<u64, u64> =
            self.body.list.iter().map(|instruction| (instruction.at, instruction.end())).collect();
        let mut tried: FxHashSet<u64> = self.body.invalid.iter().copied().collect();
        let (ranges, mut parts) = (self.body.ranges().collect::<Vec<_>>(), 0);
        for at in self.ended.clone() {
            let number = self.body.number(at).filter(|_| self.body.holds(at));
            let begun = |number: u32| matches!(self.before.get(number as usize), Some(Some(_)));
            if number.is_some_and(|number| !begun(number)) {
                self.body.decode(code, decoder, at);
                self.begin_unknown(at);
                parts += 1;
            }
        }
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                // Instructions may overlap.
                let before = known.range(..=at).next_back().map(|(_, &end)| end);
                if let Some(end) = before.filter(|&end| end > at) {
                    at = end;
                    continue;
                }
                let next = known.range(at..).next().map_or(range.end, |(&start, _)| start);
                let next = next.min(range.end);
                match code.first_instruction(at, next) {
                    Some(first) if parts < PARTS_MAX && tried.insert(first) => {
                        let count = self.body.list.len();
                        self.body.decode(code, decoder, first);
                        self.begin_unknown(first);
                        let new = self.body.list[count..].iter();
                        known.extend(new.map(|instruction| (instruction.at, instruction.end())));
                        parts += 1;
                    }
                    _ => at = next,
                }
            }
        }
        self.cut |= parts == PARTS_MAX;
        parts > 0
    }

    /// Whether a jump in the function is not understood.
    fn jumps_anywhere(&self) -> bool {
        self.unknown_jumps().next().is_some()
    }

    /// The jumps in the function that are not understood.
    fn unknown_jumps(&self) -> impl Iterator<Item = u64> + '_ {
        let list = self.indirect_jumps().into_iter().map(|number| &self.body.list[number]);
        list.filter(|instruction| {
            // A stub that jumps through a word of the linker's jumps nowhere else.
            let stub = matches!(instruction.next, Next::Jump(Dest::Mem(mem)) if mem.base.is_none() && mem.index.is_none());
            !stub && !self.body.tables.contains_key(&instruction.at)
        })
        .map(|instruction| instruction.at)
    }

    /// Jumps that may lead to a part of the function that is not known: it has no known end up to
    /// which its parts could be looked into, and the target may be other than code whose address is
    /// taken.
    pub(super) fn lost_jumps(&self, facts: &Facts) -> Vec<u64> {
        if self.body.range.known {
            return Vec::new();
        }
        let anywhere = |at| facts.calls.contains(&Call { at, target: Target::Any });
        self.unknown_jumps().filter(|&at| anywhere(at)).collect()
    }
}

impl Code<'_> {
    /// The address that a word holds once the file is loaded.
    fn pointer(&self, at: u64) -> Option<u64> {
        use crate::elf::RelocationKind;
        match self.elf.relocations_in(at..at.checked_add(1)?).first() {
            Some(relocation) => match relocation.kind {
                RelocationKind::Local(target) => Some(target),
                _ => None,
            },
            None if self.elf.fixed => self.elf.word(at),
            None => None,
        }
    }

    /// Where the next table of jumps begins behind one.
    fn next_table(&self, table: u64) -> Option<u64> {
        let tables = self.tables?;
        tables.get(tables.partition_point(|&start| start <= table)).copied()
    }

    /// Where code begins between two addresses, behind the padding.
    fn first_instruction(&self, from: u64, to: u64) -> Option<u64> {
        let bytes = self.elf.from(from)?;
        let size = usize::try_from(to - from).ok()?.min(bytes.len());
        let mut rest = &bytes[..size];
        loop {
            let padding = PADDING.iter().find(|padding| rest.starts_with(padding));
            match padding {
                Some(padding) => rest = &rest[padding.len()..],
                None if rest.is_empty() => return None,
                None => return Some(to - rest.len() as u64),
            }
        }
    }
}

/// What assemblers fill room with.
const PADDING: &[&[u8]] = &[
    &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    &[0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
    &[0x66, 0x0f, 0x1f, 0x44, 0, 0],
    &[0x0f, 0x1f, 0x44, 0, 0],
    &[0x0f, 0x1f, 0x40, 0],
    &[0x0f, 0x1f, 0],
    &[0x66, 0x90],
    &[0x66],
    &[0x90],
    &[0xcc],
    &[0xf4],
    &[0],
];
