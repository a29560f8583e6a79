//! Capsicum, as FreeBSD has it (capsicum(4)): the rights of descriptors and what capability mode
//! says to each call. The facts are rows of `data/capsicum-rights.tsv` and `data/capsicum-mode.tsv`.
//!
//! * `rights`: sets of rights, and their shortest names
//! * `uses`: what a use of a descriptor takes
//! * `mode`: what capability mode says to a call
//! * `suggestion`: how a program could be confined, as a document

mod mode;
mod rights;
mod suggestion;
mod uses;

pub use mode::{Verdict, verdict};
pub use rights::Rights;
pub use suggestion::*;
pub use uses::{Mode, Needs, fcntl_name, ioctl_name, needs};
