//! What is dangerous, redundant or will not work as written, in any seccomp profile.
//!
//! Each family of checks has a file; what can be found is a row of data/findings.tsv. Checks of what a
//! profile does ask its lowered form, those of how it is written look at the entries.

mod actions;
mod arches;
mod arguments;
mod names;
mod power;
mod rules;
mod sarif;
mod table;

pub use sarif::sarif;
pub use table::{Check, Severity, checks};

use crate::{
    lower::{LowerError, Lowered, Machine, lower},
    read::{Entry, Profile},
};
use model::{Arch, Sysno};

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub check: &'static Check,
    /// The entry, by its place among `syscalls`; none when the profile as a whole is meant.
    pub entry: Option<usize>,
    /// The line of the entry, when it was read from text.
    pub line: Option<u32>,
    /// The calls that it is about.
    pub names: Vec<String>,
    /// What exactly.
    pub message: String,
}

/// What the checks look at.
struct Subject<'a> {
    profile: &'a Profile,
    /// The entries that apply on the machine for which it is checked.
    entries: Vec<&'a Entry>,
    arch: Arch,
    /// What it does there; none when no runtime would load it.
    lowered: Option<Lowered>,
}

/// Everything that is found, by entry, those of the whole profile first.
pub fn lint(profile: &Profile) -> Vec<Finding> {
    let arch = native(profile);
    let machine = Machine::for_arch(arch);
    let lowered = match lower(profile, &machine) {
        Err(error @ LowerError::TooMany { .. }) => {
            return finding("too-many-rules", None, Vec::new(), error.to_string())
                .into_iter()
                .collect();
        }
        other => other.ok(),
    };
    let subject = Subject {
        profile,
        entries: profile.entries.iter().filter(|entry| machine.applies(entry)).collect(),
        arch,
        lowered,
    };
    let mut found = Vec::new();
    for check in
        [names::check, arches::check, actions::check, arguments::check, rules::check, power::check]
    {
        check(&subject, &mut found);
    }
    for finding in &mut found {
        let entry = finding.entry.and_then(|position| profile.entries.get(position));
        finding.line = entry.and_then(|entry| entry.line);
    }
    found.sort_by_key(|finding| finding.entry);
    found
}

/// The architecture of a machine for which the profile was written: the first of its list that is one
/// by itself, or else this machine's.
fn native(profile: &Profile) -> Arch {
    let by_itself = |arch: &Arch| !matches!(arch, Arch::I386 | Arch::X32 | Arch::Arm);
    let listed: Vec<Arch> =
        profile.architectures.iter().filter_map(|name| Arch::from_oci_name(name)).collect();
    if listed.is_empty() {
        return Arch::native().unwrap_or(Arch::X86_64);
    }
    let alone = listed.iter().copied().find(by_itself);
    alone.unwrap_or_else(|| Machine::for_arch(listed[0]).native)
}

impl Subject<'_> {
    /// The number of a call on the machine, when it has it.
    fn sysno(&self, name: &str) -> Option<Sysno> {
        Some(Sysno::new(self.arch, model::Call::by_name(name)?.number(self.arch)?))
    }
}

/// A finding about an entry, or about the whole.
fn finding(
    id: &str,
    entry: Option<&Entry>,
    names: Vec<String>,
    message: impl Into<String>,
) -> Option<Finding> {
    let check = table::check(id)?;
    let entry = entry.map(|entry| entry.position);
    Some(Finding { check, entry, line: None, names, message: message.into() })
}

/// The first of many, for a message.
fn some_of(names: &[String]) -> String {
    const SOME: usize = 8;
    match names.len() {
        0..=SOME => names.join(", "),
        all => format!("{} and {} more", names[..SOME].join(", "), all - SOME),
    }
}
