//! The serving phase of a program on Linux: from when on it only serves, and what it needs then.
//!
//! It is all from observation. A time line keeps in which span of its process each call came; what
//! came in the span of the place counts as serving, for the order within a span is not known. Of a
//! server the place is where it first waits for work, of any other program where it would enter
//! capability mode.
//!
//! * `table`: which calls wait for work, and which stay whenever they were seen
//! * `place`: where that is in each time line, in words
//! * [`phases()`]: what each program needs from there on
//! * [`policy_of()`]: that as a policy
//! * [`section()`]: that for people

mod phase;
mod place;
mod policy;
mod section;
mod table;

pub use phase::{Phase, phases};
pub use policy::{NoPhase, choose, policy_of};
pub use section::section;
