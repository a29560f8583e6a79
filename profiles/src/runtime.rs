//! The system calls that a container runtime makes between loading the filter and executing the
//! program, from data/runtimes.tsv. A profile without them does not start; they are not the
//! program's, and a policy does not hold them.

use model::{Arch, ArgCmp, Call, Param, Rule, Sysno};
use std::{collections::BTreeSet, fmt, str::FromStr, sync::LazyLock};

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// runc, which Docker, containerd and Kubernetes use.
    Runc,
    /// crun, which Podman uses.
    Crun,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Runtime; 2] = [Runtime::Runc, Runtime::Crun];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }
}

/// A release: major, minor and patch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; 3]);

impl FromStr for Version {
    type Err = TargetError;

    /// `1.2` or `1.1.5`; what follows the last number of a package's version is ignored.
    fn from_str(text: &str) -> Result<Version, TargetError> {
        let malformed = || TargetError::Version(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = [0; 3];
        let mut parts = text[..end].trim_end_matches('.').split('.');
        for number in &mut numbers {
            match parts.next() {
                Some(part) => *number = part.parse().map_err(|_| malformed())?,
                None => break,
            }
        }
        Ok(Version(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}")?;
        if patch > 0 { write!(f, ".{patch}") } else { Ok(()) }
    }
}

/// A runtime for which a profile is made; what is not known counts as any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Which one.
    pub runtime: Runtime,
    /// Which release.
    pub version: Option<Version>,
    /// Whether it starts the program with no_new_privs, and so loads the filter last.
    pub no_new_privileges: Option<bool>,
}

impl From<Runtime> for Target {
    fn from(runtime: Runtime) -> Target {
        Target { runtime, version: None, no_new_privileges: None }
    }
}

/// Why a target is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No such runtime.
    #[error("runtime {0:?}: known are runc, crun and none")]
    Unknown(String),
    /// Not a version.
    #[error("runtime version {0:?}: expected numbers as in 1.1.5")]
    Version(String),
}

impl FromStr for Target {
    type Err = TargetError;

    /// `runc`, or with its release `runc@1.1.5`.
    fn from_str(text: &str) -> Result<Target, TargetError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.parse()?)),
            None => (text, None),
        };
        let runtime = Runtime::ALL.into_iter().find(|runtime| runtime.name() == name);
        let runtime = runtime.ok_or_else(|| TargetError::Unknown(text.to_owned()))?;
        Ok(Target { version, ..Target::from(runtime) })
    }
}

/// The targets in a list as on the command line: `runc`, `runc,crun@1.8`, `none`.
///
/// # Errors
/// [`TargetError`] for a name or a version that is none.
pub fn targets(list: &str) -> Result<BTreeSet<Target>, TargetError> {
    list.split(',').map(str::trim).filter(|name| *name != "none").map(str::parse).collect()
}

/// One row of the table: a call that a runtime makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who makes it.
    pub runtime: Runtime,
    /// The first release that does; none for all releases.
    pub since: Option<Version>,
    /// Whether it is made only with (or only without) no_new_privs.
    pub no_new_privileges: Option<bool>,
    /// The call's name.
    pub call: &'static str,
    /// Alternatives of arguments; none for any arguments.
    alternatives: Vec<Comparison>,
    /// How that is known.
    pub source: &'static str,
}

impl Row {
    /// Whether `target` may make the call.
    pub fn applies(&self, target: &Target) -> bool {
        let newer = match (self.since, target.version) {
            (Some(since), Some(version)) => version >= since,
            _ => true,
        };
        let privileges = match (self.no_new_privileges, target.no_new_privileges) {
            (Some(row), Some(target)) => row == target,
            _ => true,
        };
        self.runtime == target.runtime && newer && privileges
    }

    /// The call, on an architecture that has it.
    pub fn sysno(&self, arch: Arch) -> Option<Sysno> {
        Some(Sysno::new(arch, Call::by_name(self.call)?.number(arch)?))
    }

    /// With which arguments the call is made on `arch`, as alternatives; none for any arguments, as
    /// where they lie in memory.
    pub fn rules(&self, arch: Arch) -> BTreeSet<Rule> {
        let params = self.sysno(arch).and_then(Sysno::call).map_or(&[][..], |call| call.params);
        let rules = self.alternatives.iter().map(|alternative| alternative.rule(params));
        rules.collect::<Option<_>>().unwrap_or_default()
    }

    fn parse(line: &'static str) -> Option<Row> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [runtime, versions, no_new_privileges, call, rules, source] = fields[..] else {
            return None;
        };
        let since = match versions {
            "any" => None,
            other => Some(other.strip_suffix('+')?.parse().ok()?),
        };
        let no_new_privileges = match no_new_privileges {
            "any" => None,
            "yes" => Some(true),
            "no" => Some(false),
            _ => return None,
        };
        let alternatives = match rules {
            "-" => Vec::new(),
            rules => rules.split('|').map(Comparison::parse).collect::<Option<_>>()?,
        };
        let runtime = Runtime::ALL.into_iter().find(|known| known.name() == runtime)?;
        Some(Row { runtime, since, no_new_privileges, call, alternatives, source })
    }
}

/// Some bits of a parameter and their value: `flags & 0xff == 0x1`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    param: &'static str,
    mask: u64,
    value: u64,
}

impl Comparison {
    fn parse(text: &'static str) -> Option<Comparison> {
        let number = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
        let (left, value) = text.split_once("==")?;
        let (param, mask) = left.split_once('&')?;
        Some(Comparison { param: param.trim(), mask: number(mask)?, value: number(value)? })
    }

    fn rule(&self, params: &[Param]) -> Option<Rule> {
        let index = params.iter().position(|param| param.name == self.param)?;
        let comparison = ArgCmp::masked(u8::try_from(index).ok()?, self.mask, self.value).ok()?;
        Rule::new(vec![comparison]).ok()
    }
}

const TABLE: &str = include_str!("../data/runtimes.tsv");

fn lines() -> impl Iterator<Item = &'static str> {
    // The first line that is not a comment names the columns.
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1)
}

/// The table.
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| lines().filter_map(Row::parse).collect());
    &ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_names_a_known_call() {
        for line in lines() {
            let row = Row::parse(line);
            assert!(row.is_some(), "{line}");
            let row = row.unwrap();
            assert!(Call::by_name(row.call).is_some(), "{line}");
            // A rule that some architecture has; none where it has another parameter.
            let rules = Arch::ALL.iter().map(|arch| row.rules(*arch).len()).max();
            assert_eq!(rules, Some(row.alternatives.len()), "{line}");
        }
        assert_eq!(rows().len(), lines().count());
    }

    #[test]
    fn a_call_has_one_row_for_each_runtime() {
        let mut seen = BTreeSet::new();
        for row in rows() {
            assert!(seen.insert((row.runtime, row.call)), "{} {}", row.runtime.name(), row.call);
        }
    }

    #[test]
    fn a_rule_follows_its_parameter() {
        let clone = rows().iter().find(|row| row.call == "clone").unwrap();
        let index = |arch| clone.rules(arch).first().unwrap().comparisons()[0].index();
        assert_eq!((index(Arch::X86_64), index(Arch::S390x)), (0, 1));
        let mmap = rows().iter().find(|row| row.call == "mmap").unwrap();
        assert_eq!(mmap.rules(Arch::X86_64).len(), 2);
        assert!(mmap.rules(Arch::S390x).is_empty());
    }

    #[test]
    fn a_target_is_a_runtime_with_or_without_its_release() {
        let runc = targets("runc@1.1.5+ds1").unwrap();
        assert_eq!(runc.first().unwrap().version, Some(Version([1, 1, 5])));
        assert_eq!(targets("none").unwrap(), BTreeSet::new());
        assert_eq!(targets("runc, crun").unwrap().len(), 2);
        assert_eq!(targets("rund"), Err(TargetError::Unknown("rund".to_owned())));
        assert!(targets("runc@new").is_err());
        assert!(targets("").is_err());
    }

    #[test]
    fn what_is_not_known_of_a_target_counts_as_any() {
        let calls = |target: Target| -> BTreeSet<&str> {
            rows().iter().filter(|row| row.applies(&target)).map(|row| row.call).collect()
        };
        let any = Target::from(Runtime::Runc);
        let last = Target { no_new_privileges: Some(true), ..any };
        let old = Target { version: Some(Version([1, 1, 5])), ..any };
        assert!(calls(last).is_subset(&calls(any)));
        assert!(calls(any).contains("setuid") && !calls(last).contains("setuid"));
        assert!(calls(any).contains("openat2") && !calls(old).contains("openat2"));
        assert!(calls(last).contains("fstatfs") && calls(old).contains("setuid"));
    }
}
