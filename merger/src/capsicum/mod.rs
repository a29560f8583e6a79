//! How programs could confine themselves by Capsicum, from what runs showed of their descriptors and
//! of the order in which they used global names.
//!
//! * `fold`: what a policy keeps of a trace
//! * `roles`: what descriptors are for, in words, and the rights of each
//! * `remedies`: what makes a global name work in capability mode
//! * `point`: where a process would enter it
//! * `suggest`: all of that, as a document
//! * [`replay()`]: a trace under a suggestion, and what would fail

mod fold;
mod frames;
mod point;
mod remedies;
mod replay;
mod roles;
mod section;
mod suggest;

pub(crate) use fold::of_trace;
pub(crate) use frames::own;
pub use replay::{Allowed, Violation, replay};
pub use section::{explain, section};
pub use suggest::suggestions;
pub(crate) use suggest::{fits_strict_mode, name, ordinal};
