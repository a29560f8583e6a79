//! What a diff says, by example: from policies and from rulesets of profiles.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{DEFAULT, decided, observed, predicted, sysno};
use filter::{Action, CallRule, Denied, Relation, Ruleset};
use model::{
    Access, Policy, Text, Verdict,
    policy::{EndpointEntry, Evidence, EvidenceKind, ProgramIdentity},
    trace::{Address, EndpointOperation},
};
use profgen_merger::{
    Input,
    diff::{Area, Change, Diff, FailOn, Label, Side, diff},
    merge,
};
use std::collections::{BTreeMap, BTreeSet};

fn merged(inputs: Vec<Input>) -> Policy {
    merge(inputs, DEFAULT)
}

fn of_calls(calls: &[&str]) -> Policy {
    merged(vec![Input::Policy(observed(calls))])
}

fn compared(old: &Policy, new: &Policy) -> Diff {
    let (before, now) =
        (Ruleset::from_policy(old, Denied::Errno), Ruleset::from_policy(new, Denied::Errno));
    diff(
        &Side { name: "old", ruleset: &before, policy: Some(old) },
        &Side { name: "new", ruleset: &now, policy: Some(new) },
    )
}

fn about<'a>(diff: &'a Diff, subject: &str) -> &'a Change {
    diff.changes.iter().find(|change| change.subject == subject).unwrap_or_else(|| {
        panic!("{subject} is not among {:#?}", diff.changes);
    })
}

#[test]
fn nothing_changed() {
    let policy = of_calls(&["read", "socket domain=2"]);
    let diff = compared(&policy, &policy);
    assert_eq!((diff.relation, diff.changes.len()), (Relation::Equal, 0));
    assert_eq!(diff.text(), "new allows the same system calls as old\n");
    assert!(!diff.fails(FailOn::Changed));
}

#[test]
fn a_new_call_is_widened_with_what_brought_it_and_an_old_one_narrowed() {
    let diff = compared(&of_calls(&["read", "unlink"]), &of_calls(&["read", "ptrace", "mkdir"]));
    assert_eq!(diff.relation, Relation::Incomparable);
    let ptrace = about(&diff, "x86_64 ptrace");
    assert_eq!(
        (ptrace.label, ptrace.risky, ptrace.group),
        (Label::Widened, true, Some("introspect"))
    );
    assert_eq!(ptrace.what, "allowed; before: fails with EPERM");
    assert_eq!(ptrace.because, ["observed: /bin/a in libc.so.6 via there+0x4"]);
    assert_eq!(about(&diff, "x86_64 mkdirat").because, ["variant of mkdir"]);
    let unlink = about(&diff, "x86_64 unlink");
    assert_eq!((unlink.label, &*unlink.what), (Label::Narrowed, "denied: fails with EPERM"));
    assert_eq!(unlink.because, ["it was observed: /bin/a in libc.so.6 via there+0x4"]);
    assert!(diff.fails(FailOn::Widened) && diff.fails(FailOn::Risky));
    assert_eq!(diff.changes[0].subject, "x86_64 ptrace", "the most important comes first");
}

#[test]
fn arguments_are_compared_by_what_they_mean() {
    let diff = compared(&of_calls(&["socket domain=2"]), &of_calls(&["socket domain=16"]));
    let socket = about(&diff, "x86_64 socket");
    assert_eq!(socket.label, Label::Widened);
    assert_eq!(
        socket.what,
        "allowed with other arguments: with socket(domain=AF_NETLINK, type=0x0, protocol=0x0), \
         and no longer with socket(domain=AF_INET, type=0x0, protocol=0x0)"
    );
    let more = compared(&of_calls(&["socket domain=2"]), &of_calls(&["socket"]));
    assert!(about(&more, "x86_64 socket").what.starts_with("allowed with more arguments, such as"));
    let less = compared(&of_calls(&["socket"]), &of_calls(&["socket domain=2"]));
    assert_eq!(about(&less, "x86_64 socket").label, Label::Narrowed);
}

#[test]
fn what_was_withheld_or_becomes_so_says_it() {
    let evidence =
        || vec![Input::Policy(observed(&["read"])), Input::Analysis(predicted(&["mount"]))];
    let before = merged(evidence());
    let now = merged(
        [
            evidence(),
            vec![Input::Policy(decided(&[("mount", Verdict::Allow), ("read", Verdict::Deny)]))],
        ]
        .concat(),
    );
    let diff = compared(&before, &now);
    let mount = about(&diff, "x86_64 mount");
    assert!(mount.because[0].starts_with("it was withheld: predicted, no run made it"));
    assert_eq!(mount.because[1], "predicted in a: a:main+0x4 -> libc.so.6:syscall+0x19");
    assert_eq!(mount.because[2], "decided: because");
    assert_eq!(about(&diff, "x86_64 read").because, ["withheld: denied by decision: because"]);
    assert_eq!(about(&diff, "mount").area, Area::Decision);
}

/// A policy of a run that used these files and addresses.
fn of_run(programs: &[&str], files: &[(&str, Access)], ports: &[u16]) -> Policy {
    let mut policy = observed(&["read"]);
    let evidence = Evidence {
        kind: EvidenceKind::Trace,
        command: vec![],
        gaps: BTreeSet::new(),
        places: BTreeMap::new(),
        single: false,
        capabilities: None,
        unseen: Default::default(),
    };
    policy.evidence.insert("0000000000000001".to_owned(), evidence);
    for program in programs {
        let identity = ProgramIdentity { executed: true, ..ProgramIdentity::default() };
        policy.programs.insert(Text::from(*program), identity);
    }
    for (path, access) in files {
        let entry = policy.files.entry(Text::from(*path)).or_default();
        entry.done.insert(*access);
        entry.programs.insert(Text::from("/bin/a"));
    }
    let endpoints = ports.iter().map(|port| EndpointEntry {
        address: Address::Inet { host: "127.0.0.1".to_owned(), port: *port },
        socket: Some("stream".to_owned()),
        programs: BTreeSet::from([Text::from("/bin/a")]),
        runs: BTreeSet::new(),
    });
    policy.endpoints = BTreeMap::from([(EndpointOperation::Connect, endpoints.collect())]);
    merged(vec![Input::Policy(policy)])
}

#[test]
fn programs_files_and_addresses_are_compared_too() {
    let old = of_run(
        &["/bin/a"],
        &[("/tmp/x1", Access::Write), ("/proc/12/stat", Access::Read)],
        &[80, 40001],
    );
    let new = of_run(
        &["/bin/a", "/bin/sh"],
        &[
            ("/tmp/x2", Access::Write),
            ("/proc/34/stat", Access::Read),
            ("/etc/foo", Access::Create),
        ],
        &[443, 40002],
    );
    let diff = compared(&old, &new);
    assert_eq!(diff.relation, Relation::Equal, "of system calls");
    let shown: Vec<(Label, &str, &str)> =
        diff.changes.iter().map(|c| (c.label, c.subject.as_str(), c.what.as_str())).collect();
    // Neither temporary names, nor process numbers, nor a client's port are a change.
    assert_eq!(
        shown,
        [
            (Label::Widened, "/etc/", "create: foo"),
            (Label::Widened, "/bin/sh", "executed, and was not before"),
            (Label::Widened, "tcp:443", "connected to"),
            (Label::Narrowed, "tcp:80", "no longer connected to"),
        ]
    );
    assert!(diff.changes[0].risky);
}

#[test]
fn a_capability_that_the_runs_now_need_is_a_widening() {
    let diff = compared(&of_calls(&["read", "setuid"]), &of_calls(&["read", "chown"]));
    let chown = about(&diff, "CAP_CHOWN");
    assert_eq!((chown.label, chown.risky, chown.area), (Label::Widened, true, Area::Capability));
    assert_eq!(
        chown.because,
        ["chown: gives a file to another owner, or to a group that it is not in"]
    );
    assert_eq!(about(&diff, "CAP_SETUID").label, Label::Narrowed);
}

#[test]
fn one_that_knows_no_runs_is_not_compared_in_files() {
    let old = merged(vec![Input::Analysis(predicted(&["read"]))]);
    let diff = compared(&old, &of_run(&[], &[("/etc/foo", Access::Read)], &[]));
    assert!(diff.changes.iter().all(|change| change.area != Area::File));
}

#[test]
fn an_architecture_of_one_side_is_one_change() {
    let policy = of_calls(&["read"]);
    let old = Ruleset::from_policy(&policy, Denied::Errno);
    let mut new = old.clone();
    let mut rules = old.arches[&model::Arch::X86_64].clone();
    rules.calls = [(3, CallRule::Always(Action::Allow))].into();
    new.arches.insert(model::Arch::I386, rules);
    let side = |ruleset| Side { name: "p", ruleset, policy: None };
    let diff = diff(&side(&old), &side(&new));
    let change = about(&diff, "i386");
    assert_eq!(
        (change.label, &*change.what),
        (Label::Widened, "1 of its calls are allowed that were not")
    );
    assert_eq!(diff.changes.len(), 1, "{:#?}", diff.changes);
}

#[test]
fn each_format_says_the_same() {
    let diff = compared(
        &of_run(&["/bin/a"], &[("/tmp/x", Access::Write)], &[80]),
        &merged(vec![
            Input::Policy(of_run(
                &["/bin/a", "/bin/<b>|`"],
                &[("/etc/foo", Access::Create)],
                &[443],
            )),
            Input::Policy(observed(&["ptrace", "socket domain=16", "unlink"])),
        ]),
    );
    insta::assert_snapshot!("text", diff.text());
    insta::assert_snapshot!("markdown", diff.markdown());
    insta::assert_snapshot!("json", diff.json().unwrap());
    insta::assert_snapshot!("sarif", diff.sarif("app.profgen/policy.json", "0.1.0").unwrap());
}

#[test]
fn many_alike_share_a_line() {
    let names = ["read", "write", "close", "lseek", "getpid", "getuid", "getgid", "gettid"];
    let diff = compared(&of_calls(&names), &of_calls(&["read"]));
    let text = diff.text();
    let lines = text.lines().filter(|line| line.starts_with("  - ")).count();
    assert!(lines < names.len(), "{text}");
    assert!(sysno("read").name().is_some() && !text.contains("x86_64 read "), "{text}");
}
