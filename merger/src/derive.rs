//! What follows from the allowed calls: calls of the same power, which a libc upgrade swaps one for
//! the other, calls that are made without a call site, and calls that a recording could not see. And
//! the rules on arguments, which decide how much a variant would open:
//!
//! * The call takes any argument. A variant of the same power takes any argument too, also where it
//!   has rules of its own. A wider one (clone for fork: its flags make namespaces too) is still
//!   allowed, for without it the next libc breaks the program, but only as far as it is harmless
//!   (see `argrule`), and not at all where no filter sees what makes it wider. It stands in only
//!   where there is no evidence of its own: a wider variant never lifts the rules of such a call.
//! * The call has rules. A variant of the same power that has the compared parameters in the same
//!   places takes the rules over; so does one that does what the call does with fixed arguments, if
//!   the rules allow these. Any other would undo the rules and is not added.

use crate::{argrule, join};
use model::{
    Call, Policy, Rule, Sysno,
    implied::implied,
    policy::{ArgumentRules, Entry, Origins},
    variant::{Variant, variants_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// Calls that are another one with fixed arguments: fork(2), vfork(2) in terms of clone(2).
const SPECIAL_FORMS: [(&str, &str, &str, u64); 2] = [
    ("fork", "clone", "flags", 0x11),    // SIGCHLD
    ("vfork", "clone", "flags", 0x4111), // CLONE_VM | CLONE_VFORK | SIGCHLD
];

/// Why a call is allowed of which nobody knows whether it was made.
const UNSEEN: &str =
    "the recorder could not see it: a container's runtime needs it before it hands over";

/// Adds the rules on arguments, and what follows from the allowed calls, to a policy without
/// either.
pub(crate) fn derive(policy: &mut Policy) {
    infer(policy);
    let mut derived = follows(policy);
    // Where a derived call is observed too, it may lift the rules there, and more follows from a
    // call without rules. To the end, so that merging the result again changes nothing.
    while lift(policy, &derived) {
        derived = follows(policy);
    }
    for (sysno, entry) in derived {
        join::entry(&mut policy.calls, sysno, entry);
    }
}

fn infer(policy: &mut Policy) {
    let write_and_execute = policy.programs.values().any(|program| program.write_and_execute);
    for (sysno, entry) in &mut policy.calls {
        entry.rules = argrule::infer(*sysno, &entry.origins, policy.settings, write_and_execute);
    }
}

/// The entries that follow from the allowed ones.
fn follows(policy: &Policy) -> BTreeMap<Sysno, Entry> {
    let ruled = policy.settings.arguments != ArgumentRules::None;
    let mut derived = BTreeMap::new();
    let mut arches = BTreeSet::new();
    for (sysno, entry) in &policy.calls {
        if entry.origins.observed.is_none() && entry.origins.predicted.is_none() {
            continue;
        }
        arches.insert(sysno.arch());
        for variant in variants_of(*sysno) {
            let rules = match policy.calls.get(&variant.sysno) {
                Some(known) if variant.wider => Some(known.rules.clone()),
                _ => carried(*sysno, &entry.rules, &variant, ruled),
            };
            if let Some(rules) = rules {
                let variant_of = BTreeSet::from([sysno.label().into_owned()]);
                let origins = Origins { variant: variant_of, ..Origins::default() };
                join::entry(&mut derived, variant.sysno, Entry { origins, rules });
            }
        }
    }
    let unseen = policy.evidence.values().flat_map(|evidence| &evidence.unseen);
    let unseen = unseen.map(|sysno| (*sysno, UNSEEN));
    // What the kernel or the vDSO does is not bound to arguments that the program used; of what was
    // not seen they are not known. The kernel's reason goes first: it holds for every run.
    let mut reasons: BTreeMap<Sysno, &str> = unseen.collect();
    reasons.extend(arches.into_iter().flat_map(implied));
    for (sysno, reason) in reasons {
        let origins = Origins { implied: Some(reason.to_owned()), ..Origins::default() };
        join::entry(&mut derived, sysno, Entry { origins, rules: BTreeSet::new() });
    }
    derived
}

/// Widens rules to those that derived entries of the same calls have. Says whether any changed.
fn lift(policy: &mut Policy, derived: &BTreeMap<Sysno, Entry>) -> bool {
    let mut changed = false;
    for (sysno, entry) in derived {
        if let Some(known) = policy.calls.get_mut(sysno) {
            let before = known.rules.clone();
            join::rules(&mut known.rules, &entry.rules);
            changed |= known.rules != before;
        }
    }
    changed
}

/// With which rules a variant of a call that is allowed with `rules` is allowed; `None`: not at all.
fn carried(
    of: Sysno,
    rules: &BTreeSet<Rule>,
    variant: &Variant,
    ruled: bool,
) -> Option<BTreeSet<Rule>> {
    let (call, to) = (of.call()?, variant.sysno.call()?);
    if rules.is_empty() {
        if !variant.wider || !ruled {
            return Some(BTreeSet::new());
        }
        return (!argrule::in_memory(variant.sysno)).then(|| argrule::harmless(variant.sysno));
    }
    if let Some(arguments) = fixed_arguments(call, to) {
        return rules.iter().any(|rule| rule.matches(&arguments)).then(BTreeSet::new);
    }
    if variant.wider {
        return None;
    }
    let same = |index: u8| {
        let index = usize::from(index);
        matches!((call.params.get(index), to.params.get(index)), (Some(a), Some(b)) if a == b)
    };
    let all_same =
        rules.iter().flat_map(|rule| rule.comparisons()).all(|comparison| same(comparison.index()));
    all_same.then(|| rules.clone())
}

/// The arguments with which `call` does what `form` does.
fn fixed_arguments(call: &Call, form: &Call) -> Option<[u64; 6]> {
    let (_, _, parameter, value) =
        SPECIAL_FORMS.iter().find(|(name, of, ..)| (*name, *of) == (form.name, call.name))?;
    let at = call.params.iter().position(|param| param.name == *parameter)?;
    let mut arguments = [0; 6];
    *arguments.get_mut(at)? = *value;
    Some(arguments)
}
