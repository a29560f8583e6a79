//! Looking into a function that was interpreted: what is known at one of its instructions.

use super::{
    Code, Flow, State,
    body::Instruction,
    machine::{Machine, Place, Spans, words},
};
use crate::{
    decode::{Mem, Op},
    ranges::Range,
    value::{Atom, Sets, Value},
};

/// Blocks past these are not tried, where code overlaps.
const BLOCKS_MAX: usize = 4;

/// Something written at a fixed address.
#[derive(Debug)]
pub(super) struct Written {
    at: u64,
    width: u16,
    /// What it may be.
    atoms: Vec<Atom>,
}

/// The machine in a state, when nothing is noted.
pub(super) fn machine<'a>(
    code: Code<'a>,
    range: Range,
    sets: &'a mut Sets,
    spans: &'a mut Spans,
    state: &'a mut State,
) -> Machine<'a> {
    Machine { place: Place::of(code), range, sets, spans, state, facts: None }
}

impl<'a> Place<'a> {
    /// In a file.
    pub fn of(code: Code<'a>) -> Place<'a> {
        Place { elf: code.elf, keeps: !code.ranges.go, precision: code.precision }
    }
}

impl Flow {
    /// What is known when an instruction is reached. `None` when it is not in the function.
    pub fn at(&mut self, code: Code<'_>, at: u64) -> Option<State> {
        // The block that begins last before the place holds it; where code overlaps, one before.
        let past = self.blocks.partition_point(|&(start, _)| start <= at);
        for place in (0..past).rev().take(BLOCKS_MAX) {
            let (_, first) = self.blocks[place];
            let mut state = self.before[first as usize].clone()?;
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                if instruction.at == at {
                    // The effects before the jump itself.
                    self.operate(code, &instruction, &mut state, |_, _| {});
                    return Some(state);
                }
                if instruction.at > at || self.ends(code, &instruction, &state) {
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

    /// What is stored in the word of 4 bytes at a fixed address, by all that the function does.
    pub fn stored(&mut self, code: Code<'_>, address: u64) -> Vec<Atom> {
        if self.writes.is_none() {
            self.writes = Some(self.all_writes(code));
        }
        let mut found = Vec::new();
        for written in self.writes.iter().flatten() {
            let upper = written.at.checked_add(4) == Some(address);
            for &atom in &written.atoms {
                found.push(match atom {
                    atom if written.at == address && written.width >= 4 => atom,
                    Atom::Const(number) if upper && written.width == 8 => Atom::Const(number >> 32),
                    _ if words(written.at, written.width).any(|word| word == address) => Atom::Any,
                    _ => continue,
                });
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn all_writes(&mut self, code: Code<'_>) -> Vec<Written> {
        let mut found = Vec::new();
        for first in 0..self.before.len() as u32 {
            let Some(mut state) = self.before[first as usize].clone() else { continue };
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                self.operate(code, &instruction, &mut state, |machine, op| {
                    let (mem, value, width) = match *op {
                        Op::Store { mem, from, width } => {
                            (mem, machine.source(from), u16::from(width))
                        }
                        Op::Touch { mem, width, writes: true } => (mem, Value::ANY, width),
                        _ => return,
                    };
                    for atom in machine.locate(&mem).atoms {
                        if let Atom::Address(at) = atom {
                            let atoms = machine.sets.atoms(&value).to_vec();
                            found.push(Written { at, width, atoms });
                        }
                    }
                });
                if self.ends(code, &instruction, &state) {
                    break;
                }
                let bare = Instruction { ops: (0, 0), ..instruction };
                self.step(code, &bare, &mut state, None);
                match self.through(code, &instruction, number) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        found
    }

    /// The operations of an instruction, without where it leads; each is looked at before its effect.
    fn operate(
        &mut self,
        code: Code<'_>,
        instruction: &Instruction,
        state: &mut State,
        mut look: impl FnMut(&Machine<'_>, &Op),
    ) {
        let mut machine = machine(code, self.body.range, &mut self.sets, &mut self.spans, state);
        for op in self.body.ops_of(instruction) {
            look(&machine, op);
            machine.apply(op);
        }
    }

    /// What memory holds at a place.
    pub(super) fn loaded(&mut self, code: Code<'_>, state: &mut State, mem: &Mem) -> Vec<Atom> {
        let value = machine(code, self.body.range, &mut self.sets, &mut self.spans, state)
            .load(mem, 8, false);
        self.sets.atoms(&value).to_vec()
    }
}
