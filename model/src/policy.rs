//! What is allowed, and why: the file that people commit and review.

use crate::{Arch, Document, Rule, Sysno, Text, document::Schema, serial::by_sysno, trace::Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A least-privilege policy for one program with everything that it starts.
///
/// A call that is not in `calls` is denied: with EPERM when this version of profgen knows it, with
/// ENOSYS when it does not or when libc falls back only on ENOSYS (see [`crate::fallback`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `profgen/policy/v1`.
    pub schema: Schema<Policy>,
    /// The runs and other evidence that it rests on, by id.
    pub evidence: BTreeMap<String, Evidence>,
    /// The executables that ran, and the files that were mapped into them.
    pub programs: BTreeMap<Text, ProgramIdentity>,
    /// The system calls that are allowed.
    #[serde(with = "by_sysno")]
    pub calls: BTreeMap<Sysno, Entry>,
}

impl Document for Policy {
    const KIND: &'static str = "policy";
    const VERSION: u32 = 1;
    const LINE_DEPTH: usize = 3;
}

impl Policy {
    /// The architectures whose calls are allowed, in the order of [`Arch::ALL`].
    pub fn arches(&self) -> BTreeSet<Arch> {
        self.calls.keys().map(|sysno| sysno.arch()).collect()
    }
}

/// One thing that the policy rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// "trace".
    pub kind: String,
    /// The command of a run.
    pub command: Vec<Text>,
    /// What it may have missed, one sentence each; empty when it is complete.
    pub gaps: BTreeSet<String>,
}

/// Which file a program was, as far as the evidence says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramIdentity {
    /// Build ids or hashes (`sha256:..`) under which it was seen.
    pub versions: BTreeSet<String>,
}

/// An allowed call: why, and with which arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Why it is allowed.
    pub origins: Origins,
    /// Alternatives of argument rules; none means that any argument is allowed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<Rule>,
}

/// Why an entry is allowed. At least one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Origins {
    /// Runs did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Calls of the same power that are allowed, by name: a libc upgrade swaps one for the other.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub variant: BTreeSet<String>,
    /// It is made without a call site: signal return, restart, what the vDSO falls back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implied: Option<String>,
    /// Container runtimes need it after loading the filter: `runc 1.1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub runtime: BTreeSet<String>,
}

impl Origins {
    /// Whether the program itself needs the entry, and not only a container runtime.
    pub fn of_the_program(&self) -> bool {
        self.observed.is_some() || !self.variant.is_empty() || self.implied.is_some()
    }
}

/// That runs made a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// In which runs: ids of [`Policy::evidence`].
    pub runs: BTreeSet<String>,
    /// Which executables, and from where first.
    pub programs: BTreeMap<Text, Option<Site>>,
}
