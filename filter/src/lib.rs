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
//! * [`contains`], [`compare()`]: which rules allow more, by what they mean
//!
//! ```
//! use model::{Arch, Sysno};
//! use profgen_filter::{Action, ArchRules, CallRule, Ruleset, SeccompData, compile, verdict};
//!
//! let read = Sysno::new(Arch::X86_64, 0);
//! let calls = [(read.number(), CallRule::Always(Action::Allow))].into();
//! let rules = ArchRules { calls, unknown: Action::Errno(38) };
//! let ruleset = Ruleset { arches: [(Arch::X86_64, rules)].into(), foreign: Action::KillProcess };
//! let program = compile(&ruleset)?;
//!
//! let arch = Arch::X86_64.audit();
//! let call = SeccompData { nr: 39, arch, instruction_pointer: 0, args: [0; 6] };
//! assert_eq!(verdict(&program, &call), Action::Errno(38));
//! # Ok::<(), profgen_filter::CompileError>(())
//! ```

mod action;
mod assemble;
mod compare;
mod compile;
mod condition;
mod contain;
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
mod region;
mod ruleset;
mod simulate;

pub use action::Action;
pub use compare::{CallChange, Comparison, Shift, compare, compare_calls};
pub use compile::{CompileError, compile};
pub use contain::{Contained, Relation, contains, contains_within, disjoint, relate};
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
