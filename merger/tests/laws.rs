//! What makes a merge a join, over arbitrary traces, analyses and policies.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Policy, Rule, Sysno, Trace, Verdict,
    document::to_json,
    policy::{Entry, Observed, Predicted, Settings},
    testing,
    variant::variants_of,
};
use profgen_merger::{Input, merge};
use proptest::{prelude::*, sample::subsequence};
use std::collections::BTreeSet;

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        2 => testing::trace().prop_map(Input::from),
        1 => testing::analysis().prop_map(Input::from),
        1 => testing::policy().prop_map(Input::from),
    ]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    proptest::collection::vec(input(), 1..5)
}

fn bytes(inputs: impl IntoIterator<Item = Input>, settings: Settings) -> String {
    String::from_utf8(to_json(&merge(inputs, settings)).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn the_order_does_not_matter(
        settings in testing::settings(),
        (given, shuffled) in inputs().prop_flat_map(|given| {
            (Just(given.clone()), Just(given).prop_shuffle())
        })
    ) {
        prop_assert_eq!(bytes(given, settings), bytes(shuffled, settings));
    }

    #[test]
    fn the_grouping_does_not_matter(
        one in inputs(),
        two in inputs(),
        three in inputs(),
        settings in testing::settings(),
        before in testing::settings(),
    ) {
        let bytes = |inputs| bytes(inputs, settings);
        let all = bytes([one.clone(), two.clone(), three.clone()].concat());
        // Under which settings the parts were merged does not matter either.
        let merged = |inputs: &[Input]| Input::Policy(merge(inputs.to_vec(), before));
        let left = merged(&[merged(&one), merged(&two)]);
        let right = merged(&[merged(&two), merged(&three)]);
        prop_assert_eq!(&all, &bytes(vec![left, merged(&three)]));
        prop_assert_eq!(&all, &bytes(vec![merged(&one), right]));
        // Inputs that were not merged before, beside ones that were.
        prop_assert_eq!(&all, &bytes([vec![merged(&one)], two, three].concat()));
    }

    #[test]
    fn what_is_given_twice_counts_once(given in inputs(), settings in testing::settings()) {
        let merge = |inputs: Vec<Input>| merge(inputs, settings);
        let once = merge(given.clone());
        prop_assert_eq!(&merge([given.clone(), given].concat()), &once);
        prop_assert_eq!(&merge(vec![Input::Policy(once.clone())]), &once);
        prop_assert_eq!(&merge(vec![Input::Policy(once.clone()), Input::Policy(once.clone())]), &once);
    }

    #[test]
    fn more_evidence_never_takes_away(
        given in inputs(),
        more in inputs(),
        settings in testing::settings(),
    ) {
        // A denial takes away: that is what it is for.
        let (given, more) = (without_denials(given), without_denials(more));
        let less = merge(given.clone(), settings);
        let all = merge([given, more].concat(), settings);
        for (id, evidence) in &less.evidence {
            prop_assert!(evidence.gaps.is_subset(&all.evidence[id].gaps));
        }
        for (path, identity) in &less.programs {
            prop_assert!(identity.versions.is_subset(&all.programs[path].versions));
        }
        for (path, file) in &less.files {
            prop_assert!(file.done.is_subset(&all.files[path].done));
        }
        for sysno in less.withheld.keys() {
            prop_assert!(all.withheld.contains_key(sysno) || all.calls.contains_key(sysno));
        }
        for (sysno, entry) in &less.calls {
            let Some(kept) = all.calls.get(sysno) else {
                prop_assert!(stand_in(&less, *sysno), "{} is gone", sysno);
                continue;
            };
            prop_assert!(covers(kept, entry) || stand_in(&less, *sysno), "{sysno}: {kept:?} {entry:?}");
            if let Some(observed) = &entry.origins.observed {
                prop_assert!(contains(kept.origins.observed.as_ref().unwrap(), observed));
            }
            if let Some(predicted) = &entry.origins.predicted {
                prop_assert!(foresees(kept.origins.predicted.as_ref().unwrap(), predicted));
            }
        }
    }

    #[test]
    fn each_trace_is_in_the_result(
        traces in proptest::collection::vec(testing::trace(), 1..4),
        settings in testing::settings(),
    ) {
        let policy = merge(traces.iter().cloned().map(Input::from), settings);
        for trace in &traces {
            holds(&policy, trace)?;
        }
    }

    #[test]
    fn a_part_of_the_inputs_and_their_merge_give_the_merge(
        settings in testing::settings(),
        (given, part) in inputs().prop_flat_map(|given| {
            let count = given.len();
            (Just(given.clone()), subsequence(given, 0..=count))
        })
    ) {
        let all = merge(given, settings);
        let again = merge([vec![Input::Policy(all.clone())], part].concat(), settings);
        prop_assert_eq!(&again, &all);
    }

    #[test]
    fn what_is_observed_is_allowed_with_the_arguments_it_had(
        traces in proptest::collection::vec(testing::trace(), 1..4),
        analyses in proptest::collection::vec(testing::analysis(), 0..2),
        settings in testing::settings(),
    ) {
        let inputs = traces.iter().cloned().map(Input::from);
        let policy = merge(inputs.chain(analyses.into_iter().map(Input::from)), settings);
        for (sysno, record) in traces.iter().flat_map(|trace| &trace.programs).flat_map(|program| &program.calls) {
            let entry = &policy.calls[sysno];
            let Some(arguments) = &record.arguments else {
                prop_assert!(entry.rules.is_empty());
                continue;
            };
            for values in &arguments.values {
                let mut args = [0; 6];
                for (name, value) in arguments.names.iter().zip(values) {
                    let params = sysno.call().map_or(&[][..], |call| call.params);
                    if let Some(at) = params.iter().position(|param| param.name == name) {
                        args[at] = *value;
                    }
                }
                prop_assert!(allows(entry, &args), "{sysno} {args:x?} {entry:?}");
            }
        }
    }

    #[test]
    fn a_call_is_allowed_or_withheld_and_never_both(
        given in inputs(),
        settings in testing::settings(),
    ) {
        let policy = merge(given, settings);
        for (sysno, withheld) in &policy.withheld {
            prop_assert!(!policy.calls.contains_key(sysno));
            prop_assert!(!withheld.reason.is_empty());
        }
        for (subject, decision) in &policy.decisions {
            let mut about = policy.calls.keys().filter(|sysno| subject.is_call(**sysno));
            // A decision about one architecture goes before one about all.
            let exact = |sysno: &Sysno| policy.decisions.keys().filter(|s| s.is_call(*sysno)).count() == 1;
            match decision.verdict {
                Verdict::Deny => prop_assert!(!about.any(exact)),
                Verdict::Allow => {
                    let exact: Vec<_> = about.filter(|sysno| exact(sysno)).collect();
                    prop_assert!(exact.iter().all(|sysno| policy.calls[*sysno].rules.is_empty()));
                }
            }
        }
        let _ = profgen_merger::idle_decisions(&policy);
    }

}

fn without_denials(inputs: Vec<Input>) -> Vec<Input> {
    let mut inputs = inputs;
    for input in &mut inputs {
        if let Input::Policy(policy) = input {
            policy.decisions.retain(|_, decision| decision.verdict != Verdict::Deny);
        }
    }
    inputs
}

/// Whether what satisfies a rule of `narrow` satisfies one of `wide`, tried on values of each.
fn covers(wide: &Entry, narrow: &Entry) -> bool {
    if wide.rules.is_empty() || narrow.rules.is_empty() {
        return wide.rules.is_empty();
    }
    narrow.rules.iter().flat_map(satisfying).all(|args| allows(wide, &args))
}

/// Arguments that satisfy a rule of masked comparisons: with the other bits clear, and set.
fn satisfying(rule: &Rule) -> Vec<[u64; 6]> {
    [0, u64::MAX]
        .map(|rest| {
            let mut args = [rest; 6];
            for comparison in rule.comparisons() {
                args[usize::from(comparison.index())] =
                    comparison.value() | rest & !comparison.mask();
            }
            args
        })
        .to_vec()
}

fn allows(entry: &Entry, args: &[u64; 6]) -> bool {
    entry.rules.is_empty() || entry.rules.iter().any(|rule| rule.matches(args))
}

fn foresees(all: &Predicted, part: &Predicted) -> bool {
    part.analyses.is_subset(&all.analyses)
        && part.programs.iter().all(|(path, layer)| all.programs[path] <= *layer)
        && all.chain.len() <= part.chain.len()
}

/// A wider variant gives way to evidence of its own.
fn stand_in(policy: &Policy, sysno: Sysno) -> bool {
    let entry = &policy.calls[&sysno];
    entry.origins.observed.is_none()
        && entry.origins.predicted.is_none()
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
