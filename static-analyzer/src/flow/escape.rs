//! Values that go where they are not followed: what they lead to may be used there.

use super::{Access, Facts, Given, Pass, State, machine::Machine};
use crate::{
    decode::{self, FOLLOWED, Mem, REGS, Reg, STACK},
    elf::Elf,
    value::{Atom, Sets, Value},
};

impl Machine<'_> {
    /// A value goes where it is not followed.
    pub fn escape(&mut self, value: Value) {
        if let Some(facts) = self.facts.as_deref_mut() {
            escape(self.sets, value, facts);
        }
    }

    /// A function that is put into a word of the stack is followed there; everything else that is
    /// stored goes where it is not followed.
    pub fn keep(&mut self, mem: &Mem, value: Value, width: u8) {
        let precision = self.place.precision;
        let follows = precision.handed_functions && precision.stack_words && width == 8;
        let at = self.slot_of(mem).filter(|&at| follows && at < 0);
        let Some(facts) = self.facts.as_deref_mut() else { return };
        for &atom in self.sets.atoms(&value) {
            let function = match atom {
                Atom::Entry(_) => true,
                Atom::Address(address) => self.place.elf.is_code(address),
                _ => false,
            };
            match at.filter(|_| function) {
                Some(at) => facts.frame.keep(at, atom),
                None => escape_atom(atom, facts),
            }
        }
    }

    /// A value goes where it is not followed, if it is no address of the stack.
    pub fn escape_but_frame(&mut self, value: Value) {
        if let Some(facts) = self.facts.as_deref_mut() {
            let atoms = self.sets.atoms(&value).iter();
            atoms
                .filter(|atom| !matches!(atom, Atom::Stack(_)))
                .for_each(|&atom| escape_atom(atom, facts));
        }
    }

    /// Others, or what is not followed, may read all of the stack.
    pub fn open_frame(&mut self) {
        if let Some(facts) = self.facts.as_deref_mut() {
            facts.frame.open_all();
        }
    }

    /// Whether a value may be an address of the stack.
    pub fn is_frame(&self, value: Value) -> bool {
        self.sets.atoms(&value).iter().any(|atom| matches!(atom, Atom::Stack(_)))
    }

    /// The stack by an index: which word is meant is not followed.
    pub fn index_frame(&mut self, mem: &Mem) {
        if let Some((index, _)) = mem.index
            && self.facts.is_some()
            && (mem.base.is_some_and(|base| self.is_frame(self.state.reg(base)))
                || self.is_frame(self.state.reg(index)))
        {
            self.open_frame();
        }
    }

    /// The function is left by a jump: what its stack holds then is the next one's to read.
    pub fn leave_frame(&mut self) {
        if !matches!(self.state.reg(STACK), Value::One(Atom::Stack(0..))) {
            self.open_frame();
        }
    }

    /// One of its sources.
    pub fn escape_atom(&mut self, atom: Atom) {
        if let Some(facts) = self.facts.as_deref_mut() {
            escape_atom(atom, facts);
        }
    }
}

/// The registers that hold values.
pub fn registers() -> impl Iterator<Item = Reg> {
    (0..REGS as Reg).filter(|&reg| reg != STACK)
}

/// Registers go on to code outside of the function.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// The call or the jump.
    pub at: u64,
    /// A register that did nothing but say where it leads.
    pub but: Option<Reg>,
    /// Whether those go, too, that a call keeps.
    pub all: bool,
    /// Whether it is known where it leads.
    pub known: bool,
}

/// What is in registers goes where it is used: functions that are handed on in a register for
/// arguments are followed there.
pub fn leave(sets: &Sets, elf: &Elf, state: &State, facts: &mut Facts, leaving: Leaving) {
    let Leaving { at, but, all, known } = leaving;
    let mut open = if known { 0 } else { u16::MAX };
    for reg in registers().filter(|&reg| Some(reg) != but && (all || !decode::is_kept(reg))) {
        let follows = known && FOLLOWED.contains(&reg);
        for &atom in sets.atoms(&state.reg(reg)) {
            let given = match atom {
                Atom::Address(address) if elf.is_code(address) => Given::Code(address),
                Atom::Entry(from) => Given::Entry(from),
                _ => {
                    open |= u16::from(follows && may_be_code(atom)) << reg;
                    escape_atom(atom, facts);
                    continue;
                }
            };
            match follows {
                true => facts.passes.push(Pass { at, reg, given }),
                false => escape_atom(atom, facts),
            }
        }
    }
    if open != 0 {
        facts.open.push((at, open));
    }
}

/// Whether a function may be meant that is not known.
fn may_be_code(atom: Atom) -> bool {
    !matches!(atom, Atom::Const(_) | Atom::Address(_) | Atom::Stack(_))
}

/// A value goes where it is not followed.
pub fn escape(sets: &Sets, value: Value, facts: &mut Facts) {
    for &atom in sets.atoms(&value) {
        escape_atom(atom, facts);
    }
}

/// One of its sources.
pub fn escape_atom(atom: Atom, facts: &mut Facts) {
    let access = match atom {
        Atom::Address(address) => Access::Take(address),
        Atom::Slot(slot) => Access::Read(slot, 8),
        Atom::Field(slot, distance) => Access::Field(slot, distance),
        Atom::Entry(reg) => {
            facts.escapes |= 1 << reg;
            return;
        }
        Atom::Stack(at) => {
            facts.frame.open(at);
            return;
        }
        // What may be an element was used where the table was read.
        _ => return,
    };
    if facts.accesses.last() != Some(&access) {
        facts.accesses.push(access);
    }
}
