//! Names and fields that nobody reads.

use super::{Finding, Subject, finding};
use model::Call;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    for field in &subject.profile.unknown_fields {
        found.extend(finding("unknown-field", None, Vec::new(), format!("{field} has no effect")));
    }
    if subject.profile.is_docker() {
        let message = "only Docker and Podman read this profile as it was meant";
        found.extend(finding("docker-only", None, Vec::new(), message));
    }
    for entry in &subject.profile.entries {
        if entry.names.is_empty() || entry.names.iter().any(String::is_empty) {
            found.extend(finding("no-names", Some(entry), Vec::new(), "it names no call"));
        }
        if entry.single_name && entry.names.len() > 1 {
            let message = "Docker takes name or names, not both";
            found.extend(finding("name-and-names", Some(entry), entry.names.clone(), message));
        }
        let unknown = |name: &&String| !name.is_empty() && Call::by_name(name).is_none();
        for name in entry.names.iter().filter(unknown) {
            let message = match similar(name) {
                Some(other) => format!("no architecture has a call {name}; {other} is one"),
                None => format!("no architecture has a call {name}"),
            };
            found.extend(finding("unknown-call", Some(entry), vec![name.clone()], message));
        }
    }
}

/// A call whose name differs in one letter, or in case.
fn similar(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let lower = lower.trim();
    Call::all().iter().map(|call| call.name).find(|known| is_near(lower, known))
}

/// Whether one inserted, missing or other letter leads from one to the other.
fn is_near(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let head = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[head..], &other[head..]);
    let tail = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    head + tail >= 3 && one.len() - tail <= 1 && other.len() - tail <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        assert_eq!(similar("opnat"), Some("openat"));
        assert_eq!(similar("exit_grooup"), Some("exit_group"));
        assert_eq!(similar("READ"), Some("read"));
        assert_eq!(similar("futext"), Some("futex"));
        assert_eq!(similar("no_such_call"), None);
        assert_eq!(similar(""), None);
    }
}
