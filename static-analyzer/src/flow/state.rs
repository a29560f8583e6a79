//! What registers and the stack hold at one instruction.

use super::bounds::{Bounds, Compared, Key};
use crate::{
    decode::{REGS, Reg, STACK},
    value::{Atom, Sets, Value},
};

/// Words of the stack past these are forgotten.
const SLOTS_MAX: usize = 64;
/// Words above the stack pointer at entry past these are unknown. Where a function is entered in its
/// middle, all of its own words are there.
const ABOVE_MAX: usize = 32;

/// What is known at one instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The registers.
    pub regs: [Value; REGS],
    /// The words of the stack that were written, by their distance from the stack pointer at entry.
    slots: Vec<(i32, Value)>,
    /// From here on upwards, all words are unknown.
    above: i32,
    /// What is known of the size of some of them.
    pub bounds: Bounds,
    /// What the instruction before compared.
    pub compared: Option<Compared>,
}

impl State {
    /// As a function is entered.
    pub fn entry() -> State {
        let mut regs = [Value::ANY; REGS];
        for (number, reg) in (0..).zip(&mut regs) {
            *reg = Value::One(Atom::Entry(number));
        }
        regs[usize::from(STACK)] = Value::One(Atom::Stack(0));
        State {
            regs,
            slots: Vec::new(),
            above: i32::MAX,
            bounds: Bounds::default(),
            compared: None,
        }
    }

    /// Nothing is known, not even where the stack is.
    pub fn unknown() -> State {
        State {
            regs: [Value::ANY; REGS],
            slots: Vec::new(),
            above: i32::MAX,
            bounds: Bounds::default(),
            compared: None,
        }
    }

    /// A register.
    pub fn reg(&self, reg: Reg) -> Value {
        self.regs.get(usize::from(reg)).copied().unwrap_or(Value::ANY)
    }

    /// Gives a register another value.
    pub fn set(&mut self, reg: Reg, value: Value) {
        self.bounds.set(Key::Reg(reg), None);
        if let Some(place) = self.regs.get_mut(usize::from(reg)) {
            *place = value;
        }
    }

    /// A word of the stack.
    pub fn slot(&self, at: i32) -> Value {
        match self.slots.binary_search_by_key(&at, |slot| slot.0) {
            Ok(number) => self.slots[number].1,
            Err(_) => self.untouched(at),
        }
    }

    /// What was written to a word of the stack.
    pub fn written(&self, at: i32) -> Option<Value> {
        let number = self.slots.binary_search_by_key(&at, |slot| slot.0).ok()?;
        self.slots.get(number).map(|slot| slot.1)
    }

    /// What a word of the stack holds that was not written: above the stack pointer it is the
    /// caller's.
    fn untouched(&self, at: i32) -> Value {
        if at > 0 && at < self.above { Value::One(Atom::EntrySlot(at)) } else { Value::ANY }
    }

    /// Writes a word of the stack. Answers whether it is kept what is there.
    pub fn put(&mut self, at: i32, value: Value, width: u8) -> bool {
        let value = if width < 4 { Value::ANY } else { value };
        self.bounds.forget(|slot| (at - 7..at + 8).contains(&slot));
        if width == 8
            && let Ok(number) = self.slots.binary_search_by_key(&(at + 4), |slot| slot.0)
        {
            self.slots.remove(number);
        }
        match self.slots.binary_search_by_key(&at, |slot| slot.0) {
            Ok(number) => self.slots[number].1 = value,
            // The caller's words must be known to be overwritten.
            Err(_) if (value == Value::ANY && at <= 0) || at >= self.above => return false,
            Err(number) if self.slots.len() < SLOTS_MAX || at > 0 => {
                self.slots.insert(number, (at, value));
                self.bound_above();
            }
            Err(_) => return false,
        }
        true
    }

    /// Gives up the highest words, when there are too many.
    fn bound_above(&mut self) {
        let first = self.slots.partition_point(|slot| slot.0 <= 0);
        if let Some(&(highest, _)) = self.slots.get(first + ABOVE_MAX) {
            self.unknown_from(highest);
        }
    }

    /// From a word above the stack pointer at entry on, all words are unknown.
    fn unknown_from(&mut self, at: i32) {
        self.above = self.above.min(at);
        let above = self.above;
        self.slots.retain(|slot| slot.0 < above);
        self.bounds.forget(|slot| slot >= above);
    }

    /// Forgets what a called function may have written through a pointer to a word of the stack.
    pub fn forget_from(&mut self, at: i32) {
        self.slots.retain(|slot| slot.0 < at || slot.0 >= 0);
        self.bounds.forget(|slot| slot >= at);
        if at > 0 {
            self.unknown_from(at);
        }
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
        changed |= self.bounds.join(&other.bounds, widen);
        changed | self.join_slots(other, sets, widen)
    }

    /// The words that either state knows, in one walk through both.
    fn join_slots(&mut self, other: &State, sets: &mut Sets, widen: bool) -> bool {
        if self.slots == other.slots && self.above == other.above {
            return false;
        }
        let above = self.above;
        if other.above < above {
            self.unknown_from(other.above);
        }
        let mut joined = Vec::with_capacity(self.slots.len());
        let (mut own, mut theirs) = (self.slots.iter().peekable(), other.slots.iter().peekable());
        loop {
            let at = match (own.peek(), theirs.peek()) {
                (Some(own), Some(theirs)) => own.0.min(theirs.0),
                (Some(slot), None) | (None, Some(slot)) => slot.0,
                (None, None) => break,
            };
            let mine = own.next_if(|slot| slot.0 == at);
            let yours = theirs.next_if(|slot| slot.0 == at);
            // What is no longer kept stays so: it would come and go for ever.
            if at >= self.above || (mine.is_none() && at <= 0 && self.slots.len() >= SLOTS_MAX) {
                yours.into_iter().for_each(|slot| sets.lose(slot.1));
                continue;
            }
            let before = mine.map_or_else(|| self.untouched(at), |slot| slot.1);
            let value = yours.map_or_else(|| other.untouched(at), |slot| slot.1);
            let value = merge(sets, before, value, widen);
            if value != Value::ANY || at > 0 {
                joined.push((at, value));
            }
        }
        let known = std::mem::replace(&mut self.slots, joined);
        self.bound_above();
        self.slots != known || self.above != above
    }
}

/// Either of two values; when widening, what comes new is anything.
fn merge(sets: &mut Sets, own: Value, other: Value, widen: bool) -> Value {
    if own == other {
        return own;
    }
    let joined = sets.join(own, other);
    if !widen || joined == own {
        return joined;
    }
    sets.lose(other);
    sets.join(own, Value::ANY)
}
