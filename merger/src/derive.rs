//! What follows from the observed calls: calls of the same power, which a libc upgrade swaps one
//! for the other, and calls that are made without a call site.
//!
//! With argument rules the question is how much a variant would open:
//! * The observed call takes any argument. A variant of the same power takes any argument too, also
//!   where it was itself observed with rules. A wider one (clone3 for fork: its flags lie in memory,
//!   where no filter sees them) is still allowed, for without it the next libc breaks the program;
//!   the table says that it is wider. It stands in only where there is no evidence of its own: a
//!   wider variant never lifts the rules of an observed call.
//! * The observed call has rules. A variant of the same power that has the compared parameters in the
//!   same places takes the rules over; any other would undo the rules and is not added.

use crate::join;
use model::{
    Policy, Rule, Sysno,
    implied::implied,
    policy::{Entry, Origins},
    variant::{Variant, variants_of},
};
use std::collections::{BTreeMap, BTreeSet};

/// Takes back what was derived, and with it the entries that have no other reason.
pub(crate) fn withdraw(policy: &mut Policy) {
    policy.calls.retain(|_, entry| {
        entry.origins.variant.clear();
        entry.origins.implied = None;
        has_evidence(entry)
    });
}

/// Adds what follows from the observed calls of a policy without derived entries.
pub(crate) fn derive(policy: &mut Policy) {
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

/// The entries that follow from the observed ones.
fn follows(policy: &Policy) -> BTreeMap<Sysno, Entry> {
    let mut derived = BTreeMap::new();
    let mut arches = BTreeSet::new();
    for (sysno, entry) in &policy.calls {
        if entry.origins.observed.is_none() {
            continue;
        }
        arches.insert(sysno.arch());
        for variant in variants_of(*sysno) {
            let rules = match policy.calls.get(&variant.sysno) {
                Some(known) if variant.wider => Some(known.rules.clone()),
                _ => carried(*sysno, &entry.rules, &variant),
            };
            if let Some(rules) = rules {
                let variant_of = BTreeSet::from([sysno.label().into_owned()]);
                let origins = Origins { variant: variant_of, ..Origins::default() };
                join::entry(&mut derived, variant.sysno, Entry { origins, rules });
            }
        }
    }
    for (sysno, reason) in arches.into_iter().flat_map(implied) {
        let origins = Origins { implied: Some(reason.to_owned()), ..Origins::default() };
        // What the kernel or the vDSO does is not bound to arguments that the program used.
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

fn has_evidence(entry: &Entry) -> bool {
    entry.origins.observed.is_some() || !entry.origins.runtime.is_empty()
}

/// With which rules a variant of a call that is allowed with `rules` is allowed; `None`: not at all.
fn carried(of: Sysno, rules: &BTreeSet<Rule>, variant: &Variant) -> Option<BTreeSet<Rule>> {
    if rules.is_empty() {
        return Some(BTreeSet::new());
    }
    if variant.wider {
        return None;
    }
    let (of, to) = (of.call()?, variant.sysno.call()?);
    let same = |index: u8| {
        let index = usize::from(index);
        matches!((of.params.get(index), to.params.get(index)), (Some(a), Some(b)) if a == b)
    };
    let all_same =
        rules.iter().flat_map(|rule| rule.comparisons()).all(|comparison| same(comparison.index()));
    all_same.then(|| rules.clone())
}
