//! What is allowed, and why: the file that people commit and review.

use crate::{
    Access, Arch, Arguments, CapabilityRecord, Decision, Document, Rule, Shared, Subject, Sysno,
    Text, Words,
    analysis::{Layer, Phase},
    capability::Check,
    confinement::Kept,
    document::Schema,
    serial::{by_directory, by_sysno, sysno_set},
    trace::{Address, EndpointOperation, FileKind, Mark, Site},
};
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
    /// How the evidence was turned into what is allowed.
    pub settings: Settings,
    /// The runs and other evidence that it rests on, by id.
    pub evidence: BTreeMap<String, Evidence>,
    /// The executables that ran, and the files that were mapped into them.
    pub programs: BTreeMap<Text, ProgramIdentity>,
    /// What people decided, by subject.
    pub decisions: BTreeMap<Subject, Decision>,
    /// The system calls that are allowed.
    #[serde(with = "by_sysno")]
    pub calls: BTreeMap<Sysno, Entry>,
    /// Calls for which there is evidence, and which are not allowed all the same.
    #[serde(with = "by_sysno")]
    pub withheld: BTreeMap<Sysno, Withheld>,
    /// The files that runs named, by absolute path; a last component `*` stands for siblings past
    /// a bound.
    #[serde(with = "by_directory")]
    pub files: BTreeMap<Text, FileEntry>,
    /// The addresses that runs used, by what was done with them.
    pub endpoints: BTreeMap<EndpointOperation, BTreeSet<EndpointEntry>>,
    /// What the executables held and in which order they used global names, where runs followed it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub confinement: BTreeMap<Text, Kept>,
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
    /// A run or an analysis.
    pub kind: EvidenceKind,
    /// The command of a run; the programs of an analysis.
    pub command: Vec<Text>,
    /// What it may have missed, one sentence each; empty when it is complete.
    pub gaps: BTreeSet<String>,
    /// The directories of a run that the next may have elsewhere: the working directory as `CWD`,
    /// and what its environment named, by [`crate::trace::Command::PLACES`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, Text>,
    /// Whether a run had one process only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single: bool,
    /// The calls that a run may have made unseen, see
    /// [`Completeness::unseen`](crate::trace::Completeness::unseen).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "sysno_set")]
    pub unseen: BTreeSet<Sysno>,
    /// What a run taught of capabilities beside what calls asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityRecord>,
}

/// What a piece of evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// A [`Trace`](crate::Trace).
    Trace,
    /// An [`Analysis`](crate::Analysis).
    Analysis,
}

/// How evidence is turned into what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What becomes of calls that were predicted and not observed.
    pub strategy: Strategy,
    /// For which calls rules on arguments are inferred.
    pub arguments: ArgumentRules,
}

/// What becomes of predicted calls.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// They are withheld.
    Observed,
    /// Those of ordinary risk groups are allowed, those of sensitive ones withheld.
    #[default]
    Balanced,
    /// They are allowed.
    Predicted,
}

/// For which calls rules on arguments are inferred.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentRules {
    /// For none.
    None,
    /// For calls whose power lies in an argument: socket, clone, ioctl, prctl, mmap, ...
    #[default]
    Risky,
    /// For every call with an argument whose value decides what it may do.
    All,
}

/// Which file a program was, as far as the evidence says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramIdentity {
    /// Build ids or hashes (`sha256:..`) under which it was seen.
    pub versions: BTreeSet<String>,
    /// Runs executed it; otherwise it was only mapped, or only analysed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executed: bool,
    /// A mapping was asked to be writable and executable at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_and_execute: bool,
    /// Absolute paths that its code holds: what it may open, and no run need have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub opens: BTreeSet<Text>,
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

/// A call that is not allowed although there is evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The evidence.
    pub origins: Origins,
    /// Why it is not allowed all the same, in one sentence.
    pub reason: String,
}

/// Why an entry is allowed. At least one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Origins {
    /// Runs did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Code can reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Predicted>,
    /// Calls of the same power that are allowed, by name: a libc upgrade swaps one for the other.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub variant: BTreeSet<String>,
    /// It is made without a call site: signal return, restart, what the vDSO falls back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implied: Option<String>,
    /// Container runtimes need it after loading the filter: `runc 1.1`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub runtime: BTreeSet<String>,
    /// A person decided it: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<String>,
}

impl Origins {
    /// Whether the program itself needs the entry, and not only a container runtime.
    pub fn of_the_program(&self) -> bool {
        let Origins { observed, predicted, variant, implied, runtime: _, decided } = self;
        observed.is_some()
            || predicted.is_some()
            || !variant.is_empty()
            || implied.is_some()
            || decided.is_some()
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
    /// With which arguments, where their values decide what the call may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// What they did by it that only a capability let them do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub checks: BTreeSet<Check>,
    /// What else they did by it that decides which restrictions the programs can live under.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<Mark>,
}

/// That code can make a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicted {
    /// By which analyses: ids of [`Policy::evidence`].
    pub analyses: BTreeSet<String>,
    /// Which executables, and by which layer of each at the earliest.
    pub programs: BTreeMap<Text, Layer>,
    /// When.
    pub phase: Phase,
    /// A shortest chain of calls from the start of one of them, as `module:function+0x1f`.
    pub chain: Vec<String>,
    /// Parameters, by name, of which all values are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, BTreeSet<u64>>,
}

impl Predicted {
    /// The most values of a parameter that are kept: with more, any value counts as predicted.
    pub const BOUND: usize = 64;
}

/// What runs did to a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// What was done, or may have been: the engine did not see that it failed.
    pub done: Words<Access>,
    /// What was tried and failed each time.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub tried: Words<Access>,
    /// Where symbolic links led, when elsewhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resolved: BTreeSet<Text>,
    /// What was there.
    pub found: Words<FileKind>,
    /// What was done that only a capability let them do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub checks: BTreeSet<Check>,
    /// Where it was moved, linked or exchanged to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub moves: BTreeSet<Text>,
    /// It is in /proc, in the entry of the process that named it, and that was the first of its run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// By which executables.
    pub programs: Shared<Text>,
    /// In which runs: ids of [`Policy::evidence`].
    pub runs: Shared<String>,
}

/// An address that runs used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointEntry {
    /// The address.
    pub address: Address,
    /// The socket's type, "stream", "datagram", when it could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// By which executables.
    pub programs: BTreeSet<Text>,
    /// In which runs: ids of [`Policy::evidence`].
    pub runs: BTreeSet<String>,
}
