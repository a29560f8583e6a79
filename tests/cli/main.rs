//! profgen as its users meet it: how it ends, what it prints, what it leaves behind, and what a
//! trace says of a program that is known.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test that is a failure")]

#[path = "../support/mod.rs"]
mod support;

mod attach;
mod bundle;
mod confined;
mod errors;
mod hostile;
mod privileges;
mod record;
mod scene;
mod signals;
mod state;
mod terminal;
