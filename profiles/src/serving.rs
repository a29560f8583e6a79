//! A function in C that confines a program to its serving phase, by libseccomp. The same phase as
//! instructions is a matter of `bpf`.

use crate::{Rendered, line, seccomp::Arg};
use model::{ArgCmp, Policy, Sysno, fallback};
use std::{collections::BTreeSet, fmt::Write};

const HEAD: &str = include_str!("../data/serving-head.c");
const TAIL: &str = include_str!("../data/serving-tail.c");

/// Which phase it is, for the comment at its head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heading {
    /// The executable.
    pub program: String,
    /// Where to call the function: "right before the first epoll_wait in serve".
    pub place: String,
    /// The calls that lead there, the innermost first.
    pub chain: Vec<String>,
    /// What is to be known of the set of calls.
    pub notes: Vec<String>,
}

/// Why there is no such function.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// libseccomp takes rules for one architecture and its like only.
    #[error("the serving phase has calls of several architectures ({0}): emit bpf can hold them")]
    Arches(String),
    /// It would allow nothing.
    #[error("the serving phase has no system call")]
    Empty,
    /// The name of a call is not known, and libseccomp goes by it.
    #[error("the serving phase has the unknown call {0}: emit bpf can hold it")]
    Unnamed(String),
}

/// The function: `policy` is of the serving phase.
///
/// # Errors
/// When libseccomp cannot hold it.
pub fn source(policy: &Policy, heading: &Heading) -> Result<Rendered, Unfit> {
    let arches = policy.arches();
    let Some(arch) = arches.first().copied() else { return Err(Unfit::Empty) };
    if arches.len() > 1 {
        let names: Vec<&str> = arches.iter().map(|arch| arch.name()).collect();
        return Err(Unfit::Arches(names.join(", ")));
    }
    let mut rows = String::new();
    let mut names = BTreeSet::new();
    for (sysno, entry) in &policy.calls {
        let name = sysno.name().ok_or_else(|| Unfit::Unnamed(sysno.label().into_owned()))?;
        names.insert(name);
        let needed = u8::from(entry.origins.observed.is_some());
        if entry.rules.is_empty() {
            let _ = writeln!(rows, "\t{{ \"{name}\", {needed}, 0, {{ {{ 0 }} }} }},");
        }
        for rule in &entry.rules {
            let compared: Vec<String> = rule.comparisons().iter().map(comparison).collect();
            let _ = writeln!(
                rows,
                "\t{{ \"{name}\", {needed}, {}, {{ {} }} }},",
                compared.len(),
                compared.join(", ")
            );
        }
    }
    let missing = fallback::all()
        .map(|(name, _)| name)
        .filter(|name| !names.contains(name) && Sysno::from_name(arch, name).is_some());
    let missing: String = missing.map(|name| format!("\t\"{name}\",\n")).collect();
    let text = format!(
        "{}{HEAD}static const struct allowed allowed[] = {{\n{rows}}};\n\n\
         /* Without these libc goes on only where the kernel lacks them. */\n\
         static const char *const missing[] = {{\n{missing}}};\n{TAIL}",
        comment(heading, arch.name())
    );
    let notes = vec![format!("call enter_serving() {}", heading.place)];
    Ok(Rendered { text, notes: notes.into_iter().chain(heading.notes.iter().cloned()).collect() })
}

fn comment(heading: &Heading, arch: &str) -> String {
    let mut lines = vec![
        format!("The serving phase of {} ({arch}).", heading.program),
        String::new(),
        format!("Call enter_serving() {}.", heading.place),
    ];
    lines.extend(heading.chain.iter().map(|frame| format!("    at {frame}")));
    lines.push(String::new());
    lines.extend(heading.notes.iter().map(|note| format!("{note}.")));
    let mut out = "/*\n".to_owned();
    for text in lines {
        let text = line(&text).replace("*/", "* /");
        let _ = writeln!(out, "{}", format!(" * {text}").trim_end());
    }
    out + " */\n"
}

/// As the macros of seccomp_rule_add(3) write it.
fn comparison(comparison: &ArgCmp) -> String {
    let Arg { index, value, value_two, op } = Arg::from(comparison);
    match value_two {
        Some(value_two) => format!("{{ {index}, {op}, {value:#x}, {value_two:#x} }}"),
        None => format!("{{ {index}, {op}, {value:#x}, 0 }}"),
    }
}
