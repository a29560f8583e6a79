//! Predicts from ELF files. So far it answers one question: which function holds an instruction.
//!
//! The files may be hostile: what cannot be read has no name, and nothing here panics on bytes.

mod frames;
mod functions;
mod lines;
mod sites;

pub use functions::Functions;
pub use lines::SourceLines;
pub use sites::name_sites;
