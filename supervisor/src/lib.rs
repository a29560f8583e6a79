//! A process seen from outside: launched under a seccomp filter, its memory, its mappings, the
//! notifications of its system calls, and the signals that pass between it and the terminal.
//!
//! Both the tracer and `profgen run --audit` stand on this crate; it decides nothing and keeps
//! nothing.

pub mod capset;
pub mod command;
pub mod deaths;
pub mod elf_file;
pub mod ending;
pub mod handover;
pub mod launch;
pub mod listener;
pub mod memory;
pub mod procfs;
mod random;
pub mod signals;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wait;
pub mod witness;

pub use capset::CapSet;
pub use command::{Command, CommandError};
pub use deaths::Deaths;
pub use ending::Ending;
pub use launch::{Child, LaunchError, Watch};
pub use listener::{Listener, Notification, Received};
pub use random::random;
