//! What system calls do to the table of descriptors. The rows are in `data/descriptors.tsv`.

use super::Object;

include!(concat!(env!("OUT_DIR"), "/descriptors.rs"));

/// What a call does to the table of descriptors, and which global names of no other kind it uses.
#[derive(Debug)]
pub struct Rule {
    call: &'static str,
    /// What happens to the table.
    pub effect: Option<Effect>,
    /// What a new descriptor refers to, where that is always the same.
    pub object: Option<Object>,
    /// Whether a new descriptor is close-on-exec.
    pub close_on_exec: CloseOnExec,
    /// The global name.
    pub names: Option<Naming>,
}

impl Rule {
    /// The row of a call; most have none.
    pub fn of(call: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.call == call)
    }
}

/// What happens to the table of descriptors; the head of the table says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are explained in data/descriptors.tsv")]
pub enum Effect {
    Open,
    Make,
    Socket,
    SocketPair,
    Accept,
    Pipe,
    Dup,
    DupOnto,
    Fcntl,
    Ioctl,
    Close,
    CloseRange,
    Receive,
    ReceiveMany,
    Fetch,
    Update,
    Bpf,
    Listener,
    Clone,
    Unshare,
}

/// Whether a new descriptor is close-on-exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseOnExec {
    /// In any case.
    Always,
    /// Only when fcntl or ioctl says so later.
    Never,
    /// When this bit is set.
    Flag {
        /// The name of the parameter.
        param: &'static str,
        /// The bit.
        bit: u64,
    },
}

/// A global name that stands in no argument as a path, an address or a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A child: made or waited for.
    Child,
    /// System V or POSIX interprocess communication.
    Ipc,
    /// The state of the machine or of a name space.
    Kernel,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Kind};

    #[test]
    fn what_only_makes_a_descriptor_names_its_object() {
        for rule in RULES.iter().filter(|rule| rule.effect == Some(Effect::Make)) {
            // open_tree gives what the path led to.
            assert!(rule.object.is_some() != rule.call.starts_with("open_tree"), "{}", rule.call);
        }
    }

    #[test]
    fn every_call_that_opens_by_flags_has_a_row() {
        for call in Call::all() {
            let opens =
                |param: &crate::Param| matches!(param.kind, Kind::OpenFlags | Kind::OpenHow);
            // uselib and the like name files without giving a descriptor.
            if call.params.iter().any(opens) {
                assert!(
                    Rule::of(call.name).is_some_and(|rule| rule.effect.is_some()),
                    "{}",
                    call.name
                );
            }
        }
    }
}
