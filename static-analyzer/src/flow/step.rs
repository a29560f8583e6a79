//! The effect of one instruction, with where it leads.

use super::{
    Call, Code, Facts, Flow, Site, State, Target,
    body::Instruction,
    escape::{Leaving, escape, escape_atom, leave, registers},
    machine::{Machine, Place},
};
use crate::{
    decode::{
        self, Dest, Entry, Flow as Next, KERNEL_CLOBBERS, PASSED, RESULTS, Reg, STACK, Source,
    },
    value::{Atom, Value},
};

/// Entries of a table of calls past these are not read.
const ENTRIES_MAX: u64 = 1 << 12;

impl Flow {
    /// The effect of one instruction.
    pub(super) fn step(
        &mut self,
        code: Code<'_>,
        instruction: &Instruction,
        state: &mut State,
        facts: Option<&mut Facts>,
    ) {
        if !matches!(instruction.next, Next::Branch(..)) {
            state.compared = None;
        }
        let place = Place::of(code);
        let (range, sets, spans) = (self.body.range, &mut self.sets, &mut self.spans);
        let mut machine = Machine { place, range, sets, spans, state, facts };
        for op in self.body.ops_of(instruction) {
            machine.apply(op);
        }
        let at = instruction.at;
        match instruction.next {
            Next::Call(dest) => {
                machine.call(at, dest);
                machine.after_call(at);
            }
            Next::Kernel(entry) => machine.enter_kernel(at, entry),
            Next::Jump(dest) => match dest {
                Dest::Direct(target) if self.body.holds(target) => {}
                Dest::Reg(_) | Dest::Mem(_) if self.body.tables.contains_key(&at) => {
                    machine.name_tables(dest);
                }
                _ => machine.jump_out(at, dest),
            },
            Next::Branch(target, _) if !self.body.holds(target) => {
                machine.jump_out(at, Dest::Direct(target));
            }
            Next::Return => machine.come_back(at),
            Next::Branch(..) | Next::Next | Next::Stop => {}
        }
    }
}

impl Machine<'_> {
    fn call(&mut self, at: u64, dest: Dest) {
        if self.facts.is_none() {
            return;
        }
        let top = self.state.reg(STACK);
        match (top, self.facts.as_deref_mut()) {
            (Value::One(Atom::Stack(top)), Some(facts)) => facts.frame.call(top),
            _ => self.open_frame(),
        }
        let (but, known) = self.go(at, dest);
        self.leave(Leaving { at, but, all: !self.place.keeps, known });
    }

    fn leave(&mut self, leaving: Leaving) {
        let known = leaving.known && self.place.precision.handed_functions;
        let leaving = Leaving { known, ..leaving };
        if let Some(facts) = self.facts.as_deref_mut() {
            leave(self.sets, self.place.elf, self.state, facts, leaving);
        }
    }

    /// A jump to code outside of the function, which returns for it.
    pub fn jump_out(&mut self, at: u64, dest: Dest) {
        if self.facts.is_none() {
            return;
        }
        self.leave_frame();
        let (but, known) = self.go(at, dest);
        if let Some(facts) = self.facts.as_deref_mut() {
            facts.results.push(Atom::Result(at));
        }
        self.leave(Leaving { at, but, all: true, known });
    }

    /// Notes where a call or a jump leads. Answers the register that did nothing but say where, and
    /// whether all places are known.
    fn go(&mut self, at: u64, dest: Dest) -> (Option<Reg>, bool) {
        match dest {
            Dest::Direct(target) => {
                if let Some(facts) = self.facts.as_deref_mut() {
                    facts.calls.push(Call { at, target: Target::Direct(target) });
                }
                (None, true)
            }
            Dest::Reg(reg) => {
                let value = self.state.reg(reg);
                let known = self.go_to(at, value);
                let but = Some(reg).filter(|reg| known && !PASSED.contains(reg));
                (but, known && !self.is_given(value))
            }
            Dest::Mem(mem) => {
                let value = self.load(&mem, 8, false);
                (None, self.go_to(at, value) && !self.is_given(value))
            }
        }
    }

    /// Whether a value may be what a register held at entry: what callers of the function may not
    /// know themselves.
    fn is_given(&self, value: Value) -> bool {
        self.sets.atoms(&value).iter().any(|atom| matches!(atom, Atom::Entry(_)))
    }

    /// Notes the targets of a call through a value. Answers whether all of them are known.
    fn go_to(&mut self, at: u64, value: Value) -> bool {
        let mut all = true;
        for atom in self.sets.atoms(&value).to_vec() {
            let target = match atom {
                Atom::Address(address) => Target::Direct(address),
                Atom::Slot(slot) => Target::Slot(slot),
                Atom::Field(slot, distance) => Target::Field(slot, distance),
                Atom::Entry(reg) if self.place.precision.handed_functions => Target::Entry(reg),
                Atom::Distance(table, base) => {
                    all &= self.go_through(at, table, Some(base));
                    continue;
                }
                Atom::Element(table, 4, _) if self.place.elf.fixed => {
                    all &= self.go_through(at, table, None);
                    continue;
                }
                _ => Target::Any,
            };
            all &= target != Target::Any;
            if let Some(facts) = self.facts.as_deref_mut() {
                facts.calls.push(Call { at, target });
            }
        }
        all
    }

    /// A call through a table of 32-bit distances from an address, or of 32-bit addresses.
    /// Answers whether there is one.
    fn go_through(&mut self, at: u64, table: u64, base: Option<u64>) -> bool {
        let elf = self.place.elf;
        let span = self.spans.get(&table).filter(|_| self.place.precision.table_bounds);
        let span = span.copied().unwrap_or(u64::MAX);
        let Some(facts) = self.facts.as_deref_mut() else { return false };
        let mut found = false;
        if elf.is_constant(table) {
            for index in (0..ENTRIES_MAX).take_while(|index| 4 * index <= span) {
                let entry = elf.half(table.wrapping_add(4 * index));
                let target = entry.map(|entry| match base {
                    Some(base) => base.wrapping_add_signed(i64::from(entry as i32)),
                    None => u64::from(entry),
                });
                let Some(target) = target.filter(|&target| elf.is_code(target)) else { break };
                // A jump into the function itself is none out of it.
                if !(self.range.start..self.range.end).contains(&target) {
                    facts.calls.push(Call { at, target: Target::Direct(target) });
                }
                found = true;
            }
        }
        if !found {
            facts.calls.push(Call { at, target: Target::None });
        }
        found
    }

    fn after_call(&mut self, at: u64) {
        let mut lowest = None::<i32>;
        for reg in registers().filter(|&reg| !(self.place.keeps && decode::is_kept(reg))) {
            for atom in self.sets.atoms(&self.state.reg(reg)) {
                if let &Atom::Stack(at) = atom {
                    lowest = Some(lowest.map_or(at, |lowest| lowest.min(at)));
                }
            }
            self.state.set(reg, Value::ANY);
        }
        if let Some(lowest) = lowest {
            self.state.forget_from(lowest);
        }
        self.state.set(RESULTS[0], Value::One(Atom::Result(at)));
    }

    fn enter_kernel(&mut self, at: u64, entry: Entry) {
        if let Some(facts) = self.facts.as_deref_mut() {
            let regs = decode::kernel_regs(entry);
            let atoms = |reg| self.sets.atoms(&self.state.reg(reg)).to_vec();
            facts.sites.push(Site {
                at,
                entry,
                number: atoms(regs.number),
                arguments: regs.arguments.map(atoms),
            });
            // The kernel may call what it is given (signal handlers, new threads).
            for reg in regs.arguments {
                escape(self.sets, self.state.reg(reg), facts);
            }
        }
        for reg in KERNEL_CLOBBERS {
            self.state.set(reg, Value::ANY);
        }
    }

    /// A return: a jump to the word on top of the stack, which the caller put there, unless the
    /// function itself did (a retpoline).
    fn come_back(&mut self, at: u64) {
        let top = match self.state.reg(STACK) {
            Value::One(Atom::Stack(top)) => self.state.written(top),
            _ => None,
        };
        let Some(facts) = self.facts.as_deref_mut() else { return };
        facts.returns = true;
        if let Some(value) = top {
            facts.results.push(Atom::Result(at));
            let known = self.go_to(at, value) && !self.is_given(value);
            self.open_frame();
            self.leave(Leaving { at, but: None, all: true, known });
            return;
        }
        let result = self.state.reg(RESULTS[0]);
        facts.results.extend_from_slice(self.sets.atoms(&result));
        for reg in RESULTS {
            for &atom in self.sets.atoms(&self.state.reg(reg)) {
                match atom {
                    Atom::Address(address) if self.place.elf.is_code(address) => {
                        facts.returned.push(address);
                    }
                    _ => escape_atom(atom, facts),
                }
            }
        }
    }

    /// The tables that a jump inside of the function leads through are objects.
    fn name_tables(&mut self, dest: Dest) {
        let value = match dest {
            Dest::Reg(reg) => self.source(Source::Reg(reg)),
            // Looked at only: what is read is code of this function.
            Dest::Mem(mem) => {
                let facts = self.facts.take();
                let value = self.load(&mem, 8, false);
                self.facts = facts;
                value
            }
            Dest::Direct(_) => return,
        };
        let Some(facts) = self.facts.as_deref_mut() else { return };
        facts.named.extend(self.sets.atoms(&value).iter().filter_map(|atom| match atom {
            &(Atom::Element(table, ..) | Atom::Distance(table, _)) => Some(table),
            _ => None,
        }));
    }
}
