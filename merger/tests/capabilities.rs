//! What repetitions without a capability, and the kernel's own checks, add to what calls ask for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{DEFAULT, observed};
use model::{
    CapabilityRecord, Checked, Confirmed, Need, Policy,
    policy::{Evidence, EvidenceKind},
};
use profgen_merger::{Input, capabilities::capabilities, merge};
use std::collections::{BTreeMap, BTreeSet};

/// A run that called chroot, and what its repetitions showed of some capabilities.
fn run(id: &str, confirmed: &[(&str, Need)]) -> Policy {
    let mut policy = observed(&["chroot"]);
    let finding = |(name, need): &(&str, Need)| {
        ((*name).to_owned(), Confirmed { need: *need, reason: "it was tried".to_owned() })
    };
    let record = CapabilityRecord {
        checked: BTreeMap::from([("CAP_SYS_CHROOT".to_owned(), Checked { granted: 1, denied: 0 })]),
        confirmed: confirmed.iter().map(finding).collect(),
        ..CapabilityRecord::default()
    };
    let evidence = Evidence {
        kind: EvidenceKind::Trace,
        command: Vec::new(),
        gaps: BTreeSet::new(),
        places: BTreeMap::new(),
        single: false,
        unseen: BTreeSet::new(),
        capabilities: Some(record),
    };
    policy.evidence.insert(id.to_owned(), evidence);
    policy
}

fn suggested(runs: &[Policy]) -> Vec<String> {
    let merged = merge(runs.iter().cloned().map(Input::Policy), DEFAULT);
    capabilities(&merged).into_keys().collect()
}

#[test]
fn what_each_run_did_without_is_not_suggested() {
    let without = |id| run(id, &[("CAP_SYS_CHROOT", Need::NotNeeded)]);
    assert_eq!(suggested(&[without("1")]), [""; 0]);
    assert_eq!(suggested(&[without("1"), without("2")]), [""; 0]);
}

#[test]
fn one_run_that_needs_it_or_was_not_repeated_is_enough() {
    let without = || run("1", &[("CAP_SYS_CHROOT", Need::NotNeeded)]);
    for other in [
        run("2", &[]),
        run("2", &[("CAP_SYS_CHROOT", Need::Unknown)]),
        run("2", &[("CAP_SYS_CHROOT", Need::Needed)]),
    ] {
        assert_eq!(suggested(&[without(), other.clone()]), ["CAP_SYS_CHROOT"]);
        assert_eq!(suggested(&[other, without()]), ["CAP_SYS_CHROOT"], "in any order");
    }
}

#[test]
fn what_nobody_suspected_and_is_needed_is_suggested() {
    let needs = run("1", &[("CAP_SYS_CHROOT", Need::NotNeeded), ("CAP_NET_ADMIN", Need::Needed)]);
    assert_eq!(suggested(&[needs]), ["CAP_NET_ADMIN"]);
}

#[test]
fn reasons_say_what_was_checked_and_confirmed() {
    let found = capabilities(&run("1", &[("CAP_SYS_CHROOT", Need::Needed)]));
    let reasons: Vec<&str> = found["CAP_SYS_CHROOT"].iter().map(String::as_str).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons.contains(&"confirmed: it was tried"), "{reasons:?}");
    assert!(
        reasons.contains(&"checked: the kernel was asked for it, and granted it"),
        "{reasons:?}"
    );
}
