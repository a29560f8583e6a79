//! Looking into a function that was interpreted: what is known at one of its instructions.

use super::{
    Code, Flow, State,
    body::Instruction,
    machine::{Machine, Place, Spans},
};
use crate::{
    decode::{Mem, Op},
    ranges::Range,
    value::{Atom, Sets},
};

/// Blocks past these are not tried, where code overlaps.
const BLOCKS_MAX: usize = 4;

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
        let starts = self.before.iter().zip(&self.body.list).zip(0_u32..);
        let mut starts: Vec<(u64, u32)> = starts
            .filter(|((before, instruction), _)| before.is_some() && instruction.at <= at)
            .map(|((_, instruction), number)| (instruction.at, number))
            .collect();
        starts.sort_unstable();
        for &(_, first) in starts.iter().rev().take(BLOCKS_MAX) {
            let mut state = self.before[first as usize].clone()?;
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                if instruction.at == at {
                    // The effects before the jump itself.
                    self.operate(code, &instruction, &mut state, |_, _| {});
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
        for first in 0..self.before.len() as u32 {
            let Some(mut state) = self.before[first as usize].clone() else { continue };
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                self.operate(code, &instruction, &mut state, |machine, op| {
                    if let Op::Store { mem, from, .. } = *op
                        && machine.locate(&mem).atoms.contains(&Atom::Address(address))
                    {
                        let value = machine.source(from);
                        found.extend_from_slice(machine.sets.atoms(&value));
                    }
                });
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
