//! Calls that a libc upgrade swaps for one another. The rows are in `data/variants.tsv`.

use crate::{Call, Sysno};

include!(concat!(env!("OUT_DIR"), "/variants.rs"));

struct Row {
    name: &'static str,
    wider: bool,
    reason: &'static str,
}

/// A call that a libc may make in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The call.
    pub sysno: Sysno,
    /// Whether it can do more than the call that it stands in for, with any arguments: `fork` makes
    /// only processes, `clone` namespaces too. Whether a rule on arguments can be carried over is
    /// another question: the parameters of the two calls answer it.
    pub wider: bool,
    /// What the two have in common, or what the wider one can do besides.
    pub reason: &'static str,
}

/// The calls of the same architecture that may stand in for `sysno`, by name. The relation has a
/// direction, and holds for single steps: what stands in for a stand-in is not there.
pub fn variants_of(sysno: Sysno) -> impl Iterator<Item = Variant> {
    let known = sysno.name().and_then(|name| {
        let at = VARIANTS.binary_search_by(|row| row.0.cmp(name)).ok()?;
        Some(VARIANTS[at].1)
    });
    known.unwrap_or_default().iter().filter_map(move |row| {
        let number = Call::by_name(row.name)?.number(sysno.arch())?;
        let Row { wider, reason, .. } = *row;
        Some(Variant { sysno: Sysno::new(sysno.arch(), number), wider, reason })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arch;

    fn names(arch: Arch, name: &str) -> Vec<(&'static str, bool)> {
        let variants = variants_of(Sysno::from_name(arch, name).unwrap());
        variants.map(|variant| (variant.sysno.name().unwrap(), variant.wider)).collect()
    }

    #[test]
    fn only_calls_of_the_same_architecture_stand_in() {
        assert_eq!(names(Arch::X86_64, "openat"), [("open", false), ("openat2", false)]);
        assert_eq!(names(Arch::Aarch64, "openat"), [("openat2", false)]);
        assert_eq!(names(Arch::X86_64, "getuid"), []);
        assert_eq!(names(Arch::I386, "getuid"), [("getuid32", false)]);
    }

    #[test]
    fn direction_and_width_matter() {
        assert_eq!(names(Arch::X86_64, "unlink"), [("unlinkat", true)]);
        assert_eq!(names(Arch::X86_64, "unlinkat"), [("rmdir", false), ("unlink", false)]);
        assert_eq!(names(Arch::I386, "getrlimit"), [("prlimit64", true), ("ugetrlimit", false)]);
        assert!(!names(Arch::I386, "socket").iter().any(|row| row.0 == "socketcall"));
        assert!(names(Arch::I386, "socketcall").contains(&("socket", false)));
    }

    #[test]
    fn an_unknown_call_has_none() {
        assert_eq!(variants_of(Sysno::new(Arch::X86_64, 9999)).count(), 0);
    }
}
