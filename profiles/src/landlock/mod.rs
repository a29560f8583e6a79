//! Renders what a policy comes to in the terms of Landlock, one file per format.
//!
//! * `config`: landlockconfig, in JSON and TOML
//! * `source`: C and Rust for the author of a program to paste
//! * `landrun`: a command line

mod config;
mod landrun;
mod source;

use crate::{Error, Rendered};
use model::{Text, landlock::LandlockPolicy};

/// A form in which another program takes Landlock's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `landlock`: landlockconfig's JSON.
    Json,
    /// `landlock-toml`: the same in TOML.
    Toml,
    /// `landlock-c`: a function in C.
    C,
    /// `landlock-rust`: a function in Rust.
    Rust,
    /// `landrun`: landrun's command line.
    Landrun,
}

impl Form {
    /// All, in the order of their names.
    pub const ALL: [Form; 5] = [Form::Json, Form::C, Form::Rust, Form::Toml, Form::Landrun];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "landlock",
            Form::Toml => "landlock-toml",
            Form::C => "landlock-c",
            Form::Rust => "landlock-rust",
            Form::Landrun => "landrun",
        }
    }

    /// The form of that name.
    pub fn of_name(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| form.name() == name)
    }

    /// Writes the rules in this form.
    ///
    /// # Errors
    /// When the text could not be built.
    pub fn render(self, landlock: &LandlockPolicy, command: &[Text]) -> Result<Rendered, Error> {
        let mut notes = landlock.notes.clone();
        let text = match self {
            Form::Json => config::json(landlock, &mut notes)
                .map_err(|source| Error::Json { format: self.name(), source })?,
            Form::Toml => config::toml(landlock, &mut notes),
            Form::C => source::c(landlock, &mut notes),
            Form::Rust => source::rust(landlock, &mut notes),
            Form::Landrun => landrun::command(landlock, command, &mut notes),
        };
        Ok(Rendered { text, notes })
    }
}

/// A path as a text that every one of these formats can hold; none where it is not UTF-8.
fn path_text<'a>(path: &'a Text, notes: &mut Vec<String>) -> Option<&'a str> {
    let text = std::str::from_utf8(path.as_bytes()).ok();
    if text.is_none() {
        notes.push(format!("{path}: left out: its name is not UTF-8"));
    }
    text
}
