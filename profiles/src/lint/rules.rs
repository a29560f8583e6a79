//! The rules of one call against each other: swallowed, contradictory, without effect.

use super::{Finding, Subject, finding};
use crate::{lower::conditions, read::Entry};
use filter::{Action, Contained, contains_within, disjoint};
use model::{CmpOp, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// One rule as libseccomp gets it.
struct Made<'a> {
    entry: &'a Entry,
    condition: Option<Rule>,
    action: Action,
}

/// Beyond so many rules of a call they are no longer compared with each other.
const MANY: usize = 64;
/// How much work it may be to say that a rule is covered by others.
const WORK: u32 = 1 << 14;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let default = subject.profile.default.action();
    let mut calls: BTreeMap<&str, Vec<Made<'_>>> = BTreeMap::new();
    for entry in subject.entries.iter().filter(|entry| entry.answer.action() != default) {
        let Ok(conditions) = conditions(entry, subject.arch) else { continue };
        for name in &entry.names {
            let made = conditions.iter().map(|condition| Made {
                entry,
                condition: condition.clone(),
                action: entry.answer.action(),
            });
            calls.entry(name).or_default().extend(made);
        }
    }
    for (name, rules) in calls {
        let (always, conditional): (Vec<Made<'_>>, Vec<Made<'_>>) =
            rules.into_iter().partition(|rule| rule.condition.is_none());
        match always.first() {
            Some(first) => {
                swallowed(name, first, &conditional, found);
                twice(name, first, &always[1..], found);
            }
            None => {
                overlaps(name, &conditional[..conditional.len().min(MANY)], found);
                orders(name, &conditional, found);
            }
        }
    }
}

fn about(id: &str, entry: &Entry, name: &str, message: String) -> Option<Finding> {
    finding(id, Some(entry), vec![name.to_owned()], message)
}

fn swallowed(name: &str, by: &Made<'_>, rules: &[Made<'_>], found: &mut Vec<Finding>) {
    let entries: BTreeMap<usize, &Made<'_>> =
        rules.iter().map(|rule| (rule.entry.position, rule)).collect();
    for rule in entries.values() {
        let message = format!(
            "syscalls[{}] gives {} to {name} with any arguments, so this condition is dropped",
            by.entry.position, by.action
        );
        found.extend(about("swallowed-condition", rule.entry, name, message));
    }
}

fn twice(name: &str, first: &Made<'_>, others: &[Made<'_>], found: &mut Vec<Finding>) {
    for other in others {
        let place = first.entry.position;
        let (id, message) = if other.action == first.action {
            ("unreachable-rule", format!("syscalls[{place}] says the same of {name}"))
        } else {
            let message = format!(
                "syscalls[{place}] gives {} to {name}, and the first counts: {} is never given",
                first.action, other.action
            );
            ("contradictory-rules", message)
        };
        found.extend(about(id, other.entry, name, message));
    }
}

/// Conditional rules that earlier ones leave nothing to, or something that is not theirs alone.
fn overlaps(name: &str, rules: &[Made<'_>], found: &mut Vec<Finding>) {
    let mut reported: BTreeSet<usize> = BTreeSet::new();
    for (at, rule) in rules.iter().enumerate() {
        let Some(own) = &rule.condition else { continue };
        let earlier = || {
            rules[..at]
                .iter()
                .filter_map(|other| Some((other, other.condition.as_ref()?)))
                .filter(|(other, _)| other.entry.position != rule.entry.position)
        };
        let against = earlier()
            .filter(|(other, _)| other.action != rule.action)
            .find(|(_, condition)| may_both(condition, own));
        if let Some((other, _)) = against {
            if reported.insert(rule.entry.position) {
                let message = format!(
                    "some arguments of {name} match this rule and that of syscalls[{}], which gives {}",
                    other.entry.position, other.action
                );
                found.extend(about("contradictory-rules", rule.entry, name, message));
            }
            continue;
        }
        let same: BTreeSet<Rule> = earlier()
            .filter(|(other, _)| other.action == rule.action)
            .map(|(_, condition)| condition.clone())
            .collect();
        let covered = !same.is_empty()
            && contains_within(&same, &BTreeSet::from([own.clone()]), WORK) == Contained::Yes;
        if covered && reported.insert(rule.entry.position) {
            let message = format!("earlier rules of {name} match all that {own} does");
            found.extend(about("unreachable-rule", rule.entry, name, message));
        }
    }
}

/// Whether some arguments satisfy both rules.
fn may_both(one: &Rule, other: &Rule) -> bool {
    let (one, other) = (BTreeSet::from([one.clone()]), BTreeSet::from([other.clone()]));
    matches!(disjoint(&one, &other), Contained::No(_))
}

/// Pairs of rules that compare the same argument by order or as unequal.
fn orders(name: &str, rules: &[Made<'_>], found: &mut Vec<Finding>) {
    let mut first: BTreeMap<u8, usize> = BTreeMap::new();
    let mut reported: BTreeSet<(usize, u8)> = BTreeSet::new();
    for rule in rules {
        let comparisons = rule.condition.iter().flat_map(Rule::comparisons);
        let ordered = comparisons
            .filter(|one| !matches!(one.op(), CmpOp::Eq | CmpOp::MaskedEq))
            .map(|one| one.index());
        for index in ordered {
            let place = rule.entry.position;
            match first.get(&index) {
                None => {
                    first.insert(index, place);
                }
                Some(earlier) if reported.insert((place, index)) => {
                    let message = format!(
                        "it and syscalls[{earlier}] compare argument {index} of {name} by order or as \
                         unequal"
                    );
                    found.extend(about("order-comparisons", rule.entry, name, message));
                }
                Some(_) => {}
            }
        }
    }
}
