//! What the profile allows that it should not, and denies that it should not.

use super::{Finding, Subject, finding, some_of};
use crate::runtime::{self, Runtime};
use filter::Action;
use model::{Call, Group};
use std::{collections::BTreeMap, sync::LazyLock};

const DANGEROUS: &str = include_str!("../../data/dangerous.tsv");
const NEEDED: &str = include_str!("../../data/needed.tsv");

/// By call: whether its power does not lie in its arguments, and what it gives.
fn dangerous() -> &'static BTreeMap<&'static str, (bool, &'static str)> {
    static ROWS: LazyLock<BTreeMap<&str, (bool, &str)>> =
        LazyLock::new(|| lines(DANGEROUS).skip(1).filter_map(dangerous_row).collect());
    &ROWS
}

fn dangerous_row(line: &'static str) -> Option<(&'static str, (bool, &'static str))> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [call, weight, reason] = fields[..] else { return None };
    let much = match weight {
        "much" => true,
        "some" => false,
        _ => return None,
    };
    Some((call, (much, reason)))
}

/// The calls of which one is needed, and for what.
fn needed() -> impl Iterator<Item = (Vec<&'static str>, &'static str)> {
    lines(NEEDED).filter_map(|line| {
        let (calls, reason) = line.split_once('\t')?;
        Some((calls.split(' ').collect(), reason))
    })
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let Some(lowered) = &subject.lowered else { return };
    let (mut ring, mut by_default) = (Vec::new(), Vec::new());
    for call in Call::all() {
        let Some(sysno) = subject.sysno(call.name) else { continue };
        if !lowered.is_always(sysno, Action::Allow) {
            continue;
        }
        if call.group == Group::Ring {
            ring.push(call.name.to_owned());
            continue;
        }
        let (much, reason) = match dangerous().get(call.name) {
            Some(row) => *row,
            None if call.group.sensitive() => (true, call.group.reason()),
            None => continue,
        };
        let position = lowered.only_answer(sysno).and_then(|(_, position)| position);
        let entry = position.and_then(|position| subject.profile.entries.get(position));
        if entry.is_none() {
            // All at once: nobody named them one by one.
            by_default.extend(much.then(|| call.name.to_owned()));
            continue;
        }
        let id = if much { "dangerous-call" } else { "unrestricted-call" };
        let message = format!("{}: {reason}", call.name);
        found.extend(finding(id, entry, vec![call.name.to_owned()], message));
    }
    if !by_default.is_empty() {
        let message = format!("by default: {}", some_of(&by_default));
        found.extend(finding("dangerous-call", None, by_default, message));
    }
    if !ring.is_empty() {
        let message = format!("{} allowed", some_of(&ring));
        found.extend(finding("io-uring", None, ring, message));
    }
    writable_code(subject, found);
    needs(subject, found);
}

/// A note, never more: which programs compile at run time, a profile does not say, and the generated
/// profile of one that does allows it rightly.
fn writable_code(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    /// `PROT_READ | PROT_WRITE | PROT_EXEC`.
    const ALL: u64 = 7;
    let Some(lowered) = &subject.lowered else { return };
    let open = |name: &&str| {
        subject.sysno(name).is_some_and(|sysno| {
            lowered.verdict(sysno, [0, 0, ALL, 0, 0, 0]).action == Action::Allow
        })
    };
    let names: Vec<String> = ["mmap", "mprotect", "pkey_mprotect"]
        .iter()
        .filter(|name| open(name))
        .map(|name| (*name).to_owned())
        .collect();
    if !names.is_empty() {
        let message = format!("{} with PROT_WRITE and PROT_EXEC", some_of(&names));
        found.extend(finding("writable-code", None, names, message));
    }
}

fn needs(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let Some(lowered) = &subject.lowered else { return };
    let denied = |name: &str| {
        subject.sysno(name).is_some_and(|sysno| {
            !lowered.may(sysno, Action::Allow) && !lowered.may(sysno, Action::Log)
        })
    };
    for (calls, reason) in needed() {
        let exist = calls.iter().filter(|name| subject.sysno(name).is_some());
        if exist.clone().count() > 0 && exist.clone().all(|name| denied(name)) {
            let names: Vec<String> = exist.map(|name| (*name).to_owned()).collect();
            let message = format!("{} denied: {reason}", names.join(" and "));
            found.extend(finding("needed-call", None, names, message));
        }
    }
    let target = Runtime::Runc.into();
    let measured = |row: &&runtime::Row| row.applies(&target) && row.source.starts_with("strace");
    let names: Vec<String> = runtime::rows()
        .iter()
        .filter(measured)
        .filter(|row| denied(row.call))
        .map(|row| row.call.to_owned())
        .collect();
    if !names.is_empty() {
        found.extend(finding(
            "runtime-call",
            None,
            names.clone(),
            format!("denied: {}", some_of(&names)),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_name_known_calls() {
        for line in lines(DANGEROUS).skip(1) {
            let row = dangerous_row(line);
            assert!(row.is_some_and(|(call, _)| Call::by_name(call).is_some()), "{line}");
        }
        for (calls, reason) in needed() {
            assert!(calls.iter().all(|call| Call::by_name(call).is_some()), "{calls:?}");
            assert!(!reason.is_empty());
        }
        assert_eq!(needed().count(), lines(NEEDED).count());
    }

    #[test]
    fn what_gives_an_attacker_much_stands_in_a_sensitive_group() {
        for (call, (much, _)) in dangerous() {
            assert_eq!(Call::by_name(call).unwrap().group.sensitive(), *much, "{call}");
        }
    }
}
