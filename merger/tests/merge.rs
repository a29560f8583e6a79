//! What a merge derives from observed calls, by example.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{DEFAULT, decided, observed, predicted, sysno};
use model::{
    Arch, Arguments, Policy, Text, Verdict,
    analysis::{Gap, GapKind},
    policy::{ArgumentRules, Entry, Origins, ProgramIdentity, Settings, Strategy, Withheld},
};
use profgen_merger::{Input, idle_decisions, merge};
use std::collections::BTreeSet;

fn merged(calls: &[&str]) -> Policy {
    merge([Input::Policy(observed(calls))], DEFAULT)
}

fn reason<'a>(policy: &'a Policy, name: &str) -> &'a str {
    let Withheld { reason, .. } = &policy.withheld[&sysno(name)];
    reason
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
    assert!(merge([], DEFAULT).calls.is_empty());
}

#[test]
fn fork_brings_clone_without_namespaces() {
    let policy = merged(&["fork"]);
    let clone = variant(&policy, "clone").unwrap();
    assert!(clone.rules.iter().all(|rule| rule.matches(&[0x11, 0, 0, 0, 0, 0])));
    assert!(!clone.rules.iter().any(|rule| rule.matches(&[0x1000_0011, 0, 0, 0, 0, 0])));
    // No filter sees its flags; libc takes clone when it is missing.
    assert!(variant(&policy, "clone3").is_none());
    let free = Settings { arguments: ArgumentRules::None, ..DEFAULT };
    let policy = merge([Input::Policy(observed(&["fork"]))], free);
    assert!(variant(&policy, "clone3").unwrap().rules.is_empty());
    assert!(variant(&policy, "clone").unwrap().rules.is_empty());
}

#[test]
fn a_wider_variant_does_not_lift_the_rules_of_an_observed_call() {
    let policy = merged(&["fork", "clone flags=17"]);
    let clone = variant(&policy, "clone").unwrap();
    assert_eq!(clone.rules.len(), 1);
    assert_eq!(clone.origins.variant, BTreeSet::from(["fork".to_owned()]));
}

#[test]
fn clone_that_makes_processes_brings_fork() {
    let policy = merged(&["clone flags=17"]);
    assert!(variant(&policy, "fork").unwrap().rules.is_empty());
    assert!(variant(&policy, "vfork").is_some() && variant(&policy, "clone3").is_none());
    assert!(merged(&["clone3"]).calls.contains_key(&sysno("clone3")));
}

#[test]
fn rules_go_over_to_a_variant_with_the_same_parameters() {
    let policy = merged(&["mprotect prot=1"]);
    assert_eq!(policy.calls[&sysno("mprotect")].rules.len(), 1);
    // open's flags are its second argument, openat's the third; openat2's lie in memory.
    let all = Settings { arguments: ArgumentRules::All, ..DEFAULT };
    let policy = merge([Input::Policy(observed(&["openat flags=0"]))], all);
    assert!(variant(&policy, "open").is_none() && variant(&policy, "openat2").is_none());
}

#[test]
fn an_implied_call_takes_any_arguments_and_so_do_its_variants() {
    let policy = merged(&["clock_gettime"]);
    assert!(policy.calls[&sysno("clock_gettime")].rules.is_empty());
    assert!(variant(&policy, "gettimeofday").is_some());
    assert_eq!(merge([Input::Policy(policy.clone())], DEFAULT), policy);
}

#[test]
fn ordinary_predictions_are_allowed_and_sensitive_ones_wait_for_a_person() {
    let evidence = || {
        let runs = Input::Policy(observed(&["read", "ptrace"]));
        [runs, Input::Analysis(predicted(&["unlink", "mount", "ptrace", "clone3"]))]
    };
    let policy = merge(evidence(), DEFAULT);
    let unlink = &policy.calls[&sysno("unlink")];
    let chain = &unlink.origins.predicted.as_ref().unwrap().chain;
    assert_eq!(chain, &["a:main+0x4", "libc.so.6:syscall+0x19"]);
    assert!(policy.calls.contains_key(&sysno("ptrace")), "observed, so it is needed");
    assert!(reason(&policy, "mount").contains("its group is sensitive: mount: "));
    assert!(reason(&policy, "clone3").contains("no filter sees"));

    let tight = Settings { strategy: Strategy::Observed, ..DEFAULT };
    let policy = merge(evidence(), tight);
    assert_eq!(reason(&policy, "unlink"), "predicted, and no run made it");
    // Nothing is lost by it.
    assert_eq!(merge([Input::Policy(policy)], DEFAULT), merge(evidence(), DEFAULT));
    let wide = Settings { strategy: Strategy::Predicted, ..DEFAULT };
    assert!(merge(evidence(), wide).withheld.is_empty());
}

#[test]
fn what_no_filter_sees_is_allowed_by_no_strategy() {
    for strategy in [Strategy::Observed, Strategy::Balanced, Strategy::Predicted] {
        let settings = Settings { strategy, ..DEFAULT };
        let ring = ["io_uring_setup", "io_uring_enter"];
        let policy = merge([Input::Analysis(predicted(&ring))], settings);
        assert_eq!(policy.withheld.len(), 2, "{strategy:?}");
        assert!(merge([Input::Policy(observed(&ring))], settings).withheld.is_empty());
        let allowed = decided(&[("io_uring_setup", Verdict::Allow)]);
        let policy = merge([Input::Policy(policy), Input::Policy(allowed)], settings);
        assert!(policy.calls.contains_key(&sysno("io_uring_setup")));
    }
}

#[test]
fn known_arguments_without_a_value_say_nothing() {
    let mut analysis = predicted(&["mmap"]);
    let call = analysis.programs[0].calls.get_mut(&sysno("mmap")).unwrap();
    call.arguments.insert("prot".to_owned(), BTreeSet::new());
    let wide = Settings { strategy: Strategy::Predicted, ..DEFAULT };
    let alone = merge([Input::Analysis(analysis.clone())], wide);
    let seen = merge([Input::Analysis(analysis), Input::Policy(observed(&["mmap prot=0"]))], wide);
    for policy in [alone, seen] {
        assert!(policy.calls[&sysno("mmap")].rules.is_empty());
    }
}

#[test]
fn decisions_survive_later_merges() {
    let evidence = [
        Input::Policy(observed(&["read", "openat", "socket domain=2"])),
        Input::Analysis(predicted(&["mount"])),
        Input::Policy(decided(&[
            ("mount", Verdict::Allow),
            ("openat", Verdict::Deny),
            ("socket", Verdict::Allow),
            ("kexec_load", Verdict::Allow),
        ])),
    ];
    let policy = merge(evidence, DEFAULT);
    assert_eq!(policy.calls[&sysno("mount")].origins.decided.as_deref(), Some("because"));
    assert!(policy.calls[&sysno("socket")].rules.is_empty(), "a person allowed any socket");
    assert!(policy.calls.contains_key(&sysno("kexec_load")));
    assert_eq!(reason(&policy, "openat"), "denied by decision: because");
    assert!(!policy.calls.contains_key(&sysno("open")), "what stood in for it is gone too");
    let more = merge([Input::Policy(policy.clone()), Input::Policy(observed(&["write"]))], DEFAULT);
    assert_eq!(more.decisions, policy.decisions);
    assert_eq!(idle_decisions(&more), []);
}

#[test]
fn what_would_follow_from_an_allowed_call_can_be_denied() {
    let policy = merge(
        [
            Input::Policy(observed(&["openat"])),
            Input::Policy(decided(&[("open", Verdict::Deny), ("rt_sigreturn", Verdict::Deny)])),
        ],
        DEFAULT,
    );
    assert!(reason(&policy, "open").contains("because"));
    assert!(!policy.calls.contains_key(&sysno("rt_sigreturn")));
    assert_eq!(merge([Input::Policy(policy.clone())], DEFAULT), policy);
}

#[test]
fn of_two_decisions_the_denial_counts() {
    let (allow, deny) = (&[("mount", Verdict::Allow)], &[("mount", Verdict::Deny)]);
    for order in [[&allow[..], &deny[..]], [&deny[..], &allow[..]]] {
        let policy = merge(order.map(|given| Input::Policy(decided(given))), DEFAULT);
        assert!(policy.calls.is_empty());
    }
}

#[test]
fn a_decision_that_changes_nothing_is_named() {
    let policy = merge(
        [
            Input::Policy(observed(&["read", "socket domain=2"])),
            Input::Policy(decided(&[
                ("read", Verdict::Allow),
                ("socket", Verdict::Allow),
                ("mount", Verdict::Deny),
                ("bpf", Verdict::Allow),
            ])),
        ],
        DEFAULT,
    );
    let idle: Vec<(String, String)> = idle_decisions(&policy)
        .into_iter()
        .map(|(subject, why)| (subject.to_string(), why))
        .collect();
    let said = |subject: &str, why: &str| (subject.to_owned(), why.to_owned());
    assert_eq!(
        idle,
        [said("mount", "nothing would allow it"), said("read", "it is allowed without it")]
    );
}

#[test]
fn one_program_with_writable_code_frees_the_protection_of_all() {
    let mut both = observed(&["mmap prot=7"]);
    assert!(merge([Input::Policy(both.clone())], DEFAULT).calls[&sysno("mmap")].rules.len() == 1);
    both.calls.get_mut(&sysno("mmap")).unwrap().origins.observed.as_mut().unwrap().arguments =
        Some(Arguments { many: true, ..Arguments::new(vec!["prot".to_owned()]) });
    assert_eq!(merge([Input::Policy(both.clone())], DEFAULT).calls[&sysno("mmap")].rules.len(), 2);
    let jit = ProgramIdentity { write_and_execute: true, ..ProgramIdentity::default() };
    both.programs.insert(Text::from("/bin/jit"), jit);
    assert!(merge([Input::Policy(both)], DEFAULT).calls[&sysno("mmap")].rules.is_empty());
}

#[test]
fn what_lost_its_reason_is_gone() {
    let mut policy = merged(&["open", "read"]);
    policy.calls.remove(&sysno("open"));
    let policy = merge([Input::Policy(policy)], DEFAULT);
    assert!(!policy.calls.contains_key(&sysno("openat")));
    assert!(policy.calls.contains_key(&sysno("read")));
}

#[test]
fn what_a_runtime_needs_stays_and_brings_nothing() {
    let mut policy = observed(&["read"]);
    let origins = Origins { runtime: BTreeSet::from(["runc".to_owned()]), ..Origins::default() };
    policy.calls.insert(sysno("open"), Entry { origins, ..Entry::default() });
    let policy = merge([Input::Policy(policy)], DEFAULT);
    assert!(policy.calls.contains_key(&sysno("open")));
    assert!(!policy.calls.contains_key(&sysno("openat")));
}

#[test]
fn calls_that_are_not_narrowed_leave_the_evidence_complete() {
    let gap = |kind: GapKind| Gap {
        kind,
        site: None,
        what: "3 indirect calls".to_owned(),
        chain: Vec::new(),
        arch: None,
    };
    for kind in GapKind::ALL {
        let mut analysis = predicted(&["read"]);
        analysis.programs[0].gaps = vec![gap(kind)];
        let policy = merge([Input::Analysis(analysis)], DEFAULT);
        let complete = policy.evidence.values().all(|evidence| evidence.gaps.is_empty());
        assert_eq!(complete, kind == GapKind::AnyTarget, "{kind:?}");
    }
}
