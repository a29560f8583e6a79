//! What runs did, as the directives ask for it; and the table of those that take something which
//! few need, data/systemd.tsv.

use model::{
    Access, Policy, Text, Verdict,
    policy::{FileEntry, Observed},
    trace::{Address, FileKind, Mark},
};
use std::collections::{BTreeMap, BTreeSet};

/// A policy, to be asked.
pub(super) struct Seen<'a> {
    pub(super) policy: &'a Policy,
}

impl<'a> Seen<'a> {
    pub(super) fn new(policy: &'a Policy) -> Seen<'a> {
        Seen { policy }
    }

    /// Whether the policy allows a call, on any architecture.
    pub(super) fn allows(&self, name: &str) -> bool {
        self.policy.calls.keys().any(|sysno| sysno.name() == Some(name))
    }

    fn observed(&self, name: &str) -> impl Iterator<Item = Option<&'a Observed>> {
        let named = self.policy.calls.iter().filter(move |(sysno, _)| sysno.name() == Some(name));
        named.map(|(_, entry)| entry.origins.observed.as_ref())
    }

    /// The values that a parameter of a call had: none when it is not allowed; nothing is known
    /// when it is allowed for another reason than runs, or the runs showed too many.
    pub(super) fn values(&self, call: &str, parameter: &str) -> Option<BTreeSet<u64>> {
        let mut values = BTreeSet::new();
        for observed in self.observed(call) {
            let arguments = observed?.arguments.as_ref()?;
            if arguments.many || !arguments.names.iter().any(|name| name == parameter) {
                return None;
            }
            values.extend(arguments.column(parameter));
        }
        let decided = self.policy.decisions.iter().any(|(subject, decision)| {
            decision.verdict == Verdict::Allow
                && self
                    .policy
                    .calls
                    .keys()
                    .any(|sysno| sysno.name() == Some(call) && subject.is_call(*sysno))
        });
        (!decided).then_some(values)
    }

    /// The values that a parameter had in runs, whatever else is allowed; nothing is known when they
    /// were not kept.
    pub(super) fn observed_values(&self, call: &str, parameter: &str) -> Option<BTreeSet<u64>> {
        let mut values = BTreeSet::new();
        for observed in self.observed(call).flatten() {
            let arguments = observed.arguments.as_ref()?;
            if arguments.many {
                return None;
            }
            values.extend(arguments.column(parameter));
        }
        Some(values)
    }

    /// Whether a run executed a file that gives privileges.
    pub(super) fn gains_privileges(&self) -> bool {
        self.marked(Mark::GainsPrivileges)
    }

    /// Whether a call did something of this sort.
    pub(super) fn marked(&self, mark: Mark) -> bool {
        let entries = self.policy.calls.values();
        let mut observed = entries.filter_map(|entry| entry.origins.observed.as_ref());
        observed.any(|observed| observed.marks.contains(&mark))
    }

    /// The files that were there, or were made: with each name that led to them.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'a Text, &'a FileEntry)> {
        let there = |entry: &FileEntry| {
            entry.found.iter().any(|kind| *kind != FileKind::Absent) || makes(entry)
        };
        let files = self.policy.files.iter().filter(move |(_, entry)| there(entry));
        files.flat_map(|(path, entry)| {
            std::iter::once(path).chain(&entry.resolved).map(move |path| (path, entry))
        })
    }

    /// Whether anything at or below a path was used.
    pub(super) fn uses(&self, place: &str) -> bool {
        self.files().any(|(path, _)| at_or_below(path, place)) || self.addresses(place)
    }

    /// Whether a unix socket at or below a path was used.
    fn addresses(&self, place: &str) -> bool {
        self.policy.endpoints.values().flatten().any(|entry| match &entry.address {
            Address::Unix { path, .. } => at_or_below(path, place),
            _ => false,
        })
    }

    /// Whether the path itself was listed.
    pub(super) fn lists(&self, place: &str) -> bool {
        self.files().any(|(path, entry)| {
            path.as_bytes() == place.as_bytes() && entry.done.contains(&Access::List)
        })
    }

    /// Whether anything at or below a path was changed.
    pub(super) fn changes(&self, place: &str) -> bool {
        self.files().any(|(path, entry)| at_or_below(path, place) && changed(entry))
    }

    /// Whether runs used what another process had put below a path: what they had not made.
    pub(super) fn shares(&self, place: &str) -> bool {
        let own = |entry: &FileEntry| makes(entry) || entry.found.contains(&FileKind::Absent);
        self.files().any(|(path, entry)| {
            let inside = at_or_below(path, place) && path.as_bytes() != place.as_bytes();
            // Below a directory of the run's own, what it finds is its own.
            inside && !own(entry) && !self.made_above(path)
        }) || self.addresses(place)
    }

    fn made_above(&self, path: &Text) -> bool {
        let bytes = path.as_bytes();
        let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').skip(1);
        ends.any(|(end, _)| self.policy.files.get(&Text::from(&bytes[..end])).is_some_and(makes))
    }
}

/// Whether a run made the name.
fn makes(entry: &FileEntry) -> bool {
    entry.done.iter().any(|access| match access {
        Access::Create => entry.found.contains(&FileKind::Absent),
        other => other.makes_the_name(),
    })
}

/// Whether a run changed the file or its name.
pub(super) fn changed(entry: &FileEntry) -> bool {
    const LOOKS: [Access; 9] = [
        Access::Read,
        Access::List,
        Access::Locate,
        Access::Execute,
        Access::ReadLink,
        Access::Metadata,
        Access::Enter,
        Access::Root,
        Access::Watch,
    ];
    entry.done.iter().any(|access| match access {
        Access::Create => entry.found.contains(&FileKind::Absent),
        access => !LOOKS.contains(access),
    })
}

/// Whether a path is a place or below it.
pub(super) fn at_or_below(path: &Text, place: &str) -> bool {
    path.as_bytes()
        .strip_prefix(place.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || place == "/")
}

/// One row of the table.
pub(super) struct Row {
    pub(super) directive: &'static str,
    pub(super) value: &'static str,
    calls: Vec<&'static str>,
    hidden: Vec<&'static str>,
    frozen: Vec<&'static str>,
    without: Vec<&'static str>,
    pub(super) reason: &'static str,
}

impl Row {
    /// Whether runs support the directive.
    pub(super) fn holds(
        &self,
        seen: &Seen<'_>,
        capabilities: &BTreeMap<String, BTreeSet<String>>,
    ) -> bool {
        let needed =
            |name: &&&str| capabilities.contains_key(&format!("CAP_{}", name.to_uppercase()));
        !self.calls.iter().any(|call| seen.allows(call))
            && !self.hidden.iter().any(|place| seen.uses(place))
            && !self.frozen.iter().any(|place| seen.changes(place))
            && self.without.iter().find(needed).is_none()
    }
}

const TABLE: &str = include_str!("../../data/systemd.tsv");

/// The rows, in their order.
pub(super) fn table() -> impl Iterator<Item = Row> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row)
}

fn row(line: &'static str) -> Option<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [set, calls, hidden, frozen, without, reason] = fields[..] else { return None };
    let (directive, value) = set.split_once('=')?;
    let words = |list: &'static str| list.split(' ').filter(|word| *word != "-").collect();
    Some(Row {
        directive,
        value,
        calls: words(calls),
        hidden: words(hidden),
        frozen: words(frozen),
        without: words(without),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_row_and_names_calls_that_exist() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(table().count(), lines);
        for call in table().flat_map(|row| row.calls) {
            assert!(model::Call::by_name(call).is_some(), "{call}");
        }
        for name in table().flat_map(|row| row.without) {
            let name = format!("CAP_{}", name.to_uppercase());
            assert!(model::capability::number(&name).is_some(), "{name}");
        }
    }
}
