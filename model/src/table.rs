//! The table of system calls. The rows are in `data/syscalls.tsv`.

use crate::{
    Arch, FileOp, Group, Kind,
    fileop::{Access, AccessRule, Flag, Follow},
};
use std::{collections::HashMap, sync::LazyLock};

include!(concat!(env!("OUT_DIR"), "/calls.rs"));

/// No number: the architecture lacks the call.
const NONE: u32 = u32::MAX;

/// A system call, as all or some architectures have it.
///
/// Parameters and flag bits are not the same everywhere: [`Sysno::call`](crate::Sysno::call) gives
/// the form of one architecture, [`Call::by_name`] the usual one.
#[derive(Debug)]
pub struct Call {
    /// The name that libseccomp gives it.
    pub name: &'static str,
    /// The release of Linux that brought it, to x86-64 or else where it came first; `None` for
    /// those that 4.0 had.
    pub since: Option<(u16, u16)>,
    /// How risky it is.
    pub group: Group,
    /// Its parameters; none for calls that never did anything.
    pub params: &'static [Param],
    numbers: [u32; 9],
    pub(crate) files: &'static [FileOp],
}

/// A parameter of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// As in the call's man page.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

impl Call {
    /// Every call once, by group, in the order of the table.
    pub fn all() -> &'static [Call] {
        &FORMS[..CALLS]
    }

    /// The call of that name.
    pub fn by_name(name: &str) -> Option<&'static Call> {
        static NAMES: LazyLock<HashMap<&str, &Call>> =
            LazyLock::new(|| Call::all().iter().map(|call| (call.name, call)).collect());
        NAMES.get(name).copied()
    }

    /// Its number on an architecture that has it; with [`X32_BIT`](crate::X32_BIT) on x32.
    pub fn number(&self, arch: Arch) -> Option<u32> {
        let number = self.numbers[arch as usize];
        (number != NONE).then_some(number)
    }

    /// The form that the call has on `arch`.
    pub(crate) fn by_number(arch: Arch, number: u32) -> Option<&'static Call> {
        let numbers = BY_NUMBER[arch as usize];
        let at = numbers.binary_search_by_key(&number, |row| row.0).ok()?;
        Some(&FORMS[usize::from(numbers[at].1)])
    }
}
