//! Docker's built-in profile, from data/docker-default.tsv.

use super::{Answer, ArchMapping, Argument, Condition, Entry, Kind, Profile, wire::release};
use model::CmpOp;

/// What stands for it on the command line.
pub const DOCKER_DEFAULT: &str = "docker-default";

const TABLE: &str = include_str!("../../data/docker-default.tsv");

/// What the kernel of a machine runs besides; the row of mips is left out, whose calls profgen does not
/// know.
const ARCH_MAP: &[(&str, &[&str])] = &[
    ("SCMP_ARCH_X86_64", &["SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    ("SCMP_ARCH_AARCH64", &["SCMP_ARCH_ARM"]),
    ("SCMP_ARCH_S390X", &["SCMP_ARCH_S390"]),
    ("SCMP_ARCH_RISCV64", &[]),
    ("SCMP_ARCH_LOONGARCH64", &[]),
];

/// The profile.
pub fn docker_default() -> Profile {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Profile {
        default: Answer { kind: Kind::Errno, errno: Some(1) },
        arch_map: ARCH_MAP
            .iter()
            .map(|(architecture, others)| ArchMapping {
                architecture: (*architecture).to_owned(),
                sub_architectures: owned(others),
            })
            .collect(),
        entries: lines()
            .filter_map(entry)
            .enumerate()
            .map(|(position, entry)| Entry { position, ..entry })
            .collect(),
        ..Profile::default()
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1)
}

fn entry(line: &str) -> Option<Entry> {
    let [name, action, condition] = <[&str; 3]>::try_from(Vec::from_iter(line.split('\t'))).ok()?;
    let answer = match action {
        "ALLOW" => Answer { kind: Kind::Allow, errno: None },
        _ => {
            let number = action.strip_prefix("ERRNO(")?.strip_suffix(')')?.parse().ok()?;
            Answer { kind: Kind::Errno, errno: Some(number) }
        }
    };
    let mut entry = Entry { names: vec![name.to_owned()], answer, ..Entry::default() };
    for part in condition.split(" & ").filter(|part| *part != "-") {
        match part.split_once(' ')? {
            ("args", comparison) => entry.args.push(argument(comparison)?),
            ("includes", what) => add(&mut entry.includes, what)?,
            ("excludes", what) => add(&mut entry.excludes, what)?,
            _ => return None,
        }
    }
    Some(entry)
}

fn argument(text: &str) -> Option<Argument> {
    let [index, op, value] = <[&str; 3]>::try_from(Vec::from_iter(text.split(' '))).ok()?;
    let op = match op {
        "EQ" => CmpOp::Eq,
        "LT" => CmpOp::Lt,
        "GT" => CmpOp::Gt,
        "MASKED_EQ" => CmpOp::MaskedEq,
        _ => return None,
    };
    let value = u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()?;
    Some(Argument { index: index.parse().ok()?, value, value_two: 0, op })
}

fn add(condition: &mut Condition, text: &str) -> Option<()> {
    let (what, list) = text.split_once(' ')?;
    let words = list.split(',').map(str::to_owned);
    match what {
        "caps" => condition.caps.extend(words),
        "arches" => condition.arches.extend(words),
        "minKernel" => condition.min_kernel = Some(release(list)?),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Call;

    #[test]
    fn every_row_is_read_and_names_a_known_call() {
        for line in lines() {
            let entry = entry(line);
            assert!(entry.is_some(), "{line}");
            assert!(Call::by_name(&entry.unwrap().names[0]).is_some(), "{line}");
        }
        assert_eq!(docker_default().entries.len(), lines().count());
    }

    #[test]
    fn it_has_the_numbers_that_are_told_of_it() {
        let profile = docker_default();
        let always = |entry: &&Entry| {
            entry.args.is_empty() && entry.includes.is_empty() && entry.excludes.is_empty()
        };
        assert_eq!(profile.by_name().len(), 426);
        assert_eq!(profile.entries.iter().filter(always).count(), 361);
        assert!(!profile.by_name().contains_key("io_uring_setup"));
    }
}
