//! Tab-separated files: rows with their place, for messages.

use crate::Result;
use std::collections::BTreeSet;

/// One file of `data/`.
pub struct Table {
    pub rows: Vec<Row>,
}

/// A line that is neither empty nor a comment. Comments are `#` alone or followed by a space; a
/// word right after the `#` makes a row of another form.
pub struct Row {
    place: String,
    pub fields: Vec<String>,
}

impl Table {
    pub fn new(file: String, text: &str) -> Table {
        let rows = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && *line != "#" && !line.starts_with("# "))
            .map(|(index, line)| Row {
                place: format!("{file}:{}", index + 1),
                fields: line.split('\t').map(str::to_owned).collect(),
            })
            .collect();
        Table { rows }
    }
}

impl Row {
    pub fn error<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(format!("{}: {message}", self.place))
    }

    /// The fields, which must be `N`.
    pub fn exactly<const N: usize>(&self) -> Result<[&str; N]> {
        let fields: Vec<&str> = self.fields.iter().map(String::as_str).collect();
        match <[&str; N]>::try_from(fields) {
            Ok(fields) => Ok(fields),
            Err(fields) => self.error(format!("{} fields, expected {N}", fields.len())),
        }
    }

    /// Checks that `name` is a word of lower-case letters, digits, `_` and `-`, and new to `seen`.
    pub fn new_word(&self, name: &str, seen: &mut BTreeSet<String>) -> Result<()> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(good) {
            return self.error(format!("{name:?} is not a word in lower case"));
        }
        if !seen.insert(name.to_owned()) {
            return self.error(format!("{name} is here twice"));
        }
        Ok(())
    }

    /// Checks that `text` says something.
    pub fn sentence(&self, text: &str) -> Result<()> {
        if text.split_whitespace().count() < 2 || text.contains('"') || text.contains('\\') {
            return self.error(format!("{text:?} is not a sentence without quotes"));
        }
        Ok(())
    }
}

/// `open-flags` as the name of an enum's variant, `OpenFlags`.
pub fn camel(word: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    word.split('-').filter(|part| !part.is_empty()).map(capital).collect()
}
