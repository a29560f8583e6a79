//! Directories that are not granted whole on anybody's guess: where they must be, because a run
//! made names in them, it is said first.

use model::landlock::Place;

/// Directories of the system whose files are not alike.
const GUARDED: [&str; 10] =
    ["/", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/var"];
/// Stores of keys, wherever they are.
const KEYS: [&str; 6] = [".aws", ".docker", ".gnupg", ".kube", ".password-store", ".ssh"];
/// Read-only trees of the system, in which numbers are versions.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin"];

/// Why a directory is guarded.
pub(super) fn guarded(place: &Place) -> Option<&'static str> {
    let path = place.path.as_bytes();
    let mut parts = path.split(|&byte| byte == b'/');
    if parts.any(|part| KEYS.iter().any(|key| key.as_bytes() == part)) {
        return Some("a store of keys");
    }
    match &place.variable {
        // The working directory and the one for temporary files are the program's to use.
        Some(name) if name == "HOME" && path.is_empty() => Some("a home directory"),
        Some(_) => None,
        None if GUARDED.iter().any(|guarded| guarded.as_bytes() == path) => {
            Some("a directory of the system")
        }
        None if is_home(path) => Some("a home directory"),
        None => None,
    }
}

/// Whether it is in one of the trees that packages own.
pub(super) fn system(place: &Place) -> bool {
    let path = place.path.as_bytes();
    place.variable.is_none()
        && SYSTEM.iter().any(|tree| {
            path.strip_prefix(tree.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
}

fn is_home(path: &[u8]) -> bool {
    path.strip_prefix(b"/home/").is_some_and(|name| !name.contains(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Text;

    fn at(variable: Option<&str>, path: &str) -> Place {
        Place { variable: variable.map(str::to_owned), path: Text::from(path) }
    }

    #[test]
    fn homes_keys_and_the_systems_directories_are_guarded() {
        for (variable, path, is) in [
            (None, "/", true),
            (None, "/etc", true),
            (None, "/etc/app", false),
            (None, "/home/someone", true),
            (None, "/home/someone/work", false),
            (None, "/srv/.ssh", true),
            (Some("HOME"), "", true),
            (Some("HOME"), "/.aws", true),
            (Some("HOME"), "/work", false),
            (Some("CWD"), "", false),
        ] {
            assert_eq!(guarded(&at(variable, path)).is_some(), is, "{path}");
        }
    }
}
