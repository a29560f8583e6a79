//! What a function does, found in one walk through everything that is known of it.

use super::{
    Access, Call, Code, Facts, Flow, State, Target,
    body::Instruction,
    escape::{Leaving, escape_atom, leave},
};
use crate::{
    decode::{Dest, Flow as Next, Op, Source},
    value::Atom,
};

impl Flow {
    /// What the function does.
    pub fn facts(&mut self, code: Code<'_>) -> Facts {
        let mut facts = Facts { cut: self.cut || self.body.cut, ..Facts::default() };
        if facts.cut {
            self.take_all(code, &mut facts);
        }
        let broken = !self.body.invalid.is_empty();
        facts.invalid.extend_from_slice(&self.body.invalid[..self.body.certain]);
        facts.tables = self.tables.iter().copied().collect();
        facts.unsure = self.unsure;
        for first in 0..self.before.len() as u32 {
            let Some(mut state) = self.before[first as usize].clone() else { continue };
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                let ends = self.ends(code, &instruction, &state);
                self.step(code, &instruction, &mut state, Some(&mut facts));
                if ends {
                    break;
                }
                facts.returns |= self.leaves(code, &instruction);
                self.fall_out(code, &instruction, &state, &mut facts);
                match self.through(code, &instruction, number) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        for jump in self.lost_jumps(&facts) {
            facts.calls.push(Call { at: jump, target: Target::None });
        }
        for (&jump, targets) in &self.body.tables {
            for &target in targets.iter().filter(|&&target| !self.body.holds(target)) {
                facts.calls.push(Call { at: jump, target: Target::Direct(target) });
                facts.results.push(Atom::Result(jump));
                facts.open.push((jump, u16::MAX));
                facts.escapes = u16::MAX;
            }
        }
        facts.returns |= facts.cut || broken;
        if facts.cut || broken {
            facts.results.push(Atom::Any);
        }
        // What a jump leads through is no pointer that is kept.
        facts.accesses.retain(|access| match access {
            Access::Read(table, _) => !self.body.through.contains(table),
            _ => true,
        });
        for atom in self.sets.lost() {
            escape_atom(atom, &mut facts);
        }
        facts.escapes |= self.sets.lost_entries();
        if self.open || facts.cut || broken {
            facts.escapes = u16::MAX;
        }
        facts.finish();
        facts
    }

    /// Whether an instruction jumps or falls out of the function: what is there may return for it.
    fn leaves(&self, code: Code<'_>, instruction: &Instruction) -> bool {
        let leaves = match instruction.next {
            Next::Jump(Dest::Direct(target)) | Next::Branch(target, _) => {
                !self.body.holds(target) && !code.never_returns(target)
            }
            Next::Jump(_) => !self.body.tables.contains_key(&instruction.at),
            _ => false,
        };
        leaves || (falls(instruction) && !self.body.holds(instruction.end()))
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
                Op::Load { mem, .. } | Op::Touch { mem, .. } | Op::Push { mem } => (mem, true),
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
    fn fall_out(
        &self,
        code: Code<'_>,
        instruction: &Instruction,
        state: &State,
        facts: &mut Facts,
    ) {
        let end = instruction.end();
        if falls(instruction) && !self.body.holds(end) && self.body.range.known {
            facts.calls.push(Call { at: instruction.at, target: Target::Direct(end) });
            facts.results.push(Atom::Result(instruction.at));
            let leaving = Leaving { at: instruction.at, but: None, all: true, known: true };
            leave(&self.sets, code.elf, state, facts, leaving);
        }
    }
}

/// Whether the next instruction may follow, other than behind a call.
fn falls(instruction: &Instruction) -> bool {
    matches!(instruction.next, Next::Next | Next::Branch(..) | Next::Kernel(_))
}
