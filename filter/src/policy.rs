//! The ruleset of a policy.

use crate::{Action, ArchRules, CallRule, Ruleset};
use model::{
    Arch, Call, Policy, Sysno,
    errno::{ENOSYS, EPERM},
    fallback::wants_enosys,
    policy::Entry,
};
use std::collections::BTreeMap;

/// What a call gets that a policy does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// An error: EPERM for a call that the table knows, ENOSYS for one that it does not or for one
    /// where libc falls back only on that. A foreign architecture kills the process.
    Errno,
    /// A supervisor is asked.
    Notify,
    /// A tracer is told.
    Trace,
    /// The process is killed.
    Kill,
    /// The call is made, and logged.
    Log,
}

impl Denied {
    /// For a call that is not known, also whatever x32 calls where only x86-64 is allowed.
    fn unknown(self) -> Action {
        self.or_errno(ENOSYS)
    }

    /// For a call that is known and not allowed.
    fn known(self, name: &str) -> Action {
        self.or_errno(if wants_enosys(name) { ENOSYS } else { EPERM })
    }

    /// For an allowed call with arguments that are not allowed: it exists, so libc must not take
    /// it for missing.
    fn arguments(self) -> Action {
        self.or_errno(EPERM)
    }

    /// For a call of an architecture that the policy does not speak of.
    fn foreign(self) -> Action {
        match self {
            Denied::Errno => Action::KillProcess,
            other => other.unknown(),
        }
    }

    fn or_errno(self, number: u16) -> Action {
        match self {
            Denied::Errno => Action::Errno(number),
            Denied::Notify => Action::UserNotif,
            Denied::Trace => Action::Trace(0),
            Denied::Kill => Action::KillProcess,
            Denied::Log => Action::Log,
        }
    }
}

impl Ruleset {
    /// Allows what the program needs; not what only a container runtime does.
    pub fn from_policy(policy: &Policy, denied: Denied) -> Ruleset {
        Ruleset::from_entries(policy, denied, |entry| entry.origins.of_the_program())
    }

    /// Allows the entries of a policy that are wanted.
    pub fn from_entries(
        policy: &Policy,
        denied: Denied,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Ruleset {
        let mut arches: BTreeMap<Arch, ArchRules> = BTreeMap::new();
        // A negative number is no call: the kernel answers it with ENOSYS, as what is unknown here.
        let is_call = |sysno: &Sysno| sysno.number() < 1 << 31;
        for (sysno, entry) in
            policy.calls.iter().filter(|(sysno, entry)| is_call(sysno) && wanted(entry))
        {
            let arch = sysno.arch();
            let rules = arches.entry(arch).or_insert_with(|| nothing_of(arch, denied));
            rules.calls.insert(sysno.number(), allowed(entry, denied));
        }
        Ruleset { arches, foreign: denied.foreign() }
    }
}

/// Denies every call of an architecture.
fn nothing_of(arch: Arch, denied: Denied) -> ArchRules {
    let rule = |call: &Call| {
        let number = call.number(arch)?;
        Some((number, CallRule::Always(denied.known(call.name))))
    };
    ArchRules { calls: Call::all().iter().filter_map(rule).collect(), unknown: denied.unknown() }
}

fn allowed(entry: &Entry, denied: Denied) -> CallRule {
    if entry.rules.is_empty() {
        return CallRule::Always(Action::Allow);
    }
    let rules = entry.rules.iter().map(|rule| (rule.clone(), Action::Allow)).collect();
    CallRule::Arguments { rules, otherwise: denied.arguments() }
}
