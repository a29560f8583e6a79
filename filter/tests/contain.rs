//! Containment and comparison against counting: over arguments of few bits every vector is tried,
//! over all arguments random ones near the constants of the rules.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{call_rule, config, rule, value};
use model::{Arch, ArgCmp, CmpOp, Rule};
use profgen_filter::{
    Action, ArchRules, CallRule, Contained, Relation, Ruleset, SeccompData, compare_calls,
    contains, contains_within, relate,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeSet;

/// Rules on two arguments, with constants of three bits.
fn small_rule() -> impl Strategy<Value = Rule> {
    use CmpOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let comparison = |index| {
        prop_oneof![
            2 => (select(&[Eq, Ne, Lt, Le, Ge, Gt]), 0u64..8)
                .prop_map(move |(op, value)| ArgCmp::new(index, op, value).unwrap()),
            1 => (0u64..8, 0u64..8)
                .prop_map(move |(mask, value)| ArgCmp::masked(index, mask, value & mask).unwrap()),
        ]
    };
    (proptest::option::of(comparison(0)), comparison(1))
        .prop_map(|(one, two)| Rule::new(one.into_iter().chain([two]).collect()).unwrap())
}

fn small_rules() -> impl Strategy<Value = BTreeSet<Rule>> {
    vec(small_rule(), 0..5).prop_map(|rules| rules.into_iter().collect())
}

/// Arguments of which every case is one: three bits, and something above them.
fn vectors() -> impl Iterator<Item = [u64; 6]> {
    let values = || (0..8).chain([8, 9, 1 << 40, u64::MAX]);
    values().flat_map(move |one| values().map(move |two| [one, two, 0, 0, 0, 0]))
}

fn accepts(rules: &BTreeSet<Rule>, args: &[u64; 6]) -> bool {
    rules.is_empty() || rules.iter().any(|rule| rule.matches(args))
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn containment_is_what_trying_every_vector_says(a in small_rules(), b in small_rules()) {
        let counted = vectors().all(|args| accepts(&a, &args) || !accepts(&b, &args));
        match contains(&a, &b) {
            Contained::Yes => prop_assert!(counted),
            Contained::No(args) => {
                prop_assert!(accepts(&b, &args) && !accepts(&a, &args), "{args:x?}");
                // Three bits are not all: the witness may lie where no vector was tried.
            }
            Contained::Unknown => prop_assert!(false, "so few rules are decided"),
        }
    }

    #[test]
    fn a_relation_turns_around(a in small_rules(), b in small_rules()) {
        let expected = match relate(&a, &b) {
            Relation::Narrower => Relation::Wider,
            Relation::Wider => Relation::Narrower,
            other => other,
        };
        prop_assert_eq!(relate(&b, &a), expected);
        prop_assert_eq!(relate(&a, &a), Relation::Equal);
    }

    #[test]
    fn no_bound_makes_a_wrong_answer(a in small_rules(), b in small_rules(), bound in 0u32..40) {
        let answer = contains_within(&a, &b, bound);
        if answer != Contained::Unknown {
            let decided = contains(&a, &b) == Contained::Yes;
            prop_assert_eq!(answer == Contained::Yes, decided);
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_vector_contradicts_containment_of_rules_on_all_arguments(
        a in vec(rule(u64::MAX), 1..5),
        b in vec(rule(u64::MAX), 1..5),
        tries in vec([value(), value(), value(), value(), value(), value()], 200),
    ) {
        let (a, b): (BTreeSet<Rule>, BTreeSet<Rule>) =
            (a.into_iter().collect(), b.into_iter().collect());
        match contains(&a, &b) {
            Contained::Yes => {
                for args in &tries {
                    prop_assert!(accepts(&a, args) || !accepts(&b, args), "{args:x?}");
                }
            }
            Contained::No(args) => prop_assert!(accepts(&b, &args) && !accepts(&a, &args)),
            Contained::Unknown => {}
        }
    }

    #[test]
    fn what_changed_for_a_call_is_what_its_verdicts_say(
        old in call_rule(),
        new in call_rule(),
        arch in select(&[Arch::X86_64, Arch::I386, Arch::S390x]),
        tries in vec([value(), value(), value(), value(), value(), value()], 200),
    ) {
        let verdict = |rule: &CallRule, args: [u64; 6]| {
            let calls = [(3, rule.clone())].into();
            let rules = ArchRules { calls, unknown: Action::KillProcess };
            let ruleset = Ruleset { arches: [(arch, rules)].into(), foreign: Action::KillThread };
            let arch = arch.audit();
            ruleset.verdict(&SeccompData { nr: 3, arch, instruction_pointer: 0, args })
        };
        let change = compare_calls(arch, &old, &new);
        let known = change.as_ref().is_none_or(|change| change.allowed != Relation::Unknown);
        let shifts = change.map(|change| change.shifts).unwrap_or_default();
        for shift in &shifts {
            prop_assert_eq!(verdict(&old, shift.example), shift.from);
            prop_assert_eq!(verdict(&new, shift.example), shift.to);
        }
        for args in tries.into_iter().filter(|_| known) {
            let (from, to) = (verdict(&old, args), verdict(&new, args));
            let listed = shifts.iter().any(|shift| (shift.from, shift.to) == (from, to));
            prop_assert!(from == to || listed, "{from} to {to}: {args:x?}");
        }
    }
}
