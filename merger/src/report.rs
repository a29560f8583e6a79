//! report.md: what a reviewer reads of a bundle.

use crate::{
    idle_decisions,
    words::{self, counted},
};
use filter::{Action, CallRule, Ruleset};
use model::{
    Access, Arch, Group, Policy, Sysno, Text,
    policy::{ArgumentRules, Entry, EvidenceKind, FileEntry, Origins, Settings, Withheld},
    trace::EndpointOperation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// How many rows a table of the report has at most; the rest is counted.
const ROWS: usize = 40;

/// What the report compares with and adds.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Docker's default profile.
    pub docker_default: &'a Ruleset,
    /// What a reviewer must see first, one sentence each.
    pub warnings: &'a [String],
    /// Further sections: a heading and its lines of markdown.
    pub sections: &'a [(String, Vec<String>)],
}

/// Writes the report. The same policy gives the same bytes.
pub fn report(policy: &Policy, context: &Context<'_>) -> String {
    let mut out = completeness(policy);
    out.push_str(&warnings(context.warnings));
    out.push_str(&worth(policy, context.docker_default));
    out.push_str(&groups(policy, context.docker_default));
    out.push_str(&next(policy));
    out.push_str(&arguments(policy));
    out.push_str(&programs(policy));
    out.push_str(&network(policy));
    out.push_str(&files(policy));
    for (heading, lines) in context.sections {
        let _ = write!(out, "\n## {heading}\n\n");
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out.push_str(&evidence(policy));
    out
}

/// The first line, and what may be missing.
fn completeness(policy: &Policy) -> String {
    let of = |kind| policy.evidence.values().filter(move |piece| piece.kind == kind);
    let (runs, analyses) = (of(EvidenceKind::Trace).count(), of(EvidenceKind::Analysis).count());
    let missed = |kind| of(kind).flat_map(|piece| &piece.gaps).collect::<BTreeSet<_>>();
    let lost = missed(EvidenceKind::Trace);
    let mut out = match (runs, lost.is_empty()) {
        (0, _) => "**Nothing was observed**: this policy rests on predictions alone.\n".to_owned(),
        (_, true) => format!("**Complete**: nothing was missed in {}.\n", counted(runs, "run")),
        (_, false) => {
            format!("**Incomplete**: {} may have missed something:\n\n", counted(runs, "run"))
        }
    };
    for gap in lost.iter().filter(|_| runs > 0).take(ROWS) {
        let _ = writeln!(out, "* {}", words::markdown(gap));
    }
    let open = missed(EvidenceKind::Analysis);
    if analyses == 0 {
        out.push_str("\nNo code was analysed: what no run showed is denied.\n");
    } else if open.is_empty() {
        out.push_str("\nThe analysis resolved everything: no code can make other calls, under its assumptions.\n");
    } else {
        let open: Vec<String> = open.iter().map(|gap| words::markdown(gap)).collect();
        let _ = writeln!(
            out,
            "\nThe analysis could not resolve: {}; see analysis.json.",
            open.join("; ")
        );
    }
    out
}

fn warnings(warnings: &[String]) -> String {
    let mut out = String::new();
    for warning in warnings {
        let _ = write!(out, "\n**Note**: {}\n", words::markdown(warning));
    }
    out
}

/// In one sentence, what the profile is worth.
fn worth(policy: &Policy, docker: &Ruleset) -> String {
    let mut out = String::new();
    let arches: Vec<&str> = policy.arches().iter().map(|arch| arch.name()).collect();
    let native = host(policy);
    let own: BTreeSet<Sysno> =
        policy.calls.keys().copied().filter(|sysno| Some(sysno.arch()) == native).collect();
    let docker = native.map(|arch| allowed_by(docker, arch)).unwrap_or_default();
    let _ = write!(
        out,
        "\nIt allows {} ({})",
        counted(policy.calls.len(), "system call"),
        if arches.is_empty() { "none".to_owned() } else { arches.join(", ") }
    );
    if !docker.is_empty() {
        let removed = docker.difference(&own).count();
        let _ = write!(
            out,
            ", and removes {removed} of the {} that Docker's default profile allows",
            docker.len()
        );
    }
    out.push_str(".\n");
    let more: Vec<String> = own.difference(&docker).map(|sysno| format!("`{sysno}`")).collect();
    if !docker.is_empty() && !more.is_empty() {
        let _ = writeln!(
            out,
            "Docker's default does not allow, or only with some arguments: {}.",
            more.join(", ")
        );
    }
    out
}

/// The architecture of most calls: that of the machine, where one program is 32-bit.
fn host(policy: &Policy) -> Option<Arch> {
    let count = |arch: &Arch| policy.calls.keys().filter(|sysno| sysno.arch() == *arch).count();
    policy.arches().into_iter().max_by_key(count)
}

/// The calls that are allowed with any arguments.
fn allowed_by(ruleset: &Ruleset, arch: Arch) -> BTreeSet<Sysno> {
    let calls = ruleset.arches.get(&arch).into_iter().flat_map(|rules| &rules.calls);
    calls
        .filter(|(_, rule)| matches!(rule, CallRule::Always(Action::Allow)))
        .map(|(number, _)| Sysno::new(arch, *number))
        .filter(|sysno| sysno.call().is_some())
        .collect()
}

#[derive(Default)]
struct Row {
    observed: usize,
    predicted: usize,
    derived: usize,
    decided: usize,
    withheld: usize,
    docker: usize,
}

/// The table by risk group.
fn groups(policy: &Policy, docker: &Ruleset) -> String {
    let mut rows = BTreeMap::<Option<usize>, Row>::new();
    let place = |sysno: &Sysno| sysno.call().map(|call| call.group as usize);
    for (sysno, Entry { origins, .. }) in &policy.calls {
        let row = rows.entry(place(sysno)).or_default();
        let Origins { observed, predicted, decided, .. } = origins;
        let column = if observed.is_some() {
            &mut row.observed
        } else if decided.is_some() {
            &mut row.decided
        } else if predicted.is_some() {
            &mut row.predicted
        } else {
            &mut row.derived
        };
        *column += 1;
    }
    for sysno in policy.withheld.keys() {
        rows.entry(place(sysno)).or_default().withheld += 1;
    }
    for sysno in host(policy).map(|arch| allowed_by(docker, arch)).unwrap_or_default() {
        rows.entry(place(&sysno)).or_default().docker += 1;
    }
    let mut out =
        "\n## System calls by risk\n\n| group | observed | predicted | variants, implied | \
                   decided | withheld | Docker's default |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for group in Group::ALL {
        let Some(row) = rows.get(&Some(*group as usize)) else { continue };
        let mark = if group.sensitive() { " **!**" } else { "" };
        out.push_str(&line(&format!("{group}{mark}"), row));
    }
    if let Some(row) = rows.get(&None) {
        out.push_str(&line("unknown **!**", row));
    }
    out.push_str("\nGroups go from the least risky to the most; **!** marks those that a person should look at twice.\n");
    out
}

fn line(name: &str, row: &Row) -> String {
    let cell = |count: usize| if count == 0 { String::new() } else { count.to_string() };
    let Row { observed, predicted, derived, decided, withheld, docker } = row;
    let cells = [observed, predicted, derived, decided, withheld, docker].map(|count| cell(*count));
    format!("| {name} | {} |\n", cells.join(" | "))
}

/// What a person can do now.
fn next(policy: &Policy) -> String {
    let mut out = String::new();
    if !policy.withheld.is_empty() {
        let _ = write!(
            out,
            "\n## To decide\n\nThese are withheld. If the program needs one, `profgen decide POLICY allow CALL \
             --reason TEXT`.\n\n| call | group | why withheld | how it is reached |\n|---|---|---|---|\n"
        );
        // The most sensitive first: a table is cut at its end.
        let mut withheld: Vec<(&Sysno, &Withheld)> = policy.withheld.iter().collect();
        withheld.sort_by_key(|(sysno, _)| {
            std::cmp::Reverse(sysno.call().map_or(usize::MAX, |call| call.group as usize))
        });
        for (sysno, Withheld { origins, reason }) in withheld.iter().take(ROWS) {
            let group = sysno.call().map_or("unknown", |call| call.group.slug());
            let chain = origins.predicted.as_ref().map(|predicted| predicted.chain.join(" → "));
            let _ = writeln!(
                out,
                "| `{sysno:#}` | {group} | {} | {} |",
                words::markdown(reason),
                words::markdown(&chain.unwrap_or_default())
            );
        }
        more(&mut out, withheld.len());
    }
    let sensitive: Vec<String> = policy
        .calls
        .keys()
        .filter(|sysno| sysno.call().is_none_or(|call| call.group.sensitive()))
        .map(|sysno| format!("`{sysno:#}`"))
        .collect();
    if !sensitive.is_empty() {
        let _ = writeln!(
            out,
            "\nAllowed and sensitive, so worth a look (`profgen explain POLICY CALL`): {}.",
            sensitive.join(", ")
        );
    }
    let ring = |sysno: &Sysno| sysno.name().is_some_and(|name| name.starts_with("io_uring_"));
    if policy.calls.keys().any(ring) {
        out.push_str(
            "\n**io_uring is allowed**: a filter does not see what goes through the ring.\n",
        );
    } else if policy.withheld.keys().any(ring) {
        out.push_str("\nCode can use io_uring, past every filter; it is withheld.\n");
    }
    let idle = idle_decisions(policy);
    if !policy.decisions.is_empty() {
        out.push_str("\n## Decisions\n\n");
        for (subject, decision) in &policy.decisions {
            let verdict = words::verdict(decision.verdict);
            let idle = idle.iter().find(|(about, _)| about == subject);
            let idle =
                idle.map_or_else(String::new, |(_, why)| format!(" (changes nothing: {why})"));
            let _ = writeln!(
                out,
                "* `{subject}` {verdict}: {}{idle}",
                words::markdown(&decision.reason)
            );
        }
    }
    out
}

fn arguments(policy: &Policy) -> String {
    let ruled: Vec<(&Sysno, &Entry)> =
        policy.calls.iter().filter(|(_, entry)| !entry.rules.is_empty()).collect();
    let mut out = "\n## Arguments\n\n".to_owned();
    let Settings { arguments, .. } = policy.settings;
    if arguments == ArgumentRules::None {
        out.push_str("No rules on arguments were asked for.\n");
        return out;
    }
    if ruled.is_empty() {
        out.push_str("No call is bound to arguments.\n");
    }
    for (sysno, entry) in &ruled {
        let rules: Vec<String> =
            entry.rules.iter().map(|rule| words::markdown(&words::rule(**sysno, rule))).collect();
        let _ = writeln!(out, "* `{sysno:#}`: {}", rules.join("; or "));
    }
    if policy.programs.values().any(|program| program.write_and_execute) {
        out.push_str("\nA program made memory writable and executable at once: injected data could run as code.\n");
    }
    if policy.calls.keys().any(|sysno| sysno.name() == Some("clone3")) {
        out.push_str("\n`clone3` is allowed with any flags, new namespaces too: they lie in memory, where no filter sees them.\n");
    }
    out
}

fn programs(policy: &Policy) -> String {
    let executed: Vec<&Text> = policy
        .programs
        .iter()
        .filter(|(_, program)| program.executed)
        .map(|(path, _)| path)
        .collect();
    let mut out = format!("\n## Programs executed: {}\n\n", executed.len());
    for path in executed.iter().take(ROWS) {
        let _ = writeln!(out, "* {}", words::markdown(&path.to_string()));
    }
    more_lines(&mut out, executed.len());
    out
}

fn network(policy: &Policy) -> String {
    let mut used = BTreeMap::<(EndpointOperation, String), usize>::new();
    for (operation, entries) in &policy.endpoints {
        for entry in entries {
            *used.entry((*operation, entry.address.to_string())).or_default() += 1;
        }
    }
    let mut out = format!("\n## Addresses: {}\n\n", used.len());
    for (operation, address) in used.keys().take(ROWS) {
        let _ = writeln!(out, "* {} {}", words::operation(*operation), words::markdown(address));
    }
    more_lines(&mut out, used.len());
    out
}

/// Files by the directories near the root, where what they are for shows.
fn files(policy: &Policy) -> String {
    let mut directories = BTreeMap::<[&[u8]; 2], [usize; 4]>::new();
    for (path, FileEntry { done, .. }) in
        policy.files.iter().filter(|(_, file)| !file.done.is_empty())
    {
        let columns = directories.entry(near_root(path)).or_default();
        let is = |wanted: &[Access]| wanted.iter().any(|access| done.contains(access));
        let reads = is(&[Access::Read, Access::List, Access::ReadLink]);
        let executes = is(&[Access::Execute]);
        let looks = [
            Access::Read,
            Access::List,
            Access::ReadLink,
            Access::Execute,
            Access::Metadata,
            Access::Locate,
            Access::Enter,
            Access::Watch,
        ];
        let changes = done.iter().any(|access| !looks.contains(access));
        for (column, counts) in columns.iter_mut().zip([reads, changes, executes, !done.is_empty()])
        {
            *column += usize::from(counts);
        }
    }
    let mut out = format!(
        "\n## Files: {}\n\n| where | read | changed | executed | used in any way |\n|---|---|---|---|---|\n",
        policy.files.len()
    );
    let directories: BTreeMap<String, [usize; 4]> =
        directories.into_iter().map(|(parts, columns)| (named(parts), columns)).collect();
    for (directory, columns) in directories.iter().take(ROWS) {
        let cells = columns.map(|count| if count == 0 { String::new() } else { count.to_string() });
        let _ = writeln!(out, "| {} | {} |", words::markdown(directory), cells.join(" | "));
    }
    more(&mut out, directories.len());
    out
}

/// `usr` and `lib` of `/usr/lib/x/y`; `etc` alone of `/etc/passwd`.
fn near_root(path: &Text) -> [&[u8]; 2] {
    let mut parts = path.as_bytes().split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(second), Some(_)) => [first, second],
        (Some(first), Some(_), None) => [first, b""],
        _ => [b"", b""],
    }
}

/// `/usr/lib`, `/etc`.
fn named(near_root: [&[u8]; 2]) -> String {
    let parts = near_root.into_iter().filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(|part| Text::from(part).to_string()).collect();
    format!("/{}", parts.join("/"))
}

fn evidence(policy: &Policy) -> String {
    let mut out = "\n## Evidence\n\n".to_owned();
    let Settings { strategy, arguments } = policy.settings;
    let _ =
        writeln!(out, "Strategy {}, {}.\n", words::strategy(strategy), words::rules_for(arguments));
    for (id, piece) in policy.evidence.iter().take(ROWS) {
        let kind = match piece.kind {
            EvidenceKind::Trace => "run",
            EvidenceKind::Analysis => "analysis",
        };
        let command = words::markdown(&words::command(&piece.command));
        let _ = writeln!(out, "* {kind} {id}: {command}");
    }
    more_lines(&mut out, policy.evidence.len());
    out
}

fn more(out: &mut String, count: usize) {
    if count > ROWS {
        let _ = writeln!(out, "\nand {} more", count - ROWS);
    }
}

fn more_lines(out: &mut String, count: usize) {
    if count > ROWS {
        let _ = writeln!(out, "* and {} more", count - ROWS);
    }
}
