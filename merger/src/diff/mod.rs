//! What changed from one policy or profile to another, and what brought it in.
//!
//! What is allowed is compared by what it means: two profiles that are written otherwise and do the
//! same are equal. Beside that stand the changes of the evidence: programs, files, addresses.
//!
//! * `calls`: system calls and their arguments
//! * `surroundings`: programs, files and addresses, which only a policy knows
//! * `render`: the texts

mod calls;
mod render;
mod surroundings;

use filter::{Relation, Ruleset};
use model::Policy;
use serde::Serialize;

/// One of the two things that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// How it was named by the user.
    pub name: &'a str,
    /// What it does with every call.
    pub ruleset: &'a Ruleset,
    /// The policy, where it is one: it has reasons.
    pub policy: Option<&'a Policy>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// `profgen/diff/v1`.
    schema: &'static str,
    /// What was compared.
    pub old: String,
    /// With what.
    pub new: String,
    /// How much the new one allows against the old one: `equal`, `narrower`, `wider`,
    /// `incomparable` (less here, more there) or `unknown` (too much work to decide).
    #[serde(serialize_with = "relation_name")]
    pub relation: Relation,
    /// Each change, the most important first.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Which way.
    pub label: Label,
    /// Whether a person should look twice.
    pub risky: bool,
    /// What it is about.
    pub area: Area,
    /// `x86_64 openat`, `/etc/`, `tcp:443`.
    pub subject: String,
    /// The risk group of a system call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'static str>,
    /// What changed, in a few words.
    pub what: String,
    /// What brought it in or took it away, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// Which way something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// More is allowed.
    Widened,
    /// It is otherwise, but neither more nor less is allowed, or that is not known.
    Changed,
    /// Less is allowed.
    Narrowed,
}

impl Label {
    /// As JSON writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Label::Widened => "widened",
            Label::Changed => "changed",
            Label::Narrowed => "narrowed",
        }
    }
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Architectures, and what calls get that nothing is said about.
    Default,
    /// A system call.
    Call,
    /// A Linux capability that the runs may have needed.
    Capability,
    /// A program that is executed.
    Program,
    /// An address.
    Endpoint,
    /// Files of a directory.
    File,
    /// A person's decision, or how the policy was made.
    Decision,
}

impl Area {
    /// What a heading calls several of them.
    fn plural(self) -> &'static str {
        match self {
            Area::Default => "defaults",
            Area::Call => "system calls",
            Area::Capability => "capabilities",
            Area::Program => "programs executed",
            Area::Endpoint => "addresses",
            Area::File => "files",
            Area::Decision => "decisions and settings",
        }
    }
}

/// When a difference makes the command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Something is allowed that was not.
    Widened,
    /// Anything changed.
    Changed,
    /// Something is allowed that was not, and is sensitive.
    Risky,
}

impl Diff {
    /// Whether there is a change of that sort.
    pub fn fails(&self, on: FailOn) -> bool {
        self.changes.iter().any(|change| match on {
            FailOn::Widened => change.label == Label::Widened,
            FailOn::Changed => true,
            FailOn::Risky => change.label == Label::Widened && change.risky,
        })
    }
}

/// Compares two sides.
pub fn diff(old: &Side<'_>, new: &Side<'_>) -> Diff {
    let comparison = filter::compare(old.ruleset, new.ruleset);
    let mut changes = calls::changes(&comparison, old, new);
    if let (Some(before), Some(now)) = (old.policy, new.policy) {
        changes.extend(surroundings::changes(before, now));
    }
    changes.sort_by(|one, two| {
        let key = |change: &Change| (change.label, !change.risky, change.area);
        key(one).cmp(&key(two)).then_with(|| one.cmp(two))
    });
    Diff {
        schema: "profgen/diff/v1",
        old: old.name.to_owned(),
        new: new.name.to_owned(),
        relation: comparison.relation,
        changes,
    }
}

fn relation_name<S: serde::Serializer>(
    relation: &Relation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(relation.name())
}
