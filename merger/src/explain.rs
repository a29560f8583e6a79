//! Why something is allowed, withheld or absent: the answer to `profgen explain`.

use model::{
    Call, Policy, Protocol, Subject, Sysno, Text, Words,
    policy::{
        ArgumentRules, EndpointEntry, Entry, EvidenceKind, FileEntry, Observed, Origins, Predicted,
    },
    trace::{Address, Site},
};
use std::collections::BTreeSet;

/// What a policy says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether there is evidence for it in the policy, allowed or withheld.
    pub known: bool,
    /// The text, a line each; what belongs to the line above is indented by two more spaces.
    pub lines: Vec<String>,
}

/// Finds the source line of a call site, where there is one: `open.c:41`.
pub type SourceOf<'a> = &'a dyn Fn(&Site) -> Option<String>;

/// Explains a subject.
pub fn explain(policy: &Policy, subject: &Subject, source: SourceOf<'_>) -> Explanation {
    let mut lines = Vec::new();
    match subject {
        Subject::Call { .. } => calls(policy, subject, source, &mut lines),
        Subject::Path(path) => {
            files(policy, path, &mut lines);
            holders(policy, path, &mut lines);
        }
        Subject::Port { protocol, port } => ports(policy, *protocol, *port, &mut lines),
        Subject::Capability(name) => {
            for (_, reasons) in
                crate::capabilities::capabilities(policy).iter().filter(|(known, _)| *known == name)
            {
                lines.push(format!("{name} may be needed"));
                lines.extend(reasons.iter().map(|reason| format!("  {reason}")));
            }
        }
    }
    if let Some(decision) = policy.decisions.get(subject)
        && !matches!(subject, Subject::Call { .. })
    {
        let verdict = crate::words::verdict(decision.verdict);
        lines.push(format!("{subject} is {verdict} by decision: {}", decision.reason));
    }
    let known = !lines.is_empty();
    if !known {
        lines.push(absent(policy, subject));
    }
    Explanation { known, lines }
}

fn calls(policy: &Policy, subject: &Subject, source: SourceOf<'_>, lines: &mut Vec<String>) {
    for (sysno, entry) in policy.calls.iter().filter(|(sysno, _)| subject.is_call(**sysno)) {
        lines.push(format!("{sysno} is allowed on {}{}", sysno.arch(), group(*sysno)));
        origins(policy, *sysno, &entry.origins, source, lines);
        rules(policy, *sysno, entry, lines);
    }
    for (sysno, withheld) in policy.withheld.iter().filter(|(sysno, _)| subject.is_call(**sysno)) {
        lines.push(format!("{sysno} is withheld on {}{}", sysno.arch(), group(*sysno)));
        lines.push(format!("  because: {}", withheld.reason));
        origins(policy, *sysno, &withheld.origins, source, lines);
    }
}

fn group(sysno: Sysno) -> String {
    sysno.call().map_or_else(String::new, |call| {
        format!(" (group {}: {})", call.group, call.group.reason())
    })
}

fn origins(
    policy: &Policy,
    sysno: Sysno,
    origins: &Origins,
    source: SourceOf<'_>,
    lines: &mut Vec<String>,
) {
    let Origins { observed, predicted, variant, implied, runtime, decided } = origins;
    if let Some(reason) = decided {
        lines.push(format!("  decided: {reason}"));
    }
    if let Some(observed) = observed {
        observation(policy, sysno, observed, source, lines);
    }
    if let Some(predicted) = predicted {
        prediction(sysno, predicted, lines);
    }
    if !variant.is_empty() {
        let names = crate::words::names(variant);
        lines.push(format!("  variant: another libc may make it instead of {names}"));
    }
    if let Some(reason) = implied {
        lines.push(format!("  implied: {reason}"));
    }
    if !runtime.is_empty() {
        let names = crate::words::names(runtime);
        lines.push(format!("  runtime: {names} need it to start the program"));
    }
}

fn observation(
    policy: &Policy,
    sysno: Sysno,
    observed: &Observed,
    source: SourceOf<'_>,
    lines: &mut Vec<String>,
) {
    lines.push(format!("  observed in {}", of_runs(policy, &observed.runs)));
    for (program, site) in &observed.programs {
        let place = site.as_ref().map_or_else(String::new, |site| {
            let symbol =
                site.symbol.as_ref().map_or_else(String::new, |symbol| format!(" ({symbol})"));
            let line = source(site).map_or_else(String::new, |line| format!(" at {line}"));
            format!(", first from {}+{:#x}{symbol}{line}", site.module, site.offset)
        });
        lines.push(format!("    by {program}{place}"));
    }
    if let Some(arguments) = &observed.arguments {
        let rows = arguments.values.iter().map(|row| {
            let values = arguments.names.iter().zip(row);
            let shown = values.map(|(name, value)| crate::words::argument(sysno, name, *value));
            shown.collect::<Vec<_>>().join(" ")
        });
        let mut shown: Vec<String> = rows.collect();
        if arguments.many {
            shown.push("and others, more than are kept".to_owned());
        }
        lines.push(format!("    with {}", shown.join("; ")));
    }
}

fn prediction(sysno: Sysno, predicted: &Predicted, lines: &mut Vec<String>) {
    let phase = crate::words::phase(predicted.phase);
    lines.push(format!("  predicted: code can make it {phase}"));
    for (program, layer) in &predicted.programs {
        lines.push(format!("    in {program}, layer {}", layer.as_str()));
    }
    if !predicted.chain.is_empty() {
        lines.push(format!("    by {}", predicted.chain.join(" -> ")));
    }
    for (name, values) in &predicted.arguments {
        let values: Vec<String> =
            values.iter().map(|value| crate::words::argument(sysno, name, *value)).collect();
        lines.push(format!("    always with {}", values.join(" or ")));
    }
}

fn rules(policy: &Policy, sysno: Sysno, entry: &Entry, lines: &mut Vec<String>) {
    if entry.rules.is_empty() {
        let decides =
            sysno.call().is_some_and(|call| call.params.iter().any(|p| p.kind.is_value()));
        if decides && policy.settings.arguments != ArgumentRules::None {
            lines.push("  rule: any arguments".to_owned());
        }
        return;
    }
    for rule in &entry.rules {
        lines.push(format!("  rule: only if {}", crate::words::rule(sysno, rule)));
    }
    if let Some(predicted) = &entry.origins.predicted {
        for (name, value) in beyond(sysno.call(), entry, predicted) {
            let value = crate::words::argument(sysno, name, value);
            lines.push(format!("  withheld: predicted with {value}, which no rule allows"));
        }
    }
}

/// Predicted values of single parameters that no rule allows.
fn beyond<'a>(
    call: Option<&'static Call>,
    entry: &Entry,
    predicted: &'a Predicted,
) -> Vec<(&'a str, u64)> {
    let mut found = Vec::new();
    for (name, values) in &predicted.arguments {
        let at = call.and_then(|call| call.params.iter().position(|param| param.name == *name));
        let Some(at) = at else { continue };
        let compared = |value: u64| {
            let mut comparisons = entry.rules.iter().flat_map(|rule| rule.comparisons());
            let mut args = [0; 6];
            args[at] = value;
            let on_it = |c: &&model::ArgCmp| usize::from(c.index()) == at;
            comparisons.clone().any(|c| on_it(&c))
                && !comparisons.any(|c| on_it(&c) && c.matches(&args))
        };
        found.extend(values.iter().filter(|value| compared(**value)).map(|v| (name.as_str(), *v)));
    }
    found
}

/// `2 of 3 runs: 0123456789abcdef (gzip -k notes.txt), ...`
fn of_runs(policy: &Policy, runs: &BTreeSet<String>) -> String {
    let traces = || policy.evidence.values().filter(|piece| piece.kind == EvidenceKind::Trace);
    let all = traces().count().max(runs.len());
    let named = runs.iter().take(3).map(|run| match policy.evidence.get(run) {
        Some(piece) => format!("{run} ({})", crate::words::command(&piece.command)),
        None => run.clone(),
    });
    let more = if runs.len() > 3 { ", ..." } else { "" };
    let noun = if all == 1 { "run" } else { "runs" };
    format!("{} of {all} {noun}: {}{more}", runs.len(), named.collect::<Vec<_>>().join(", "))
}

fn files(policy: &Policy, path: &Text, lines: &mut Vec<String>) {
    let about = |(name, entry): &(&Text, &FileEntry)| {
        *name == path || entry.resolved.contains(path) || stands_for(name, path)
    };
    for (name, entry) in policy.files.iter().filter(about) {
        let also = if name == path { String::new() } else { format!(" (as {name})") };
        lines.push(format!("{path} was used{also} in {}", of_runs(policy, &entry.runs)));
        let words = |accesses: &Words<model::Access>| {
            accesses.iter().map(|access| access.slug()).collect::<Vec<_>>().join(", ")
        };
        if !entry.done.is_empty() {
            lines.push(format!("  done: {}", words(&entry.done)));
        }
        if !entry.tried.is_empty() {
            lines.push(format!("  tried, and failed each time: {}", words(&entry.tried)));
        }
        for target in &entry.resolved {
            lines.push(format!("  led to {target}"));
        }
        for program in &entry.programs {
            lines.push(format!("  by {program}"));
        }
    }
}

/// The programs whose code holds a path, and the rules of Landlock that are about it.
fn holders(policy: &Policy, path: &Text, lines: &mut Vec<String>) {
    for (program, identity) in &policy.programs {
        if identity.opens.contains(path) {
            lines.push(format!("{path} is among the paths that the code of {program} holds"));
        }
    }
    let landlock = crate::paths::landlock(policy, crate::paths::PathOptions::default());
    for (place, rule) in &landlock.rules {
        let values = place.variable.as_ref().map(|name| landlock.variables.get(name));
        let at: Vec<Text> = match values {
            None => vec![place.path.clone()],
            Some(values) => values.into_iter().flatten().map(|value| place.below(value)).collect(),
        };
        let reaches = |at: &Text| {
            let rest = path.as_bytes().strip_prefix(at.as_bytes());
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(b"/") || at.as_bytes() == b"/"
            })
        };
        if at.iter().any(reaches) {
            let rights: Vec<&str> = rule.rights.iter().map(|right| right.name()).collect();
            lines.push(format!("the rule on {place} grants {}", rights.join(", ")));
        }
    }
}

/// Whether a record of siblings, `/tmp/*`, stands for this path too.
fn stands_for(record: &Text, path: &Text) -> bool {
    record.as_bytes().strip_suffix(b"*").is_some_and(|directory| {
        directory.ends_with(b"/")
            && path.as_bytes().strip_prefix(directory).is_some_and(|name| !name.contains(&b'/'))
    })
}

fn ports(policy: &Policy, protocol: Protocol, wanted: u16, lines: &mut Vec<String>) {
    let type_of = match protocol {
        Protocol::Tcp => "stream",
        Protocol::Udp => "datagram",
    };
    for (operation, entries) in &policy.endpoints {
        for EndpointEntry { address, socket, programs, runs } in entries {
            let Address::Inet { host, port } = address else { continue };
            let fits = socket.as_deref().is_none_or(|socket| socket == type_of);
            if *port != wanted || !fits {
                continue;
            }
            let verb = crate::words::operation(*operation);
            let runs = of_runs(policy, runs);
            lines.push(format!("{}:{wanted} was {verb} as {host} in {runs}", protocol.as_str()));
            lines.extend(programs.iter().map(|program| format!("  by {program}")));
        }
    }
}

fn absent(policy: &Policy, subject: &Subject) -> String {
    let analysed = policy.evidence.values().any(|piece| piece.kind == EvidenceKind::Analysis);
    match subject {
        Subject::Call { .. } if analysed => {
            format!("{subject} is denied: no run made it, and no code that was analysed reaches it")
        }
        Subject::Call { .. } => {
            format!("{subject} is denied: no run made it, and no code was analysed")
        }
        _ => format!("{subject} is not in the policy: no run used it"),
    }
}
