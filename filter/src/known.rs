//! What is known at an instruction, whatever path led there: for the comments of disassemble.rs.

use crate::{
    data::{ARCH, NUMBER},
    insn::{Alu, Cond, Op, Operand, Reg},
};

/// What is known when an instruction is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// The accumulator holds the word at this offset.
    pub word: Option<u32>,
    /// The audit architecture.
    pub audit: Option<u32>,
    /// The least and the greatest number.
    pub numbers: (u32, u32),
}

impl Default for Known {
    fn default() -> Known {
        Known { word: None, audit: None, numbers: (0, u32::MAX) }
    }
}

impl Known {
    /// What both know.
    pub(crate) fn join(self, other: Known) -> Known {
        Known {
            word: self.word.filter(|_| self.word == other.word),
            audit: self.audit.filter(|_| self.audit == other.audit),
            numbers: (self.numbers.0.min(other.numbers.0), self.numbers.1.max(other.numbers.1)),
        }
    }

    /// The number, when it is only one.
    pub(crate) fn number(&self) -> Option<u32> {
        (self.numbers.0 == self.numbers.1).then_some(self.numbers.0)
    }

    /// Where the instruction at `at` leads, and what is known there.
    pub(crate) fn after(self, at: usize, op: Op) -> Vec<(usize, Known)> {
        let unknown = Known { word: None, ..self };
        let next = at + 1;
        match op {
            Op::LoadWord(offset) => vec![(next, Known { word: Some(offset), ..self })],
            Op::LoadLen(Reg::A) | Op::LoadImm(Reg::A, _) | Op::LoadMem(Reg::A, _) => {
                vec![(next, unknown)]
            }
            Op::Alu(Alu::And, Operand::K(u32::MAX)) => vec![(next, self)],
            Op::Alu(..) | Op::Neg | Op::Txa => vec![(next, unknown)],
            Op::LoadLen(Reg::X) | Op::LoadImm(Reg::X, _) | Op::LoadMem(Reg::X, _) => {
                vec![(next, self)]
            }
            Op::Store(..) | Op::Tax => vec![(next, self)],
            Op::Jump(skip) => vec![(next + skip as usize, self)],
            Op::Branch { cond, operand: Operand::K(k), jt, jf } => {
                let yes = self.learn(cond, k, true).map(|known| (next + usize::from(jt), known));
                let no = self.learn(cond, k, false).map(|known| (next + usize::from(jf), known));
                yes.into_iter().chain(no).collect()
            }
            Op::Branch { operand: Operand::X, jt, jf, .. } => {
                vec![(next + usize::from(jt), self), (next + usize::from(jf), self)]
            }
            Op::Return(_) => Vec::new(),
        }
    }

    /// What is known behind a comparison of the accumulator; `None` when that cannot be its result.
    fn learn(self, cond: Cond, k: u32, holds: bool) -> Option<Known> {
        match self.word {
            Some(ARCH) => match (cond, holds, self.audit) {
                (Cond::Eq, true, None) => Some(Known { audit: Some(k), ..self }),
                (_, _, Some(audit)) if cond.holds(audit, k) != holds => None,
                _ => Some(self),
            },
            Some(NUMBER) => {
                let (low, high) = self.numbers;
                let (from, to) = match (cond, holds) {
                    (Cond::Eq, true) => (k, k),
                    (Cond::Eq, false) if k == low => (k.checked_add(1)?, high),
                    (Cond::Eq, false) if k == high => (low, k.checked_sub(1)?),
                    (Cond::Ge, true) => (k, high),
                    (Cond::Ge, false) => (low, k.checked_sub(1)?),
                    (Cond::Gt, true) => (k.checked_add(1)?, high),
                    (Cond::Gt, false) => (low, k),
                    (Cond::Eq, false) | (Cond::Set, _) => (low, high),
                };
                let numbers = (from.max(low), to.min(high));
                (numbers.0 <= numbers.1).then_some(Known { numbers, ..self })
            }
            _ => Some(self),
        }
    }
}
