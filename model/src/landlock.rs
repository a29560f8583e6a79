//! What Landlock can restrict, by ABI, and what each access needs. The rows are in
//! `data/landlock.tsv`.

use crate::{Access, Text, trace::FileKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

include!(concat!(env!("OUT_DIR"), "/landlock.rs"));

/// What a right stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// A file, or every file below a directory.
    File,
    /// A directory itself, and those below it.
    Directory,
    /// The directory in which a name is made or removed, and those below it.
    Parent,
}

/// One right of a table.
struct Row {
    name: &'static str,
    abi: u32,
    on: Stands,
}

/// What an access needs.
struct Needs {
    rights: &'static [FsRight],
    makes: bool,
    removes: bool,
    reason: &'static str,
}

/// The newest ABI whose rights the table has.
pub const NEWEST_ABI: u32 = 6;

impl FsRight {
    /// As landlockconfig writes it: `read_file`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The first ABI that has it.
    pub fn abi(self) -> u32 {
        self.row().abi
    }

    /// What it stands on.
    pub fn stands_on(self) -> Stands {
        self.row().on
    }

    /// Whether a rule on something that is no directory can carry it.
    pub fn of_files(self) -> bool {
        self.row().on == Stands::File
    }

    /// The right that makes something of this kind.
    fn making(kind: FileKind) -> Option<FsRight> {
        Some(match kind {
            FileKind::File => FsRight::MakeReg,
            FileKind::Directory => FsRight::MakeDir,
            FileKind::Symlink => FsRight::MakeSym,
            FileKind::CharDevice => FsRight::MakeChar,
            FileKind::BlockDevice => FsRight::MakeBlock,
            FileKind::Fifo => FsRight::MakeFifo,
            FileKind::Socket => FsRight::MakeSock,
            FileKind::Anonymous | FileKind::Absent => return None,
        })
    }
}

impl NetRight {
    /// As landlockconfig writes it: `bind_tcp`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The first ABI that has it.
    pub fn abi(self) -> u32 {
        self.row().abi
    }
}

impl Scope {
    /// As landlockconfig writes it: `signal`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The first ABI that has it.
    pub fn abi(self) -> u32 {
        self.row().abi
    }
}

/// The rights that `access` needs, where it makes or moves things of the kinds `moved` and replaces
/// or removes things of the kinds `found`.
pub fn needs(access: Access, moved: &[FileKind], found: &[FileKind]) -> Vec<FsRight> {
    let needs = &NEEDS[access as usize];
    let mut rights = needs.rights.to_vec();
    if needs.makes {
        rights.extend(moved.iter().filter_map(|kind| FsRight::making(*kind)));
    }
    if needs.removes {
        rights.extend(found.iter().filter_map(|kind| match kind {
            FileKind::Absent => None,
            FileKind::Directory => Some(FsRight::RemoveDir),
            _ => Some(FsRight::RemoveFile),
        }));
    }
    rights.sort();
    rights.dedup();
    rights
}

/// Why Landlock does not control an access; `None` when it does.
pub fn uncontrolled(access: Access) -> Option<&'static str> {
    Some(NEEDS[access as usize].reason).filter(|reason| !reason.is_empty())
}

/// What a policy comes to in the terms of Landlock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LandlockPolicy {
    /// The ABI whose rights it uses.
    pub abi: u32,
    /// The rights of the file system that are denied where no rule grants them.
    pub handled_fs: BTreeSet<FsRight>,
    /// The same of ports.
    pub handled_net: BTreeSet<NetRight>,
    /// The borders.
    pub scoped: BTreeSet<Scope>,
    /// The values that the variables of the rules had in the runs.
    pub variables: BTreeMap<String, BTreeSet<Text>>,
    /// What is granted, by place.
    pub rules: BTreeMap<Place, PathRule>,
    /// The TCP ports that are granted.
    pub ports: BTreeMap<u16, BTreeSet<NetRight>>,
    /// What is wider than what runs did, and what is not enforced, the weightiest first.
    pub notes: Vec<String>,
}

impl LandlockPolicy {
    /// The absolute paths of a place, as the runs had them.
    pub fn absolute(&self, place: &Place) -> Vec<Text> {
        match &place.variable {
            None => vec![place.path.clone()],
            Some(name) => {
                let values = self.variables.get(name);
                values.into_iter().flatten().map(|value| place.below(value)).collect()
            }
        }
    }
}

/// A place in the file system: absolute, or below a directory that differs between runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The variable that names the directory: `HOME`, or `CWD` for the working directory.
    pub variable: Option<String>,
    /// The absolute path, or the rest below the variable, which is empty or starts with `/`.
    pub path: Text,
}

impl Place {
    /// An absolute path.
    pub fn absolute(path: Text) -> Place {
        Place { variable: None, path }
    }

    /// The path when the variable has this value.
    pub fn below(&self, value: &Text) -> Text {
        let mut bytes = value.as_bytes().to_vec();
        while bytes.len() > 1 && bytes.ends_with(b"/") {
            bytes.pop();
        }
        bytes.extend_from_slice(self.path.as_bytes());
        Text::from(bytes)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.variable {
            Some(variable) => write!(f, "${{{variable}}}{}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

/// What is granted at a place and below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathRule {
    /// The rights.
    pub rights: BTreeSet<FsRight>,
    /// Whether it is on a directory, and grants more than what runs named.
    pub whole: bool,
    /// What runs did that needs them: accesses, by the path that they named.
    pub observed: BTreeMap<Text, BTreeSet<Access>>,
    /// Why it grants more than what was observed, one sentence each.
    pub widened: BTreeSet<String>,
    /// Why a person granted it.
    pub decided: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, FileOp};

    #[test]
    fn every_access_needs_a_right_or_says_why_not() {
        let kinds = [FileKind::File, FileKind::Directory];
        for access in Access::ALL {
            let rights = needs(*access, &kinds, &kinds);
            assert_eq!(rights.is_empty(), uncontrolled(*access).is_some(), "{access}");
        }
    }

    #[test]
    fn every_file_operation_of_the_call_table_has_an_answer() {
        let kinds = [FileKind::File];
        let mut walked = 0;
        for op in Call::all().iter().flat_map(FileOp::of) {
            for flags in [0, 1, 2, 0o100, 0o1000, 0o200000, 0o10000000, 0o20200002, 0x200, u64::MAX]
            {
                for access in op.accesses(&[flags; 6], Some(flags)) {
                    let answered =
                        !needs(access, &kinds, &kinds).is_empty() || uncontrolled(access).is_some();
                    assert!(answered, "{} {access}", op.call);
                    walked += 1;
                }
            }
        }
        assert!(walked > 900, "{walked}");
    }

    #[test]
    fn what_is_made_and_removed_decides() {
        use FsRight::*;
        let (file, directory) = ([FileKind::File], [FileKind::Directory]);
        assert_eq!(needs(Access::RenameTo, &file, &[]), [MakeReg, Refer]);
        assert_eq!(needs(Access::RenameTo, &file, &file), [RemoveFile, MakeReg, Refer]);
        assert_eq!(needs(Access::RenameFrom, &[], &directory), [RemoveDir, Refer]);
        assert_eq!(needs(Access::Execute, &[], &[]), [Execute, ReadFile]);
    }
}
