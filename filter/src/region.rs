//! Sets of argument vectors, exactly: what rules accept, and what is left when rules are taken away.
//!
//! A set of one argument is an interval of which some bits are fixed. A box is such a set for each of
//! the six arguments, and a region is a union of boxes. That holds every rule, and stays itself under
//! intersection and difference, so nothing is ever approximated; what can happen is that there are
//! too many boxes, and then [`Work`] runs out.

use model::{ArgCmp, CmpOp, Rule};

/// How much may still be done, in intersections of boxes.
#[derive(Debug)]
pub(crate) struct Work(u32);

/// What a new box costs, in intersections.
const BOX: usize = 4;

/// The work was too much: the answer is not known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl Work {
    /// Enough for every profile that is in use, and over in a fraction of a second.
    pub(crate) const USUAL: u32 = 1 << 20;

    pub(crate) fn new(amount: u32) -> Work {
        Work(amount)
    }

    fn spend(&mut self, amount: usize) -> Result<(), TooMuch> {
        let left = u32::try_from(amount).ok().and_then(|amount| self.0.checked_sub(amount));
        self.0 = left.ok_or(TooMuch)?;
        Ok(())
    }
}

/// The arguments from `low` to `high` whose bits under `mask` are `value`. There is one: `low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    low: u64,
    high: u64,
    mask: u64,
    value: u64,
}

impl Set {
    /// None when no argument is in it.
    fn new(low: u64, high: u64, mask: u64, value: u64) -> Option<Set> {
        let low = least(low, mask, value)?;
        (low <= high).then_some(Set { low, high, mask, value })
    }

    fn range(low: u64, high: u64) -> Option<Set> {
        Set::new(low, high, 0, 0)
    }

    fn and(&self, other: &Set) -> Option<Set> {
        let both = self.mask & other.mask;
        if (self.value ^ other.value) & both != 0 {
            return None;
        }
        Set::new(
            self.low.max(other.low),
            self.high.min(other.high),
            self.mask | other.mask,
            self.value | other.value,
        )
    }

    /// All that is not in the set, as sets without a common argument.
    fn outside(&self) -> impl Iterator<Item = Set> {
        let Set { low, high, mask, value } = *self;
        let below = low.checked_sub(1).and_then(|top| Set::range(0, top));
        let above = high.checked_add(1).and_then(|bottom| Set::range(bottom, u64::MAX));
        // One bit is wrong, and those above it are right.
        let wrong = (0..64).filter(move |bit| mask >> bit & 1 == 1).filter_map(move |bit| {
            let known = mask & (u64::MAX << bit);
            Set::new(low, high, known, (value & known) ^ (1 << bit))
        });
        below.into_iter().chain(above).chain(wrong)
    }
}

/// The least argument from `low` on whose bits under `mask` are `value`, which lies within the mask.
fn least(low: u64, mask: u64, value: u64) -> Option<u64> {
    let wrong = (low ^ value) & mask;
    if wrong == 0 {
        return Some(low);
    }
    let top = 63 - wrong.leading_zeros();
    // Either the highest wrong bit has to be raised, or a free one above it, the lowest that is not
    // set; whatever is below can be as small as the mask permits.
    let raised = if value >> top & 1 == 1 {
        top
    } else {
        let free = !low & !mask & (u64::MAX << top);
        if free == 0 {
            return None;
        }
        free.trailing_zeros()
    };
    let above = low & u64::MAX.checked_shl(raised + 1).unwrap_or(0);
    let below = value & !(u64::MAX << raised);
    Some(above | 1 << raised | below)
}

/// A set for each argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell([Set; 6]);

impl Cell {
    fn and(&self, other: &Cell) -> Option<Cell> {
        let mut both = *self;
        for (set, other) in both.0.iter_mut().zip(&other.0) {
            *set = set.and(other)?;
        }
        Some(both)
    }

    /// What of `self` is not in `other`, as boxes without a common vector.
    fn without(&self, other: &Cell) -> Vec<Cell> {
        let mut left = Vec::new();
        let mut rest = *self;
        for (at, cut) in other.0.iter().enumerate() {
            let whole = rest.0[at];
            for set in cut.outside().filter_map(|outside| whole.and(&outside)) {
                let mut cell = rest;
                cell.0[at] = set;
                left.push(cell);
            }
            match whole.and(cut) {
                Some(set) => rest.0[at] = set,
                None => break,
            }
        }
        left
    }

    fn some(&self) -> [u64; 6] {
        self.0.map(|set| set.low)
    }
}

/// A set of argument vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region(Vec<Cell>);

impl Region {
    /// Every vector of arguments up to `max`.
    pub(crate) fn all(max: u64) -> Region {
        Region(vec![Cell([Set { low: 0, high: max, mask: 0, value: 0 }; 6])])
    }

    /// What a rule accepts of the arguments up to `max`.
    pub(crate) fn of(rule: &Rule, max: u64) -> Region {
        let mut cells = Region::all(max).0;
        for comparison in rule.comparisons() {
            let at = usize::from(comparison.index());
            let sets = sets(comparison);
            cells = cells
                .iter()
                .flat_map(|cell| {
                    sets.iter().filter_map(|set| {
                        let mut cell = *cell;
                        cell.0[at] = cell.0[at].and(set)?;
                        Some(cell)
                    })
                })
                .collect();
        }
        Region(cells)
    }

    /// A vector that is in it; none when it is empty.
    pub(crate) fn some(&self) -> Option<[u64; 6]> {
        self.0.first().map(Cell::some)
    }

    /// Joins two regions.
    pub(crate) fn add(&mut self, other: Region) {
        self.0.extend(other.0);
    }

    /// What is in both.
    pub(crate) fn and(&self, other: &Region, work: &mut Work) -> Result<Region, TooMuch> {
        let mut both = Vec::new();
        for cell in &self.0 {
            for other in &other.0 {
                work.spend(1)?;
                both.extend(cell.and(other));
            }
        }
        Ok(Region(both))
    }

    /// What is not in `other`.
    pub(crate) fn without(&self, other: &Region, work: &mut Work) -> Result<Region, TooMuch> {
        let mut left = Vec::new();
        self.each_left(other, work, |cell| {
            left.push(cell);
            true
        })?;
        Ok(Region(left))
    }

    /// A vector that is not in `other`; none when `other` contains all of this region.
    pub(crate) fn one_without(
        &self,
        other: &Region,
        work: &mut Work,
    ) -> Result<Option<[u64; 6]>, TooMuch> {
        let mut found = None;
        self.each_left(other, work, |cell| {
            found = Some(cell.some());
            false
        })?;
        Ok(found)
    }

    /// Visits the boxes that are left, until one is enough.
    fn each_left(
        &self,
        other: &Region,
        work: &mut Work,
        mut more: impl FnMut(Cell) -> bool,
    ) -> Result<(), TooMuch> {
        let mut open: Vec<(Cell, usize)> = self.0.iter().map(|cell| (*cell, 0)).collect();
        while let Some((cell, from)) = open.pop() {
            let mut cut = None;
            for (at, other) in other.0.iter().enumerate().skip(from) {
                work.spend(1)?;
                if cell.and(other).is_some() {
                    cut = Some((at, other));
                    break;
                }
            }
            match cut {
                Some((at, other)) => {
                    let left = cell.without(other);
                    // They take memory besides.
                    work.spend(BOX * left.len())?;
                    open.extend(left.into_iter().map(|cell| (cell, at + 1)));
                }
                None if more(cell) => {}
                None => break,
            }
        }
        Ok(())
    }
}

/// The arguments that satisfy a comparison, as sets without a common argument.
fn sets(comparison: &ArgCmp) -> Vec<Set> {
    let value = comparison.value();
    let below = value.checked_sub(1).and_then(|top| Set::range(0, top));
    let above = value.checked_add(1).and_then(|bottom| Set::range(bottom, u64::MAX));
    let (one, two) = match comparison.op() {
        CmpOp::Eq => (Set::range(value, value), None),
        CmpOp::Ne => (below, above),
        CmpOp::Lt => (below, None),
        CmpOp::Le => (Set::range(0, value), None),
        CmpOp::Ge => (Set::range(value, u64::MAX), None),
        CmpOp::Gt => (above, None),
        CmpOp::MaskedEq => (Set::new(0, u64::MAX, comparison.mask(), value), None),
    };
    one.into_iter().chain(two).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arguments of four bits, one by one.
    fn small() -> impl Iterator<Item = Set> {
        (0..16u64).flat_map(|low| {
            (low..16).flat_map(move |high| {
                (0..16u64).flat_map(move |mask| {
                    (0..16u64)
                        .filter(move |value| value & !mask == 0)
                        .filter_map(move |value| Set::new(low, high, mask, value))
                })
            })
        })
    }

    fn has(set: &Set, x: u64) -> bool {
        set.low <= x && x <= set.high && x & set.mask == set.value
    }

    #[test]
    fn the_least_argument_is_found() {
        for low in 0..16u64 {
            for mask in 0..16u64 {
                for value in (0..16u64).filter(|value| value & !mask == 0) {
                    let expected = (low..32).find(|x| x & mask == value);
                    assert_eq!(least(low, mask, value), expected, "{low} {mask:b} {value:b}");
                }
            }
        }
        assert_eq!(least(u64::MAX, 1, 0), None);
        assert_eq!(least(1 << 63 | 1, 1, 0), Some(1 << 63 | 2));
        assert_eq!(least(1 << 63 | 1, 1 << 63, 0), None);
        assert_eq!(least(3, 1 << 63, 1 << 63), Some(1 << 63));
    }

    #[test]
    fn a_set_has_its_least_argument_and_the_outside_is_the_rest() {
        for set in small() {
            assert!(has(&set, set.low));
            let outside: Vec<Set> = set.outside().collect();
            for x in 0..20 {
                let times = outside.iter().filter(|set| has(set, x)).count();
                assert_eq!(times, usize::from(!has(&set, x)), "{x} and {set:?}");
            }
        }
    }

    #[test]
    fn work_that_runs_out_is_no_answer() {
        let all = Region::all(u64::MAX);
        assert_eq!(all.one_without(&all, &mut Work::new(0)), Err(TooMuch));
        assert_eq!(all.one_without(&all, &mut Work::new(1)), Ok(None));
    }

    #[test]
    fn rules_that_cut_each_other_to_pieces_end_within_the_bound() {
        // Each takes every box apart anew: there would be more boxes than memory.
        let rule = |bit: u32| {
            let masked = |index| ArgCmp::masked(index, 3 << bit, 1 << bit).unwrap();
            Rule::new((0..6).map(masked).collect()).unwrap()
        };
        let mut region = Region::default();
        (0..60).for_each(|bit| region.add(Region::of(&rule(bit), u64::MAX)));
        let all = Region::all(u64::MAX);
        assert_eq!(all.without(&region, &mut Work::new(Work::USUAL)), Err(TooMuch));
    }
}
