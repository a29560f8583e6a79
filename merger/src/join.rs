//! The union of two policies. Where both say something of one thing, the answer does not depend
//! on which of them came first.

use model::{
    Policy, Rule, Sysno,
    policy::{Entry, Evidence, Observed, Origins},
    trace::Site,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map},
};

/// Adds what `other` says to `policy`.
pub(crate) fn join(policy: &mut Policy, other: Policy) {
    let Policy { schema: _, evidence, programs, calls } = other;
    for (id, piece) in evidence {
        match policy.evidence.entry(id) {
            btree_map::Entry::Vacant(free) => {
                free.insert(piece);
            }
            btree_map::Entry::Occupied(mut known) => join_evidence(known.get_mut(), piece),
        }
    }
    for (path, identity) in programs {
        policy.programs.entry(path).or_default().versions.extend(identity.versions);
    }
    for (sysno, new) in calls {
        entry(&mut policy.calls, sysno, new);
    }
}

/// Adds one allowed call.
pub(crate) fn entry(calls: &mut BTreeMap<Sysno, Entry>, sysno: Sysno, new: Entry) {
    match calls.entry(sysno) {
        btree_map::Entry::Vacant(free) => {
            free.insert(new);
        }
        btree_map::Entry::Occupied(mut known) => join_entry(known.get_mut(), new),
    }
}

fn join_entry(known: &mut Entry, new: Entry) {
    rules(&mut known.rules, &new.rules);
    let Origins { observed, variant, implied, runtime } = new.origins;
    match (&mut known.origins.observed, observed) {
        (Some(known), Some(new)) => join_observed(known, new),
        (known @ None, new) => *known = new,
        (Some(_), None) => {}
    }
    known.origins.variant.extend(variant);
    // The texts differ only between versions of the table.
    known.origins.implied = match (known.origins.implied.take(), implied) {
        (Some(known), Some(new)) => Some(known.min(new)),
        (known, new) => known.or(new),
    };
    known.origins.runtime.extend(runtime);
}

/// Adds alternatives. No rule means any argument, which swallows every rule.
pub(crate) fn rules(known: &mut BTreeSet<Rule>, new: &BTreeSet<Rule>) {
    if known.is_empty() || new.is_empty() {
        known.clear();
    } else {
        known.extend(new.iter().cloned());
    }
}

fn join_observed(known: &mut Observed, new: Observed) {
    known.runs.extend(new.runs);
    for (path, site) in new.programs {
        let kept = known.programs.entry(path).or_default();
        *kept = match (kept.take(), site) {
            (Some(one), Some(two)) => Some(if by_place(&one, &two).is_le() { one } else { two }),
            (one, two) => one.or(two),
        };
    }
}

/// The order of sites, by place; of two records of one place, the one that names it is first.
fn by_place(one: &Site, two: &Site) -> Ordering {
    let key = |site: &Site| (site.symbol.is_none(), site.symbol.clone());
    (&one.module, one.offset).cmp(&(&two.module, two.offset)).then_with(|| key(one).cmp(&key(two)))
}

/// Two records of one id are the same run, unless one was changed by hand: then what either says
/// was missed counts, and of the command the smaller.
fn join_evidence(known: &mut Evidence, new: Evidence) {
    let Evidence { kind, command, gaps } = new;
    known.gaps.extend(gaps);
    if (&kind, &command) < (&known.kind, &known.command) {
        known.kind = kind;
        known.command = command;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Arch, ArgCmp, CmpOp, Text};

    fn site(module: &str, offset: u64, symbol: Option<&str>) -> Site {
        Site { module: Text::from(module), offset, symbol: symbol.map(str::to_owned) }
    }

    fn observed(site: Option<Site>) -> Entry {
        let programs = BTreeMap::from([(Text::from("/bin/a"), site)]);
        let observed = Observed { runs: BTreeSet::from(["1".to_owned()]), programs };
        Entry {
            origins: Origins { observed: Some(observed), ..Origins::default() },
            rules: BTreeSet::new(),
        }
    }

    fn joined(one: &Entry, two: &Entry) -> Entry {
        let mut calls = BTreeMap::new();
        let read = Sysno::new(Arch::X86_64, 0);
        entry(&mut calls, read, one.clone());
        entry(&mut calls, read, two.clone());
        calls.remove(&read).unwrap()
    }

    #[test]
    fn the_smallest_site_wins_and_a_named_one_of_the_same_place() {
        let nowhere = observed(None);
        let plain = observed(Some(site("/lib/libc.so", 16, None)));
        let named = observed(Some(site("/lib/libc.so", 16, Some("read+0x4"))));
        let later = observed(Some(site("/lib/libc.so", 32, Some("__read+0x4"))));
        for (one, two, wins) in [
            (&nowhere, &later, &later),
            (&plain, &named, &named),
            (&named, &later, &named),
            (&plain, &later, &plain),
        ] {
            assert_eq!(joined(one, two), *wins);
            assert_eq!(joined(two, one), *wins);
        }
    }

    #[test]
    fn any_argument_swallows_rules() {
        let rule = |value| Rule::new(vec![ArgCmp::new(0, CmpOp::Eq, value).unwrap()]).unwrap();
        let any = observed(None);
        let one = Entry { rules: BTreeSet::from([rule(1)]), ..any.clone() };
        let two = Entry { rules: BTreeSet::from([rule(2)]), ..any.clone() };
        assert_eq!(joined(&one, &two).rules, BTreeSet::from([rule(1), rule(2)]));
        assert_eq!(joined(&one, &any).rules, BTreeSet::new());
        assert_eq!(joined(&any, &one).rules, BTreeSet::new());
    }
}
