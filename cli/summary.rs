//! What is said after a recording: what was seen, where the files are, what to do next.

use crate::{arguments::TraceArguments, exit::say, trace::Written};
use model::{Trace, policy::Entry};
use std::path::Path;

/// Prints the summary.
pub fn print(bundle: &Path, trace: &Trace, written: &Written, arguments: &TraceArguments) {
    let calls: u64 = trace
        .programs
        .iter()
        .flat_map(|program| program.calls.values())
        .map(|call| call.count)
        .sum();
    say(&format!(
        "recorded {} ({}): {}, {} calls, {} distinct",
        arguments.command.first().map_or_else(
            || format!("pid {}", arguments.pid.unwrap_or_default()),
            |name| name.to_string_lossy().into_owned()
        ),
        trace.engine.name.as_str(),
        counted(trace.processes.len(), "process", "processes"),
        calls,
        trace.calls().len(),
    ));
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
    let entries = || written.policy.calls.values();
    let observed = entries().filter(|entry| entry.origins.observed.is_some()).count();
    let variant =
        |entry: &&Entry| entry.origins.observed.is_none() && !entry.origins.variant.is_empty();
    let variants = entries().filter(variant).count();
    say(&format!(
        "{}: policy.json allows {} system calls ({observed} observed in {}, {variants} variants of those, {} implied), seccomp.json is for Docker and OCI runtimes",
        bundle.display(),
        written.policy.calls.len(),
        counted(written.policy.evidence.len(), "run", "runs"),
        written.policy.calls.len() - observed - variants,
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
fn quoted(word: &str) -> String {
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
