//! The least Linux capabilities under which what runs did goes on: which checks of the kernel they
//! passed only by one.

use crate::words::some;
use model::{
    Confirmed, Decision, Need, Policy, Subject, Text, Verdict,
    capability::Check,
    policy::{Evidence, EvidenceKind},
    trace::{Address, EndpointOperation},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many paths or ports a reason names.
const NAMED: usize = 3;
/// Ports below this one are reserved, where ip_unprivileged_port_start was not changed: ip(7).
const RESERVED: u16 = 1024;

/// The capabilities, by name, each with what asked for it.
pub fn capabilities(policy: &Policy) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let reasons = reasons(policy);
    // What several capabilities let pass takes none of its own where one of them is there anyway.
    let needed: BTreeSet<&str> = reasons
        .keys()
        .filter(|check| check.capabilities().len() == 1)
        .map(|check| check.capabilities()[0])
        .collect();
    for (check, reasons) in reasons {
        let mut either = check.capabilities().iter();
        let there = either.clone().find(|name| needed.contains(*name));
        if let Some(name) = there.or(either.next()) {
            found.entry((*name).to_owned()).or_default().extend(reasons);
        }
    }
    confirmed(policy, &mut found);
    for (subject, Decision { verdict, reason }) in &policy.decisions {
        let Subject::Capability(name) = subject else { continue };
        match verdict {
            Verdict::Deny => {
                found.remove(name);
            }
            Verdict::Allow => {
                found.entry(name.clone()).or_default().insert(format!("decided: {reason}"));
            }
        }
    }
    found
}

/// Takes in what came of running the commands without: what one run shows to be needed is, and what
/// each run shows not to be needed is not. A run that was not repeated shows nothing, and what it
/// passed stays.
fn confirmed(policy: &Policy, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let runs = || policy.evidence.values().filter(|evidence| evidence.kind == EvidenceKind::Trace);
    let findings = |evidence: &'_ Evidence| {
        evidence.capabilities.as_ref().map(|record| record.confirmed.clone()).unwrap_or_default()
    };
    let all_tried = runs().all(|evidence| !findings(evidence).is_empty());
    if all_tried {
        found.retain(|name, _| {
            let needs =
                |evidence: &Evidence| findings(evidence).get(name).map(|confirmed| confirmed.need);
            let mut needs = runs().map(needs);
            // One that no run suspected is there for several runs together.
            let nowhere = needs.clone().all(|need| need.is_none());
            nowhere || !needs.all(|need| need.is_none_or(|need| need == Need::NotNeeded))
        });
    }
    for (name, Confirmed { need, reason }) in runs().flat_map(findings) {
        match need {
            Need::Needed => {
                found.entry(name).or_default().insert(format!("confirmed: {reason}"));
            }
            Need::Unknown => {
                if let Some(reasons) = found.get_mut(&name) {
                    reasons.insert(format!("not confirmed: {reason}"));
                }
            }
            Need::NotNeeded => {}
        }
    }
    for record in runs().filter_map(|evidence| evidence.capabilities.as_ref()) {
        for (name, checked) in &record.checked {
            if let Some(reasons) = found.get_mut(name)
                && checked.granted > 0
            {
                reasons.insert("checked: the kernel was asked for it, and granted it".to_owned());
            }
        }
    }
}

/// By which calls and on which files each check was passed, as sentences.
fn reasons(policy: &Policy) -> BTreeMap<Check, BTreeSet<String>> {
    let mut reasons = BTreeMap::<Check, BTreeSet<String>>::new();
    let reserved = reserved(policy);
    for (sysno, entry) in &policy.calls {
        let Some(observed) = &entry.origins.observed else { continue };
        for check in &observed.checks {
            let what = match check {
                Check::Port if !reserved.is_empty() => {
                    format!(" ({})", some(reserved.iter(), NAMED))
                }
                _ => String::new(),
            };
            let why = format!("{}: {}{what}", sysno.label(), check.reason());
            reasons.entry(*check).or_default().insert(why);
        }
    }
    let mut paths = BTreeMap::<Check, BTreeSet<String>>::new();
    for (path, entry) in &policy.files {
        for check in &entry.checks {
            paths.entry(*check).or_default().insert(without_pid(path));
        }
    }
    for (check, paths) in paths {
        let why = format!("{}: {}", some(paths.iter(), NAMED), check.reason());
        reasons.entry(check).or_default().insert(why);
    }
    reasons
}

/// The path, with `PID` for the number of a process: the next run meets others.
fn without_pid(path: &Text) -> String {
    let text = path.to_string();
    let Some(rest) = text.strip_prefix("/proc/") else { return text };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { text } else { format!("/proc/PID{}", &rest[digits..]) }
}

/// The ports that runs bound and that a system reserves where nobody changed that.
fn reserved(policy: &Policy) -> BTreeSet<u16> {
    let bound = policy.endpoints.get(&EndpointOperation::Bind).into_iter().flatten();
    bound
        .filter_map(|entry| match entry.address {
            Address::Inet { port: port @ 1..RESERVED, .. } => Some(port),
            _ => None,
        })
        .collect()
}

/// What a list of capabilities leaves open.
pub fn notes(policy: &Policy) -> Vec<String> {
    let mut notes = vec![
        "a check that a run passed is not yet a need: try without, and decide (profgen decide \
         POLICY deny CAP_...)"
            .to_owned(),
    ];
    let passed = |check| {
        policy.calls.values().any(|entry| {
            entry.origins.observed.as_ref().is_some_and(|seen| seen.checks.contains(&check))
        })
    };
    let reserved = reserved(policy);
    if !reserved.is_empty() && !passed(Check::Port) {
        notes.push(format!(
            "no run needed CAP_NET_BIND_SERVICE to bind {}: where net.ipv4.ip_unprivileged_port_start \
             is {RESERVED}, it is needed",
            some(reserved.iter().map(|port| format!("port {port}")), NAMED)
        ));
    }
    notes
}
