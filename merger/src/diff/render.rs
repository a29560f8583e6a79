//! A diff as text for a terminal, markdown for a pull request, JSON, and SARIF for code scanning.

use super::{Area, Change, Diff, Label};
use crate::words::{markdown, some};
use filter::Relation;
use serde_json::{Value, json};
use std::fmt::Write;

/// How many changes of an area are shown to people: more are counted.
const SHOWN: usize = 50;

impl Diff {
    /// For a terminal: a sentence, then a line for each change.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.sentence());
        for label in [Label::Widened, Label::Changed, Label::Narrowed] {
            for (area, changes) in self.by_area(label) {
                let _ = writeln!(out, "\n{} {}:", label.as_str(), area.plural());
                let rows = rows(&changes);
                for (change, subjects) in rows.iter().take(SHOWN) {
                    let risk = if change.risky { "! " } else { "" };
                    let (sign, subjects, what) = (sign(label), listed(subjects), &change.what);
                    let _ = writeln!(out, "  {sign} {risk}{subjects}: {what}");
                    for reason in &change.because {
                        let _ = writeln!(out, "      {reason}");
                    }
                }
                if rows.len() > SHOWN {
                    let _ = writeln!(out, "  and {} more", rows.len() - SHOWN);
                }
            }
        }
        out
    }

    /// For a comment on a pull request.
    pub fn markdown(&self) -> String {
        let mut out = format!("### profgen: {}\n", markdown(&self.sentence()));
        for label in [Label::Widened, Label::Changed, Label::Narrowed] {
            for (area, changes) in self.by_area(label) {
                let count = changes.len();
                let heading = format!("{count} {} {}", area.plural(), label.as_str());
                // What needs no attention is folded.
                let open = if label == Label::Widened { " open" } else { "" };
                let _ = writeln!(out, "\n<details{open}><summary>{heading}</summary>\n");
                let _ = writeln!(out, "| | what | change | because |\n|---|---|---|---|");
                let rows = rows(&changes);
                for (change, subjects) in rows.iter().take(SHOWN) {
                    let risk = if change.risky { "**!**" } else { "" };
                    let because: Vec<String> =
                        change.because.iter().map(|reason| markdown(reason)).collect();
                    let _ = writeln!(
                        out,
                        "| {} {risk} | {} | {} | {} |",
                        sign(label),
                        markdown(&listed(subjects)),
                        markdown(&change.what),
                        because.join("<br>")
                    );
                }
                if rows.len() > SHOWN {
                    let _ = writeln!(out, "| | and {} more | | |", rows.len() - SHOWN);
                }
                let _ = writeln!(out, "\n</details>");
            }
        }
        out
    }

    /// `profgen/diff/v1`.
    ///
    /// # Errors
    /// Those of serde_json, which a diff does not give.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// SARIF 2.1.0: a result for each widening and change, at the file `uri`.
    ///
    /// # Errors
    /// Those of serde_json, which a diff does not give.
    pub fn sarif(&self, uri: &str, version: &str) -> serde_json::Result<String> {
        let results: Vec<Value> = self
            .changes
            .iter()
            .filter(|change| change.label != Label::Narrowed)
            .map(|change| {
                let level = match (change.label, change.risky) {
                    (Label::Widened, true) => "error",
                    (Label::Widened, false) => "warning",
                    _ => "note",
                };
                let mut text = format!("{}: {}", change.subject, change.what);
                for reason in &change.because {
                    let _ = write!(text, "; {reason}");
                }
                json!({
                    "ruleId": rule_id(change),
                    "level": level,
                    "message": { "text": text },
                    "locations": [{
                        "physicalLocation": { "artifactLocation": { "uri": uri } },
                        "logicalLocations": [{ "fullyQualifiedName": change.subject }]
                    }],
                    // The same change in a later run is the same alert.
                    "partialFingerprints": {
                        "profgen/v1": format!("{}/{}", rule_id(change), change.subject)
                    }
                })
            })
            .collect();
        let mut ids: Vec<String> = self.changes.iter().map(rule_id).collect();
        ids.sort();
        ids.dedup();
        let rules: Vec<Value> = ids
            .iter()
            .map(|id| json!({ "id": id, "shortDescription": { "text": id.replace('/', " ") } }))
            .collect();
        let sarif = json!({
            "version": "2.1.0",
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "runs": [{
                "tool": { "driver": { "name": "profgen", "version": version, "rules": rules } },
                "results": results
            }]
        });
        Ok(serde_json::to_string_pretty(&sarif)? + "\n")
    }

    fn sentence(&self) -> String {
        let Diff { old, new, .. } = self;
        let mut sentence = match self.relation {
            Relation::Equal => format!("{new} allows the same system calls as {old}"),
            Relation::Narrower => format!("{new} is narrower than {old}"),
            Relation::Wider => format!("{new} is wider than {old}"),
            Relation::Incomparable => format!("{new} is wider than {old} here and narrower there"),
            Relation::Unknown => format!("whether {new} is wider than {old} is too much to decide"),
        };
        let count = |label| self.changes.iter().filter(|change| change.label == label).count();
        let counts: Vec<String> = [Label::Widened, Label::Changed, Label::Narrowed]
            .into_iter()
            .filter(|label| count(*label) > 0)
            .map(|label| format!("{} {}", count(label), label.as_str()))
            .collect();
        if !counts.is_empty() {
            let _ = write!(sentence, " ({})", counts.join(", "));
        }
        sentence
    }

    fn by_area(&self, label: Label) -> Vec<(Area, Vec<&Change>)> {
        let mut areas = std::collections::BTreeMap::<Area, Vec<&Change>>::new();
        for change in self.changes.iter().filter(|change| change.label == label) {
            areas.entry(change.area).or_default().push(change);
        }
        areas.into_iter().collect()
    }
}

/// Changes that differ in their subject only share a row.
fn rows<'a>(changes: &[&'a Change]) -> Vec<(&'a Change, Vec<String>)> {
    let mut rows: Vec<(&Change, Vec<String>)> = Vec::new();
    for change in changes {
        let group = change.group.map_or_else(String::new, |group| format!(" [{group}]"));
        let subject = format!("{}{group}", change.subject);
        let same = |row: &&mut (&Change, Vec<String>)| {
            (row.0.risky, &row.0.what, &row.0.because)
                == (change.risky, &change.what, &change.because)
        };
        match rows.iter_mut().find(same) {
            Some((_, subjects)) => subjects.push(subject),
            None => rows.push((change, vec![subject])),
        }
    }
    rows
}

/// The subjects of a row.
fn listed(subjects: &[String]) -> String {
    some(subjects.iter(), 12)
}

fn rule_id(change: &Change) -> String {
    let area = match change.area {
        Area::Default => "default",
        Area::Call => "call",
        Area::Capability => "capability",
        Area::Program => "program",
        Area::Endpoint => "endpoint",
        Area::File => "file",
        Area::Decision => "decision",
    };
    let risk = if change.risky && change.label == Label::Widened { "/sensitive" } else { "" };
    format!("{}/{area}{risk}", change.label.as_str())
}

fn sign(label: Label) -> char {
    match label {
        Label::Widened => '+',
        Label::Changed => '~',
        Label::Narrowed => '-',
    }
}
