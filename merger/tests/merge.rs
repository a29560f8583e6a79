//! What a merge derives from observed calls, by example.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Arch, ArgCmp, CmpOp, Policy, Rule, Sysno, Text,
    policy::{Entry, Observed, Origins},
};
use profgen_merger::{Input, merge};
use std::collections::{BTreeMap, BTreeSet};

fn sysno(name: &str) -> Sysno {
    Sysno::from_name(Arch::X86_64, name).unwrap()
}

/// A policy of observed calls: `openat`, or `fcntl 1=3` with a rule on argument 1.
fn observed(calls: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for call in calls {
        let (name, rule) =
            call.split_once(' ').map_or((*call, None), |(name, rule)| (name, Some(rule)));
        let rules = rule.map(|rule| {
            let (index, value) = rule.split_once('=').unwrap();
            let comparison = ArgCmp::new(index.parse().unwrap(), CmpOp::Eq, value.parse().unwrap());
            Rule::new(vec![comparison.unwrap()]).unwrap()
        });
        let seen = Observed {
            runs: BTreeSet::from(["1".to_owned()]),
            programs: BTreeMap::from([(Text::from("/bin/a"), None)]),
        };
        let origins = Origins { observed: Some(seen), ..Origins::default() };
        policy.calls.insert(sysno(name), Entry { origins, rules: rules.into_iter().collect() });
    }
    policy
}

fn merged(calls: &[&str]) -> Policy {
    merge([Input::Policy(observed(calls))])
}

fn variant<'a>(policy: &'a Policy, name: &str) -> Option<&'a Entry> {
    policy.calls.get(&sysno(name)).filter(|entry| !entry.origins.variant.is_empty())
}

#[test]
fn a_call_brings_those_of_the_same_power_and_no_stand_ins_of_stand_ins() {
    let policy = merged(&["fstat"]);
    let entry = variant(&policy, "newfstatat").unwrap();
    assert_eq!(entry.origins.variant, BTreeSet::from(["fstat".to_owned()]));
    assert!(entry.rules.is_empty() && entry.origins.observed.is_none());
    assert!(variant(&policy, "stat").is_none());
}

#[test]
fn an_observed_call_may_be_a_variant_too() {
    let policy = merged(&["open", "openat"]);
    let entry = variant(&policy, "openat").unwrap();
    assert!(entry.origins.observed.is_some());
    assert_eq!(entry.origins.variant, BTreeSet::from(["open".to_owned()]));
}

#[test]
fn implied_calls_come_for_the_observed_architectures_only() {
    let policy = merged(&["read"]);
    assert_eq!(policy.arches(), BTreeSet::from([Arch::X86_64]));
    assert!(policy.calls[&sysno("rt_sigreturn")].origins.implied.is_some());
    assert!(merge([]).calls.is_empty());
}

#[test]
fn fork_brings_clone3_though_it_is_wider() {
    let policy = merged(&["fork"]);
    assert!(variant(&policy, "clone3").unwrap().rules.is_empty());
    assert!(variant(&policy, "clone").unwrap().rules.is_empty());
}

#[test]
fn a_wider_variant_does_not_lift_the_rules_of_an_observed_call() {
    let policy = merged(&["fork", "clone 0=17"]);
    let clone = variant(&policy, "clone").unwrap();
    assert_eq!(clone.rules.len(), 1);
    assert_eq!(clone.origins.variant, BTreeSet::from(["fork".to_owned()]));
}

#[test]
fn a_variant_of_the_same_power_lifts_them() {
    let policy = merged(&["openat", "open 1=0"]);
    assert!(variant(&policy, "open").unwrap().rules.is_empty());
}

#[test]
fn rules_go_over_to_a_variant_with_the_same_parameters() {
    let policy = merged(&["dup2 1=5"]);
    assert_eq!(variant(&policy, "dup3").unwrap().rules, policy.calls[&sysno("dup2")].rules);
    // open's flags are its second argument, openat's the third; openat2's lie in memory.
    let policy = merged(&["openat 2=0"]);
    assert!(variant(&policy, "open").is_none() && variant(&policy, "openat2").is_none());
    // clone3's flags lie in memory; fork makes processes, which the rule may forbid.
    let policy = merged(&["clone 0=17"]);
    assert!(variant(&policy, "clone3").is_none() && variant(&policy, "fork").is_none());
}

#[test]
fn an_implied_call_takes_any_arguments_and_so_do_its_variants() {
    let policy = merged(&["clock_gettime 0=1"]);
    assert!(policy.calls[&sysno("clock_gettime")].rules.is_empty());
    assert!(variant(&policy, "gettimeofday").is_some());
    assert_eq!(merge([Input::Policy(policy.clone())]), policy);
}

#[test]
fn what_lost_its_reason_is_gone() {
    let mut policy = merged(&["open", "read"]);
    policy.calls.remove(&sysno("open"));
    let policy = merge([Input::Policy(policy)]);
    assert!(!policy.calls.contains_key(&sysno("openat")));
    assert!(policy.calls.contains_key(&sysno("read")));
}

#[test]
fn what_a_runtime_needs_stays_and_brings_nothing() {
    let mut policy = observed(&["read"]);
    let origins = Origins { runtime: BTreeSet::from(["runc".to_owned()]), ..Origins::default() };
    policy.calls.insert(sysno("open"), Entry { origins, rules: BTreeSet::new() });
    let policy = merge([Input::Policy(policy)]);
    assert!(policy.calls.contains_key(&sysno("open")));
    assert!(!policy.calls.contains_key(&sysno("openat")));
}
