//! What registers and the stack hold at one instruction.

use crate::{
    decode::{REGS, Reg, STACK},
    value::{Atom, Sets, Value},
};

/// Words of the stack past these are forgotten.
const SLOTS_MAX: usize = 64;

/// What is known at one instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The registers.
    pub regs: [Value; REGS],
    /// The words of the stack that were written, by their distance from the stack pointer at entry.
    slots: Vec<(i32, Value)>,
}

impl State {
    /// As a function is entered.
    pub fn entry() -> State {
        let mut regs = [Value::ANY; REGS];
        for (number, reg) in (0..).zip(&mut regs) {
            *reg = Value::One(Atom::Entry(number));
        }
        regs[usize::from(STACK)] = Value::One(Atom::Stack(0));
        State { regs, slots: Vec::new() }
    }

    /// Nothing is known, not even where the stack is.
    pub fn unknown() -> State {
        State { regs: [Value::ANY; REGS], slots: Vec::new() }
    }

    /// A register.
    pub fn reg(&self, reg: Reg) -> Value {
        self.regs.get(usize::from(reg)).copied().unwrap_or(Value::ANY)
    }

    /// Gives a register another value.
    pub fn set(&mut self, reg: Reg, value: Value) {
        if let Some(place) = self.regs.get_mut(usize::from(reg)) {
            *place = value;
        }
    }

    /// A word of the stack.
    pub fn slot(&self, at: i32) -> Value {
        match self.slots.binary_search_by_key(&at, |slot| slot.0) {
            Ok(number) => self.slots[number].1,
            Err(_) => State::untouched(at),
        }
    }

    /// What a word of the stack holds that was not written: above the stack pointer it is the
    /// caller's.
    fn untouched(at: i32) -> Value {
        if at > 0 { Value::One(Atom::EntrySlot(at)) } else { Value::ANY }
    }

    /// Writes a word of the stack.
    pub fn put(&mut self, at: i32, value: Value, width: u8) {
        let value = if width < 4 { Value::ANY } else { value };
        if width == 8
            && let Ok(number) = self.slots.binary_search_by_key(&(at + 4), |slot| slot.0)
        {
            self.slots.remove(number);
        }
        match self.slots.binary_search_by_key(&at, |slot| slot.0) {
            Ok(number) => self.slots[number].1 = value,
            // The caller's words must be known to be overwritten.
            Err(_) if value == Value::ANY && at <= 0 => {}
            Err(number) if self.slots.len() < SLOTS_MAX || at > 0 => {
                self.slots.insert(number, (at, value));
            }
            Err(_) => {}
        }
    }

    /// Forgets what a called function may have written through a pointer to a word of the stack.
    pub fn forget_from(&mut self, at: i32) {
        self.slots.retain(|slot| slot.0 < at || slot.0 >= 0);
    }

    /// Either of two states. Answers whether this one changed.
    pub fn join(&mut self, other: &State, sets: &mut Sets, widen: bool) -> bool {
        let mut changed = false;
        for (own, &other) in self.regs.iter_mut().zip(&other.regs) {
            if *own != other {
                let joined = merge(sets, *own, other, widen);
                changed |= joined != *own;
                *own = joined;
            }
        }
        if self.slots == other.slots {
            return changed;
        }
        let keys: Vec<i32> = self.slots.iter().chain(&other.slots).map(|slot| slot.0).collect();
        for key in keys {
            let (own, theirs) = (self.slot(key), other.slot(key));
            if own == theirs {
                continue;
            }
            let joined = merge(sets, own, theirs, widen);
            if joined != own {
                changed = true;
                self.put(key, joined, 0xff);
            }
        }
        changed
    }
}

/// Either of two values; when widening, what comes new is anything.
fn merge(sets: &mut Sets, own: Value, other: Value, widen: bool) -> Value {
    let joined = sets.join(own, other);
    if !widen || joined == own {
        return joined;
    }
    sets.lose(other);
    sets.join(own, Value::ANY)
}
