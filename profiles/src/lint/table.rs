//! What can be found, from data/findings.tsv.

use std::{fmt, sync::LazyLock};

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub reason: &'static str,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Weaker or stricter than it was meant.
    Warning,
    /// Refused by a runtime, or done otherwise than written.
    Error,
}

impl Severity {
    /// The word, which is SARIF's level too.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

const TABLE: &str = include_str!("../../data/findings.tsv");

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1)
}

fn row(line: &'static str) -> Option<Check> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, severity, title, reason] = fields[..] else { return None };
    let all = [Severity::Note, Severity::Warning, Severity::Error];
    let severity = all.into_iter().find(|known| known.name() == severity)?;
    Some(Check { id, severity, title, reason })
}

/// All of them, in the order of the table.
pub fn checks() -> &'static [Check] {
    static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| lines().filter_map(row).collect());
    &CHECKS
}

/// The one of that name.
pub(super) fn check(id: &str) -> Option<&'static Check> {
    let found = checks().iter().find(|check| check.id == id);
    debug_assert!(found.is_some(), "no row for {id}");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_once_and_says_why() {
        let mut seen = std::collections::BTreeSet::new();
        for line in lines() {
            let check = row(line).unwrap_or_else(|| panic!("{line}"));
            assert!(seen.insert(check.id), "{line}");
            assert!(check.reason.ends_with('.') && !check.title.ends_with('.'), "{line}");
        }
        assert_eq!(checks().len(), lines().count());
    }
}
