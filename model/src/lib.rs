//! The vocabulary of profgen and its tables of facts.
//!
//! Every value that crosses between stages (tracer, static analyzer, merger, profiles, confine) is
//! a type of this crate with a versioned JSON form, see [`document`]. Nothing here does I/O or
//! makes a system call.
//!
//! * the words: [`Arch`], [`Sysno`], [`Call`], [`Kind`], [`Group`], [`FileOp`]
//! * the documents: [`Trace`] (what a run did), [`Analysis`] (what code can reach), [`Policy`] (what
//!   is allowed, and why)

pub mod analysis;
mod arch;
mod arguments;
pub mod capability;
mod capability_record;
pub mod capsicum;
pub mod confinement;
pub mod constants;
mod decision;
pub mod descriptor;
pub mod document;
pub mod errno;
pub mod fallback;
mod fileop;
mod group;
pub mod implied;
mod kind;
pub mod landlock;
pub mod policy;
mod rule;
pub mod serial;
mod set;
mod sysno;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod trace;
pub mod variant;

pub use analysis::Analysis;
pub use arch::{Arch, X32_BIT};
pub use arguments::{Arguments, KillTarget};
pub use capability_record::{CapabilityRecord, Checked, Confirmed, Need};
pub use decision::{Decision, Protocol, Subject, SubjectError, Verdict};
pub use document::{Document, DocumentError};
pub use fileop::{Access, FileOp};
pub use group::Group;
pub use kind::Kind;
pub use policy::Policy;
pub use rule::{ArgCmp, CmpOp, Rule, RuleError};
pub use set::{Shared, Word, Words};
pub use sysno::Sysno;
pub use table::{Call, Param};
pub use text::Text;
pub use trace::Trace;
