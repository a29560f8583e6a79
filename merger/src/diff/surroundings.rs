//! Changes of the evidence beside the calls: programs, files, addresses, decisions.
//!
//! Files are compared by directory: a new kind of access there is a widening, a further name a
//! change, unless it looks made up: temporary names and process numbers differ from run to run.

use super::{Area, Change, Label};
use crate::{capabilities::capabilities as capabilities_of, names::pattern, words};
use model::{
    Access, Policy, Text,
    policy::{EvidenceKind, FileEntry},
    trace::{Address, EndpointOperation},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn changes(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = programs(old, new);
    // A policy of analyses alone says nothing of files and addresses.
    let has_runs =
        |policy: &Policy| policy.evidence.values().any(|piece| piece.kind == EvidenceKind::Trace);
    if has_runs(old) && has_runs(new) {
        changes.extend(files(old, new));
        changes.extend(endpoints(old, new));
    }
    changes.extend(capabilities(old, new));
    changes.extend(decisions(old, new));
    changes
}

/// What `emit capabilities` suggests.
fn capabilities(old: &Policy, new: &Policy) -> Vec<Change> {
    let (before, now) = (capabilities_of(old), capabilities_of(new));
    let mut changes = Vec::new();
    for (name, reasons) in now.iter().filter(|(name, _)| !before.contains_key(*name)) {
        let what = "may be needed, and was not before".to_owned();
        let change = change(Label::Widened, Area::Capability, name.clone(), what);
        changes.push(Change { risky: true, because: Vec::from_iter(reasons.clone()), ..change });
    }
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        let what = "no longer needed".to_owned();
        changes.push(change(Label::Narrowed, Area::Capability, name.clone(), what));
    }
    changes
}

fn change(label: Label, area: Area, subject: String, what: String) -> Change {
    Change { label, risky: false, area, subject, group: None, what, because: Vec::new() }
}

fn programs(old: &Policy, new: &Policy) -> Vec<Change> {
    let executed = |policy: &Policy| -> BTreeMap<Text, BTreeSet<String>> {
        let programs = policy.programs.iter().filter(|(_, identity)| identity.executed);
        programs.map(|(path, identity)| (path.clone(), identity.versions.clone())).collect()
    };
    let (before, now) = (executed(old), executed(new));
    let mut changes = Vec::new();
    for (path, versions) in &now {
        match before.get(path) {
            None => {
                let what = "executed, and was not before".to_owned();
                changes.push(change(Label::Widened, Area::Program, path.to_string(), what));
            }
            Some(known) if known != versions && !known.is_empty() && !versions.is_empty() => {
                let what = "another version of the file".to_owned();
                changes.push(change(Label::Changed, Area::Program, path.to_string(), what));
            }
            Some(_) => {}
        }
    }
    for path in before.keys().filter(|path| !now.contains_key(*path)) {
        let what = "no longer executed".to_owned();
        changes.push(change(Label::Narrowed, Area::Program, path.to_string(), what));
    }
    changes
}

/// By directory and access: the names, and who used them.
type Uses<'a> = BTreeMap<(Text, Access), (BTreeSet<Text>, BTreeSet<&'a Text>)>;

fn uses(policy: &Policy) -> Uses<'_> {
    let mut uses = Uses::new();
    for (path, FileEntry { done, programs, .. }) in &policy.files {
        // Asking about a file and finding it give nothing away that the names do not.
        let counts = |access: &&Access| !matches!(access, Access::Metadata | Access::Locate);
        for access in done.iter().filter(counts) {
            let (directory, name) = split(path);
            let (names, users) = uses.entry((directory, *access)).or_default();
            names.insert(name);
            users.extend(programs);
        }
    }
    uses
}

fn split(path: &Text) -> (Text, Text) {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    // Every process has a directory of its own there.
    let directory = match bytes[..end].strip_prefix(b"/proc/") {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_digit) => b"/proc/PID/".to_vec(),
        _ => bytes[..end].to_vec(),
    };
    (Text::from(directory), Text::from(&bytes[end..]))
}

fn files(old: &Policy, new: &Policy) -> Vec<Change> {
    let (before, now) = (uses(old), uses(new));
    let mut changes = by_directory(&before, &now, Label::Widened);
    changes.extend(by_directory(&now, &before, Label::Narrowed));
    changes.extend(further_names(&before, &now));
    changes
}

/// Names in directories where such accesses were made before.
fn further_names(before: &Uses<'_>, now: &Uses<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((directory, access), (names, users)) in now {
        let Some((known, _)) = before.get(&(directory.clone(), *access)) else { continue };
        let pattern_of = |name: &Text| pattern(&name.to_string());
        let patterns: BTreeSet<String> = known.iter().map(pattern_of).collect();
        let further: BTreeSet<&Text> =
            names.iter().filter(|name| !patterns.contains(&pattern_of(name))).collect();
        if further.is_empty() {
            continue;
        }
        let what = format!("{access} of further names: {}", listed(&further));
        let mut change = change(Label::Changed, Area::File, directory.to_string(), what);
        change.because = vec![format!("by {}", listed(users))];
        changes.push(change);
    }
    changes
}

/// What `now` does in a directory that `before` does not do there.
fn by_directory(before: &Uses<'_>, now: &Uses<'_>, label: Label) -> Vec<Change> {
    let mut found = BTreeMap::<&Text, (BTreeSet<Access>, BTreeSet<&Text>, BTreeSet<&Text>)>::new();
    for (key, (names, users)) in now.iter().filter(|(key, _)| !before.contains_key(key)) {
        let (accesses, all_names, all_users) = found.entry(&key.0).or_default();
        accesses.insert(key.1);
        all_names.extend(names);
        all_users.extend(users.iter().copied());
    }
    found
        .into_iter()
        .map(|(directory, (accesses, names, users))| {
            let words: Vec<&str> = accesses.iter().map(|access| access.slug()).collect();
            let no_longer = if label == Label::Narrowed { "no longer " } else { "" };
            let what = format!("{no_longer}{}: {}", words.join(", "), listed(&names));
            let mut change = change(label, Area::File, directory.to_string(), what);
            change.because = vec![format!("by {}", listed(&users))];
            change.risky = label == Label::Widened
                && accesses.iter().any(|access| changes_files(*access))
                && guarded(directory);
            change
        })
        .collect()
}

/// Three of them, and how many more.
fn listed(names: &BTreeSet<&Text>) -> String {
    words::some(names.iter(), 3)
}

fn changes_files(access: Access) -> bool {
    !matches!(
        access,
        Access::Read
            | Access::List
            | Access::Locate
            | Access::Execute
            | Access::ReadLink
            | Access::Metadata
            | Access::Enter
            | Access::Watch
    )
}

/// Where a change reaches other programs and users.
fn guarded(directory: &Text) -> bool {
    const GUARDED: [&[u8]; 9] = [
        b"/etc/",
        b"/usr/",
        b"/bin/",
        b"/sbin/",
        b"/lib",
        b"/boot/",
        b"/proc/sys/",
        b"/sys/",
        b"/root/.",
    ];
    GUARDED.iter().any(|prefix| directory.as_bytes().starts_with(prefix))
}

fn endpoints(old: &Policy, new: &Policy) -> Vec<Change> {
    let (before, now) = (addresses(old), addresses(new));
    let mut changes = Vec::new();
    let list = |from: &Addresses, to: &Addresses, label: Label, changes: &mut Vec<Change>| {
        for ((operation, subject), users) in to.iter().filter(|(key, _)| !from.contains_key(key)) {
            let verb = words::operation(*operation);
            let no_longer = if label == Label::Narrowed { "no longer " } else { "" };
            let what = format!("{no_longer}{verb}");
            let mut change = change(label, Area::Endpoint, subject.clone(), what);
            change.because = vec![format!("by {}", listed(&users.iter().collect()))];
            changes.push(change);
        }
    };
    list(&before, &now, Label::Widened, &mut changes);
    list(&now, &before, Label::Narrowed, &mut changes);
    changes
}

type Addresses = BTreeMap<(EndpointOperation, String), BTreeSet<Text>>;

/// Addresses as far as they are the same in each run: ports that the kernel hands out are not.
fn addresses(policy: &Policy) -> Addresses {
    let mut found = Addresses::new();
    for (operation, entries) in &policy.endpoints {
        for entry in entries {
            let subject = match &entry.address {
                Address::Inet { port, .. } => {
                    let protocol = match entry.socket.as_deref() {
                        Some("stream") => "tcp",
                        Some("datagram") => "udp",
                        _ => "port",
                    };
                    // The range from which Linux takes the clients' own ports.
                    if *port >= 32768 {
                        format!("{protocol}:any")
                    } else {
                        format!("{protocol}:{port}")
                    }
                }
                Address::Unix { path, .. } => format!("unix:{path}"),
                Address::Abstract { name } if name.is_empty() => "unix:@any".to_owned(),
                Address::Abstract { name } => format!("unix:@{name}"),
                Address::Netlink { .. } => "netlink".to_owned(),
                Address::Other { family } => format!("family {family}"),
            };
            found.entry((*operation, subject)).or_default().extend(entry.programs.iter().cloned());
        }
    }
    found
}

fn decisions(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    for (subject, decision) in &new.decisions {
        if old.decisions.get(subject) != Some(decision) {
            let verdict = words::verdict(decision.verdict);
            let what = format!("{verdict} by decision: {}", decision.reason);
            changes.push(change(Label::Changed, Area::Decision, subject.to_string(), what));
        }
    }
    for (subject, decision) in &old.decisions {
        if !new.decisions.contains_key(subject) {
            let verdict = words::verdict(decision.verdict);
            let what = format!("the decision is gone by which it was {verdict}");
            changes.push(change(Label::Changed, Area::Decision, subject.to_string(), what));
        }
    }
    if old.settings != new.settings {
        let show = |policy: &Policy| {
            let settings = policy.settings;
            format!(
                "{}, {}",
                words::strategy(settings.strategy),
                words::rules_for(settings.arguments)
            )
        };
        let what = format!("{} -> {}", show(old), show(new));
        changes.push(change(Label::Changed, Area::Decision, "settings".to_owned(), what));
    }
    changes
}
