//! Joins evidence into a policy.
//!
//! [`merge`] takes traces and policies in any number and order. It is a join: the order of the
//! inputs does not matter, nor how they are grouped, nor that one is given twice, and what one
//! input observed is in the result. So traces of replicas and of test shards can be merged on any
//! machine to the same bytes, and a policy stands for all traces that it was merged from.
//!
//! * `evidence`: what a trace or an analysis says, as a policy that allows just that
//! * `join`: the union of two policies
//! * `strategy`: which calls of the evidence are allowed, and which are withheld
//! * `argrule`: rules on arguments, from the values that runs showed and code holds
//! * [`paths`]: the policy in the terms of Landlock
//! * [`capabilities`]: the capabilities that runs may have needed
//! * [`capsicum`]: how the programs could confine themselves, and from when on
//! * [`serving`]: from when on a program only serves, and what it needs then
//! * `derive`: what follows from the allowed calls: variants and implied calls
//! * `names`: names that a run makes up
//! * [`diff`]: what changed from one policy or profile to another
//! * `report`, `explain`, `words`: what a policy says, for people

mod argrule;
pub mod capabilities;
pub mod capsicum;
mod derive;
pub mod diff;
mod evidence;
mod explain;
mod join;
mod names;
pub mod paths;
mod report;
pub mod serving;
mod strategy;
mod words;

pub use evidence::observed;
pub use explain::{Explanation, SourceOf, explain};
pub use report::{Context, report};
pub use strategy::idle_decisions;
pub use words::markdown;

use model::{Analysis, Policy, Trace, policy::Settings};

/// Something that a policy rests on.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few of them, and each is moved once")]
pub enum Input {
    /// One run.
    Trace(Trace),
    /// What code can reach.
    Analysis(Analysis),
    /// An earlier merge.
    Policy(Policy),
}

impl From<Trace> for Input {
    fn from(trace: Trace) -> Input {
        Input::Trace(trace)
    }
}

impl From<Analysis> for Input {
    fn from(analysis: Analysis) -> Input {
        Input::Analysis(analysis)
    }
}

impl From<Policy> for Input {
    fn from(policy: Policy) -> Input {
        Input::Policy(policy)
    }
}

/// The policy that allows what the inputs observed, what they predict as far as the settings and
/// the decisions in them allow it, and what follows from that.
///
/// Of an input policy the evidence is kept, what it allowed and what it withheld, and the
/// decisions. The rest (`variant`, `implied` and `decided` origins, rules on arguments, what is
/// withheld and why) is worked out anew from all evidence under `settings`, so that merging a
/// policy with a trace gives what merging all traces gives.
pub fn merge(inputs: impl IntoIterator<Item = Input>, settings: Settings) -> Policy {
    let mut merged = Policy::default();
    for input in inputs {
        let mut policy = match input {
            Input::Trace(trace) => evidence::observed(&trace),
            Input::Analysis(analysis) => evidence::predicted(analysis),
            Input::Policy(policy) => policy,
        };
        strategy::withdraw(&mut policy);
        join::join(&mut merged, policy);
    }
    merged.settings = settings;
    strategy::decide(&mut merged);
    derive::derive(&mut merged);
    strategy::settle(&mut merged);
    merged
}
