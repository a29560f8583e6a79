//! What a suggestion says, for people: the section of report.md and `profgen explain`.

use super::suggest::{only_at_start, suggestions};
use crate::words::{markdown, some};
use model::{
    Policy, Text,
    capsicum::{Limit, Suggestion, fcntl_name, ioctl_name},
};
use std::collections::BTreeSet;

/// How many programs the report has, and how many lines a list.
const PROGRAMS: usize = 12;
const LINES: usize = 24;

/// The section of the report; none where no run followed descriptors.
pub fn section(policy: &Policy) -> Vec<String> {
    let all = suggestions(policy);
    let mut lines = Vec::new();
    for (program, suggested) in all.programs.iter().take(PROGRAMS) {
        for suggestion in suggested {
            lines.extend(one(policy, program, suggestion));
        }
    }
    if all.programs.len() > PROGRAMS {
        lines.push(format!(
            "\nand {} more programs: capsicum.json has them.",
            all.programs.len() - PROGRAMS
        ));
    }
    lines.extend(all.notes.iter().map(|note| format!("\n{}.", markdown(note))));
    lines
}

/// What can be said of Capsicum, in full, for a terminal.
pub fn explain(policy: &Policy) -> Vec<String> {
    let all = suggestions(policy);
    let mut lines = Vec::new();
    for (program, suggested) in &all.programs {
        for suggestion in suggested {
            lines.push(heading(program, suggestion));
            lines.push(format!("  cap_enter: {}", suggestion.point.place));
            lines.push(format!("    because {}", suggestion.point.why));
            lines.extend(suggestion.point.chain.iter().map(|frame| format!("    at {frame}")));
            for limit in &suggestion.descriptors {
                lines.push(format!("  {}", descriptor(limit)));
            }
            for failure in &suggestion.failures {
                let remedy = failure.remedy.as_deref().unwrap_or("no remedy");
                lines.push(format!("  {}: {} ({remedy})", failure.error, failure.ktrace));
                lines.extend(failure.chain.iter().map(|frame| format!("    at {frame}")));
            }
            for remedy in &suggestion.remedies {
                lines.push(format!("  {}: {}", remedy.id, remedy.what));
            }
            for (call, why) in &suggestion.helpers {
                lines.push(format!("  {call}(): {why}"));
            }
            for inherited in &suggestion.close {
                lines.push(format!(
                    "  inherited and not used, the launcher should close it: {inherited}"
                ));
            }
            for (call, instead) in &suggestion.linux_only {
                lines.push(format!("  Linux only: {call}. {instead}"));
            }
        }
    }
    lines.extend(all.notes.iter().cloned());
    lines
}

fn heading(program: &Text, suggestion: &Suggestion) -> String {
    let kind = if suggestion.forked { " (forked children)" } else { "" };
    format!("{program}{kind}")
}

fn one(policy: &Policy, program: &Text, suggestion: &Suggestion) -> Vec<String> {
    let mut lines = vec![
        format!("\n### {}\n", markdown(&heading(program, suggestion))),
        format!(
            "Enter capability mode {}: {}.\n",
            markdown(&suggestion.point.place),
            suggestion.point.why
        ),
    ];
    let rows = suggestion
        .descriptors
        .iter()
        .filter(|limit| !limit.uses.is_empty() || !limit.numbers.is_empty());
    let rows: Vec<String> =
        rows.map(|limit| format!("* {}", markdown(&descriptor(limit)))).collect();
    lines.extend(cut(rows));
    for remedy in &suggestion.remedies {
        let names: Vec<String> = remedy.names.iter().map(|name| markdown(name)).collect();
        lines.push(format!("* to do, {}: {} (for {})", remedy.id, remedy.what, names.join(", ")));
    }
    for (call, why) in &suggestion.helpers {
        lines.push(format!("* `{call}()`: {why}"));
    }
    if !suggestion.failures.is_empty() {
        lines.push("\nWithout that, as kdump(1) would show it:\n".to_owned());
        let failures = suggestion.failures.iter().map(|failure| {
            let site = failure.chain.first().map(|site| format!(" at {site}")).unwrap_or_default();
            format!("    {} {}{site}", failure.error, plain(&failure.ktrace))
        });
        lines.extend(cut(failures.collect()));
    }
    let kept = policy.confinement.get(program);
    let confinement = kept.and_then(|kept| {
        if suggestion.forked { kept.forked.as_ref() } else { kept.executed.as_ref() }
    });
    let only = confinement
        .map(|confinement| only_at_start(confinement, &suggestion.point))
        .unwrap_or_default();
    if !only.is_empty() {
        lines.push(format!("\nOnly start-up names: {}.", markdown(&some(only.iter(), LINES))));
    }
    for inherited in &suggestion.close {
        lines.push(format!(
            "\nInherited and not used (the launcher should close it): {}.",
            markdown(inherited)
        ));
    }
    for (call, instead) in &suggestion.linux_only {
        lines.push(format!("\nLinux only: {call}. {instead}"));
    }
    lines
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let count = lines.len();
    if count > LINES {
        lines.truncate(LINES);
        lines.push(format!("* and {} more", count - LINES));
    }
    lines
}

/// Names of files are not the tool's own.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `input file (a, b): CAP_READ, CAP_FSTAT; fcntl F_GETFL; past the point CAP_READ`.
pub(crate) fn descriptor(limit: &Limit) -> String {
    let mut text = limit.role.clone();
    if !limit.paths.is_empty() {
        text += &format!(" ({})", some(limit.paths.iter(), 3));
    } else if !limit.numbers.is_empty() && !limit.role.starts_with("standard") {
        text += &format!(" ({})", some(limit.numbers.iter(), 3));
    }
    let rights = limit.rights.to_string();
    text += if rights.is_empty() { ": no right" } else { ": " };
    text += &rights;
    let names = |numbers: &BTreeSet<u32>,
                 name: fn(u32) -> (Option<&'static str>, Option<&'static str>)| {
        let names: Vec<String> = numbers
            .iter()
            .map(|number| {
                let (linux, freebsd) = name(*number);
                freebsd.or(linux).map_or_else(|| format!("{number:#x}"), str::to_owned)
            })
            .collect();
        names.join(", ")
    };
    if !limit.fcntls.is_empty() {
        text += &format!("; fcntl {}", names(&limit.fcntls, fcntl_name));
    }
    if !limit.ioctls.is_empty() {
        text += &format!("; ioctl {}", names(&limit.ioctls, ioctl_name));
    }
    if let Some(narrowed) = limit.narrowed {
        let narrowed = narrowed.to_string();
        let rest = if narrowed.is_empty() { "none".to_owned() } else { narrowed };
        text += &format!("; past the point {rest}");
    }
    if limit.late {
        text += "; made past the point";
    }
    text
}
