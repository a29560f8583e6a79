//! What a call is about to do, told in the words of the model by whoever can read its arguments:
//! the tracer can, and `profgen run --audit` asks it, without either knowing the other.

use crate::Notification;
use model::{
    Access, KillTarget, Sysno, Text,
    capability::Check,
    trace::{Address, EndpointOperation, FileKind},
};
use std::collections::BTreeSet;

/// A file that a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAct {
    /// Absolute, as named.
    pub named: Text,
    /// Where symbolic links led, when that differs.
    pub resolved: Option<Text>,
    /// What is there, when it could be seen.
    pub found: Option<FileKind>,
    /// What is done to it.
    pub accesses: Vec<Access>,
    /// What of that only a capability permits.
    pub checks: BTreeSet<Check>,
}

/// What one call is about to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Act {
    /// To files, in the order of the arguments.
    pub files: Vec<FileAct>,
    /// With addresses, and the type of the socket.
    pub endpoints: Vec<(EndpointOperation, Address, Option<String>)>,
    /// To a process: whom a signal goes to, and the number that was given for it.
    pub signals: Option<(KillTarget, i32)>,
    /// What else of it only a capability permits.
    pub checks: BTreeSet<Check>,
}

/// Reads calls.
pub trait Witness {
    /// Whether there may be something to tell of a call.
    fn watches(&mut self, sysno: Sysno) -> bool;

    /// What the call is about to do; `None` when nothing is known of it. `valid` says, after the
    /// reading, whether the call still waits.
    fn tell(
        &mut self,
        sysno: Sysno,
        notification: &Notification,
        valid: &dyn Fn() -> bool,
    ) -> Option<Act>;
}
