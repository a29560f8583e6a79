//! Actions and their numbers: what a runtime refuses, and what a caller makes of the answer.

use super::{Finding, Subject, finding, some_of};
use crate::read::{Answer, Entry, Kind};
use filter::Action;
use model::{errno::ENOSYS, fallback};
use std::collections::BTreeMap;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let profile = subject.profile;
    answer(&profile.default, None, found);
    for entry in &profile.entries {
        answer(&entry.answer, Some(entry), found);
    }
    if matches!(profile.default.kind, Kind::Allow | Kind::Log) {
        let message = "list what the program needs, and deny the rest";
        found.extend(finding("default-allow", None, Vec::new(), message));
    }
    if !profile.flags.is_empty() {
        let message = format!("runc 1.1 and older refuse flags: {}", some_of(&profile.flags));
        found.extend(finding("old-runc-flags", None, Vec::new(), message));
    }
    notify(subject, found);
    redundant(subject, found);
    fallbacks(subject, found);
}

fn answer(answer: &Answer, entry: Option<&Entry>, found: &mut Vec<Finding>) {
    const MAX_ERRNO: u64 = 4095;
    let names = entry.map(|entry| entry.names.clone()).unwrap_or_default();
    let Some(number) = answer.errno else { return };
    if !matches!(answer.kind, Kind::Errno | Kind::Trace) {
        let message = format!("error {number} beside an action that returns none");
        found.extend(finding("errno-without-error", entry, names, message));
    } else if answer.kind == Kind::Errno && !(1..=MAX_ERRNO).contains(&number) {
        found.extend(finding("errno-range", entry, names, format!("there is no error {number}")));
    }
}

fn notify(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let profile = subject.profile;
    if profile.default.kind == Kind::Notify {
        let message = "runc and youki refuse NOTIFY as defaultAction";
        found.extend(finding("notify-default", None, Vec::new(), message));
    }
    let notifying = |entry: &&Entry| entry.answer.kind == Kind::Notify;
    for entry in profile.entries.iter().filter(notifying) {
        if profile.listener_path.as_ref().is_none_or(String::is_empty) {
            let message = "there is no listenerPath, so nobody would answer";
            found.extend(finding(
                "notify-without-listener",
                Some(entry),
                entry.names.clone(),
                message,
            ));
        }
        if entry.names.iter().any(|name| name == "write") {
            let names = vec!["write".to_owned()];
            let message = "runc and youki refuse NOTIFY on write";
            found.extend(finding("notify-write", Some(entry), names, message));
        }
    }
}

/// Entries that do what the default does.
fn redundant(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let default = subject.profile.default.action();
    for entry in &subject.entries {
        if entry.answer.action() == default {
            let message = format!("the default is {default} too");
            found.extend(finding("redundant-entry", Some(entry), entry.names.clone(), message));
        }
    }
}

/// Calls that are denied, and whose callers take another way only after ENOSYS. By entry, since a
/// profile denies many of them at once.
fn fallbacks(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let Some(lowered) = &subject.lowered else { return };
    let mut denied: BTreeMap<(Option<usize>, Action), Vec<String>> = BTreeMap::new();
    for (name, _) in fallback::all() {
        let Some(sysno) = subject.sysno(name) else { continue };
        let Some((action, position)) = lowered.only_answer(sysno) else { continue };
        let fails = match action {
            Action::Errno(number) => number != ENOSYS,
            Action::KillProcess | Action::KillThread | Action::Trap(_) => true,
            _ => false,
        };
        if fails {
            denied.entry((position, action)).or_default().push(name.to_owned());
        }
    }
    for ((position, action), names) in denied {
        let message = match names.as_slice() {
            [name] => {
                let reason = fallback::reason(name).unwrap_or_default();
                format!("{name} gets {action}: {reason}")
            }
            _ => format!("these get {action}, and their callers need ENOSYS: {}", some_of(&names)),
        };
        let entry = position.and_then(|position| subject.profile.entries.get(position));
        found.extend(finding("eperm-for-enosys", entry, names, message));
    }
}
