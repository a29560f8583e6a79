//! Where memory operands are, and what is held there.

use super::{Access, arithmetic::add_number, machine::Machine};
use crate::{
    decode::{Mem, Reg},
    elf::Elf,
    value::{Atom, Value},
};

/// Where a memory operand may be, and what it would be used as when its address were unknown.
pub struct Location {
    pub atoms: Vec<Atom>,
    /// Addresses that an unknown number is added to; how large that can be, where it is known.
    pub indexed: Vec<(Atom, Option<u64>)>,
}

impl Machine<'_> {
    /// Where a memory operand may be.
    pub fn locate(&self, mem: &Mem) -> Location {
        let mut location = Location { atoms: Vec::new(), indexed: Vec::new() };
        if mem.thread {
            location.atoms.push(Atom::Any);
            return location;
        }
        let displacement = mem.displacement;
        let (mut base, mut index) = (mem.base, mem.index);
        // An address may stand in either place.
        if let (Some(first), Some((second, 1))) = (base, index)
            && !self.is_address(first)
            && self.is_address(second)
        {
            (base, index) = (Some(second), Some((first, 1)));
        }
        let offset = match index {
            None => Some(0),
            Some((reg, scale)) => match self.state.reg(reg) {
                Value::One(Atom::Const(value)) => Some(value.wrapping_mul(u64::from(scale)) as i64),
                _ => None,
            },
        };
        let span = index.and_then(|index| self.span(index));
        let Some(base) = base else {
            let address = displacement.wrapping_add(offset.unwrap_or(0)) as u64;
            let atom = match self.is_constant_address(address) {
                true => Atom::Address(address),
                false => Atom::Any,
            };
            match offset {
                Some(_) => location.atoms.push(atom),
                None => location.indexed.push((atom, span)),
            }
            return location;
        };
        let value = self.state.reg(base);
        for &atom in self.sets.atoms(&value) {
            // A large distance in a file of fixed addresses is the address.
            let fixed = self.place.elf.fixed && self.is_constant_address(displacement as u64);
            let Some(offset) = offset else {
                location.indexed.push(match (atom, add_number(atom, displacement)) {
                    (Atom::Slot(_) | Atom::Field(..), _) => (atom, None),
                    (_, moved @ (Atom::Address(_) | Atom::Slot(_) | Atom::Field(..))) => {
                        (moved, span)
                    }
                    _ if fixed => (Atom::Address(displacement as u64), None),
                    _ => (Atom::Any, None),
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
                _ if fixed => {
                    let span = if index.is_none() { self.span((base, 1)) } else { None };
                    location.indexed.push((Atom::Address(displacement as u64), span));
                    continue;
                }
                _ => Atom::Any,
            };
            location.atoms.push(moved);
        }
        location
    }

    /// How large an index can be, in bytes.
    fn span(&self, (reg, scale): (Reg, u8)) -> Option<u64> {
        let bound = self.bound(reg).filter(|bound| bound.width >= 4)?;
        bound.limit.checked_mul(u64::from(scale))
    }

    fn is_constant_address(&self, address: u64) -> bool {
        self.place.elf.segment(address).is_some()
    }

    fn is_address(&self, reg: Reg) -> bool {
        let value = self.state.reg(reg);
        self.sets.atoms(&value).iter().any(|atom| {
            matches!(atom, Atom::Address(_) | Atom::Slot(_) | Atom::Field(..) | Atom::Stack(_))
        })
    }

    /// What memory holds.
    pub fn load(&mut self, mem: &Mem, width: u8, signed: bool) -> Value {
        self.index_frame(mem);
        let location = self.locate(mem);
        if let ([Atom::Stack(at)], []) = (location.atoms.as_slice(), location.indexed.as_slice())
            && width >= 4
        {
            return self.slot(*at);
        }
        let mut found = Vec::new();
        for atom in location.atoms {
            match atom {
                Atom::Address(address) => {
                    found.push(of_memory(self.place.elf, address, width, signed));
                }
                Atom::Stack(at) if width >= 4 => {
                    let value = self.slot(at);
                    found.extend_from_slice(self.sets.atoms(&value));
                }
                // A pointer that was loaded through a pointer: where it points to is all used.
                Atom::Field(slot, at) if width >= 4 => found.push(Atom::Field(slot, at)),
                Atom::Deref(reg, at) if width >= 4 => found.push(Atom::Deref(reg, at)),
                _ => found.push(Atom::Any),
            }
        }
        // A base that is itself loaded through two pointers is used whole.
        if let (Some(base), true) = (mem.base, self.facts.is_some()) {
            let value = self.state.reg(base);
            for atom in self.sets.atoms(&value).to_vec() {
                if let Atom::Field(..) = atom {
                    self.escape_atom(atom);
                }
            }
        }
        for (atom, span) in location.indexed {
            match atom {
                Atom::Address(table) => {
                    self.take_indexed(table, mem, span);
                    let known = self.spans.entry(table).or_default();
                    *known = span.map_or(u64::MAX, |span| span.max(*known));
                    found.push(Atom::Element(table, width, signed));
                }
                other => {
                    self.escape_atom(other);
                    found.push(Atom::Any);
                }
            }
        }
        if found.is_empty() { Value::ANY } else { self.sets.of(found) }
    }

    /// An address with an index: what is there up to the largest index. Where that is not known,
    /// the object there, and, as the index may begin above 0 in code for fixed addresses, what
    /// follows it.
    pub fn take_indexed(&mut self, table: u64, mem: &Mem, span: Option<u64>) {
        const LARGEST: u64 = 64;
        let Some(facts) = self.facts.as_deref_mut() else { return };
        facts.named.push(table);
        if let Some(span) = span.and_then(|span| u16::try_from(span.checked_add(LARGEST)?).ok()) {
            facts.accesses.push(Access::Read(table, span - LARGEST as u16 + 8));
            if self.place.precision.table_bounds {
                return;
            }
        }
        facts.accesses.push(Access::Take(table));
        if self.place.elf.fixed && mem.base.is_none() {
            let scale = mem.index.map_or(1, |(_, scale)| u64::from(scale));
            let span = u16::try_from(256 * scale).unwrap_or(u16::MAX);
            facts.accesses.push(Access::Read(table, span));
        }
    }
}

fn distance(displacement: i64, offset: i64) -> Option<i32> {
    i32::try_from(displacement.wrapping_add(offset)).ok()
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
