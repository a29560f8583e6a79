//! Policies for the tests of this crate.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Arch, ArgCmp, CmpOp, Policy, Rule, Sysno, Text,
    policy::{Entry, Observed, Origins},
};
use std::collections::{BTreeMap, BTreeSet};

pub fn origins() -> Origins {
    let observed = Observed {
        runs: BTreeSet::from(["0000000000000001".to_owned()]),
        programs: BTreeMap::from([(Text::from("/bin/a"), None)]),
        ..Observed::default()
    };
    Origins { observed: Some(observed), ..Origins::default() }
}

pub fn allow(policy: &mut Policy, arch: Arch, names: &str) {
    for name in names.split_whitespace() {
        let sysno = Sysno::from_name(arch, name).unwrap_or_else(|| panic!("{arch} has no {name}"));
        policy.calls.insert(sysno, Entry { origins: origins(), rules: BTreeSet::new() });
    }
}

/// Allows a call only where one argument, an `int`, has one of the values.
pub fn allow_if(policy: &mut Policy, arch: Arch, name: &str, index: u8, values: &[u64]) {
    let rule =
        |value: &u64| Rule::new(vec![ArgCmp::masked(index, 0xffff_ffff, *value).unwrap()]).unwrap();
    let rules = values.iter().map(rule).collect();
    let sysno = Sysno::from_name(arch, name).unwrap();
    policy.calls.insert(sysno, Entry { origins: origins(), rules });
}

/// A program with a call of every kind of origin, and with rules.
pub fn small() -> Policy {
    let mut policy = Policy::default();
    allow(&mut policy, Arch::X86_64, "read write openat close mmap execve exit_group clone");
    allow_if(&mut policy, Arch::X86_64, "socket", 0, &[1, 2]);
    let both = Rule::new(vec![
        ArgCmp::new(0, CmpOp::Ge, 3).unwrap(),
        ArgCmp::masked(1, 0xff, 0x40).unwrap(),
    ]);
    let ioctl = Sysno::from_name(Arch::X86_64, "ioctl").unwrap();
    policy.calls.insert(ioctl, Entry { origins: origins(), rules: [both.unwrap()].into() });
    for (name, of) in [("open", "openat"), ("openat2", "openat")] {
        let origins = Origins { variant: [of.to_owned()].into(), ..Origins::default() };
        let sysno = Sysno::from_name(Arch::X86_64, name).unwrap();
        policy.calls.insert(sysno, Entry { origins, rules: BTreeSet::new() });
    }
    for name in ["rt_sigreturn", "restart_syscall"] {
        let origins = Origins { implied: Some("because".to_owned()), ..Origins::default() };
        let sysno = Sysno::from_name(Arch::X86_64, name).unwrap();
        policy.calls.insert(sysno, Entry { origins, rules: BTreeSet::new() });
    }
    policy
}
