//! Which rules accept more than others: by what they mean, not by how they are written.

use crate::region::{Region, TooMuch, Work};
use model::Rule;
use std::collections::BTreeSet;

/// Whether one set of rules accepts everything that another does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contained {
    /// It does.
    Yes,
    /// It does not; this is a vector of arguments that only the other accepts.
    No([u64; 6]),
    /// The rules are too many to decide.
    Unknown,
}

/// How much something allows, against something earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The same.
    Equal,
    /// Less.
    Narrower,
    /// More.
    Wider,
    /// Some things less and some more.
    Incomparable,
    /// Too much work to decide.
    Unknown,
}

impl Relation {
    /// The word for it: `narrower`.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Equal => "equal",
            Relation::Narrower => "narrower",
            Relation::Wider => "wider",
            Relation::Incomparable => "incomparable",
            Relation::Unknown => "unknown",
        }
    }

    /// From whether something was lost and something gained; `None` for what is not known.
    pub(crate) fn of(lost: Option<bool>, gained: Option<bool>) -> Relation {
        match (lost, gained) {
            (Some(false), Some(false)) => Relation::Equal,
            (Some(true), Some(false)) => Relation::Narrower,
            (Some(false), Some(true)) => Relation::Wider,
            (Some(true), Some(true)) => Relation::Incomparable,
            _ => Relation::Unknown,
        }
    }

    /// The relation of wholes whose parts relate so.
    pub fn and(self, other: Relation) -> Relation {
        match (self, other) {
            (Relation::Equal, other) => other,
            (own, Relation::Equal) => own,
            // Whatever is not known, there is already less here and more there.
            (Relation::Incomparable, _) | (_, Relation::Incomparable) => Relation::Incomparable,
            (Relation::Unknown, _) | (_, Relation::Unknown) => Relation::Unknown,
            (own, other) if own == other => own,
            _ => Relation::Incomparable,
        }
    }
}

/// Whether every vector of 64-bit arguments that `b` accepts is accepted by `a`. Each is a set of
/// alternatives; an empty one accepts any arguments, as in a policy.
pub fn contains(a: &BTreeSet<Rule>, b: &BTreeSet<Rule>) -> Contained {
    contains_within(a, b, Work::USUAL)
}

/// As [`contains`], with a bound of its own: how many pairs of boxes may be intersected.
pub fn contains_within(a: &BTreeSet<Rule>, b: &BTreeSet<Rule>, bound: u32) -> Contained {
    // What is written the same needs no work, whatever the bound.
    if a.is_empty() || (!b.is_empty() && b.is_subset(a)) {
        return Contained::Yes;
    }
    match region(b).one_without(&region(a), &mut Work::new(bound)) {
        Ok(None) => Contained::Yes,
        Ok(Some(arguments)) => Contained::No(arguments),
        Err(TooMuch) => Contained::Unknown,
    }
}

/// Whether no vector of arguments is accepted by both: [`Contained::No`] shows one that is.
pub fn disjoint(a: &BTreeSet<Rule>, b: &BTreeSet<Rule>) -> Contained {
    match region(a).and(&region(b), &mut Work::new(Work::USUAL)) {
        Ok(both) => both.some().map_or(Contained::Yes, Contained::No),
        Err(TooMuch) => Contained::Unknown,
    }
}

/// How much `new` accepts against `old`.
pub fn relate(old: &BTreeSet<Rule>, new: &BTreeSet<Rule>) -> Relation {
    let more = |answer| match answer {
        Contained::Yes => Some(false),
        Contained::No(_) => Some(true),
        Contained::Unknown => None,
    };
    Relation::of(more(contains(new, old)), more(contains(old, new)))
}

fn region(rules: &BTreeSet<Rule>) -> Region {
    if rules.is_empty() {
        return Region::all(u64::MAX);
    }
    let mut region = Region::default();
    for rule in rules {
        region.add(Region::of(rule, u64::MAX));
    }
    region
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ArgCmp, CmpOp};

    fn rules(comparisons: &[ArgCmp]) -> BTreeSet<Rule> {
        comparisons.iter().map(|comparison| Rule::new(vec![*comparison]).unwrap()).collect()
    }

    fn cmp(op: CmpOp, value: u64) -> ArgCmp {
        ArgCmp::new(0, op, value).unwrap()
    }

    #[test]
    fn two_ways_to_write_the_same_are_equal() {
        let ne = rules(&[cmp(CmpOp::Ne, 7)]);
        let around = rules(&[cmp(CmpOp::Lt, 7), cmp(CmpOp::Gt, 7)]);
        assert_eq!(relate(&ne, &around), Relation::Equal);
        let halves = rules(&[ArgCmp::masked(0, 1, 0).unwrap(), ArgCmp::masked(0, 1, 1).unwrap()]);
        assert_eq!(relate(&halves, &BTreeSet::new()), Relation::Equal);
    }

    #[test]
    fn the_difference_is_shown_by_a_witness() {
        let int = rules(&[ArgCmp::masked(0, 0xffff_ffff, 2).unwrap()]);
        let long = rules(&[cmp(CmpOp::Eq, 2)]);
        assert_eq!(contains(&int, &long), Contained::Yes);
        assert_eq!(contains(&long, &int), Contained::No([1 << 32 | 2, 0, 0, 0, 0, 0]));
        assert_eq!(relate(&int, &long), Relation::Narrower);
        assert_eq!(relate(&long, &int), Relation::Wider);
        let other = rules(&[cmp(CmpOp::Eq, 3)]);
        assert_eq!(relate(&long, &other), Relation::Incomparable);
    }

    #[test]
    fn many_alternatives_of_an_int_are_decided() {
        let masked = |value| ArgCmp::masked(0, 0xffff_ffff, value).unwrap();
        let many: Vec<ArgCmp> = (0..200).map(|value| masked(value * 7)).collect();
        assert_eq!(relate(&rules(&many), &rules(&many[1..])), Relation::Narrower);
        let below = rules(&[cmp(CmpOp::Lt, 200 * 7)]);
        assert_eq!(relate(&below, &rules(&many)), Relation::Incomparable);
        assert!(matches!(contains(&rules(&many), &BTreeSet::new()), Contained::No(_)));
    }

    #[test]
    fn what_two_have_in_common_is_shown() {
        let (small, large) = (rules(&[cmp(CmpOp::Lt, 5)]), rules(&[cmp(CmpOp::Ge, 4)]));
        assert_eq!(disjoint(&small, &large), Contained::No([4, 0, 0, 0, 0, 0]));
        assert_eq!(disjoint(&small, &rules(&[cmp(CmpOp::Gt, 4)])), Contained::Yes);
    }

    #[test]
    fn a_bound_that_is_hit_gives_no_answer() {
        let int = rules(&[ArgCmp::masked(0, 0xffff_ffff, 2).unwrap()]);
        assert_eq!(contains_within(&int, &BTreeSet::new(), 0), Contained::Unknown);
        assert_eq!(contains_within(&int, &int, 0), Contained::Yes);
    }
}
