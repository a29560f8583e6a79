//! What a filter shall do, as plain data: for each architecture and number an action, or argument
//! rules. Turning it into instructions is compile.rs; making it from a policy is policy.rs.

use crate::{Action, SeccompData, data};
use model::{Arch, Rule, X32_BIT};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// What a filter shall do.
///
/// x32 shares its audit architecture with x86-64 and differs in the number: when only
/// [`Arch::X86_64`] is listed, x32 numbers are numbers that x86-64 does not know, as for a kernel
/// without x32. When only [`Arch::X32`] is listed, x86-64 is foreign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    /// The architectures whose calls are told apart.
    pub arches: BTreeMap<Arch, ArchRules>,
    /// What any other architecture gets.
    pub foreign: Action,
}

/// What the calls of one architecture get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchRules {
    /// By number as in the register, which for x32 has [`X32_BIT`].
    pub calls: BTreeMap<u32, CallRule>,
    /// What all other numbers get.
    pub unknown: Action,
}

/// What one call gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRule {
    /// The same whatever the arguments.
    Always(Action),
    /// It depends on the arguments.
    Arguments {
        /// The first rule that matches gives the action.
        rules: Vec<(Rule, Action)>,
        /// The action where none matches.
        otherwise: Action,
    },
}

impl Ruleset {
    /// What a call gets, straight from the rules.
    pub fn verdict(&self, data: &SeccompData) -> Action {
        let speaks = |arch: &&Arch| arch.audit() == data.arch && numbers(**arch).contains(&data.nr);
        let Some(arch) = Arch::ALL.iter().find(speaks) else {
            return self.foreign;
        };
        match self.arches.get(arch) {
            Some(rules) => match rules.calls.get(&data.nr) {
                Some(rule) => rule.verdict(data.arch, data.args),
                None => rules.unknown,
            },
            None => self.unlisted(*arch),
        }
    }

    /// What the calls of an architecture get that is not listed.
    pub(crate) fn unlisted(&self, arch: Arch) -> Action {
        match self.arches.get(&Arch::X86_64) {
            Some(host) if arch == Arch::X32 => host.unknown,
            _ => self.foreign,
        }
    }
}

impl CallRule {
    /// What a call with these arguments gets.
    fn verdict(&self, audit: u32, mut args: [u64; 6]) -> Action {
        match self {
            CallRule::Always(action) => *action,
            CallRule::Arguments { rules, otherwise } => {
                // The kernel ignores the upper halves of 32-bit calls, so they must not decide.
                if !data::is_64bit(audit) {
                    args = args.map(|arg| arg & u64::from(u32::MAX));
                }
                let matching = rules.iter().find(|(rule, _)| rule.matches(&args));
                matching.map_or(*otherwise, |(_, action)| *action)
            }
        }
    }
}

/// The numbers, as in the register, that belong to an architecture among those of its audit value.
pub(crate) fn numbers(arch: Arch) -> RangeInclusive<u32> {
    match arch {
        Arch::X32 => X32_BIT..=u32::MAX,
        Arch::X86_64 => 0..=X32_BIT - 1,
        _ => 0..=u32::MAX,
    }
}
