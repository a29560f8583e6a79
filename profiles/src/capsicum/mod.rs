//! Suggestions for Capsicum: `capsicum` as JSON, `capsicum-c` as a listing in C for whoever changes
//! the program.

mod listing;

use crate::Rendered;
use model::{capsicum::Suggestions, document::to_json};
use std::io;

/// The name of the document on the command line.
pub const JSON: &str = "capsicum";
/// The name of the listing.
pub const LISTING: &str = "capsicum-c";

/// The document.
///
/// # Errors
/// When it could not be written.
pub fn json(suggestions: &Suggestions) -> io::Result<Rendered> {
    let text = String::from_utf8_lossy(&to_json(suggestions)?).into_owned();
    Ok(Rendered { text, notes: notes(suggestions) })
}

/// The listing.
pub fn listing(suggestions: &Suggestions) -> Rendered {
    Rendered { text: listing::listing(suggestions), notes: notes(suggestions) }
}

fn notes(suggestions: &Suggestions) -> Vec<String> {
    let mut notes: Vec<String> = suggestions.notes.iter().cloned().collect();
    notes.push(
        "it rests on what runs did: a path that none of them took may need more rights".to_owned(),
    );
    notes
}
