//! Functions that are put into a word of the function's own stack and read from there again, as
//! unoptimised code does with what it is given: they are followed as long as nobody else can read
//! the word.

use super::Facts;
use crate::value::Atom;
use std::collections::BTreeSet;

/// The size of a word of the stack.
const WORD: i32 = 8;

/// What is noted of a function's own stack while its facts are collected. Places are distances from
/// the stack pointer at entry.
#[derive(Debug, Default)]
pub struct Frame {
    /// From here on upwards, others may read what is there.
    open: Option<i32>,
    /// What was put where.
    kept: Vec<(i32, Atom)>,
    /// The words that are written in any way.
    written: BTreeSet<i32>,
    /// Where the top was at calls.
    tops: BTreeSet<i32>,
}

impl Frame {
    /// An address goes where it is not followed: what is there and above it may be read. A pointer is
    /// not moved below the object that it points to.
    pub fn open(&mut self, from: i32) {
        self.open = Some(self.open.map_or(from, |open| open.min(from)));
    }

    /// All of it may be read.
    pub fn open_all(&mut self) {
        self.open(i32::MIN);
    }

    /// A function is put there.
    pub fn keep(&mut self, at: i32, function: Atom) {
        self.kept.push((at, function));
    }

    /// So many bytes are written there.
    pub fn write(&mut self, at: i32, width: u16) {
        let end = at.saturating_add(i32::from(width.max(1)));
        let words = (at.div_euclid(WORD)..).take_while(|word| word * WORD < end);
        self.written.extend(words);
    }

    /// A function is called with the top of the stack there.
    pub fn call(&mut self, top: i32) {
        self.tops.insert(top);
    }

    /// What others may read after all. A called function reads arguments on the stack only if there
    /// are any: then the first of them was written at the top (System V ABI).
    fn read_by_others(&self) -> impl Iterator<Item = Atom> + '_ {
        let arguments = |top: &&i32| self.written.contains(&top.div_euclid(WORD));
        let passed = self.tops.iter().find(arguments).copied();
        let open = self.open.into_iter().chain(passed).min();
        let kept = self.kept.iter().copied();
        kept.filter(move |&(at, _)| open.is_some_and(|open| at.saturating_add(WORD) > open))
            .map(|(_, function)| function)
    }
}

impl Facts {
    /// What was put on the stack and may be read there by others goes where it is not followed.
    pub(super) fn leave_frame(&mut self) {
        let frame = std::mem::take(&mut self.frame);
        for function in frame.read_by_others() {
            super::escape::escape_atom(function, self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut Frame)) -> usize {
        let mut frame = Frame::default();
        frame.keep(-16, Atom::Entry(7));
        frame.write(-16, 8);
        change(&mut frame);
        frame.read_by_others().count()
    }

    #[test]
    fn what_nobody_else_can_read_is_followed() {
        assert_eq!(read(|_| ()), 0);
        assert_eq!(read(|frame| frame.call(-32)), 0);
        assert_eq!(read(|frame| frame.open(-8)), 0);
    }

    #[test]
    fn what_others_can_read_is_not() {
        assert_eq!(read(Frame::open_all), 1);
        assert_eq!(read(|frame| frame.open(-16)), 1);
        assert_eq!(read(|frame| frame.open(-40)), 1);
        assert_eq!(read(|frame| frame.call(-16)), 1);
        // An argument below it, of which it may be another; no argument.
        let arguments = |first: i32| {
            read(|frame| {
                frame.write(first, 4);
                frame.call(-32);
            })
        };
        assert_eq!([arguments(-32), arguments(-24)], [1, 0]);
    }
}
