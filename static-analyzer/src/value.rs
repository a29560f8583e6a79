//! What is known of a register or a word of the stack: where its value comes from.

use crate::decode::Reg;
use rustc_hash::{FxHashMap, FxHashSet};

/// Larger sets are anything.
const ATOMS_MAX: usize = 40;

/// Larger numbers are no system calls.
const NUMBERS: u64 = 1 << 10;

/// Where one possible value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// From somewhere that is not followed.
    Any,
    /// A number.
    Const(u64),
    /// An address of this file.
    Address(u64),
    /// What a register held when the function was entered.
    Entry(Reg),
    /// What a word of the caller's stack held then: relative to the stack pointer at entry.
    EntrySlot(i32),
    /// An address in the stack, relative to the stack pointer at entry.
    Stack(i32),
    /// What the word at an address of this file holds.
    Slot(u64),
    /// What is held at a distance from the address that the word at an address of this file holds.
    Field(u64, i32),
    /// What is held at a distance from the address that a register held at entry.
    Deref(Reg, i32),
    /// What the call, or the jump out of the function, at an address came back with.
    Result(u64),
    /// An element of the table at an address of this file: elements of this width, signed or not.
    Element(u64, u8, bool),
    /// An element of the table of distances at the first address, added to the second.
    Distance(u64, u64),
}

impl Atom {
    /// Whether code or data may be reached through it.
    fn leads(&self) -> bool {
        matches!(self, Atom::Address(_) | Atom::Slot(_) | Atom::Field(..) | Atom::Element(..))
    }

    /// Whether it is still of interest when the value may also be anything.
    fn matters(self) -> bool {
        match self {
            Atom::Const(number) => number < NUMBERS,
            Atom::Entry(_)
            | Atom::EntrySlot(_)
            | Atom::Stack(_)
            | Atom::Deref(..)
            | Atom::Result(_) => false,
            Atom::Element(_, width, _) => width == 8,
            _ => true,
        }
    }
}

/// The registers, as bits, whose values at entry are among sources.
fn entries(atoms: &[Atom]) -> u16 {
    let bits = atoms.iter().map(|atom| match atom {
        Atom::Entry(reg) => 1 << reg,
        _ => 0,
    });
    bits.fold(0, |all, bit| all | bit)
}

/// Whether an address of the stack is among sources.
fn has_stack(atoms: &[Atom]) -> bool {
    atoms.iter().any(|atom| matches!(atom, Atom::Stack(_)))
}

/// What is known of a value. A set stands in the function's [`Sets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// One source.
    One(Atom),
    /// Any of several.
    Set(u32),
}

impl Value {
    /// Nothing.
    pub const ANY: Value = Value::One(Atom::Any);

    /// A number.
    pub fn number(value: u64) -> Value {
        Value::One(Atom::Const(value))
    }
}

/// The sets of a function's values, each once.
#[derive(Debug, Default)]
pub struct Sets {
    list: Vec<Box<[Atom]>>,
    known: FxHashMap<Box<[Atom]>, u32>,
    lost: FxHashSet<Atom>,
    /// The registers, as bits, whose values at entry were forgotten somewhere.
    lost_entries: u16,
    /// Whether an address of the stack was.
    lost_stack: bool,
}

impl Sets {
    /// The sources of a value.
    pub fn atoms<'a>(&'a self, value: &'a Value) -> &'a [Atom] {
        match value {
            Value::One(atom) => std::slice::from_ref(atom),
            Value::Set(number) => self.list.get(*number as usize).map_or(&[], |list| list),
        }
    }

    /// A value of these sources.
    pub fn of(&mut self, mut atoms: Vec<Atom>) -> Value {
        // What several functions return is not followed: almost every value is such a one.
        let results = atoms.iter().filter(|atom| matches!(atom, Atom::Result(_)));
        if results.collect::<FxHashSet<_>>().len() > 1 {
            atoms.push(Atom::Any);
        }
        // What may be anything is of interest only for the addresses and calls that it may be, too.
        if atoms.contains(&Atom::Any) {
            self.forget(&atoms);
            atoms.retain(|atom| atom.matters());
        }
        atoms.sort_unstable();
        atoms.dedup();
        match atoms.as_slice() {
            [] => Value::ANY,
            &[one] => Value::One(one),
            list if list.len() > ATOMS_MAX => {
                self.lost.extend(list.iter().filter(|atom| atom.leads()));
                self.lost_entries |= entries(list);
                self.lost_stack |= has_stack(list);
                Value::ANY
            }
            _ => {
                let atoms = atoms.into_boxed_slice();
                let next = self.list.len() as u32;
                let number = *self.known.entry(atoms.clone()).or_insert(next);
                if number == next {
                    self.list.push(atoms);
                }
                Value::Set(number)
            }
        }
    }

    /// Takes note of a value that is followed no longer.
    pub fn lose(&mut self, value: Value) {
        if let Value::One(atom) = value {
            self.lost.extend(Some(atom).filter(|atom| atom.leads()));
            self.forget(&[atom]);
            return;
        }
        let atoms = self.atoms(&value).to_vec();
        self.forget(&atoms);
        self.lost.extend(atoms.into_iter().filter(|atom| atom.leads()));
    }

    fn forget(&mut self, atoms: &[Atom]) {
        self.lost_entries |= entries(atoms);
        self.lost_stack |= has_stack(atoms);
    }

    /// Whether an address of the stack had to be forgotten.
    pub fn lost_stack(&self) -> bool {
        self.lost_stack
    }

    /// The registers, as bits, whose values at entry had to be forgotten.
    pub fn lost_entries(&self) -> u16 {
        self.lost_entries
    }

    /// What sets had to be forgotten as they grew too large.
    pub fn lost(&self) -> impl Iterator<Item = Atom> + '_ {
        self.lost.iter().copied()
    }

    /// Either of two values.
    pub fn join(&mut self, a: Value, b: Value) -> Value {
        if a == b {
            return a;
        }
        let (left, right) = (self.atoms(&a), self.atoms(&b));
        if right.iter().all(|atom| left.binary_search(atom).is_ok()) {
            return a;
        }
        let atoms = [left, right].concat();
        self.of(atoms)
    }

    /// Each source turned into another.
    pub fn map(&mut self, value: Value, change: impl FnMut(Atom) -> Atom) -> Value {
        let mut change = change;
        match value {
            Value::One(atom) => Value::One(change(atom)),
            Value::Set(_) => {
                let atoms = self.atoms(&value).iter().map(|&atom| change(atom)).collect();
                self.of(atoms)
            }
        }
    }
}
