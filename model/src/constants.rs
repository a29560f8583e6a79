//! Names of argument values, by the kind of the argument. The rows are in `data/constants.tsv`.

use crate::{Arch, Kind};

include!(concat!(env!("OUT_DIR"), "/constants.rs"));

struct Constant {
    kind: &'static str,
    form: Form,
    name: &'static str,
    value: u64,
    arches: u16,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The whole argument.
    Value,
    /// Bits of it.
    Flag,
    /// The bits under a mask.
    Field(u64),
}

fn of(kind: Kind, arch: Arch) -> impl Iterator<Item = &'static Constant> {
    let known =
        move |row: &&Constant| row.kind == kind.slug() && row.arches >> arch as u32 & 1 == 1;
    CONSTANTS.iter().filter(known)
}

/// The number of a name of that kind, 2 for `AF_INET`.
pub fn value(kind: Kind, arch: Arch, name: &str) -> Option<u64> {
    of(kind, arch).find(|row| row.name == name).map(|row| row.value)
}

/// The number of a name, whatever its kind. `None` when kinds differ about it.
pub fn value_of_any(arch: Arch, name: &str) -> Option<u64> {
    let mut values = Kind::ALL.iter().filter_map(|kind| value(*kind, arch, name));
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// All names of that kind with their numbers, in the order of the table.
pub fn all(kind: Kind, arch: Arch) -> impl Iterator<Item = (&'static str, u64)> {
    of(kind, arch).map(|row| (row.name, row.value))
}

/// An argument in names, `O_RDWR|O_CLOEXEC`. Bits without a name are a number at the end; `None` when
/// nothing of it has a name.
pub fn describe(kind: Kind, arch: Arch, argument: u64) -> Option<String> {
    let argument = if kind.bits() == 32 { argument & u64::from(u32::MAX) } else { argument };
    let whole = |row: &&Constant| row.form == Form::Value && row.value == argument;
    if let Some(row) = of(kind, arch).find(whole) {
        return Some(row.name.to_owned());
    }
    let mut names: Vec<&'static str> = Vec::new();
    let mut fields: Vec<u64> = Vec::new();
    let mut rest = argument;
    for row in of(kind, arch) {
        if let Form::Field(mask) = row.form
            && argument & mask == row.value
            && !fields.contains(&mask)
        {
            names.push(row.name);
            fields.push(mask);
            rest &= !mask;
        }
    }
    // What consists of several bits before the single ones of them.
    let mut flags: Vec<&Constant> = of(kind, arch).filter(|row| row.form == Form::Flag).collect();
    flags.sort_by_key(|row| std::cmp::Reverse(row.value.count_ones()));
    for row in flags {
        if rest & row.value == row.value {
            names.push(row.name);
            rest &= !row.value;
        }
    }
    if names.is_empty() {
        return None;
    }
    let number = (rest != 0).then(|| format!("{rest:#x}"));
    Some(names.into_iter().map(str::to_owned).chain(number).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(kind: Kind, argument: u64) -> Option<String> {
        super::describe(kind, Arch::X86_64, argument)
    }

    #[test]
    fn arguments_are_named_whole_by_flags_and_by_fields() {
        assert_eq!(describe(Kind::Domain, 2).as_deref(), Some("AF_INET"));
        assert_eq!(describe(Kind::Domain, 0x7_0000_0002).as_deref(), Some("AF_INET"));
        assert_eq!(describe(Kind::Domain, 99), None);
        assert_eq!(describe(Kind::OpenFlags, 0).as_deref(), Some("O_RDONLY"));
        assert_eq!(
            describe(Kind::OpenFlags, 0o2000102).as_deref(),
            Some("O_RDWR|O_CREAT|O_CLOEXEC")
        );
        assert_eq!(describe(Kind::OpenFlags, 0o4010000).as_deref(), Some("O_RDONLY|O_SYNC"));
        assert_eq!(describe(Kind::Prot, 0).as_deref(), Some("PROT_NONE"));
        assert_eq!(describe(Kind::Prot, 7).as_deref(), Some("PROT_READ|PROT_WRITE|PROT_EXEC"));
        assert_eq!(describe(Kind::Prot, 0x21).as_deref(), Some("PROT_READ|0x20"));
        let clone = describe(Kind::CloneFlags, 0x0100_0000 | 17);
        assert_eq!(clone.as_deref(), Some("SIGCHLD|CLONE_CHILD_SETTID"));
        let socket = describe(Kind::SocketType, 0o2000000 | 1);
        assert_eq!(socket.as_deref(), Some("SOCK_STREAM|SOCK_CLOEXEC"));
    }

    #[test]
    fn architectures_number_some_of_them_differently() {
        let directory = |arch| value(Kind::OpenFlags, arch, "O_DIRECTORY");
        assert_eq!(directory(Arch::X86_64), Some(0o200000));
        assert_eq!(directory(Arch::Aarch64), Some(0o40000));
        assert_eq!(value_of_any(Arch::X86_64, "CLONE_NEWNET"), Some(0x4000_0000));
        assert_eq!(value_of_any(Arch::X86_64, "AF_NO_SUCH"), None);
        assert_eq!(value(Kind::IoctlCommand, Arch::Powerpc64, "TCGETS"), None);
    }

    #[test]
    fn every_name_is_found_under_its_number() {
        for &arch in Arch::ALL {
            for kind in Kind::ALL {
                for (name, number) in all(*kind, arch) {
                    assert_eq!(value(*kind, arch, name), Some(number), "{name}");
                    let text = super::describe(*kind, arch, number);
                    assert!(text.is_some(), "{arch} {name} {number:#x}");
                }
            }
        }
    }
}
