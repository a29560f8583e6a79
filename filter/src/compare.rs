//! What two rulesets do differently, call by call and action by action.

use crate::{
    Action, CallRule, Relation, Ruleset, data,
    region::{Region, TooMuch, Work},
};
use model::{Arch, Sysno};
use std::collections::{BTreeMap, BTreeSet};

/// What changed from one ruleset to another. What did not is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How much is allowed: whether the second ruleset lets more calls be made.
    pub relation: Relation,
    /// The calls that one of the rulesets has a rule for.
    pub calls: BTreeMap<Sysno, CallChange>,
    /// What all other numbers of an architecture got and get.
    pub others: BTreeMap<Arch, (Action, Action)>,
    /// What architectures got and get that neither ruleset lists.
    pub foreign: Option<(Action, Action)>,
}

/// What changed for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// With how many arguments the call is made, logged or not.
    pub allowed: Relation,
    /// From what to what, each with arguments for which that is so. Empty when that is not known.
    pub shifts: Vec<Shift>,
}

/// Calls that got one action and now get another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shift {
    /// The action before.
    pub from: Action,
    /// The action now.
    pub to: Action,
    /// Arguments for which it changed so.
    pub example: [u64; 6],
}

/// Compares what two rulesets do with every call of every architecture that one of them lists.
pub fn compare(old: &Ruleset, new: &Ruleset) -> Comparison {
    let mut calls = BTreeMap::new();
    let mut others = BTreeMap::new();
    let mut relation = Relation::Equal;
    let listed: BTreeSet<Arch> = old.arches.keys().chain(new.arches.keys()).copied().collect();
    let with_x32 = listed.contains(&Arch::X86_64).then_some(Arch::X32);
    for arch in listed.iter().copied().chain(with_x32).collect::<BTreeSet<Arch>>() {
        let (from, to) = (other(old, arch), other(new, arch));
        for sysno in named(old, arch).chain(named(new, arch)).collect::<BTreeSet<Sysno>>() {
            let (before, now) = (rule(old, sysno), rule(new, sysno));
            // What all other numbers get, this one need not be named for.
            if (&before, &now) == (&CallRule::Always(from), &CallRule::Always(to)) {
                continue;
            }
            if let Some(change) = compare_calls(arch, &before, &now) {
                relation = relation.and(change.allowed);
                calls.insert(sysno, change);
            }
        }
        if from != to {
            relation = relation.and(of_actions(from, to));
            others.insert(arch, (from, to));
        }
    }
    let foreign = (old.foreign != new.foreign).then_some((old.foreign, new.foreign));
    if let Some((from, to)) = foreign {
        relation = relation.and(of_actions(from, to));
    }
    Comparison { relation, calls, others, foreign }
}

/// What changed for one call; `None` when nothing did.
pub fn compare_calls(arch: Arch, old: &CallRule, new: &CallRule) -> Option<CallChange> {
    if old == new {
        return None;
    }
    let unknown = CallChange { allowed: Relation::Unknown, shifts: Vec::new() };
    match shifts(arch, old, new, &mut Work::new(Work::USUAL)) {
        Ok(shifts) if shifts.is_empty() => None,
        Ok(shifts) => {
            let lost = shifts.iter().any(|shift| is_made(shift.from) && !is_made(shift.to));
            let gained = shifts.iter().any(|shift| !is_made(shift.from) && is_made(shift.to));
            Some(CallChange { allowed: Relation::of(Some(lost), Some(gained)), shifts })
        }
        Err(TooMuch) => Some(unknown),
    }
}

/// Whether the call is made.
fn is_made(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log)
}

fn of_actions(from: Action, to: Action) -> Relation {
    Relation::of(Some(is_made(from) && !is_made(to)), Some(!is_made(from) && is_made(to)))
}

fn shifts(
    arch: Arch,
    old: &CallRule,
    new: &CallRule,
    work: &mut Work,
) -> Result<Vec<Shift>, TooMuch> {
    let (old, new) = (by_action(arch, old, work)?, by_action(arch, new, work)?);
    let mut shifts = Vec::new();
    for (from, before) in &old {
        for (to, now) in new.iter().filter(|(to, _)| *to != from) {
            if let Some(example) = before.and(now, work)?.some() {
                shifts.push(Shift { from: *from, to: *to, example });
            }
        }
    }
    Ok(shifts)
}

/// For which arguments a call gets each action.
fn by_action(
    arch: Arch,
    rule: &CallRule,
    work: &mut Work,
) -> Result<BTreeMap<Action, Region>, TooMuch> {
    let max = if data::is_64bit(arch.audit()) { u64::MAX } else { u64::from(u32::MAX) };
    let mut left = Region::all(max);
    let mut regions: BTreeMap<Action, Region> = BTreeMap::new();
    let last = match rule {
        CallRule::Always(action) => *action,
        CallRule::Arguments { rules, otherwise } => {
            for (rule, action) in rules {
                let matching = Region::of(rule, max);
                regions.entry(*action).or_default().add(left.and(&matching, work)?);
                left = left.without(&matching, work)?;
            }
            *otherwise
        }
    };
    regions.entry(last).or_default().add(left);
    Ok(regions)
}

/// The calls of an architecture that have a rule. Negative numbers are no calls.
fn named(ruleset: &Ruleset, arch: Arch) -> impl Iterator<Item = Sysno> {
    let own = ruleset.arches.get(&arch).into_iter().flat_map(|rules| rules.calls.keys().copied());
    own.filter(|number| *number < 1 << 31).map(move |number| Sysno::new(arch, number))
}

fn rule(ruleset: &Ruleset, sysno: Sysno) -> CallRule {
    let rules = ruleset.arches.get(&sysno.arch());
    match rules.and_then(|rules| rules.calls.get(&sysno.number())) {
        Some(rule) => rule.clone(),
        None => CallRule::Always(other(ruleset, sysno.arch())),
    }
}

/// What a number gets that has no rule of its own.
fn other(ruleset: &Ruleset, arch: Arch) -> Action {
    match ruleset.arches.get(&arch) {
        Some(rules) => rules.unknown,
        None => ruleset.unlisted(arch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArchRules;
    use model::{ArgCmp, CmpOp, Rule};

    fn ruleset(calls: &[(u32, CallRule)]) -> Ruleset {
        let rules =
            ArchRules { calls: calls.iter().cloned().collect(), unknown: Action::Errno(38) };
        Ruleset { arches: [(Arch::X86_64, rules)].into(), foreign: Action::KillProcess }
    }

    fn only(op: CmpOp, value: u64) -> CallRule {
        let rule = Rule::new(vec![ArgCmp::new(0, op, value).unwrap()]).unwrap();
        CallRule::Arguments { rules: vec![(rule, Action::Allow)], otherwise: Action::Errno(1) }
    }

    #[test]
    fn what_is_written_otherwise_but_does_the_same_did_not_change() {
        let explicit =
            ruleset(&[(300, CallRule::Always(Action::Errno(38))), (1, only(CmpOp::Lt, 1))]);
        let implicit = ruleset(&[(1, only(CmpOp::Eq, 0))]);
        let comparison = compare(&explicit, &implicit);
        assert_eq!(comparison.relation, Relation::Equal);
        assert!(comparison.calls.is_empty() && comparison.others.is_empty());
    }

    #[test]
    fn each_change_names_its_actions_and_an_example() {
        let old = ruleset(&[(0, CallRule::Always(Action::Allow)), (1, only(CmpOp::Eq, 5))]);
        let new = ruleset(&[(0, CallRule::Always(Action::Log)), (1, only(CmpOp::Le, 5))]);
        let comparison = compare(&old, &new);
        assert_eq!(comparison.relation, Relation::Wider);
        let of = |number| &comparison.calls[&Sysno::new(Arch::X86_64, number)];
        assert_eq!(of(0).allowed, Relation::Equal);
        assert_eq!(of(0).shifts, [Shift { from: Action::Allow, to: Action::Log, example: [0; 6] }]);
        assert_eq!(of(1).allowed, Relation::Wider);
        assert_eq!(
            of(1).shifts,
            [Shift { from: Action::Errno(1), to: Action::Allow, example: [0; 6] }]
        );
    }

    #[test]
    fn an_architecture_that_is_dropped_takes_its_calls_with_it() {
        let mut old = ruleset(&[(0, CallRule::Always(Action::Allow))]);
        let new = old.clone();
        let rules = ArchRules {
            calls: [(3, CallRule::Always(Action::Allow))].into(),
            unknown: Action::Errno(38),
        };
        old.arches.insert(Arch::I386, rules);
        let comparison = compare(&old, &new);
        assert_eq!(comparison.relation, Relation::Narrower);
        assert_eq!(comparison.calls[&Sysno::new(Arch::I386, 3)].shifts[0].to, Action::KillProcess);
        assert_eq!(
            comparison.others,
            [(Arch::I386, (Action::Errno(38), Action::KillProcess))].into()
        );
    }
}
