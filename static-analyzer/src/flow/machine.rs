//! The effect of each operation on what is known of registers and the stack.

use super::{
    Access, Facts, State, Write,
    bounds::{Bound, Compared, Key},
};
use crate::{
    decode::{Arithmetic, Mem, Op, Reg, STACK, Source, mask},
    elf::Elf,
    precision::Precision,
    ranges::Range,
    value::{Atom, Sets, Value},
};
use rustc_hash::FxHashMap;

/// Where operations stand: the file, and whether called functions keep registers.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub elf: &'a Elf,
    pub keeps: bool,
    pub precision: Precision,
}

/// How far tables are read behind their beginning, in bytes, by their addresses.
pub type Spans = FxHashMap<u64, u64>;

/// A function's state while it is interpreted, and what is noted of it.
pub struct Machine<'a> {
    pub place: Place<'a>,
    /// The function.
    pub range: Range,
    pub sets: &'a mut Sets,
    pub spans: &'a mut Spans,
    pub state: &'a mut State,
    /// Only when what the function does is wanted.
    pub facts: Option<&'a mut Facts>,
}

impl Machine<'_> {
    /// The effect of one operation.
    pub fn apply(&mut self, op: &Op) {
        match *op {
            Op::Set { to, from, width } => self.copy(to, from, width),
            Op::Extend { to, from, width, signed } => {
                let bound = Bound::extended(self.bound(from), width, signed);
                let value = extended(self.sets, self.state.reg(from), width, signed);
                self.state.set(to, value);
                self.state.bounds.set(Key::Reg(to), bound);
            }
            Op::Swap { one, other, width } => {
                let (first, second) = (self.bound(one), self.bound(other));
                let (left, right) = (self.state.reg(one), self.state.reg(other));
                let [left, right] =
                    [left, right].map(|value| extended(self.sets, value, width, false));
                self.state.set(one, right);
                self.state.set(other, left);
                self.state.bounds.set(Key::Reg(one), Bound::copied(second, width));
                self.state.bounds.set(Key::Reg(other), Bound::copied(first, width));
            }
            Op::Choose { to, from } => {
                let value = self.sets.join(self.state.reg(to), self.source(from));
                self.state.set(to, value);
            }
            Op::ChooseLoad { to, mem, width } => {
                let loaded = self.load(&mem, width, false);
                let value = self.sets.join(self.state.reg(to), loaded);
                self.state.set(to, value);
            }
            Op::Load { to, mem, width, signed } => {
                let bound = Bound::extended(self.bound_of_memory(&mem), width, signed);
                let value = self.load(&mem, width, signed);
                self.state.set(to, value);
                self.state.bounds.set(Key::Reg(to), bound);
            }
            Op::Store { mem, from, width } => {
                let bound = match from {
                    Source::Reg(reg) => Bound::copied(self.bound(reg), width),
                    _ => None,
                };
                let value = self.source(from);
                self.keep(&mem, value, width);
                self.store(&mem, value, width);
                if let (Some(at), Some(_)) = (self.slot_of(&mem), bound) {
                    self.state.bounds.set(Key::Slot(at), bound);
                }
            }
            Op::Push { mem } => {
                let value = self.load(&mem, 8, false);
                self.escape(value);
                let below = Mem { base: Some(STACK), index: None, displacement: -8, thread: false };
                self.store(&below, value, 8);
            }
            Op::Address { to, mem } => self.address(to, &mem),
            Op::Compute { to, what, from, width } => self.compute(to, what, from, width),
            Op::Touch { mem, width, writes } => self.touch(&mem, width, writes),
            Op::Use(reg) => self.escape(self.state.reg(reg)),
            Op::Clobber(reg) => self.state.set(reg, Value::ANY),
            Op::Compare { reg, with, width } => {
                self.state.compared = Some(Compared { key: Key::Reg(reg), with, width });
            }
            Op::CompareMemory { mem, with, width } => {
                let key = self.slot_of(&mem).map(Key::Slot);
                self.state.compared = key.map(|key| Compared { key, with, width });
            }
        }
    }

    fn copy(&mut self, to: Reg, from: Source, width: u8) {
        let bound = match from {
            Source::Reg(reg) => Bound::copied(self.bound(reg), width),
            _ => None,
        };
        let value = match (self.source(from), width) {
            (Value::One(Atom::Const(value)), 4) => Value::number(value & mask(4)),
            (value, 4 | 8) => value,
            (Value::One(Atom::Const(value)), width) => {
                let mask = mask(width);
                self.sets.map(self.state.reg(to), |atom| match atom {
                    Atom::Const(old) => Atom::Const(old & !mask | value & mask),
                    _ => Atom::Any,
                })
            }
            _ => Value::ANY,
        };
        self.state.set(to, value);
        self.state.bounds.set(Key::Reg(to), bound);
    }

    pub fn source(&self, from: Source) -> Value {
        match from {
            Source::Reg(reg) => self.state.reg(reg),
            Source::Const(value) => self.constant(value),
            Source::Unknown => Value::ANY,
        }
    }

    /// A number that an instruction holds: in a file of fixed addresses it may be one.
    fn constant(&self, value: u64) -> Value {
        let address = self.place.elf.fixed && self.place.elf.segment(value).is_some();
        Value::One(if address { Atom::Address(value) } else { Atom::Const(value) })
    }

    /// The bound of a register.
    pub fn bound(&self, reg: Reg) -> Option<Bound> {
        if let Some(known) = self.state.bounds.get(Key::Reg(reg)) {
            return Some(known);
        }
        let value = self.state.reg(reg);
        let mut limit = 0;
        for atom in self.sets.atoms(&value) {
            let &Atom::Const(number) = atom else { return None };
            limit = limit.max(number);
        }
        Some(Bound::whole(limit))
    }

    fn bound_of_memory(&mut self, mem: &Mem) -> Option<Bound> {
        let at = self.slot_of(mem)?;
        self.state.bounds.get(Key::Slot(at))
    }

    /// The word of the stack that an operand is, when it is one and which is known.
    pub fn slot_of(&self, mem: &Mem) -> Option<i32> {
        match (mem.base.map(|base| self.state.reg(base)), mem.index, mem.thread) {
            (Some(Value::One(Atom::Stack(at))), None, false) => {
                i32::try_from(i64::from(at).saturating_add(mem.displacement)).ok()
            }
            _ => None,
        }
    }

    /// An address is computed, and nothing is there read or written.
    fn address(&mut self, to: Reg, mem: &Mem) {
        self.index_frame(mem);
        let bound = self.bound_of_address(mem);
        let location = self.locate(mem);
        let mut atoms = location.atoms;
        // What a pointer was loaded from stays unknown here.
        for atom in &mut atoms {
            if matches!(atom, Atom::Address(_) | Atom::Stack(_) | Atom::Const(_)) {
                continue;
            }
            *atom = match (*atom, mem.displacement, mem.index) {
                (Atom::Field(slot, 0), 0, None) => Atom::Slot(slot),
                (Atom::Deref(reg, 0), 0, None) => Atom::Entry(reg),
                (other, ..) => {
                    if let (Atom::Field(slot, _), Some(facts)) = (other, self.facts.as_deref_mut())
                    {
                        facts.accesses.push(Access::Read(slot, 8));
                    }
                    Atom::Any
                }
            };
        }
        for &(atom, _) in &location.indexed {
            self.escape_atom(atom);
        }
        if mem.index.is_some() || mem.displacement != 0 {
            self.escape_entries(mem);
        }
        if mem.base == Some(to) {
            self.escape_but_frame(self.state.reg(to));
        }
        if !location.indexed.is_empty() {
            atoms.push(Atom::Any);
        }
        let value = self.sets.of(atoms);
        self.state.set(to, value);
        self.state.bounds.set(Key::Reg(to), bound);
    }

    /// What was handed over is computed with.
    fn escape_entries(&mut self, mem: &Mem) {
        for reg in mem.base.into_iter().chain(mem.index.map(|index| index.0)) {
            for atom in self.sets.atoms(&self.state.reg(reg)) {
                if let (&Atom::Entry(reg), Some(facts)) = (atom, self.facts.as_deref_mut()) {
                    facts.escapes |= 1 << reg;
                }
            }
        }
    }

    /// How large the sum is that an address is, when it is one of small numbers.
    fn bound_of_address(&self, mem: &Mem) -> Option<Bound> {
        let mut limit = u64::try_from(mem.displacement).ok()?;
        for (reg, scale) in mem.base.map(|base| (base, 1)).into_iter().chain(mem.index) {
            let bound = self.bound(reg).filter(|bound| bound.width == 8)?;
            limit = limit.checked_add(bound.limit.checked_mul(u64::from(scale))?)?;
        }
        (mem.index.is_some() && !mem.thread).then_some(Bound::whole(limit))
    }

    fn store(&mut self, mem: &Mem, value: Value, width: u8) {
        self.index_frame(mem);
        let location = self.locate(mem);
        let one = location.atoms.len() == 1 && location.indexed.is_empty();
        let in_stack = one && matches!(location.atoms[0], Atom::Stack(_));
        if let Some(facts) = self.facts.as_deref_mut()
            && !in_stack
        {
            let code = |atom: &Atom| match *atom {
                Atom::Address(address) if self.place.elf.is_code(address) => Some(address),
                _ => None,
            };
            facts.kept.extend(self.sets.atoms(&value).iter().filter_map(code));
        }
        for atom in location.atoms {
            match atom {
                Atom::Stack(at) => {
                    let value = if one { value } else { self.sets.join(self.slot(at), value) };
                    if !self.state.put(at, value, width) {
                        self.sets.lose(value);
                    }
                    if let Some(facts) = self.facts.as_deref_mut() {
                        facts.frame.write(at, width.into());
                    }
                }
                other => self.note_write(other, u16::from(width)),
            }
        }
        self.note_indexed_writes(&location.indexed, mem);
    }

    /// Something is written at a place that is no word of the stack.
    fn note_write(&mut self, atom: Atom, width: u16) {
        let Some(facts) = self.facts.as_deref_mut() else { return };
        match atom {
            Atom::Address(address) => facts.stores.extend(words(address, width)),
            Atom::Field(slot, distance) => facts.writes.push(Write::Through(slot, distance)),
            _ => {}
        }
    }

    /// Something is written at addresses that an unknown number is added to.
    fn note_indexed_writes(&mut self, indexed: &[(Atom, Option<u64>)], mem: &Mem) {
        // Where objects end is only known from symbols and from what else is pointed to, which may be
        // the middle of an array.
        const LARGEST: u64 = 256;
        let Some(facts) = self.facts.as_deref_mut() else { return };
        let reach = LARGEST * mem.index.map_or(1, |index| index.1.into());
        for &(atom, _) in indexed {
            match atom {
                Atom::Address(table) => facts.writes.push(Write::Indexed(table, reach)),
                Atom::Slot(slot) => facts.writes.push(Write::Through(slot, 0)),
                Atom::Field(slot, distance) => facts.writes.push(Write::Through(slot, distance)),
                _ => {}
            }
        }
    }

    /// What a word of the stack holds.
    pub fn slot(&self, at: i32) -> Value {
        if self.place.precision.stack_words { self.state.slot(at) } else { Value::ANY }
    }

    fn touch(&mut self, mem: &Mem, width: u16, writes: bool) {
        self.index_frame(mem);
        let location = self.locate(mem);
        if writes {
            for &atom in &location.atoms {
                self.note_write(atom, width);
            }
            self.note_indexed_writes(&location.indexed, mem);
        }
        for atom in location.atoms {
            match (atom, self.facts.as_deref_mut()) {
                (Atom::Address(address), Some(facts)) => {
                    facts.accesses.push(Access::Read(address, width));
                }
                (Atom::Field(slot, at), Some(facts)) => {
                    for word in (0..width.div_ceil(8)).map(|word| i32::from(word) * 8) {
                        facts.accesses.push(Access::Field(slot, at.saturating_add(word)));
                    }
                }
                (Atom::Stack(at), facts) => {
                    if let Some(facts) = facts {
                        facts.frame.write(at, width);
                    }
                    for word in (0..width.div_ceil(4)).map(|word| at.saturating_add(word_at(word)))
                    {
                        self.escape(self.state.slot(word));
                        self.state.put(word, Value::ANY, 4);
                    }
                }
                _ => {}
            }
        }
        for (atom, span) in location.indexed {
            match atom {
                Atom::Address(table) => self.take_indexed(table, mem, span),
                other => self.escape_atom(other),
            }
        }
    }

    fn compute(&mut self, to: Reg, what: Arithmetic, from: Source, width: u8) {
        let bound = self.bound_of_result(to, what, from, width);
        let (left, right) = (self.state.reg(to), self.source(from));
        let value = super::arithmetic::compute(self.sets, what, left, right, width);
        // A pointer that moves walks through what is there. Where in the stack it is then is known, or
        // it may be anywhere.
        if self.facts.is_some() {
            self.escape_but_frame(left);
            self.escape_but_frame(right);
            if (self.is_frame(left) || self.is_frame(right)) && !self.is_frame(value) {
                self.open_frame();
            }
        }
        self.state.set(to, value);
        self.state.bounds.set(Key::Reg(to), bound);
    }

    fn bound_of_result(&self, to: Reg, what: Arithmetic, from: Source, width: u8) -> Option<Bound> {
        let Source::Const(number) = from else { return None };
        let before = self.bound(to).filter(|bound| bound.width == 8).map(|bound| bound.limit);
        let limit = match what {
            Arithmetic::And => before.unwrap_or(u64::MAX).min(number & mask(width)),
            Arithmetic::Add => before?.checked_add(number).filter(|&sum| sum <= mask(width))?,
            Arithmetic::Shl => before?.checked_mul(1_u64.checked_shl(number as u32)?)?,
            Arithmetic::Shr => before.unwrap_or(mask(width)) >> (number & 63),
            _ => return None,
        };
        (limit <= mask(width)).then_some(Bound::whole(limit))
    }
}

/// Where the half of a word of a number is behind the first.
fn word_at(number: u16) -> i32 {
    i32::from(number) * 4
}

/// The words that so many bytes at an address are in.
pub fn words(address: u64, width: u16) -> impl Iterator<Item = u64> {
    let first = address & !3;
    (first..address.saturating_add(u64::from(width.max(1)))).step_by(4)
}

fn extended(sets: &mut Sets, value: Value, width: u8, signed: bool) -> Value {
    sets.map(value, |atom| match atom {
        Atom::Const(number) if signed => {
            let unused = 64 - 8 * u32::from(width.clamp(1, 8));
            Atom::Const(((number << unused) as i64 >> unused) as u64)
        }
        Atom::Const(number) => Atom::Const(number & mask(width)),
        Atom::Element(table, 4, _) if width == 4 => Atom::Element(table, 4, signed),
        // The kernel and most functions look at the lower half only.
        atom if width >= 4 => atom,
        _ => Atom::Any,
    })
}
