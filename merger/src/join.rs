//! The union of two policies. Where both say something of one thing, the answer does not depend
//! on which of them came first.

use model::{
    Arguments, CapabilityRecord, Checked, Decision, Policy, Rule, Subject, Sysno, Text,
    analysis::Phase,
    policy::{
        EndpointEntry, Entry, Evidence, FileEntry, Observed, Origins, Predicted, ProgramIdentity,
    },
    trace::Site,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, btree_map},
};

/// Adds what `other` says to `policy`.
pub(crate) fn join(policy: &mut Policy, other: Policy) {
    let Policy {
        schema: _,
        settings: _,
        evidence,
        programs,
        decisions,
        calls,
        // Nothing is withheld before there are settings.
        withheld: _,
        files,
        endpoints,
        confinement,
    } = other;
    for (id, piece) in evidence {
        match policy.evidence.entry(id) {
            btree_map::Entry::Vacant(free) => {
                free.insert(piece);
            }
            btree_map::Entry::Occupied(mut known) => join_evidence(known.get_mut(), piece),
        }
    }
    for (path, identity) in programs {
        let ProgramIdentity { versions, executed, write_and_execute, opens } = identity;
        let known = policy.programs.entry(path).or_default();
        known.versions.extend(versions);
        known.executed |= executed;
        known.write_and_execute |= write_and_execute;
        known.opens.extend(opens);
    }
    for (subject, new) in decisions {
        decision(&mut policy.decisions, subject, new);
    }
    for (sysno, new) in calls {
        entry(&mut policy.calls, sysno, new);
    }
    self::files(&mut policy.files, files);
    for (operation, entries) in endpoints {
        let known = policy.endpoints.entry(operation).or_default();
        for new in entries {
            endpoint(known, new);
        }
    }
    for (path, kept) in confinement {
        policy.confinement.entry(path).or_default().join(kept);
    }
}

/// Adds a decision. Of two the smaller counts: a denial before an allowance.
pub(crate) fn decision(
    decisions: &mut BTreeMap<Subject, Decision>,
    subject: Subject,
    new: Decision,
) {
    match decisions.entry(subject) {
        btree_map::Entry::Vacant(free) => {
            free.insert(new);
        }
        btree_map::Entry::Occupied(mut known) => {
            if new < *known.get() {
                known.insert(new);
            }
        }
    }
}

/// Adds what was done to files. Of one run they may be a hundred thousand, which are taken as they are.
pub(crate) fn files(known: &mut BTreeMap<Text, FileEntry>, mut new: BTreeMap<Text, FileEntry>) {
    if known.is_empty() {
        new.values_mut().for_each(settle);
        *known = new;
        return;
    }
    for (path, new) in new {
        file(known, path, new);
    }
}

/// Adds what was done to a file.
pub(crate) fn file(files: &mut BTreeMap<Text, FileEntry>, path: Text, mut new: FileEntry) {
    match files.entry(path) {
        btree_map::Entry::Vacant(free) => {
            settle(&mut new);
            free.insert(new);
        }
        btree_map::Entry::Occupied(mut known) => join_file(known.get_mut(), new),
    }
}

/// Adds what else was done to one.
pub(crate) fn join_file(known: &mut FileEntry, new: FileEntry) {
    let FileEntry { done, tried, resolved, found, checks, moves, own, programs, runs } = new;
    known.own &= own;
    known.done.extend(&done);
    known.tried.extend(&tried);
    settle(known);
    known.resolved.extend(resolved);
    known.found.extend(&found);
    known.checks.extend(checks);
    known.moves.extend(moves);
    known.programs.join(&programs);
    known.runs.join(&runs);
}

/// What was done once was not only tried.
fn settle(file: &mut FileEntry) {
    file.tried = file.tried.without(file.done);
}

/// Adds the use of an address: of one address there is one entry.
pub(crate) fn endpoint(endpoints: &mut BTreeSet<EndpointEntry>, mut new: EndpointEntry) {
    let same = |known: &EndpointEntry| known.address == new.address && known.socket == new.socket;
    // Entries are ordered by address and socket first: those of the same stand together.
    let smallest = EndpointEntry {
        address: new.address.clone(),
        socket: new.socket.clone(),
        programs: BTreeSet::new(),
        runs: BTreeSet::new(),
    };
    let known: Vec<EndpointEntry> =
        endpoints.range(smallest..).take_while(|known| same(known)).cloned().collect();
    for known in known {
        endpoints.remove(&known);
        new.programs.extend(known.programs);
        new.runs.extend(known.runs);
    }
    endpoints.insert(new);
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
    origins(&mut known.origins, new.origins);
}

/// Adds reasons.
pub(crate) fn origins(known: &mut Origins, new: Origins) {
    let Origins { observed, predicted, variant, implied, runtime, decided } = new;
    both(&mut known.observed, observed, join_observed);
    both(&mut known.predicted, predicted, join_predicted);
    known.variant.extend(variant);
    // The texts differ only between versions of the table.
    both(&mut known.implied, implied, smaller);
    known.runtime.extend(runtime);
    both(&mut known.decided, decided, smaller);
}

fn both<T>(known: &mut Option<T>, new: Option<T>, join: impl FnOnce(&mut T, T)) {
    match (known.as_mut(), new) {
        (Some(known), Some(new)) => join(known, new),
        (None, new) => *known = new,
        (Some(_), None) => {}
    }
}

fn smaller<T: Ord>(known: &mut T, new: T) {
    if new < *known {
        *known = new;
    }
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
    known.checks.extend(new.checks);
    known.marks.extend(new.marks);
    known.arguments = match (known.arguments.take(), new.arguments) {
        (Some(one), Some(two)) => join_arguments(one, two),
        // Without a record of them the arguments may have been any.
        _ => None,
    };
    for (path, site) in new.programs {
        let kept = known.programs.entry(path).or_default();
        *kept = match (kept.take(), site) {
            (Some(one), Some(two)) => Some(if by_place(&one, &two).is_le() { one } else { two }),
            (one, two) => one.or(two),
        };
    }
}

/// Two versions of the table may name different arguments: then none is known of all runs.
fn join_arguments(mut one: Arguments, two: Arguments) -> Option<Arguments> {
    (one.names == two.names).then(|| {
        one.join(&two);
        one
    })
}

fn join_predicted(known: &mut Predicted, new: Predicted) {
    let Predicted { analyses, programs, phase, chain, arguments } = new;
    known.analyses.extend(analyses);
    for (path, layer) in programs {
        known.programs.entry(path).and_modify(|known| smaller(known, layer)).or_insert(layer);
    }
    if known.phase != phase {
        known.phase = Phase::Both;
    }
    if (chain.len(), &chain) < (known.chain.len(), &known.chain) {
        known.chain = chain;
    }
    // A parameter counts as known only when every analysis knows it.
    known.arguments.retain(|name, values| {
        let Some(more) = arguments.get(name) else { return false };
        values.extend(more);
        values.len() <= Predicted::BOUND
    });
}

/// The order of sites, by place; of two records of one place, the one that names it is first.
fn by_place(one: &Site, two: &Site) -> Ordering {
    let key = |site: &Site| (site.symbol.is_none(), site.symbol.clone());
    (&one.module, one.offset).cmp(&(&two.module, two.offset)).then_with(|| key(one).cmp(&key(two)))
}

/// Two records of one id are the same run, unless one was changed by hand: then what either says
/// was missed counts, and of the command the smaller.
fn join_evidence(known: &mut Evidence, new: Evidence) {
    let Evidence { kind, command, gaps, places, single, unseen, capabilities } = new;
    known.gaps.extend(gaps);
    known.capabilities = match (known.capabilities.take(), capabilities) {
        (Some(one), Some(two)) => Some(join_capabilities(one, two)),
        (one, two) => one.or(two),
    };
    known.single &= single;
    known.unseen.extend(unseen);
    if (&kind, &command, &places) < (&known.kind, &known.command, &known.places) {
        known.kind = kind;
        known.command = command;
        known.places = places;
    }
}

fn join_capabilities(mut known: CapabilityRecord, new: CapabilityRecord) -> CapabilityRecord {
    let CapabilityRecord { checked, lost, unmeasured, confirmed } = new;
    for (name, Checked { granted, denied }) in checked {
        let known = known.checked.entry(name).or_default();
        known.granted = known.granted.max(granted);
        known.denied = known.denied.max(denied);
    }
    known.lost = known.lost.max(lost);
    known.unmeasured = known.unmeasured.max(unmeasured);
    for (name, confirmed) in confirmed {
        match known.confirmed.get_mut(&name) {
            Some(known) if *known >= confirmed => {}
            _ => drop(known.confirmed.insert(name, confirmed)),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Arch, ArgCmp, CmpOp, Text};

    fn site(module: &str, offset: u64, symbol: Option<&str>) -> Site {
        Site { module: Text::from(module), offset, symbol: symbol.map(str::to_owned) }
    }

    fn observed(site: Option<Site>) -> Entry {
        let observed = Observed {
            runs: BTreeSet::from(["1".to_owned()]),
            programs: BTreeMap::from([(Text::from("/bin/a"), site)]),
            ..Observed::default()
        };
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
