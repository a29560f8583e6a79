//! Predicts from ELF files which system calls a program can make: see [`analyze`]. It also names the
//! functions that hold the call sites of a trace.
//!
//! The files of a program are found as the loader finds them (closure.rs), read (elf.rs) and scanned
//! one by one (scan.rs, flow.rs), and joined (link.rs). From the roots on, live functions and live
//! data make one another live (reach.rs, phases.rs); at the system-call sites among them, the numbers
//! are looked up through all callers (numbers.rs).
//!
//! The files may be hostile: what cannot be read is a gap or has no name, and nothing here panics on
//! bytes.

mod arguments;
mod cache;
mod closure;
mod decode;
mod dot;
mod elf;
mod files;
mod flow;
mod frames;
mod functions;
#[doc(hidden)]
pub mod fuzzing;
mod gopclntab;
mod landing;
mod layers;
mod ldcache;
mod lines;
mod link;
mod numbers;
mod objects;
mod passing;
mod phases;
mod precision;
mod predict;
mod ranges;
mod reach;
mod root;
mod run;
mod scan;
mod sites;
mod sweep;
mod value;

pub use dot::dot;
pub use functions::Functions;
pub use lines::SourceLines;
pub use precision::{Precision, Tier};
pub use predict::{AnalyzeError, AnalyzeOptions, analyze};
pub use run::{Executed, executed};
pub use sites::name_sites;
