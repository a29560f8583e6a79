//! Values that go where they are not followed: what they lead to may be used there.

use super::{Access, Facts, Given, Pass, State, machine::Machine};
use crate::{
    decode::{self, FOLLOWED, REGS, Reg, STACK},
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
        // What may be an element was used where the table was read.
        _ => return,
    };
    if facts.accesses.last() != Some(&access) {
        facts.accesses.push(access);
    }
}
