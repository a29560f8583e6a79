//! How large registers and words of the stack can be, as far as comparisons tell: what bounds the
//! index of a table.

use crate::decode::{Reg, When, mask};

/// Bounds past these are not kept.
const BOUNDS_MAX: usize = 8;

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A register.
    Reg(Reg),
    /// A word of the stack, by its distance from the stack pointer at entry.
    Slot(i32),
}

/// The largest number that the lowest bytes of something can be, without signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The number.
    pub limit: u64,
    /// How many bytes.
    pub width: u8,
}

impl Bound {
    /// Of the whole register.
    pub fn whole(limit: u64) -> Bound {
        Bound { limit, width: 8 }
    }

    /// When so many of the lowest bytes are taken, and extended to a whole register.
    pub fn extended(bound: Option<Bound>, width: u8, signed: bool) -> Option<Bound> {
        let limit = match bound {
            Some(bound) if bound.width >= width => bound.limit.min(mask(width)),
            _ if width < 4 => mask(width),
            _ => return None,
        };
        // What is negative becomes very large.
        (!signed || limit <= mask(width) >> 1).then_some(Bound::whole(limit))
    }

    /// When so many bytes are copied; fewer than 4 leave the others as they were.
    pub fn copied(bound: Option<Bound>, width: u8) -> Option<Bound> {
        match bound {
            Some(bound) if width == 4 && bound.width >= 4 => {
                Some(Bound::whole(bound.limit.min(mask(4))))
            }
            Some(bound) if width >= 4 => Some(bound),
            _ => None,
        }
    }
}

/// A comparison, and what it was with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// What was compared.
    pub key: Key,
    /// With this number.
    pub with: u64,
    /// In so many bytes.
    pub width: u8,
}

impl Compared {
    /// The register that is the number when a branch on it is taken, or is not.
    pub fn equal(self, when: When, taken: bool) -> Option<Reg> {
        let equal = matches!((when, taken), (When::Equal, true) | (When::NotEqual, false));
        match self.key {
            Key::Reg(reg) if equal && self.width >= 4 => Some(reg),
            _ => None,
        }
    }

    /// The bound when a branch on it is taken, or is not.
    pub fn bound(self, when: When, taken: bool) -> Option<Bound> {
        let limit = match (when, taken) {
            (When::BelowOrEqual | When::Equal, true) | (When::Above | When::NotEqual, false) => {
                Some(self.with)
            }
            (When::Below, true) | (When::AboveOrEqual, false) => self.with.checked_sub(1),
            _ => None,
        };
        Some(Bound { limit: limit?, width: self.width })
    }
}

/// What is bounded at one instruction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds(Vec<(Key, Bound)>);

impl Bounds {
    /// The bound of something.
    pub fn get(&self, key: Key) -> Option<Bound> {
        self.0.iter().find(|known| known.0 == key).map(|known| known.1)
    }

    /// Gives it another bound, or none.
    pub fn set(&mut self, key: Key, bound: Option<Bound>) {
        self.0.retain(|known| known.0 != key);
        if let Some(bound) = bound.filter(|_| self.0.len() < BOUNDS_MAX) {
            self.0.push((key, bound));
        }
    }

    /// Forgets words of the stack.
    pub fn forget(&mut self, mut gone: impl FnMut(i32) -> bool) {
        self.0.retain(|&(key, _)| !matches!(key, Key::Slot(at) if gone(at)));
    }

    /// The larger bound of either. Answers whether anything changed. When widening, a bound that
    /// grows is given up.
    pub fn join(&mut self, other: &Bounds, widen: bool) -> bool {
        if self.0.is_empty() || self.0 == other.0 {
            return false;
        }
        let before = self.0.len();
        let mut changed = false;
        self.0.retain_mut(|(key, own)| match other.get(*key) {
            Some(bound) if bound.width == own.width => {
                let grows = bound.limit > own.limit;
                own.limit = own.limit.max(bound.limit);
                changed |= grows;
                !(grows && widen)
            }
            _ => false,
        });
        changed | (self.0.len() != before)
    }
}
