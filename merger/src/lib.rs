//! Joins evidence into a policy.
//!
//! [`merge`] takes traces and policies in any number and order. It is a join: the order of the
//! inputs does not matter, nor how they are grouped, nor that one is given twice, and what one
//! input observed is in the result. So traces of replicas and of test shards can be merged on any
//! machine to the same bytes, and a policy stands for all traces that it was merged from.
//!
//! * `evidence`: what a trace says, as a policy that allows just what was observed
//! * `join`: the union of two policies
//! * `derive`: what follows from the observed calls: variants and implied calls

mod derive;
mod evidence;
mod join;

use model::{Policy, Trace};

/// Something that a policy rests on.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few of them, and each is moved once")]
pub enum Input {
    /// One run.
    Trace(Trace),
    /// An earlier merge.
    Policy(Policy),
}

impl From<Trace> for Input {
    fn from(trace: Trace) -> Input {
        Input::Trace(trace)
    }
}

impl From<Policy> for Input {
    fn from(policy: Policy) -> Input {
        Input::Policy(policy)
    }
}

/// The policy that allows what the inputs observed, and what follows from it.
///
/// Of the origins in an input policy, `observed` and `runtime` are kept. `variant` and `implied`
/// follow from the observed calls and are worked out anew, so that merging a policy with a trace
/// gives what merging all traces gives, and a call whose last reason is gone is gone too.
pub fn merge(inputs: impl IntoIterator<Item = Input>) -> Policy {
    let mut merged = Policy::default();
    for input in inputs {
        let mut policy = match input {
            Input::Trace(trace) => evidence::observed(trace),
            Input::Policy(policy) => policy,
        };
        derive::withdraw(&mut policy);
        join::join(&mut merged, policy);
    }
    derive::derive(&mut merged);
    merged
}
