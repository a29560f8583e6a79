//! Changes of what is allowed: calls, their arguments, architectures and defaults.

use super::{Area, Change, Label, Side};
use crate::words;
use filter::{Action, CallChange, Comparison, Relation};
use model::{
    Policy, Sysno,
    policy::{Entry, Origins},
};

pub(super) fn changes(comparison: &Comparison, old: &Side<'_>, new: &Side<'_>) -> Vec<Change> {
    let mut changes: Vec<Change> =
        comparison.calls.iter().map(|(sysno, change)| call(*sysno, change, old, new)).collect();
    for (arch, (from, to)) in &comparison.others {
        let what = format!("all other calls: {} -> {}", answer(*from), answer(*to));
        changes.push(default(arch.name().to_owned(), what, *from, *to));
    }
    if let Some((from, to)) = comparison.foreign {
        let what = format!("calls of other architectures: {} -> {}", answer(from), answer(to));
        changes.push(default("default".to_owned(), what, from, to));
    }
    changes
}

fn default(subject: String, what: String, from: Action, to: Action) -> Change {
    let label = match (made(from), made(to)) {
        (false, true) => Label::Widened,
        (true, false) => Label::Narrowed,
        _ => Label::Changed,
    };
    let risky = label == Label::Widened;
    Change { label, risky, area: Area::Default, subject, group: None, what, because: Vec::new() }
}

fn made(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log)
}

fn call(sysno: Sysno, change: &CallChange, old: &Side<'_>, new: &Side<'_>) -> Change {
    let label = match change.allowed {
        Relation::Wider => Label::Widened,
        Relation::Narrower => Label::Narrowed,
        // More here and less there is more: somebody has to look.
        Relation::Incomparable => Label::Widened,
        Relation::Equal | Relation::Unknown => Label::Changed,
    };
    let group = sysno.call().map(|call| call.group);
    let because = match label {
        Label::Widened => brought(sysno, old.policy, new.policy),
        Label::Narrowed => taken(sysno, old.policy, new.policy),
        Label::Changed => Vec::new(),
    };
    Change {
        label,
        // What no table knows is looked at twice.
        risky: group.is_none_or(|group| group.sensitive()),
        area: Area::Call,
        subject: format!("{sysno:#}"),
        group: group.map(|group| group.slug()),
        what: what(sysno, change, new.policy),
        because,
    }
}

fn what(sysno: Sysno, change: &CallChange, new: Option<&Policy>) -> String {
    let gained = change.shifts.iter().find(|shift| !made(shift.from) && made(shift.to));
    let lost = change.shifts.iter().find(|shift| made(shift.from) && !made(shift.to));
    // Whether arguments play a part: then some calls keep what they got.
    let partly = change.shifts.len() > 1
        || new.and_then(|policy| policy.calls.get(&sysno)).is_some_and(|e| !e.rules.is_empty());
    match (gained, lost) {
        (Some(gained), None) if partly => {
            format!("allowed with more arguments, such as {}", words::call(sysno, &gained.example))
        }
        (Some(gained), None) => format!("allowed; before: {}", answer(gained.from)),
        (None, Some(lost)) if partly => {
            format!("denied with more arguments, such as {}", words::call(sysno, &lost.example))
        }
        (None, Some(lost)) => format!("denied: {}", answer(lost.to)),
        (Some(gained), Some(lost)) => format!(
            "allowed with other arguments: with {}, and no longer with {}",
            words::call(sysno, &gained.example),
            words::call(sysno, &lost.example)
        ),
        (None, None) => match change.shifts.first() {
            Some(shift) => format!("{} -> {}", answer(shift.from), answer(shift.to)),
            None => "its rules are too many to compare".to_owned(),
        },
    }
}

fn answer(action: Action) -> String {
    match action {
        Action::Errno(number) => match model::errno::name(number.into()) {
            Some(name) => format!("fails with {name}"),
            None => format!("fails with error {number}"),
        },
        Action::Allow => "allowed".to_owned(),
        Action::Log => "allowed and logged".to_owned(),
        Action::Trap(_) => "raises SIGSYS".to_owned(),
        Action::KillThread => "kills the thread".to_owned(),
        Action::KillProcess => "kills the process".to_owned(),
        Action::Trace(_) => "asks a tracer".to_owned(),
        Action::UserNotif => "asks a supervisor".to_owned(),
    }
}

/// What brought a call in.
fn brought(sysno: Sysno, old: Option<&Policy>, new: Option<&Policy>) -> Vec<String> {
    let Some(entry) = new.and_then(|policy| policy.calls.get(&sysno)) else { return Vec::new() };
    let mut because = Vec::new();
    if let Some(withheld) = old.and_then(|policy| policy.withheld.get(&sysno)) {
        because.push(format!("it was withheld: {}", withheld.reason));
    }
    because.extend(reasons(entry));
    because
}

/// The reasons of an entry, each with the place that is the best lead.
fn reasons(entry: &Entry) -> Vec<String> {
    let Origins { observed, predicted, variant, implied, runtime, decided } = &entry.origins;
    let mut reasons = Vec::new();
    if let Some(observed) = observed {
        for (program, site) in &observed.programs {
            let place = site.as_ref().map_or_else(String::new, |site| {
                let symbol = site.symbol.as_deref().unwrap_or("");
                let via = if symbol.is_empty() { String::new() } else { format!(" via {symbol}") };
                format!(" in {}{via}", site.module.base_name())
            });
            reasons.push(format!("observed: {program}{place}"));
        }
    }
    if let Some(predicted) = predicted {
        let programs: Vec<String> =
            predicted.programs.keys().map(|path| path.base_name().into_owned()).collect();
        reasons.push(format!("predicted in {}: {}", programs.join(", "), lead(&predicted.chain)));
    }
    if !variant.is_empty() {
        let names = Vec::from_iter(variant.iter().map(String::as_str)).join(", ");
        reasons.push(format!("variant of {names}"));
    }
    reasons.extend(implied.iter().map(|reason| format!("implied: {reason}")));
    if !runtime.is_empty() {
        let names = Vec::from_iter(runtime.iter().map(String::as_str)).join(", ");
        reasons.push(format!("runtime: {names}"));
    }
    reasons.extend(decided.iter().map(|reason| format!("decided: {reason}")));
    reasons
}

/// A chain of calls, its middle left out where it is long.
fn lead(chain: &[String]) -> String {
    match chain {
        [] => "no chain".to_owned(),
        [first, second, .., third, last] if chain.len() > 6 => {
            format!("{first} -> {second} -> ... -> {third} -> {last}")
        }
        _ => chain.join(" -> "),
    }
}

/// What a call was allowed for that is denied now.
fn taken(sysno: Sysno, old: Option<&Policy>, new: Option<&Policy>) -> Vec<String> {
    if let Some(withheld) = new.and_then(|policy| policy.withheld.get(&sysno)) {
        return vec![format!("withheld: {}", withheld.reason)];
    }
    let entry = old.and_then(|policy| policy.calls.get(&sysno));
    let reasons = entry.map(reasons).unwrap_or_default();
    reasons.into_iter().map(|reason| format!("it was {reason}")).collect()
}
