//! Classic BPF for seccomp: compile a policy, assemble, disassemble, simulate, load.
//!
//! ```text
//! Policy ──from_policy──► Ruleset ──compile──► Program ──install──► the kernel
//!                            │                    ├─ disassemble, simulate
//!                            └─ verdict           └─ to_bytes, from_bytes
//! ```
//!
//! * [`Action`]: what happens to a call
//! * [`Ruleset`]: an action, or argument rules, for each call of each architecture
//! * [`Program`]: instructions that the kernel accepts as a filter
//! * [`SeccompData`]: a call, as a filter sees it

mod action;
mod assemble;
mod compile;
mod condition;
mod data;
mod diagram;
mod disassemble;
mod insn;
mod known;
#[cfg(target_os = "linux")]
mod load;
mod numbers;
mod policy;
mod program;
mod ruleset;
mod simulate;

pub use action::Action;
pub use compile::{CompileError, compile};
pub use data::SeccompData;
pub use disassemble::disassemble;
pub use insn::Insn;
#[cfg(target_os = "linux")]
pub use load::{
    Errno, Flags, LoadError, NotifSizes, available, install, install_raw, no_new_privs, notif_sizes,
};
pub use policy::Denied;
pub use program::{Program, ProgramError};
pub use ruleset::{ArchRules, CallRule, Ruleset};
pub use simulate::{simulate, simulate_path, verdict};
