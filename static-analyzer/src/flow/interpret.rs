//! The fixpoint over a function's blocks.

use super::{Code, Flow, State, body::Instruction};
use crate::{
    decode::{self, Dest, Entry, Flow as Next, STACK},
    value::{Atom, Value},
};
use model::Sysno;
use std::collections::BTreeSet;

/// A block that was interpreted so often takes only wider values.
const VISITS_MAX: u8 = 5;
/// Operations past these are not interpreted.
const STEPS_MAX: usize = 1 << 21;
/// Joining two states is as much work as several operations.
const JOIN_STEPS: usize = 8;

/// The blocks to interpret, in an order.
struct Work {
    visits: Vec<u8>,
    ranks: Vec<u32>,
    left: BTreeSet<(u32, u32)>,
}

impl Work {
    fn add(&mut self, block: u32) {
        let rank = self.ranks.get(block as usize).copied().unwrap_or(u32::MAX);
        self.left.insert((rank, block));
    }
}

impl Flow {
    /// Nothing is known yet but at the entry.
    pub(super) fn begin(&mut self, entry: u64) {
        self.open(entry, State::entry());
    }

    /// Code that may be entered from anywhere.
    pub(super) fn begin_unknown(&mut self, at: u64) {
        self.open = true;
        self.open(at, State::unknown());
    }

    fn open(&mut self, at: u64, state: State) {
        self.before.resize(self.body.list.len(), None);
        let number = self.body.number(at).filter(|_| self.body.holds(at));
        if let Some(before) = number.and_then(|number| self.before.get_mut(number as usize)) {
            let changed = match before {
                Some(known) => known.join(&state, &mut self.sets, false),
                None => {
                    *before = Some(state);
                    true
                }
            };
            if let Some(settled) = number.and_then(|number| self.settled.get_mut(number as usize)) {
                *settled &= !changed;
            }
        }
    }

    /// The blocks to interpret: those that are not settled, and those that lead to blocks that were
    /// not there when they were. Each with its place in an order in which, loops aside, a block comes
    /// behind all that lead to it.
    fn work(&mut self, code: Code<'_>) -> Work {
        let count = self.body.list.len();
        self.settled.resize(count, false);
        let mut work =
            Work { visits: vec![0; count], ranks: vec![0; count], left: BTreeSet::new() };
        let mut seen = vec![false; count];
        let mut behind = Vec::new();
        let mut again = Vec::new();
        // Depth first; a block is put down when all that follow it are.
        for first in 0..count as u32 {
            if !matches!(self.before.get(first as usize), Some(Some(_))) {
                continue;
            }
            let mut path: Vec<(u32, Vec<u32>)> = Vec::new();
            let mut next = Some(first);
            loop {
                if let Some(block) = next.take()
                    && let Some(seen) = seen.get_mut(block as usize).filter(|seen| !**seen)
                {
                    *seen = true;
                    let (leads, grown) = self.leads(code, block);
                    let is_new = |number: &u32| !self.settled[*number as usize];
                    if grown || is_new(&block) || leads.iter().any(is_new) {
                        again.push(block);
                    }
                    path.push((block, leads));
                }
                let Some((block, leads)) = path.last_mut() else { break };
                next = leads.pop();
                if next.is_none() {
                    behind.push(*block);
                    path.pop();
                }
            }
        }
        for (rank, block) in behind.into_iter().rev().enumerate() {
            work.ranks[block as usize] = rank as u32;
        }
        for block in again {
            if self.before.get(block as usize).is_some_and(Option::is_some) {
                work.add(block);
            }
        }
        self.grown.clear();
        work
    }

    /// The blocks that a block leads to, and whether it ends in a jump that leads to more than it did.
    fn leads(&self, code: Code<'_>, first: u32) -> (Vec<u32>, bool) {
        let (mut leads, mut grown) = (Vec::new(), false);
        let mut number = first;
        while let Some(&instruction) = self.body.get(number) {
            let mut targets: Vec<u64> = self.body.inner_call(&instruction).into_iter().collect();
            let next = self.through(code, &instruction, number);
            if next.is_none() || self.body.may_throw(&instruction) {
                targets.extend(self.after(code, &instruction).iter().map(|to| to.0));
                grown |= self.grown.contains(&instruction.at);
            }
            leads.extend(targets.into_iter().filter_map(|at| self.body.number(at)));
            match next {
                Some(next) => number = next,
                None => break,
            }
        }
        (leads, grown)
    }

    /// Puts the blocks in the order of their addresses.
    pub(super) fn sort_blocks(&mut self) {
        let known = self.before.iter().zip(&self.body.list).zip(0_u32..);
        let known = known.filter(|((before, _), _)| before.is_some());
        self.blocks = known.map(|((_, instruction), number)| (instruction.at, number)).collect();
        self.blocks.sort_unstable();
    }

    /// What is known at the beginning of each block, as far as blocks are decoded by now. Goes on
    /// from what was known before more of them were.
    pub(super) fn run(&mut self, code: Code<'_>) {
        let count = self.body.list.len();
        self.before.resize(count, None);
        let mut work = self.work(code);
        while let Some((rank, first)) = work.left.pop_first() {
            let Some(mut state) = self.before.get(first as usize).cloned().flatten() else {
                continue;
            };
            if let Some(visits) = work.visits.get_mut(first as usize) {
                *visits = visits.saturating_add(1);
            }
            let mut number = first;
            while let Some(&instruction) = self.body.get(number) {
                self.steps += 1 + usize::from(instruction.ops.1);
                if let Some(target) = self.body.inner_call(&instruction) {
                    self.enter(target, &called(&instruction, &state), &mut work);
                }
                if self.ends(code, &instruction, &state) {
                    self.ended.insert(instruction.end());
                    break;
                }
                self.step(code, &instruction, &mut state, None);
                let next = self.through(code, &instruction, number);
                if next.is_none() || self.body.may_throw(&instruction) {
                    self.leave_block(code, &instruction, &mut state, &mut work);
                }
                match next {
                    Some(next) => number = next,
                    None => break,
                }
            }
            if let Some(settled) = self.settled.get_mut(first as usize)
                && !work.left.contains(&(rank, first))
            {
                *settled = true;
            }
            if self.steps > STEPS_MAX {
                self.cut = true;
                break;
            }
        }
        self.sort_blocks();
    }

    /// Goes on where blocks begin that follow an instruction.
    fn leave_block(
        &mut self,
        code: Code<'_>,
        instruction: &Instruction,
        state: &mut State,
        work: &mut Work,
    ) {
        let compared = state.compared.take();
        for (target, taken) in self.after(code, instruction) {
            self.steps += JOIN_STEPS;
            let bound = match (compared, instruction.next) {
                (Some(compared), Next::Branch(_, when)) => {
                    compared.bound(when, taken).map(|bound| (compared.key, bound))
                }
                _ => None,
            };
            match bound {
                Some((key, bound)) => {
                    let mut bounded = state.clone();
                    bounded.bounds.set(key, Some(bound));
                    self.enter(target, &bounded, work);
                }
                None => self.enter(target, state, work),
            }
        }
    }

    /// The instruction behind this one, when it is in the same block.
    pub(super) fn through(
        &self,
        code: Code<'_>,
        instruction: &Instruction,
        number: u32,
    ) -> Option<u32> {
        if is_last(code, instruction) {
            return None;
        }
        if !matches!(instruction.next, Next::Next | Next::Call(_) | Next::Kernel(_)) {
            return None;
        }
        let next = match self.body.get(number + 1) {
            Some(next) if next.at == instruction.end() => number + 1,
            _ => self.body.number(instruction.end())?,
        };
        (!self.body.get(next)?.leads).then_some(next)
    }

    /// Where blocks begin that follow this instruction, and whether its branch is taken to there.
    fn after(&self, code: Code<'_>, instruction: &Instruction) -> Vec<(u64, bool)> {
        let mut found = Vec::new();
        match instruction.next {
            Next::Branch(target, _) => {
                found.extend([(target, true), (instruction.end(), false)]);
            }
            Next::Jump(Dest::Direct(target)) => found.push((target, true)),
            Next::Jump(_) => {
                if let Some(targets) = self.body.tables.get(&instruction.at) {
                    found.extend(targets.iter().map(|&target| (target, true)));
                }
            }
            Next::Return | Next::Stop => {}
            Next::Next | Next::Call(_) | Next::Kernel(_) => {
                let end = instruction.end();
                let leads = |number| self.body.get(number).is_some_and(|next| next.leads);
                if !is_last(code, instruction) && self.body.number(end).is_some_and(leads) {
                    found.push((end, false));
                }
                if let Next::Call(_) = instruction.next {
                    found.extend(self.body.landing(instruction.at).map(|pad| (pad, true)));
                }
            }
        }
        found
    }

    /// Whether the kernel is entered with a call that does not come back, whatever the number is.
    pub(super) fn ends(&self, code: Code<'_>, instruction: &Instruction, state: &State) -> bool {
        let Next::Kernel(entry) = instruction.next else { return false };
        // What was not interpreted to the end may have further numbers.
        if self.cut || self.body.cut {
            return false;
        }
        let number = state.reg(decode::kernel_regs(entry).number);
        code.precision.endless && self.sets.atoms(&number).iter().all(|&atom| is_end(entry, atom))
    }

    fn enter(&mut self, target: u64, state: &State, work: &mut Work) {
        let Some(number) = self.body.number(target).filter(|_| self.body.holds(target)) else {
            return;
        };
        let (Some(before), Some(&visits)) =
            (self.before.get_mut(number as usize), work.visits.get(number as usize))
        else {
            return;
        };
        let changed = match before {
            None => {
                *before = Some(state.clone());
                true
            }
            Some(known) => known.join(state, &mut self.sets, visits >= VISITS_MAX),
        };
        if changed {
            work.add(number);
        }
    }
}

/// Whether nothing follows a call.
pub(super) fn is_last(code: Code<'_>, instruction: &Instruction) -> bool {
    matches!(instruction.next, Next::Call(Dest::Direct(target)) if code.never_returns(target))
}

/// Whether a number is that of exit(2) or exit_group(2).
fn is_end(entry: Entry, number: Atom) -> bool {
    let Atom::Const(number) = number else { return false };
    let sysno = Sysno::new(decode::kernel_regs(entry).arch, number as u32);
    matches!(sysno.name(), Some("exit" | "exit_group"))
}

/// What is known where a call within the function leads: the address to return to is on the stack.
fn called(instruction: &Instruction, state: &State) -> State {
    let mut state = state.clone();
    if let Value::One(Atom::Stack(at)) = state.reg(STACK) {
        let below = at.saturating_sub(8);
        state.put(below, Value::One(Atom::Address(instruction.end())), 8);
        state.set(STACK, Value::One(Atom::Stack(below)));
    } else {
        state.set(STACK, Value::ANY);
    }
    state
}
