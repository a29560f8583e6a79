//! Changes of what is allowed: calls, their arguments, architectures and defaults.

use super::{Area, Change, Label, Side};
use crate::words;
use filter::{Action, CallChange, CallRule, Comparison, Relation};
use model::{
    Arch, Policy, Sysno,
    policy::{Entry, Origins},
};
use std::collections::BTreeMap;

pub(super) fn changes(comparison: &Comparison, old: &Side<'_>, new: &Side<'_>) -> Vec<Change> {
    let listed = |side: &Side<'_>, arch| side.ruleset.arches.contains_key(&arch);
    // Of an architecture that one side does not speak of, the calls are not told one by one.
    let whole = |arch: Arch| !listed(old, arch) || !listed(new, arch);
    let mut changes = Vec::new();
    let mut by_arch = BTreeMap::<Arch, Vec<&CallChange>>::new();
    for (sysno, change) in &comparison.calls {
        if whole(sysno.arch()) {
            by_arch.entry(sysno.arch()).or_default().push(change);
        } else {
            changes.push(call(*sysno, change, old, new));
        }
    }
    changes.extend(by_arch.iter().map(|(arch, calls)| architecture(*arch, calls)));
    for (arch, (from, to)) in comparison.others.iter().filter(|(arch, _)| !whole(**arch)) {
        let what = format!("all other calls: {} -> {}", answer(*from), answer(*to));
        changes.push(default(arch.name().to_owned(), what, *from, *to));
    }
    if let Some((from, to)) = comparison.foreign {
        let what = format!("calls of other architectures: {} -> {}", answer(from), answer(to));
        changes.push(default("default".to_owned(), what, from, to));
    }
    changes
}

/// An architecture that only one side speaks of.
fn architecture(arch: Arch, calls: &[&CallChange]) -> Change {
    let count = |relation| calls.iter().filter(|change| change.allowed == relation).count();
    let (more, less) = (count(Relation::Wider), count(Relation::Narrower));
    let (label, what) = match (more, less) {
        (0, 0) => (Label::Changed, "its calls are denied in another way".to_owned()),
        (0, less) => (Label::Narrowed, format!("{less} of its calls are no longer allowed")),
        (more, 0) => (Label::Widened, format!("{more} of its calls are allowed that were not")),
        (more, less) => (
            Label::Widened,
            format!("{more} of its calls are allowed that were not, {less} no longer"),
        ),
    };
    let subject = arch.name().to_owned();
    let risky = label == Label::Widened;
    Change { label, risky, area: Area::Default, subject, group: None, what, because: Vec::new() }
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
        risky: label == Label::Widened && group.is_none_or(|group| group.sensitive()),
        area: Area::Call,
        subject: format!("{sysno:#}"),
        group: group.map(|group| group.slug()),
        what: what(sysno, change, old, new),
        because,
    }
}

fn what(sysno: Sysno, change: &CallChange, old: &Side<'_>, new: &Side<'_>) -> String {
    let gained = change.shifts.iter().find(|shift| !made(shift.from) && made(shift.to));
    let lost = change.shifts.iter().find(|shift| made(shift.from) && !made(shift.to));
    let (before, now) = (by_arguments(sysno, old), by_arguments(sysno, new));
    match (gained, lost) {
        (Some(gained), None) if before || now => {
            let some = if before { "more" } else { "some" };
            let example = words::call(sysno, &gained.example);
            format!("allowed with {some} arguments, such as {example}")
        }
        (Some(gained), None) => format!("allowed; before: {}", answer(gained.from)),
        (None, Some(lost)) if now => {
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

/// Whether the arguments of a call decide what it gets.
fn by_arguments(sysno: Sysno, side: &Side<'_>) -> bool {
    let rules = side.ruleset.arches.get(&sysno.arch());
    let rule = rules.and_then(|rules| rules.calls.get(&sysno.number()));
    matches!(rule, Some(CallRule::Arguments { .. }))
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
        let names = words::names(variant);
        reasons.push(format!("variant of {names}"));
    }
    reasons.extend(implied.iter().map(|reason| format!("implied: {reason}")));
    if !runtime.is_empty() {
        let names = words::names(runtime);
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
