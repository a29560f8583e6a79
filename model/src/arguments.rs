//! The argument values with which a call was seen, kept up to a bound.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The combinations of the arguments that decide what a call may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Which arguments, by the names of the call table, in the order of each row of `values`.
    pub names: Vec<String>,
    /// Each combination once.
    pub values: BTreeSet<Vec<u64>>,
    /// More than [`Arguments::BOUND`] combinations were seen: `values` is not all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
}

impl Arguments {
    /// The most combinations that are kept.
    pub const BOUND: usize = 64;

    /// No value yet for these arguments.
    pub fn new(names: Vec<String>) -> Arguments {
        Arguments { names, values: BTreeSet::new(), many: false }
    }

    /// Adds one combination. Says whether it was new.
    pub fn insert(&mut self, row: &[u64]) -> bool {
        if self.values.contains(row) {
            return false;
        }
        if self.values.len() >= Self::BOUND {
            return !std::mem::replace(&mut self.many, true);
        }
        self.values.insert(row.to_vec())
    }

    /// Adds what another record of the same call saw. Past the bound the smallest rows are kept,
    /// so that the order of joining does not matter.
    pub fn join(&mut self, other: &Arguments) {
        self.values.extend(other.values.iter().cloned());
        self.many |= other.many || self.values.len() > Self::BOUND;
        while self.values.len() > Self::BOUND {
            self.values.pop_last();
        }
    }

    /// The values seen at one position of a row.
    pub fn column(&self, name: &str) -> BTreeSet<u64> {
        let position = self.names.iter().position(|known| known == name);
        position.map_or_else(BTreeSet::new, |at| {
            self.values.iter().filter_map(|row| row.get(at).copied()).collect()
        })
    }
}

/// Whom a signal was sent to: what kill, tkill and tgkill have as their argument `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillTarget {
    /// The process itself, or one of its threads.
    Own = 0,
    /// A process group.
    Group = 1,
    /// Another process of the same run.
    Traced = 2,
    /// A process outside the run.
    Other = 3,
    /// Every process that the sender may signal (-1).
    Everyone = 4,
}

impl KillTarget {
    /// All, by their numbers.
    pub const ALL: [KillTarget; 5] = [
        KillTarget::Own,
        KillTarget::Group,
        KillTarget::Traced,
        KillTarget::Other,
        KillTarget::Everyone,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_the_record_says_many() {
        let mut arguments = Arguments::new(vec!["cmd".to_owned()]);
        for value in 0..Arguments::BOUND as u64 {
            assert!(arguments.insert(&[value]));
        }
        assert!(!arguments.many);
        assert!(!arguments.insert(&[3]));
        assert!(!arguments.many, "a value already there does not count");
        assert!(arguments.insert(&[1000]));
        assert!(arguments.many);
        assert_eq!(arguments.values.len(), Arguments::BOUND);
    }
}
