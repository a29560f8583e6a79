//! Paths that code holds and no run used: what a decision may be about. Nothing is granted for them.

use super::guard;
use model::{Policy, Text, landlock::Place};
use std::collections::{BTreeMap, BTreeSet};

/// The paths, each with the programs whose code holds it. What any program of the system holds (the
/// trees of packages, what the kernel makes) is left out.
pub fn suggestions(policy: &Policy) -> BTreeMap<&Text, BTreeSet<&Text>> {
    let resolved: BTreeSet<&Text> =
        policy.files.values().flat_map(|entry| &entry.resolved).collect();
    let used = |path: &Text| policy.files.contains_key(path) || resolved.contains(path);
    let decided = |path: &Text| policy.decisions.contains_key(&model::Subject::Path(path.clone()));
    let mut suggested = BTreeMap::<&Text, BTreeSet<&Text>>::new();
    for (program, identity) in &policy.programs {
        for path in &identity.opens {
            if !used(path) && names_a_file(path) && !decided(path) {
                suggested.entry(path).or_default().insert(program);
            }
        }
    }
    suggested
}

/// Whether a text is likely to be the whole name of a file, and not a part of one, a pattern or an
/// address.
fn names_a_file(path: &Text) -> bool {
    const OF_KERNEL: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];
    let bytes = path.as_bytes();
    let below = |tree: &&[u8]| {
        bytes.strip_prefix(*tree).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@:,".contains(byte);
    bytes.len() > 2
        && bytes.starts_with(b"/")
        && bytes[1..].iter().any(u8::is_ascii_alphabetic)
        && !bytes.ends_with(b"/")
        && !bytes.windows(2).any(|pair| pair == b"//")
        && bytes.iter().all(plain)
        && bytes[1..].contains(&b'/')
        && !OF_KERNEL.iter().any(below)
        && !guard::system(&Place::absolute(path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_file_of_the_system_or_a_user_is_suggested() {
        for (path, is) in [
            ("/etc/app.conf", true),
            ("/var/lib/app/state", true),
            ("/etc/app/%s.conf", false),
            ("/usr/share/locale", false),
            ("/proc/self/status", false),
            ("/etc/", false),
            ("//host/x", false),
            ("/x", false),
            ("/ and", false),
        ] {
            assert_eq!(names_a_file(&Text::from(path)), is, "{path}");
        }
    }
}
