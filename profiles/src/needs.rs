//! What a profile by names has to allow: the policy, which tells architectures apart, together
//! with the calls of the container runtime, folded into one set of names.

use crate::{Options, runtime};
use filter::{Contained, contains};
use model::{Arch, Policy, Rule, Sysno, policy::Entry};
use std::collections::{BTreeMap, BTreeSet};

/// Whose need a call is, the strongest reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Runs of the program made it.
    Observed,
    /// Code of the program can reach it.
    Predicted,
    /// A person decided it.
    Decided,
    /// The next libc may make it instead of an observed one.
    Variant,
    /// The kernel or the vDSO makes it.
    Implied,
    /// The container runtime makes it.
    Runtime,
}

/// With which arguments a call is allowed, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// With any.
    Any(Need),
    /// With those that satisfy one of the rules.
    If(BTreeMap<Rule, Need>),
}

impl Allowed {
    fn new(need: Need, rules: &BTreeSet<Rule>) -> Allowed {
        if rules.is_empty() {
            Allowed::Any(need)
        } else {
            Allowed::If(rules.iter().map(|rule| (rule.clone(), need)).collect())
        }
    }

    /// Any arguments swallow rules, as they do in libseccomp, which must never see both.
    fn add(&mut self, other: Allowed) {
        match (&mut *self, other) {
            (Allowed::Any(known), Allowed::Any(new)) => *known = new.min(*known),
            (Allowed::Any(_), Allowed::If(_)) => {}
            (Allowed::If(_), any @ Allowed::Any(_)) => *self = any,
            (Allowed::If(known), Allowed::If(new)) => {
                for (rule, need) in new {
                    let kept = known.entry(rule).or_insert(need);
                    *kept = need.min(*kept);
                }
                drop_covered(known);
            }
        }
    }

    /// Whether `self` allows all that `other` does, rule by rule.
    fn covers(&self, other: &Allowed) -> bool {
        match (self, other) {
            (Allowed::Any(_), _) => true,
            (Allowed::If(_), Allowed::Any(_)) => false,
            (Allowed::If(own), Allowed::If(other)) => {
                other.keys().all(|rule| own.keys().any(|wide| covers(wide, rule)))
            }
        }
    }
}

/// Leaves out rules that another one makes needless: they would never decide.
fn drop_covered(rules: &mut BTreeMap<Rule, Need>) {
    let all: Vec<Rule> = rules.keys().cloned().collect();
    // Of two that mean the same, the first stays.
    let goes = |rule: &Rule, wide: &Rule| {
        wide != rule && covers(wide, rule) && (wide < rule || !covers(rule, wide))
    };
    rules.retain(|rule, _| !all.iter().any(|wide| goes(rule, wide)));
}

fn covers(wide: &Rule, narrow: &Rule) -> bool {
    let set = |rule: &Rule| BTreeSet::from([rule.clone()]);
    wide == narrow || contains(&set(wide), &set(narrow)) == Contained::Yes
}

/// The calls that a profile allows, by name.
pub(crate) struct Needs {
    /// The architectures for which it holds.
    pub(crate) arches: BTreeSet<Arch>,
    /// The allowed calls.
    pub(crate) calls: BTreeMap<&'static str, Allowed>,
    /// What the folding widened, and what has no name.
    pub(crate) notes: Vec<String>,
}

type ByArch = BTreeMap<Arch, BTreeMap<&'static str, Allowed>>;

/// What `policy` and the runtimes of `options` need.
pub(crate) fn needs(policy: &Policy, options: &Options) -> Needs {
    let mut notes = Vec::new();
    let mut by_arch = ByArch::new();
    let mut nameless = Vec::new();
    for (sysno, entry) in &policy.calls {
        let calls = by_arch.entry(sysno.arch()).or_default();
        match sysno.name() {
            Some(name) => add(calls, name, Allowed::new(need(entry), &entry.rules)),
            None => nameless.push(format!("{} {}", sysno.arch(), sysno.label())),
        }
    }
    if !nameless.is_empty() {
        notes.push(format!(
            "calls without a name cannot be written in this format and stay denied: {}",
            nameless.join(", ")
        ));
    }
    if !by_arch.is_empty() && !options.runtimes.is_empty() {
        add_runtimes(&mut by_arch, options, &mut notes);
    }

    let mut calls = BTreeMap::new();
    for (name, allowed) in by_arch.values().flatten() {
        add(&mut calls, name, allowed.clone());
    }
    notes.extend(by_arch.iter().filter_map(|(arch, own)| widened(*arch, own, &calls)));
    Needs { arches: by_arch.into_keys().collect(), calls, notes }
}

fn add(calls: &mut BTreeMap<&'static str, Allowed>, name: &'static str, allowed: Allowed) {
    match calls.get_mut(name) {
        Some(known) => known.add(allowed),
        None => {
            calls.insert(name, allowed);
        }
    }
}

fn need(entry: &Entry) -> Need {
    let origins = &entry.origins;
    if origins.observed.is_some() {
        Need::Observed
    } else if origins.predicted.is_some() {
        Need::Predicted
    } else if origins.decided.is_some() {
        Need::Decided
    } else if !origins.variant.is_empty() {
        Need::Variant
    } else if origins.implied.is_some() {
        Need::Implied
    } else if !origins.runtime.is_empty() {
        Need::Runtime
    } else {
        // Written by hand, for the program.
        Need::Observed
    }
}

/// The runtime is a program of the host, and makes its calls by the host's architectures.
fn add_runtimes(by_arch: &mut ByArch, options: &Options, notes: &mut Vec<String>) {
    let arches: BTreeSet<Arch> = by_arch.keys().copied().collect();
    let hosts: BTreeSet<Arch> = arches.iter().map(|arch| host(*arch, &arches)).collect();
    for host in &hosts {
        if !arches.contains(host) {
            notes.push(format!("{host} is listed for the calls of the container runtime"));
        }
        let own = by_arch.entry(*host).or_default();
        let before = own.clone();
        for row in runtime::rows() {
            if options.runtimes.iter().any(|target| row.applies(target))
                && row.sysno(*host).is_some()
            {
                add(own, row.call, Allowed::new(Need::Runtime, &row.rules(*host)));
            }
        }
        let lifted: Vec<&str> = before
            .iter()
            .filter(|(name, allowed)| matches!(allowed, Allowed::If(_)) && own[*name] != **allowed)
            .map(|(name, _)| *name)
            .collect();
        if !lifted.is_empty() {
            notes.push(format!(
                "the container runtime needs other arguments than the program, so these rules are wider: {}",
                lifted.join(", ")
            ));
        }
    }
}

/// The architecture of the runtime that starts programs of `arch`.
fn host(arch: Arch, listed: &BTreeSet<Arch>) -> Arch {
    match arch {
        Arch::I386 | Arch::X32 => Arch::X86_64,
        // An ARM profile may be for a 32-bit machine, unless it has 64-bit calls too.
        Arch::Arm if listed.contains(&Arch::Aarch64) => Arch::Aarch64,
        other => other,
    }
}

/// What `arch` may do only because the profile names calls for all architectures at once.
fn widened(
    arch: Arch,
    own: &BTreeMap<&'static str, Allowed>,
    all: &BTreeMap<&'static str, Allowed>,
) -> Option<String> {
    let more: Vec<&str> = all
        .iter()
        .filter(|(name, allowed)| {
            let exists = Sysno::from_name(arch, name).is_some();
            exists && !own.get(*name).is_some_and(|own| own.covers(allowed))
        })
        .map(|(name, _)| *name)
        .collect();
    (!more.is_empty()).then(|| {
        format!(
            "{arch} also allows what only another architecture needs, for this format cannot tell them \
             apart: {}",
            more.join(", ")
        )
    })
}
