//! The fixpoint over a function's blocks, and the effect of each operation on what is known.

use super::{Access, Call, Code, Facts, Flow, Site, State, Target, body::Instruction};
use crate::{
    decode::{
        self, Arithmetic, Dest, Flow as Next, KERNEL_CLOBBERS, Mem, Op, REGS, RESULTS, Reg, STACK,
        Source,
    },
    elf::Elf,
    value::{Atom, Sets, Value},
};
use std::collections::BTreeSet;

/// A block that was interpreted so often takes only wider values.
const VISITS_MAX: u8 = 5;
/// Operations past these are not interpreted.
const STEPS_MAX: usize = 1 << 21;

/// Where operations stand: the file, and whether called functions keep registers.
#[derive(Clone, Copy)]
struct Place<'a> {
    elf: &'a Elf,
    keeps: bool,
}

impl Flow {
    /// What is known at the beginning of each block.
    pub(super) fn run(&mut self, code: Code<'_>, entry: u64, unknown: &[u64]) {
        self.before = vec![None; self.body.list.len()];
        let mut visits = vec![0_u8; self.body.list.len()];
        let mut left = BTreeSet::new();
        self.enter(entry, &State::entry(), &visits, &mut left);
        for &at in unknown {
            self.enter(at, &State::unknown(), &visits, &mut left);
        }
        while let Some((_, first)) = left.pop_first() {
            let Some(mut state) = self.before.get(first as usize).cloned().flatten() else {
                continue;
            };
            visits[first as usize] = visits[first as usize].saturating_add(1);
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                self.steps += 1 + usize::from(instruction.ops.1);
                self.step(code, &instruction, &mut state, None);
                let next = self.through(code, &instruction, number);
                if next.is_none() || self.body.may_throw(&instruction) {
                    for target in self.after(code, &instruction) {
                        // Joining two states is as much work as several operations.
                        self.steps += 8;
                        self.enter(target, &state, &visits, &mut left);
                    }
                }
                match next {
                    Some(next) => number = next,
                    None => break,
                }
            }
            if self.steps > STEPS_MAX {
                self.cut = true;
                break;
            }
        }
    }

    /// The instruction behind this one, when it is in the same block.
    fn through(&self, code: Code<'_>, instruction: &Instruction, number: u32) -> Option<u32> {
        if is_last(code, instruction) {
            return None;
        }
        if !matches!(instruction.next, Next::Next | Next::Call(_) | Next::Kernel(_)) {
            return None;
        }
        let next = match self.body.get(number + 1) {
            Some(next) if next.at == instruction.end() => number + 1,
            _ => self.body.number(instruction.end())?,
        };
        (!self.body.get(next)?.leads).then_some(next)
    }

    /// Where blocks begin that follow this instruction.
    fn after(&self, code: Code<'_>, instruction: &Instruction) -> Vec<u64> {
        let mut found = Vec::new();
        match instruction.next {
            Next::Branch(target) => found.extend([target, instruction.end()]),
            Next::Jump(Dest::Direct(target)) => found.push(target),
            Next::Jump(_) => {
                if let Some(targets) = self.body.tables.get(&instruction.at) {
                    found.extend(targets);
                }
            }
            Next::Return | Next::Stop => {}
            Next::Next | Next::Call(_) | Next::Kernel(_) => {
                let end = instruction.end();
                let leads = |number| self.body.get(number).is_some_and(|next| next.leads);
                if !is_last(code, instruction) && self.body.number(end).is_some_and(leads) {
                    found.push(end);
                }
                if let Next::Call(_) = instruction.next {
                    found.extend(self.body.landing(instruction.at));
                }
            }
        }
        found
    }

    fn enter(
        &mut self,
        target: u64,
        state: &State,
        visits: &[u8],
        left: &mut BTreeSet<(u64, u32)>,
    ) {
        let Some(number) = self.body.number(target).filter(|_| self.body.holds(target)) else {
            return;
        };
        let (Some(before), Some(&visits)) =
            (self.before.get_mut(number as usize), visits.get(number as usize))
        else {
            return;
        };
        let changed = match before {
            None => {
                *before = Some(state.clone());
                true
            }
            Some(known) => known.join(state, &mut self.sets, visits >= VISITS_MAX),
        };
        if changed {
            left.insert((target, number));
        }
    }

    /// The effect of one instruction.
    fn step(
        &mut self,
        code: Code<'_>,
        instruction: &Instruction,
        state: &mut State,
        mut facts: Option<&mut Facts>,
    ) {
        let place = Place { elf: code.elf, keeps: !code.ranges.go };
        for op in self.body.ops_of(instruction) {
            apply(place, &mut self.sets, state, op, facts.as_deref_mut());
        }
        match instruction.next {
            Next::Call(dest) => {
                if let Some(facts) = facts {
                    call(place, &mut self.sets, state, instruction.at, dest, facts);
                    for reg in registers() {
                        if !(place.keeps && decode::is_kept(reg)) {
                            escape(&self.sets, state.reg(reg), facts);
                        }
                    }
                }
                after_call(place, &self.sets, state);
            }
            Next::Kernel(entry) => {
                if let Some(facts) = facts {
                    let regs = decode::kernel_regs(entry);
                    let atoms = |reg| self.sets.atoms(&state.reg(reg)).to_vec();
                    facts.sites.push(Site {
                        at: instruction.at,
                        entry,
                        number: atoms(regs.number),
                        arguments: regs.arguments.map(atoms),
                    });
                    // The kernel may call what it is given (signal handlers, new threads).
                    for reg in registers() {
                        escape(&self.sets, state.reg(reg), facts);
                    }
                }
                for reg in KERNEL_CLOBBERS {
                    state.set(reg, Value::ANY);
                }
            }
            Next::Jump(dest) => {
                if let Some(facts) = facts {
                    if self.body.tables.contains_key(&instruction.at) {
                        self.name_tables(place, state, dest, facts);
                        return;
                    }
                    let inside = matches!(dest, Dest::Direct(target) if self.body.holds(target));
                    if !inside {
                        call(place, &mut self.sets, state, instruction.at, dest, facts);
                        leave(&self.sets, state, facts);
                    }
                }
            }
            Next::Branch(target) => {
                if let Some(facts) = facts
                    && !self.body.holds(target)
                {
                    facts.calls.push(Call { at: instruction.at, target: Target::Direct(target) });
                    leave(&self.sets, state, facts);
                }
            }
            Next::Return => {
                if let Some(facts) = facts {
                    facts.returns = true;
                    for reg in RESULTS {
                        escape(&self.sets, state.reg(reg), facts);
                    }
                }
            }
            Next::Next | Next::Stop => {}
        }
    }

    /// The tables that a jump inside of the function leads through are objects.
    fn name_tables(&mut self, place: Place<'_>, state: &State, dest: Dest, facts: &mut Facts) {
        let value = match dest {
            Dest::Reg(reg) => state.reg(reg),
            Dest::Mem(mem) => load(place, &mut self.sets, state, &mem, 8, false, None),
            Dest::Direct(_) => return,
        };
        facts.named.extend(self.sets.atoms(&value).iter().filter_map(|atom| match atom {
            &(Atom::Element(table, ..) | Atom::Distance(table, _)) => Some(table),
            _ => None,
        }));
    }

    /// What the function does.
    pub fn facts(&mut self, code: Code<'_>) -> Facts {
        let mut facts = Facts { cut: self.cut || self.body.cut, ..Facts::default() };
        if facts.cut {
            self.take_all(code, &mut facts);
        }
        facts.invalid.clone_from(&self.body.invalid);
        for first in 0..self.before.len() as u32 {
            let Some(mut state) = self.before[first as usize].clone() else { continue };
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                self.step(code, &instruction, &mut state, Some(&mut facts));
                self.fall_out(&instruction, &state, &mut facts);
                match self.through(code, &instruction, number) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        for (&jump, targets) in &self.body.tables {
            for &target in targets.iter().filter(|&&target| !self.body.holds(target)) {
                facts.calls.push(Call { at: jump, target: Target::Direct(target) });
            }
        }
        // Where it jumps to, or falls into, may return for it.
        facts.returns |= self.body.list.iter().any(|instruction| {
            let leaves = match instruction.next {
                Next::Jump(Dest::Direct(target)) | Next::Branch(target) => {
                    !self.body.holds(target) && !code.never_returns(target)
                }
                Next::Jump(_) => !self.body.tables.contains_key(&instruction.at),
                _ => false,
            };
            let falls = matches!(instruction.next, Next::Next | Next::Branch(_) | Next::Kernel(_));
            leaves || (falls && !self.body.holds(instruction.end()))
        });
        facts.returns |= facts.cut || !facts.invalid.is_empty();
        for atom in self.sets.lost() {
            escape_atom(atom, &mut facts);
        }
        facts.finish();
        facts
    }

    /// A function that was not interpreted to the end uses every address that it names, and enters
    /// all of its blocks.
    fn take_all(&mut self, code: Code<'_>, facts: &mut Facts) {
        for (before, instruction) in self.before.iter_mut().zip(&self.body.list) {
            if before.is_none() && instruction.leads {
                *before = Some(State::unknown());
            }
        }
        for op in &self.body.ops {
            let (mem, reads) = match op {
                Op::Address { mem, .. } => (mem, false),
                Op::Load { mem, .. } | Op::Touch { mem, .. } => (mem, true),
                Op::Set { from: Source::Const(value), .. }
                    if code.elf.segment(*value).is_some() =>
                {
                    facts.accesses.push(Access::Take(*value));
                    continue;
                }
                _ => continue,
            };
            let address = mem.displacement as u64;
            if mem.base.is_none() && !mem.thread && code.elf.segment(address).is_some() {
                let read = Access::Read(address, 8);
                facts.accesses.push(if reads { read } else { Access::Take(address) });
            }
        }
    }

    /// The function may end without a jump, and go on in the next one. Behind a call it does not:
    /// what was called does not return.
    fn fall_out(&self, instruction: &Instruction, state: &State, facts: &mut Facts) {
        let falls = matches!(instruction.next, Next::Next | Next::Branch(_) | Next::Kernel(_));
        let end = instruction.end();
        if falls && !self.body.holds(end) && self.body.range.known {
            facts.calls.push(Call { at: instruction.at, target: Target::Direct(end) });
            leave(&self.sets, state, facts);
        }
    }

    /// What is known when an instruction is reached. `None` when it is not in the function.
    pub fn at(&mut self, code: Code<'_>, at: u64) -> Option<State> {
        // The block that begins last before the place holds it; where code overlaps, one before.
        const BLOCKS_MAX: usize = 4;
        let starts = self.before.iter().zip(&self.body.list).zip(0_u32..);
        let mut starts: Vec<(u64, u32)> = starts
            .filter(|((before, instruction), _)| before.is_some() && instruction.at <= at)
            .map(|((_, instruction), number)| (instruction.at, number))
            .collect();
        starts.sort_unstable();
        let place = Place { elf: code.elf, keeps: !code.ranges.go };
        for &(_, first) in starts.iter().rev().take(BLOCKS_MAX) {
            let mut state = self.before[first as usize].clone()?;
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                if instruction.at == at {
                    // The effects before the jump itself.
                    for op in self.body.ops_of(&instruction) {
                        apply(place, &mut self.sets, &mut state, op, None);
                    }
                    return Some(state);
                }
                if instruction.at > at {
                    break;
                }
                self.step(code, &instruction, &mut state, None);
                match self.through(code, &instruction, number) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        None
    }

    /// What is stored in the word at a fixed address, by all stores of the function.
    pub fn stored(&mut self, code: Code<'_>, address: u64) -> Vec<Atom> {
        let mut found = Vec::new();
        let place = Place { elf: code.elf, keeps: !code.ranges.go };
        for first in 0..self.before.len() as u32 {
            let Some(mut state) = self.before[first as usize].clone() else { continue };
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                for op in self.body.ops_of(&instruction).to_vec() {
                    if let Op::Store { mem, from, .. } = op
                        && locate(place, &mut self.sets, &state, &mem)
                            .atoms
                            .contains(&Atom::Address(address))
                    {
                        let value = source(place, &state, from);
                        found.extend_from_slice(self.sets.atoms(&value));
                    }
                    apply(place, &mut self.sets, &mut state, &op, None);
                }
                self.step_flow_only(code, &instruction, &mut state);
                match self.through(code, &instruction, number) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        found
    }

    /// What memory holds at a place.
    pub(super) fn loaded(&mut self, code: Code<'_>, state: &State, mem: &Mem) -> Vec<Atom> {
        let place = Place { elf: code.elf, keeps: !code.ranges.go };
        let value = load(place, &mut self.sets, state, mem, 8, false, None);
        self.sets.atoms(&value).to_vec()
    }

    fn step_flow_only(&mut self, code: Code<'_>, instruction: &Instruction, state: &mut State) {
        let bare = Instruction { ops: (0, 0), ..*instruction };
        self.step(code, &bare, state, None);
    }
}

/// Whether nothing follows a call.
fn is_last(code: Code<'_>, instruction: &Instruction) -> bool {
    matches!(instruction.next, Next::Call(Dest::Direct(target)) if code.never_returns(target))
}

fn registers() -> impl Iterator<Item = Reg> {
    (0..REGS as Reg).filter(|&reg| reg != STACK)
}

/// All registers go on to code outside of the function.
fn leave(sets: &Sets, state: &State, facts: &mut Facts) {
    for reg in registers() {
        escape(sets, state.reg(reg), facts);
    }
}

fn after_call(place: Place<'_>, sets: &Sets, state: &mut State) {
    let mut lowest = None::<i32>;
    for reg in registers().filter(|&reg| !(place.keeps && decode::is_kept(reg))) {
        for atom in sets.atoms(&state.reg(reg)) {
            if let &Atom::Stack(at) = atom {
                lowest = Some(lowest.map_or(at, |lowest| lowest.min(at)));
            }
        }
        state.set(reg, Value::ANY);
    }
    if let Some(lowest) = lowest {
        state.forget_from(lowest);
    }
}

fn call(place: Place<'_>, sets: &mut Sets, state: &State, at: u64, dest: Dest, facts: &mut Facts) {
    let value = match dest {
        Dest::Direct(target) => {
            facts.calls.push(Call { at, target: Target::Direct(target) });
            return;
        }
        Dest::Reg(reg) => state.reg(reg),
        Dest::Mem(mem) => load(place, sets, state, &mem, 8, false, Some(facts)),
    };
    for atom in sets.atoms(&value) {
        let target = match *atom {
            Atom::Address(address) => Target::Direct(address),
            Atom::Slot(slot) => Target::Slot(slot),
            Atom::Field(slot, distance) => Target::Field(slot, distance),
            Atom::Element(table, ..) => {
                facts.accesses.push(Access::Take(table));
                Target::Any
            }
            _ => Target::Any,
        };
        facts.calls.push(Call { at, target });
    }
}

/// A value goes where it is not followed.
fn escape(sets: &Sets, value: Value, facts: &mut Facts) {
    for &atom in sets.atoms(&value) {
        escape_atom(atom, facts);
    }
}

fn escape_atom(atom: Atom, facts: &mut Facts) {
    let access = match atom {
        Atom::Address(address) | Atom::Element(address, 8, _) => Access::Take(address),
        Atom::Slot(slot) => Access::Read(slot, 8),
        Atom::Field(slot, distance) => Access::Field(slot, distance),
        _ => return,
    };
    if facts.accesses.last() != Some(&access) {
        facts.accesses.push(access);
    }
}

/// A number that an instruction holds: in a file of fixed addresses it may be one.
fn constant(place: Place<'_>, value: u64) -> Value {
    let address = place.elf.fixed && place.elf.segment(value).is_some();
    Value::One(if address { Atom::Address(value) } else { Atom::Const(value) })
}

fn source(place: Place<'_>, state: &State, from: Source) -> Value {
    match from {
        Source::Reg(reg) => state.reg(reg),
        Source::Const(value) => constant(place, value),
        Source::Unknown => Value::ANY,
    }
}

/// Where a memory operand may be, and what it would be used as when its address were unknown.
struct Location {
    atoms: Vec<Atom>,
    /// Addresses that an unknown number is added to.
    indexed: Vec<Atom>,
}

fn locate(place: Place<'_>, sets: &mut Sets, state: &State, mem: &Mem) -> Location {
    let mut location = Location { atoms: Vec::new(), indexed: Vec::new() };
    if mem.thread {
        location.atoms.push(Atom::Any);
        return location;
    }
    let displacement = mem.displacement;
    let (mut base, mut index) = (mem.base, mem.index);
    // An address may stand in either place.
    if let (Some(first), Some((second, 1))) = (base, index)
        && !is_address(sets, state.reg(first))
        && is_address(sets, state.reg(second))
    {
        (base, index) = (Some(second), Some((first, 1)));
    }
    let offset = match index {
        None => Some(0),
        Some((reg, scale)) => match state.reg(reg) {
            Value::One(Atom::Const(value)) => Some(value.wrapping_mul(u64::from(scale)) as i64),
            _ => None,
        },
    };
    let Some(base) = base else {
        let address = displacement.wrapping_add(offset.unwrap_or(0)) as u64;
        let atom = match constant_address(place, address) {
            true => Atom::Address(address),
            false => Atom::Any,
        };
        match offset {
            Some(_) => location.atoms.push(atom),
            None => location.indexed.push(atom),
        }
        return location;
    };
    let value = state.reg(base);
    for &atom in sets.atoms(&value) {
        let Some(offset) = offset else {
            let moved = add_number(atom, displacement);
            // A large distance with an unknown index in a file of fixed addresses is the address.
            let moved = match moved {
                Atom::Address(_) | Atom::Slot(_) | Atom::Field(..) => moved,
                _ if place.elf.fixed && constant_address(place, displacement as u64) => {
                    Atom::Address(displacement as u64)
                }
                _ => Atom::Any,
            };
            location.indexed.push(if matches!(atom, Atom::Slot(_) | Atom::Field(..)) {
                atom
            } else {
                moved
            });
            continue;
        };
        let moved = match atom {
            Atom::Address(_) | Atom::Stack(_) | Atom::Const(_) => {
                add_number(atom, displacement.wrapping_add(offset))
            }
            Atom::Slot(slot) => {
                distance(displacement, offset).map_or(Atom::Any, |at| Atom::Field(slot, at))
            }
            Atom::Entry(reg) => {
                distance(displacement, offset).map_or(Atom::Any, |at| Atom::Deref(reg, at))
            }
            _ if place.elf.fixed && constant_address(place, displacement as u64) => {
                location.indexed.push(Atom::Address(displacement as u64));
                continue;
            }
            _ => Atom::Any,
        };
        location.atoms.push(moved);
    }
    location
}

fn distance(displacement: i64, offset: i64) -> Option<i32> {
    i32::try_from(displacement.wrapping_add(offset)).ok()
}

fn constant_address(place: Place<'_>, address: u64) -> bool {
    place.elf.segment(address).is_some()
}

fn is_address(sets: &Sets, value: Value) -> bool {
    sets.atoms(&value).iter().any(|atom| {
        matches!(atom, Atom::Address(_) | Atom::Slot(_) | Atom::Field(..) | Atom::Stack(_))
    })
}

/// A number added to what can be followed through it.
fn add_number(atom: Atom, number: i64) -> Atom {
    match atom {
        Atom::Const(value) => Atom::Const(value.wrapping_add_signed(number)),
        Atom::Address(address) => Atom::Address(address.wrapping_add_signed(number)),
        Atom::Stack(at) => {
            i32::try_from(i64::from(at).saturating_add(number)).map_or(Atom::Any, Atom::Stack)
        }
        atom if number == 0 => atom,
        _ => Atom::Any,
    }
}

/// What memory holds.
fn load(
    place: Place<'_>,
    sets: &mut Sets,
    state: &State,
    mem: &Mem,
    width: u8,
    signed: bool,
    mut facts: Option<&mut Facts>,
) -> Value {
    let location = locate(place, sets, state, mem);
    let mut found = Vec::new();
    for atom in location.atoms {
        found.extend(match atom {
            Atom::Address(address) => vec![of_memory(place.elf, address, width, signed)],
            Atom::Stack(at) if width >= 4 => {
                let value = state.slot(at);
                sets.atoms(&value).to_vec()
            }
            // A pointer that was loaded through a pointer: where it points to is all used.
            Atom::Field(slot, at) if width >= 4 => vec![Atom::Field(slot, at)],
            Atom::Deref(reg, at) if width >= 4 => vec![Atom::Deref(reg, at)],
            _ => vec![Atom::Any],
        });
    }
    // A base that is itself loaded through two pointers is used whole.
    if let (Some(base), Some(facts)) = (mem.base, facts.as_deref_mut()) {
        let value = state.reg(base);
        for &atom in sets.atoms(&value) {
            if let Atom::Field(..) = atom {
                escape_atom(atom, facts);
            }
        }
    }
    for atom in location.indexed {
        match atom {
            Atom::Address(table) => {
                if let Some(facts) = facts.as_deref_mut() {
                    take_indexed(place.elf, table, mem, facts);
                }
                found.push(Atom::Element(table, width, signed));
            }
            other => {
                if let Some(facts) = facts.as_deref_mut() {
                    escape_atom(other, facts);
                }
                found.push(Atom::Any);
            }
        }
    }
    if found.is_empty() { Value::ANY } else { sets.of(found) }
}

/// An address with an index: what is there, and, as the index may begin above 0 in code for fixed
/// addresses, what follows it.
fn take_indexed(elf: &Elf, table: u64, mem: &Mem, facts: &mut Facts) {
    facts.named.push(table);
    facts.accesses.push(Access::Take(table));
    if elf.fixed && mem.base.is_none() {
        let scale = mem.index.map_or(1, |(_, scale)| u64::from(scale));
        let span = u16::try_from(256 * scale).unwrap_or(u16::MAX);
        facts.accesses.push(Access::Read(table, span));
    }
}

/// What a word at a fixed address holds.
fn of_memory(elf: &Elf, address: u64, width: u8, signed: bool) -> Atom {
    let relocated =
        !elf.relocations_in(address..address.saturating_add(u64::from(width))).is_empty();
    if elf.is_constant(address) && !relocated {
        let value = match width {
            8 => elf.word(address),
            4 if signed => elf.half(address).map(|value| value as i32 as i64 as u64),
            4 => elf.half(address).map(u64::from),
            _ => None,
        };
        // A word of fixed addresses may be one.
        match value {
            Some(value) if elf.fixed && width == 8 && elf.segment(value).is_some() => {}
            Some(value) => return Atom::Const(value),
            None => return Atom::Any,
        }
    }
    match width {
        4 | 8 => Atom::Slot(address),
        _ => Atom::Any,
    }
}

fn apply(
    place: Place<'_>,
    sets: &mut Sets,
    state: &mut State,
    op: &Op,
    mut facts: Option<&mut Facts>,
) {
    match *op {
        Op::Set { to, from, width } => {
            let value = match (source(place, state, from), width) {
                (Value::One(Atom::Const(value)), 4) => Value::number(value & 0xffff_ffff),
                (value, 4 | 8) => value,
                (Value::One(Atom::Const(value)), width) => {
                    let mask = (1_u64 << (8 * width)) - 1;
                    sets.map(state.reg(to), |atom| match atom {
                        Atom::Const(old) => Atom::Const(old & !mask | value & mask),
                        _ => Atom::Any,
                    })
                }
                _ => Value::ANY,
            };
            state.set(to, value);
        }
        Op::Choose { to, from } => {
            let value = sets.join(state.reg(to), source(place, state, from));
            state.set(to, value);
        }
        Op::ChooseLoad { to, mem, width } => {
            let loaded = load(place, sets, state, &mem, width, false, facts);
            let value = sets.join(state.reg(to), loaded);
            state.set(to, value);
        }
        Op::Load { to, mem, width, signed } => {
            let value = load(place, sets, state, &mem, width, signed, facts);
            state.set(to, value);
        }
        Op::Store { mem, from, width } => {
            let value = source(place, state, from);
            if let Some(facts) = facts.as_deref_mut() {
                escape(sets, value, facts);
            }
            store(place, sets, state, &mem, value, width, facts);
        }
        Op::Address { to, mem } => {
            let location = locate(place, sets, state, &mem);
            let mut atoms = location.atoms;
            // Computing an address is no access: what a pointer was loaded from stays unknown here.
            for atom in &mut atoms {
                if !matches!(atom, Atom::Address(_) | Atom::Stack(_) | Atom::Const(_)) {
                    *atom = match (*atom, mem.displacement, mem.index) {
                        (Atom::Field(slot, 0), 0, None) => Atom::Slot(slot),
                        (Atom::Deref(reg, 0), 0, None) => Atom::Entry(reg),
                        (other, ..) => {
                            if let (Atom::Field(slot, _), Some(facts)) =
                                (other, facts.as_deref_mut())
                            {
                                facts.accesses.push(Access::Read(slot, 8));
                            }
                            Atom::Any
                        }
                    };
                }
            }
            if let Some(facts) = facts.as_deref_mut() {
                for atom in location.indexed.iter().copied() {
                    escape_atom(atom, facts);
                }
                if mem.base == Some(to) {
                    escape(sets, state.reg(to), facts);
                }
            }
            if !location.indexed.is_empty() {
                atoms.push(Atom::Any);
            }
            let value = sets.of(atoms);
            state.set(to, value);
        }
        Op::Compute { to, what, from, width } => {
            let value = compute(place, sets, state, to, what, from, width, facts);
            state.set(to, value);
        }
        Op::Touch { mem, width } => touch(place, sets, state, &mem, width, facts),
        Op::Use(reg) => {
            if let Some(facts) = facts {
                escape(sets, state.reg(reg), facts);
            }
        }
        Op::Clobber(reg) => state.set(reg, Value::ANY),
        Op::Compare { .. } => {}
    }
}

fn store(
    place: Place<'_>,
    sets: &mut Sets,
    state: &mut State,
    mem: &Mem,
    value: Value,
    width: u8,
    mut facts: Option<&mut Facts>,
) {
    let location = locate(place, sets, state, mem);
    let one = location.atoms.len() == 1 && location.indexed.is_empty();
    let in_stack = one && matches!(location.atoms[0], Atom::Stack(_));
    if let Some(facts) = facts.as_deref_mut()
        && !in_stack
    {
        facts.kept.extend(sets.atoms(&value).iter().filter_map(|atom| match atom {
            &Atom::Address(address) if place.elf.is_code(address) => Some(address),
            _ => None,
        }));
    }
    for atom in location.atoms {
        match atom {
            Atom::Stack(at) => {
                let value = if one { value } else { sets.join(state.slot(at), value) };
                state.put(at, value, width);
            }
            Atom::Address(address) => {
                if let Some(facts) = facts.as_deref_mut() {
                    facts.stores.push(address);
                }
            }
            _ => {}
        }
    }
}

fn touch(
    place: Place<'_>,
    sets: &mut Sets,
    state: &mut State,
    mem: &Mem,
    width: u16,
    mut facts: Option<&mut Facts>,
) {
    let location = locate(place, sets, state, mem);
    for atom in location.atoms {
        match (atom, facts.as_deref_mut()) {
            (Atom::Address(address), Some(facts)) => {
                facts.accesses.push(Access::Read(address, width));
                facts.stores.push(address);
            }
            (Atom::Field(slot, at), Some(facts)) => {
                for word in (0..width.div_ceil(8)).map(|word| i32::from(word) * 8) {
                    facts.accesses.push(Access::Field(slot, at.saturating_add(word)));
                }
            }
            (Atom::Stack(at), _) => {
                for word in (0..width.div_ceil(4)).map(|word| i32::from(word) * 4) {
                    state.put(at.saturating_add(word), Value::ANY, 4);
                }
            }
            _ => {}
        }
    }
    if let Some(facts) = facts {
        for atom in location.indexed {
            match atom {
                Atom::Address(table) => take_indexed(place.elf, table, mem, facts),
                other => escape_atom(other, facts),
            }
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the operation's parts, and where it stands")]
fn compute(
    place: Place<'_>,
    sets: &mut Sets,
    state: &State,
    to: Reg,
    what: Arithmetic,
    from: Source,
    width: u8,
    facts: Option<&mut Facts>,
) -> Value {
    let (left, right) = (state.reg(to), source(place, state, from));
    // A pointer that moves walks through what is there.
    if let Some(facts) = facts {
        for value in [left, right] {
            escape(sets, value, facts);
        }
    }
    let mut found = Vec::new();
    let (lefts, rights) = (sets.atoms(&left).to_vec(), sets.atoms(&right).to_vec());
    // What was joined and then changed is most often the counter of a loop: it takes any value.
    if lefts.len() * rights.len() > 64 || (rights.len() == 1 && lefts.len() > 2) {
        return Value::ANY;
    }
    for &a in &lefts {
        for &b in &rights {
            let mut atom = combine(what, a, b);
            if width == 4 {
                atom = match atom {
                    Atom::Const(value) => Atom::Const(value & 0xffff_ffff),
                    Atom::Stack(_) => Atom::Any,
                    other => other,
                };
            }
            found.push(atom);
        }
    }
    sets.of(found)
}

fn combine(what: Arithmetic, a: Atom, b: Atom) -> Atom {
    use Arithmetic::{Add, And, Or, Shl, Shr, Sub, Xor};
    match (what, a, b) {
        (Add, Atom::Element(table, 4, true), Atom::Address(base))
        | (Add, Atom::Address(base), Atom::Element(table, 4, true)) => Atom::Distance(table, base),
        (Add, a, Atom::Const(number)) => add_number(a, number as i64),
        (Add, Atom::Const(number), b) => add_number(b, number as i64),
        (Sub, a, Atom::Const(number)) => add_number(a, (number as i64).wrapping_neg()),
        // Aligning the stack: where exactly it is does not matter, as long as it is one place.
        (And, Atom::Stack(at), Atom::Const(_)) => Atom::Stack(at),
        (And, Atom::Const(a), Atom::Const(b)) => Atom::Const(a & b),
        (Or, Atom::Const(a), Atom::Const(b)) => Atom::Const(a | b),
        (Or, _, Atom::Const(u64::MAX)) => Atom::Const(u64::MAX),
        (Xor, Atom::Const(a), Atom::Const(b)) => Atom::Const(a ^ b),
        (Shl, Atom::Const(a), Atom::Const(b)) => Atom::Const(a << (b & 63)),
        (Shr, Atom::Const(a), Atom::Const(b)) => Atom::Const(a >> (b & 63)),
        _ => Atom::Any,
    }
}
