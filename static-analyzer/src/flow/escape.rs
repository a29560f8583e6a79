//! Values that go where they are not followed: what they lead to may be used there.

use super::{Access, Facts, State, machine::Machine};
use crate::{
    decode::{REGS, Reg, STACK},
    value::{Atom, Sets, Value},
};

impl Machine<'_> {
    /// A value goes where it is not followed.
    pub fn escape(&mut self, value: Value) {
        if let Some(facts) = self.facts.as_deref_mut() {
            escape(self.sets, value, facts);
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

/// All registers go on to code outside of the function, but for one that only said where it is.
pub fn leave(sets: &Sets, state: &State, facts: &mut Facts, but: Option<Reg>) {
    for reg in registers().filter(|&reg| Some(reg) != but) {
        escape(sets, state.reg(reg), facts);
    }
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
        // What may be an element was used where the table was read.
        _ => return,
    };
    if facts.accesses.last() != Some(&access) {
        facts.accesses.push(access);
    }
}
