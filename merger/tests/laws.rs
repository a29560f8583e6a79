//! What makes a merge a join, over arbitrary traces and policies.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Policy, Sysno, Trace,
    document::to_json,
    policy::{Entry, Observed},
    testing,
    variant::variants_of,
};
use profgen_merger::{Input, merge};
use proptest::{prelude::*, sample::subsequence};
use std::collections::BTreeSet;

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => testing::trace().prop_map(Input::from),
        1 => testing::policy().prop_map(Input::from),
    ]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    proptest::collection::vec(input(), 1..5)
}

fn bytes(inputs: impl IntoIterator<Item = Input>) -> String {
    String::from_utf8(to_json(&merge(inputs)).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn the_order_does_not_matter(
        (given, shuffled) in inputs().prop_flat_map(|given| {
            (Just(given.clone()), Just(given).prop_shuffle())
        })
    ) {
        prop_assert_eq!(bytes(given), bytes(shuffled));
    }

    #[test]
    fn the_grouping_does_not_matter(one in inputs(), two in inputs(), three in inputs()) {
        let all = bytes([one.clone(), two.clone(), three.clone()].concat());
        let merged = |inputs: &[Input]| Input::Policy(merge(inputs.to_vec()));
        let left = merged(&[merged(&one), merged(&two)]);
        let right = merged(&[merged(&two), merged(&three)]);
        prop_assert_eq!(&all, &bytes([left, merged(&three)]));
        prop_assert_eq!(&all, &bytes([merged(&one), right]));
        // Inputs that were not merged before, beside ones that were.
        prop_assert_eq!(&all, &bytes([vec![merged(&one)], two, three].concat()));
    }

    #[test]
    fn what_is_given_twice_counts_once(given in inputs()) {
        let once = merge(given.clone());
        prop_assert_eq!(&merge([given.clone(), given].concat()), &once);
        prop_assert_eq!(&merge([Input::Policy(once.clone())]), &once);
        prop_assert_eq!(&merge([Input::Policy(once.clone()), Input::Policy(once.clone())]), &once);
    }

    #[test]
    fn more_evidence_never_takes_away(given in inputs(), more in inputs()) {
        let less = merge(given.clone());
        let all = merge([given, more].concat());
        for (id, evidence) in &less.evidence {
            prop_assert!(evidence.gaps.is_subset(&all.evidence[id].gaps));
        }
        for (path, identity) in &less.programs {
            prop_assert!(identity.versions.is_subset(&all.programs[path].versions));
        }
        for (sysno, entry) in &less.calls {
            let Some(kept) = all.calls.get(sysno) else {
                return Err(TestCaseError::fail(format!("{sysno} is gone")));
            };
            prop_assert!(covers(kept, entry) || stand_in(&less, *sysno), "{sysno}: {kept:?} {entry:?}");
            if let Some(observed) = &entry.origins.observed {
                prop_assert!(contains(kept.origins.observed.as_ref().unwrap(), observed));
            }
        }
    }

    #[test]
    fn each_trace_is_in_the_result(traces in proptest::collection::vec(testing::trace(), 1..4)) {
        let policy = merge(traces.iter().cloned().map(Input::from));
        for trace in &traces {
            holds(&policy, trace)?;
        }
    }

    #[test]
    fn a_part_of_the_inputs_and_their_merge_give_the_merge(
        (given, part) in inputs().prop_flat_map(|given| {
            let count = given.len();
            (Just(given.clone()), subsequence(given, 0..=count))
        })
    ) {
        let all = merge(given);
        prop_assert_eq!(&merge([vec![Input::Policy(all.clone())], part].concat()), &all);
    }
}

fn covers(wide: &Entry, narrow: &Entry) -> bool {
    wide.rules.is_empty() || !narrow.rules.is_empty() && narrow.rules.is_subset(&wide.rules)
}

/// A wider variant gives way to evidence of its own.
fn stand_in(policy: &Policy, sysno: Sysno) -> bool {
    let entry = &policy.calls[&sysno];
    entry.origins.observed.is_none()
        && entry.origins.runtime.is_empty()
        && policy.calls.keys().any(|of| variants_of(*of).any(|v| v.sysno == sysno && v.wider))
}

fn contains(all: &Observed, part: &Observed) -> bool {
    part.runs.is_subset(&all.runs)
        && part.programs.iter().all(|(path, site)| match (site, all.programs.get(path)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(site), Some(kept)) => kept
                .as_ref()
                .is_some_and(|kept| (&kept.module, kept.offset) <= (&site.module, site.offset)),
        })
}

/// Every call of the trace is allowed because of it, and the rest of it stands in the evidence.
fn holds(policy: &Policy, trace: &Trace) -> Result<(), TestCaseError> {
    let evidence = &policy.evidence[&trace.id];
    prop_assert!(trace.completeness.gaps().iter().all(|gap| evidence.gaps.contains(gap)));
    for program in &trace.programs {
        for sysno in program.calls.keys() {
            let entry = &policy.calls[sysno];
            let observed = entry.origins.observed.as_ref().unwrap();
            prop_assert!(entry.rules.is_empty());
            prop_assert!(observed.runs.contains(&trace.id));
            prop_assert!(observed.programs.contains_key(&program.path));
        }
        for module in &program.modules {
            prop_assert!(policy.programs.contains_key(&module.path));
        }
    }
    let arches: BTreeSet<_> = trace.calls().iter().map(|sysno| sysno.arch()).collect();
    prop_assert!(arches.is_subset(&policy.arches()));
    Ok(())
}
