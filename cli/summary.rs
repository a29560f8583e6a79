//! What is said after a recording: what was seen, where the files are, what to do next.

use crate::{arguments::TraceArguments, exit::say, trace::Written};
use model::{
    Policy, Sysno, Trace,
    policy::{Entry, EvidenceKind, Origins},
};
use std::{collections::BTreeSet, path::Path};

/// Prints the summary.
pub fn print(bundle: &Path, trace: &Trace, written: &Written, arguments: &TraceArguments) {
    let subject = arguments.command.first().map_or_else(
        || format!("pid {}", arguments.pid.unwrap_or_default()),
        |name| name.to_string_lossy().into_owned(),
    );
    recorded(&subject, std::slice::from_ref(trace));
    if arguments.verbose {
        calls_seen(trace);
    }
    let gaps = trace.completeness.gaps();
    for gap in &gaps {
        say(&format!("incomplete: {gap}"));
    }
    if arguments.verbose {
        for note in &written.notes {
            say(&format!("seccomp.json: {note}"));
        }
    }
    say(&format!(
        "{}: policy.json allows {}, seccomp.json is for Docker and OCI runtimes, report.md for reviewers",
        bundle.display(),
        allowed(&written.policy)
    ));
    if !arguments.command.is_empty() {
        let command: Vec<_> =
            arguments.command.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        let policy = quoted(&bundle.join(crate::bundle::POLICY).to_string_lossy());
        let mut command = command.join(" ");
        if command.len() > 200 {
            command = "CMD".to_owned();
        }
        say(&format!("next: profgen run --policy {policy} -- {command}"));
    }
}

/// Says how much was recorded.
pub fn recorded(subject: &str, traces: &[Trace]) {
    let programs = || traces.iter().flat_map(|trace| &trace.programs);
    let calls: u64 =
        programs().flat_map(|program| program.calls.values()).map(|call| call.count).sum();
    let distinct: BTreeSet<Sysno> = traces.iter().flat_map(Trace::calls).collect();
    let engine = traces.first().map_or("", |trace| trace.engine.name.as_str());
    let processes = traces.iter().map(|trace| trace.processes.len()).sum();
    say(&format!(
        "recorded {subject} ({engine}): {}, {calls} calls, {} distinct",
        counted(processes, "process", "processes"),
        distinct.len(),
    ));
}

/// `47 system calls (24 observed in 1 run, 14 variants of those, 9 implied)`
pub fn allowed(policy: &Policy) -> String {
    let kind = |entry: &Entry| match &entry.origins {
        Origins { observed: Some(_), .. } => 0,
        Origins { predicted: Some(_), .. } => 1,
        Origins { decided: Some(_), .. } => 2,
        Origins { variant, .. } if !variant.is_empty() => 3,
        _ => 4,
    };
    let mut counts = [0; 5];
    for entry in policy.calls.values() {
        counts[kind(entry)] += 1;
    }
    let runs = policy.evidence.values().filter(|piece| piece.kind == EvidenceKind::Trace).count();
    let [observed, predicted, decided, variants, implied] = counts;
    let mut parts = vec![format!("{observed} observed in {}", counted(runs, "run", "runs"))];
    for (count, what) in [
        (predicted, "predicted"),
        (decided, "decided"),
        (variants, "variants of those"),
        (implied, "implied"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let withheld = match policy.withheld.len() {
        0 => String::new(),
        count => format!(" and withholds {count}"),
    };
    let calls = counted(policy.calls.len(), "system call", "system calls");
    format!("{calls} ({}){withheld}", parts.join(", "))
}

fn calls_seen(trace: &Trace) {
    for program in &trace.programs {
        for (sysno, call) in &program.calls {
            let place = call.site.as_ref().map_or_else(String::new, |site| {
                let symbol = site.symbol.as_deref().unwrap_or("");
                format!(" {}+{:#x} {symbol}", site.module, site.offset)
            });
            say(&format!("{}: {sysno:#} {}{place}", program.path, call.count));
        }
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// As it can be typed in a shell.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_can_be_typed_as_they_are_shown() {
        assert_eq!(quoted("ls"), "ls");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's; rm"), "'it'\\''s; rm'");
    }
}
