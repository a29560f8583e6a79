//! How a program could confine itself, as a document: `capsicum.json`.

use super::Rights;
use crate::{
    Document, Sysno, Text,
    confinement::{Id, UseKey},
    document::Schema,
    serial::{is_false, sysno_set},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What runs suggest for each program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestions {
    /// `profgen/capsicum/v1`.
    pub schema: Schema<Suggestions>,
    /// What is not known, one sentence each.
    pub notes: BTreeSet<String>,
    /// By executable: a process that executed it, and one that was forked and went on with it.
    pub programs: BTreeMap<Text, Vec<Suggestion>>,
}

impl Document for Suggestions {
    const KIND: &'static str = "capsicum";
    const VERSION: u32 = 1;
    const LINE_DEPTH: usize = 6;
}

/// How one kind of process could confine itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// It is about processes that were forked and executed nothing.
    pub forked: bool,
    /// Where it would enter capability mode.
    pub point: Point,
    /// The descriptors that it holds from main on.
    pub descriptors: Vec<Limit>,
    /// What makes the names work that it uses past the point.
    pub remedies: Vec<Remedy>,
    /// Each operation that would fail past the point without the remedies.
    pub failures: Vec<Failure>,
    /// Calls of capsicum_helpers(3) that are called for, with why.
    pub helpers: BTreeMap<String, String>,
    /// What it inherited and did not use: a launcher should close it, or open it with O_CLOEXEC.
    pub close: Vec<String>,
    /// Calls that FreeBSD does not have, with what stands for them.
    pub linux_only: BTreeMap<String, String>,
    /// The calls that it made past the point; absent where that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// Some evidence was past a bound.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
}

/// A place in the life of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// As a sentence goes on: "after the second openat in main".
    pub place: String,
    /// The calls that led to the last use of a global name before it, the innermost first; none when
    /// it is at the start.
    pub chain: Vec<String>,
    /// Nothing global is named past it.
    pub clean: bool,
    /// How it was chosen.
    pub why: String,
    /// The steps of start-up: it is right after the last of them.
    pub start_up: BTreeSet<Id>,
}

/// The rights of the descriptors of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which.
    pub id: Id,
    /// What for: "input file".
    pub role: String,
    /// A name for the listing: `input_file`.
    pub variable: String,
    /// Some of its files.
    pub paths: BTreeSet<Text>,
    /// Their numbers, where they were there from the start.
    pub numbers: BTreeSet<i32>,
    /// The calls that led to its making.
    pub chain: Vec<String>,
    /// It is made past the point.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// Whose rights it starts with: the listening socket's, the directory's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub from: BTreeSet<Id>,
    /// From its making on.
    pub rights: Rights,
    /// Past the point, where fewer suffice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Rights>,
    /// The commands for cap_fcntls_limit(2): numbers of Linux.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fcntls: BTreeSet<u32>,
    /// The commands for cap_ioctls_limit(2): numbers of Linux.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ioctls: BTreeSet<u32>,
    /// What each right is for.
    pub uses: BTreeSet<UseKey>,
    /// Some right was inferred from the nearest operation: Linux has one that FreeBSD lacks, or the
    /// fact was not read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inferred: bool,
}

/// A way to do without a global name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// A word for it: `cap-dns`.
    pub id: String,
    /// What to do.
    pub what: String,
    /// For which steps.
    pub steps: BTreeSet<Id>,
    /// Some of the names.
    pub names: BTreeSet<String>,
}

/// An operation that would fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// ECAPMODE or ENOTCAPABLE.
    pub error: String,
    /// The call on Linux.
    pub call: String,
    /// As kdump(1) shows it.
    pub ktrace: String,
    /// The calls that led to it, the innermost first.
    pub chain: Vec<String>,
    /// What helps: [`Remedy::id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What a process does past the point.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// Its calls.
    #[serde(with = "sysno_set")]
    pub calls: BTreeSet<Sysno>,
    /// Calls that only start-up made.
    #[serde(with = "sysno_set")]
    pub start_up: BTreeSet<Sysno>,
    /// What it does fits seccomp's strict mode.
    pub strict: bool,
}
