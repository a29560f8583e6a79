//! The serving phase as a policy, which any filter can be made of.

use super::{
    phase::{Phase, phases},
    table,
};
use crate::{Input, merge};
use model::{ArgCmp, Policy, Rule, Text};
use std::collections::BTreeSet;

/// Why there is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoPhase {
    /// Nothing was followed.
    #[error("the policy has no time line: `profgen trace --engine ptrace --no-patch` records it")]
    NoTimeline,
    /// It is not among the programs.
    #[error("the policy has no time line of {0}")]
    Unknown(String),
    /// Several could be meant.
    #[error("several programs have a serving phase, choose one with --program: {0}")]
    Several(String),
}

/// The phase of a program by its path or its file's name; without one, of the only server, or of the
/// only program.
///
/// # Errors
/// When there is none, or not just one.
pub fn choose(policy: &Policy, program: Option<&str>) -> Result<(Text, Phase), NoPhase> {
    let mut all = phases(policy);
    if all.is_empty() {
        return Err(NoPhase::NoTimeline);
    }
    if let Some(wanted) = program {
        all.retain(|path, _| path.to_string() == wanted || path.base_name() == wanted);
        if all.is_empty() {
            return Err(NoPhase::Unknown(wanted.to_owned()));
        }
    } else if all.values().any(|phase| phase.server) {
        all.retain(|_, phase| phase.server);
    }
    if all.len() > 1 {
        let names: Vec<String> = all.keys().map(Text::to_string).collect();
        return Err(NoPhase::Several(names.join(", ")));
    }
    all.pop_first().ok_or(NoPhase::NoTimeline)
}

/// What a phase needs: what was observed of it, what stays for the allocator and for threads, what a
/// person allowed, and what follows from that (variants, implied calls). What was only predicted is
/// left out: no analysis tells the phases of a program.
pub fn policy_of(policy: &Policy, phase: &Phase) -> Policy {
    let mut serving = policy.clone();
    serving.withheld.clear();
    serving.confinement.clear();
    serving.calls.retain(|sysno, entry| {
        entry.origins.runtime.clear();
        entry.origins.observed.is_some()
            && (phase.serving.contains(sysno) || phase.kept.contains_key(sysno))
    });
    for evidence in serving.evidence.values_mut() {
        // What a container's runtime did before it handed over.
        evidence.unseen.clear();
    }
    let mut serving = merge([Input::Policy(serving)], policy.settings);
    for sysno in phase.kept.keys() {
        let Some(name) = sysno.name().filter(|name| table::of_memory(name)) else { continue };
        if let ("mmap" | "mprotect", Some(entry), Some(rule)) =
            (name, serving.calls.get_mut(sysno), not_executable())
        {
            entry.rules = BTreeSet::from([rule]);
        }
    }
    serving
}

/// mmap(2), mprotect(2): `prot` has no PROT_EXEC.
fn not_executable() -> Option<Rule> {
    const PROT_EXEC: u64 = 4;
    Rule::new(vec![ArgCmp::masked(2, PROT_EXEC, 0).ok()?]).ok()
}
