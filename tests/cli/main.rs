//! profgen as its users meet it: how it ends, what it prints, what it leaves behind, and what a
//! trace says of a program that is known.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod attach;
mod audited;
mod bundle;
mod capabilities;
mod compare;
mod confined;
mod confirmed;
mod decisions;
mod emit;
mod engines;
mod errors;
mod held;
mod hostile;
mod landlock;
mod lint;
mod loaded;
mod predicted;
mod privileges;
mod record;
mod scene;
mod signals;
mod simulate;
mod state;
mod terminal;
