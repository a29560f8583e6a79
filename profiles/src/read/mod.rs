//! Reads seccomp profiles as people have them: the OCI object, alone or inside a config.json, in
//! Docker's and Podman's dialects too, Docker's built-in profile, and profgen's own policies.
//!
//! What is read is kept as it was written, each entry with its place, so that a finding can name it.
//! What it means to a kernel is lower/.

mod docker_default;
mod lines;
mod wire;

pub use docker_default::{DOCKER_DEFAULT, docker_default};

use filter::Action;
use model::{CmpOp, Policy, document};
use std::collections::BTreeMap;

/// Something that says what a program may call.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A seccomp profile of a container runtime.
    Seccomp(Profile),
    /// One of profgen's own.
    Policy(Box<Policy>),
}

/// A seccomp profile as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// What calls get that no entry is for.
    pub default: Answer,
    /// OCI's names of the architectures, beside the runtime's own.
    pub architectures: Vec<String>,
    /// Docker's choice of architectures by that of the machine.
    pub arch_map: Vec<ArchMapping>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: Vec<String>,
    /// The socket of the agent that is notified.
    pub listener_path: Option<String>,
    /// The entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// Fields that no runtime knows, as paths: `syscalls[3].arg`. The first few.
    pub unknown_fields: Vec<String>,
}

/// An action as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub kind: Kind,
    /// `errnoRet` or `defaultErrnoRet`, as written; any number can be.
    pub errno: Option<u64>,
}

impl Default for Answer {
    fn default() -> Answer {
        Answer { kind: Kind::Errno, errno: None }
    }
}

/// The actions of the OCI runtime specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the specification names them")]
pub enum Kind {
    Allow,
    Errno,
    KillThread,
    KillProcess,
    Trap,
    Trace,
    Log,
    Notify,
}

impl Kind {
    const NAMES: &'static [(&'static str, Kind)] = &[
        ("SCMP_ACT_ALLOW", Kind::Allow),
        ("SCMP_ACT_ERRNO", Kind::Errno),
        ("SCMP_ACT_KILL", Kind::KillThread),
        ("SCMP_ACT_KILL_THREAD", Kind::KillThread),
        ("SCMP_ACT_KILL_PROCESS", Kind::KillProcess),
        ("SCMP_ACT_TRAP", Kind::Trap),
        ("SCMP_ACT_TRACE", Kind::Trace),
        ("SCMP_ACT_LOG", Kind::Log),
        ("SCMP_ACT_NOTIFY", Kind::Notify),
    ];

    fn from_name(name: &str) -> Option<Kind> {
        Kind::NAMES.iter().find(|row| row.0 == name).map(|row| row.1)
    }
}

impl Answer {
    /// What it is to the kernel: the runtimes' EPERM where no number is given, and the 16 bits of a
    /// number that there is room for.
    pub fn action(&self) -> Action {
        let number = self.errno.map_or(model::errno::EPERM, |number| number as u16);
        match self.kind {
            Kind::Allow => Action::Allow,
            Kind::Errno => Action::Errno(number),
            Kind::KillThread => Action::KillThread,
            Kind::KillProcess => Action::KillProcess,
            Kind::Trap => Action::Trap(0),
            Kind::Trace => Action::Trace(number),
            Kind::Log => Action::Log,
            Kind::Notify => Action::UserNotif,
        }
    }
}

/// A row of Docker's `archMap`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchMapping {
    /// The architecture of the machine.
    pub architecture: String,
    /// What its kernel runs besides.
    pub sub_architectures: Vec<String>,
}

/// One entry of `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its place, from 0.
    pub position: usize,
    /// The line on which it begins, from 1; none when it was not read from text.
    pub line: Option<u32>,
    /// The calls, as written.
    pub names: Vec<String>,
    /// What they get.
    pub answer: Answer,
    /// Whether Docker's old `name` was used, beside `names` or instead of it.
    pub single_name: bool,
    /// With which arguments.
    pub args: Vec<Argument>,
    /// Docker: only where all of this holds.
    pub includes: Condition,
    /// Docker: not where any of this holds.
    pub excludes: Condition,
}

/// A comparison as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Which argument; any number can be written.
    pub index: u64,
    /// The constant; the mask for [`CmpOp::MaskedEq`].
    pub value: u64,
    /// The wanted bits for [`CmpOp::MaskedEq`].
    pub value_two: u64,
    /// The comparison.
    pub op: CmpOp,
}

/// What of the machine and the container an entry depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Capabilities, `CAP_SYS_ADMIN`.
    pub caps: Vec<String>,
    /// Architectures as Go names them, `amd64`.
    pub arches: Vec<String>,
    /// The oldest kernel.
    pub min_kernel: Option<(u32, u32)>,
}

impl Condition {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Condition::default()
    }
}

impl Profile {
    /// Whether it uses what only Docker and Podman read.
    pub fn is_docker(&self) -> bool {
        !self.arch_map.is_empty()
            || self.entries.iter().any(|entry| {
                entry.single_name || !entry.includes.is_empty() || !entry.excludes.is_empty()
            })
    }

    /// The entries of each call, by name.
    pub fn by_name(&self) -> BTreeMap<&str, Vec<&Entry>> {
        let mut calls: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.entries {
            for name in &entry.names {
                calls.entry(name).or_default().push(entry);
            }
        }
        calls
    }
}

/// Why something is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of this form.
    #[error("{}", short(.0))]
    Malformed(serde_json::Error),
    /// One of profgen's own documents, but no policy that this version reads.
    #[error(transparent)]
    Document(#[from] document::DocumentError),
    /// Another document of profgen's.
    #[error("it is {0}, which is neither a seccomp profile nor a policy")]
    Kind(String),
    /// Larger than any profile.
    #[error("it has {0} bytes; a seccomp profile has at most {max}", max = wire::BYTES)]
    TooLarge(usize),
    /// JSON without what a profile must have.
    #[error("it has no defaultAction, so it is no seccomp profile")]
    NoDefault,
    /// A runtime configuration that confines nothing.
    #[error("it is a runtime configuration without linux.seccomp: every call is allowed")]
    NoSeccomp,
}

/// An error that does not repeat a long input.
fn short(error: &serde_json::Error) -> String {
    const LONG: usize = 160;
    let text = error.to_string();
    if text.len() <= LONG {
        return text;
    }
    let head: String = text.chars().take(LONG).collect();
    format!("{head}... at line {} column {}", error.line(), error.column())
}

/// Reads a profile or a policy, whichever it is.
///
/// # Errors
/// When it is neither. Memory is bounded by a small multiple of 16 MiB, whatever the input holds,
/// unless that is a policy.
pub fn read(json: &[u8]) -> Result<Input, ReadError> {
    match document::schema_of(json) {
        Some(schema) => match document::kind_and_version(&schema) {
            Some(("policy", _)) => Ok(Input::Policy(Box::new(document::from_json(json)?))),
            Some(_) => Err(ReadError::Kind(schema)),
            None => seccomp(json),
        },
        None => seccomp(json),
    }
}

fn seccomp(json: &[u8]) -> Result<Input, ReadError> {
    let mut profile = wire::profile(json)?;
    for (entry, line) in profile.entries.iter_mut().zip(lines::of_entries(json)) {
        entry.line = Some(line);
    }
    Ok(Input::Seccomp(profile))
}
