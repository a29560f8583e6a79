//! What follows from the observed calls: calls of the same power, which a libc upgrade swaps one
//! for the other, and calls that are made without a call site.
//!
//! With argument rules the question is how much a variant would open:
//! * The observed call takes any argument. A variant of the same power takes any argument too, also
//!   where it was itself observed with rules. A wider one (clone3 for fork: its flags lie in memory,
//!   where no filter sees them) is still allowed, for without it the next libc breaks the program;
//!   the table says that it is wider. It stands in only where there is no evidence of its own: a
//!   wider variant never lifts the rules of an observed call.
//! * The observed call has rules. A variant that takes the same arguments takes the rules over, one
//!   without arguments is allowed as it is; any other would undo the rules and is not added.

use crate::join;
use model::{
    Call, Policy, Rule, Sysno,
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
    let observed: Vec<(Sysno, BTreeSet<Rule>)> = policy
        .calls
        .iter()
        .filter(|(_, entry)| entry.origins.observed.is_some())
        .map(|(sysno, entry)| (*sysno, entry.rules.clone()))
        .collect();

    let mut derived = BTreeMap::new();
    for (sysno, rules) in &observed {
        for variant in variants_of(*sysno) {
            let Some(rules) = carried(*sysno, rules, &variant) else { continue };
            let rules = match policy.calls.get(&variant.sysno) {
                Some(known) if variant.wider => known.rules.clone(),
                _ => rules,
            };
            let variant_of = BTreeSet::from([sysno.label().into_owned()]);
            let origins = Origins { variant: variant_of, ..Origins::default() };
            join::entry(&mut derived, variant.sysno, Entry { origins, rules });
        }
    }
    let arches: BTreeSet<_> = observed.iter().map(|(sysno, _)| sysno.arch()).collect();
    for (sysno, reason) in arches.into_iter().flat_map(implied) {
        let origins = Origins { implied: Some(reason.to_owned()), ..Origins::default() };
        // What the kernel or the vDSO does is not bound to arguments that the program used.
        join::entry(&mut derived, sysno, Entry { origins, rules: BTreeSet::new() });
    }
    for (sysno, entry) in derived {
        join::entry(&mut policy.calls, sysno, entry);
    }
}

fn has_evidence(entry: &Entry) -> bool {
    entry.origins.observed.is_some() || !entry.origins.runtime.is_empty()
}

/// With which rules a variant of a call that is allowed with `rules` is allowed; `None`: not at all.
fn carried(of: Sysno, rules: &BTreeSet<Rule>, variant: &Variant) -> Option<BTreeSet<Rule>> {
    if rules.is_empty() {
        return Some(BTreeSet::new());
    }
    let name = |sysno: Sysno| sysno.name().and_then(Call::by_name);
    let (of, to) = (name(of)?, name(variant.sysno)?);
    if to.params.is_empty() {
        return Some(BTreeSet::new());
    }
    let same = |index: u8| {
        let index = usize::from(index);
        matches!((of.params.get(index), to.params.get(index)), (Some(a), Some(b)) if a == b)
    };
    let all_same =
        rules.iter().flat_map(|rule| rule.comparisons()).all(|comparison| same(comparison.index()));
    (all_same && !variant.wider).then(|| rules.clone())
}
