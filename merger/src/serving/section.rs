//! The section of report.md about start-up and serving.

use super::phase::{Phase, phases};
use crate::{
    capabilities,
    words::{counted, markdown, some},
};
use model::{Policy, Sysno, Text};
use std::collections::BTreeSet;

/// How many programs have a paragraph, and how many names a list.
const PROGRAMS: usize = 12;
const NAMES: usize = 24;

/// Servers in full, other programs with what tells whether a filter past start-up pays.
pub fn section(policy: &Policy) -> Vec<String> {
    let phases = phases(policy);
    let mut lines = vec![
        "From observation only: a call that no run made while it served is not among those that \
         remain. `profgen emit c --phase serving` makes a filter of them.\n"
            .to_owned(),
    ];
    let (servers, others): (Vec<_>, Vec<_>) = phases.iter().partition(|(_, phase)| phase.server);
    for (program, phase) in servers.iter().take(PROGRAMS) {
        lines.extend(server(policy, program, phase));
    }
    for (program, phase) in others.iter().take(PROGRAMS) {
        lines.push(other(program, phase));
    }
    let shown = servers.len().min(PROGRAMS) + others.len().min(PROGRAMS);
    if phases.len() > shown {
        lines.push(format!("* and {}", counted(phases.len() - shown, "more program")));
    }
    lines
}

fn server(policy: &Policy, program: &Text, phase: &Phase) -> Vec<String> {
    let who = if phase.workers { "Its forked workers serve" } else { "It serves" };
    let mut lines = vec![
        format!("### {}\n", markdown(&program.to_string())),
        format!(
            "{who} from here on: {}. {} remain: {}.",
            markdown(&phase.place.words),
            counted(phase.serving.len(), "system call"),
            calls(&phase.serving)
        ),
    ];
    lines.extend(phase.place.chain.iter().map(|frame| format!("    at {frame}")));
    lines.extend(phase.notes.iter().map(|note| format!("\nNote: {}.", markdown(note))));
    lines.push(format!("\nOnly start-up makes: {}.", calls(&phase.start_up)));
    if !phase.names.is_empty() {
        lines.push(format!(
            "\nOnly start-up names: {}.",
            markdown(&some(phase.names.iter(), NAMES))
        ));
    }
    let capabilities = only_start_up(policy, phase);
    if !capabilities.is_empty() {
        let names: Vec<String> = capabilities.iter().map(|name| markdown(name)).collect();
        lines.push(format!("\nCapabilities that only start-up needs: {}.", names.join(", ")));
    }
    if phase.strict() {
        lines.push(format!("\n{STRICT}."));
    }
    lines.extend(phase.close.iter().map(|inherited| {
        format!("\nInherited and not used (the launcher should close it): {}.", markdown(inherited))
    }));
    lines.push(String::new());
    lines
}

const STRICT: &str = "What remains fits the strict mode of seccomp(2), read, write, exit and \
                      rt\\_sigreturn, where it ends by exit(2) and not by exit\\_group(2)";

fn other(program: &Text, phase: &Phase) -> String {
    let mut line = format!(
        "* {}: {}, {} remain, {} only start-up makes",
        markdown(&program.to_string()),
        markdown(&phase.place.words),
        counted(phase.serving.len(), "call"),
        phase.start_up.len()
    );
    if phase.strict() {
        line += &format!(". {STRICT}");
    }
    line
}

fn calls(calls: &BTreeSet<Sysno>) -> String {
    let names: Vec<String> = calls.iter().map(|sysno| format!("`{sysno}`")).collect();
    if names.is_empty() { "none".to_owned() } else { some(names.iter(), 4 * NAMES) }
}

/// The capabilities that no call of the serving phase asks for, nor a file that it names.
fn only_start_up(policy: &Policy, phase: &Phase) -> BTreeSet<String> {
    let mut late = policy.clone();
    late.calls.retain(|sysno, _| phase.serving.contains(sysno));
    late.files.retain(|path, _| !phase.names.contains(&path.to_string()));
    // What was confirmed by running without a capability tells no phases.
    for evidence in late.evidence.values_mut() {
        evidence.capabilities = None;
    }
    let late = capabilities::capabilities(&late);
    let all = capabilities::capabilities(policy).into_keys();
    all.filter(|name| !late.contains_key(name)).collect()
}
