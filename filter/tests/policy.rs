//! From a policy to a filter.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::{
    Arch, ArgCmp, Call, CmpOp, Policy, Rule, Sysno, X32_BIT,
    fallback::wants_enosys,
    policy::{Entry, Origins},
};
use profgen_filter::{Action, Denied, Program, Ruleset, SeccompData, compile, verdict};
use std::collections::BTreeSet;

const EPERM: Action = Action::Errno(1);
const ENOSYS: Action = Action::Errno(38);

fn implied() -> Origins {
    Origins { implied: Some("test".to_owned()), ..Origins::default() }
}

fn policy(arch: Arch, names: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for name in names {
        let entry = Entry { origins: implied(), ..Entry::default() };
        policy.calls.insert(Sysno::from_name(arch, name).unwrap(), entry);
    }
    policy
}

fn filter(policy: &Policy, denied: Denied) -> Program {
    compile(&Ruleset::from_policy(policy, denied)).unwrap()
}

fn data(arch: Arch, nr: u32, args: [u64; 6]) -> SeccompData {
    SeccompData { nr, arch: arch.audit(), instruction_pointer: 0, args }
}

fn named(arch: Arch, name: &str) -> SeccompData {
    data(arch, Sysno::from_name(arch, name).unwrap().number(), [0; 6])
}

#[test]
fn every_call_of_the_table_gets_its_answer() {
    for &arch in Arch::ALL {
        let allowed = ["read", "openat", "exit_group"];
        let program = filter(&policy(arch, &allowed), Denied::Errno);
        for call in Call::all() {
            let Some(number) = call.number(arch) else {
                continue;
            };
            let expected = match call.name {
                name if allowed.contains(&name) => Action::Allow,
                name if wants_enosys(name) => ENOSYS,
                _ => EPERM,
            };
            let call = data(arch, number, [0; 6]);
            assert_eq!(verdict(&program, &call), expected, "{arch} {call:?}");
        }
        let known: BTreeSet<u32> =
            Call::all().iter().filter_map(|call| call.number(arch)).collect();
        let unknown = (1..).map(|more| known.last().unwrap() + more).find(|n| !known.contains(n));
        assert_eq!(verdict(&program, &data(arch, unknown.unwrap(), [0; 6])), ENOSYS);
        eprintln!("{arch}: {} instructions for 3 calls", program.insns().len());
    }
}

#[test]
fn the_caller_chooses_what_a_denied_call_gets() {
    let policy = policy(Arch::X86_64, &["read"]);
    for (denied, known, unknown, foreign) in [
        (Denied::Errno, EPERM, ENOSYS, Action::KillProcess),
        (Denied::Kill, Action::KillProcess, Action::KillProcess, Action::KillProcess),
        (Denied::Notify, Action::UserNotif, Action::UserNotif, Action::UserNotif),
        (Denied::Trace, Action::Trace(0), Action::Trace(0), Action::Trace(0)),
        (Denied::Log, Action::Log, Action::Log, Action::Log),
    ] {
        let program = filter(&policy, denied);
        let gets = |call| verdict(&program, &call);
        assert_eq!(gets(named(Arch::X86_64, "read")), Action::Allow);
        assert_eq!(gets(named(Arch::X86_64, "mkdir")), known);
        assert_eq!(gets(data(Arch::X86_64, 9999, [0; 6])), unknown);
        assert_eq!(gets(data(Arch::X32, X32_BIT, [0; 6])), unknown);
        assert_eq!(gets(data(Arch::X86_64, u32::MAX, [0; 6])), unknown);
        assert_eq!(gets(named(Arch::I386, "read")), foreign);
    }
}

#[test]
fn what_only_a_runtime_needs_is_left_out_unless_wanted() {
    let mut policy = policy(Arch::X86_64, &["read"]);
    let origins =
        Origins { runtime: BTreeSet::from(["runc 1.1".to_owned()]), ..Origins::default() };
    let capset = named(Arch::X86_64, "capset");
    let entry = Entry { origins, ..Entry::default() };
    policy.calls.insert(Sysno::new(Arch::X86_64, capset.nr), entry);
    assert_eq!(verdict(&filter(&policy, Denied::Errno), &capset), EPERM);
    let all = Ruleset::from_entries(&policy, Denied::Errno, |_| true);
    assert_eq!(verdict(&compile(&all).unwrap(), &capset), Action::Allow);
}

#[test]
fn rules_are_alternatives_and_the_rest_is_denied() {
    let mut policy = policy(Arch::X86_64, &["read"]);
    let domain = |domain| Rule::new(vec![ArgCmp::new(0, CmpOp::Eq, domain).unwrap()]).unwrap();
    let rules = BTreeSet::from([domain(1), domain(2)]);
    let socket = named(Arch::X86_64, "socket").nr;
    let entry = Entry { origins: implied(), rules };
    policy.calls.insert(Sysno::new(Arch::X86_64, socket), entry);
    let program = filter(&policy, Denied::Errno);
    let gets = |domain| verdict(&program, &data(Arch::X86_64, socket, [domain, 0, 0, 0, 0, 0]));
    assert_eq!([gets(1), gets(2)], [Action::Allow; 2]);
    assert_eq!([gets(0), gets(16), gets(1 << 32 | 1)], [EPERM; 3]);
}

/// A policy as large as Docker's default profile, for three architectures: far from the bound, and
/// few steps to a verdict.
#[test]
fn a_large_policy_makes_a_short_filter() {
    let mut policy = Policy::default();
    for arch in [Arch::X86_64, Arch::I386, Arch::X32] {
        // Seven of eight, in the order of the table, so that the numbers are well mixed.
        for (at, call) in Call::all().iter().enumerate() {
            if at % 8 != 3
                && let Some(number) = call.number(arch)
            {
                let entry = Entry { origins: implied(), ..Entry::default() };
                policy.calls.insert(Sysno::new(arch, number), entry);
            }
        }
    }
    let program = filter(&policy, Denied::Errno);
    let steps = |sysno: &Sysno| {
        let call = data(sysno.arch(), sysno.number(), [0; 6]);
        profgen_filter::simulate_path(&program, &call).1.len()
    };
    let steps: Vec<usize> = policy.calls.keys().map(steps).collect();
    let (calls, most) = (steps.len(), steps.iter().max().unwrap());
    let mean = steps.iter().sum::<usize>() / calls;
    let length = program.insns().len();
    eprintln!("{calls} calls: {length} instructions, {mean} steps to a verdict, {most} at most");
    assert!(length < calls / 2 && *most < 20);
}
