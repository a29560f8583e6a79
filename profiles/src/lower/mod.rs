//! What a profile does once a container runtime has loaded it: not what it says, but what runc or crun
//! and libseccomp make of it.
//!
//! * Docker's conditions hold or not: `machine`
//! * arguments become rules, two comparisons of one argument become two: `arguments`
//! * an unconditional entry swallows the others of its call; the first of two wins; an entry that does
//!   what the default does is left out before that
//! * the runtime's own architecture is always there; what is not listed is killed
//! * runc answers ENOSYS above the highest number that the profile names

mod arguments;
mod machine;
mod multiplexed;

pub(crate) use arguments::{conditions, twice};
pub use machine::{DOCKER_CAPABILITIES, Machine};

use crate::read::{Input, Profile};
use filter::{Action, ArchRules, CallRule, Comparison, Denied, Ruleset};
use model::{Arch, Call, Rule, Sysno, X32_BIT, errno::ENOSYS};
use std::collections::BTreeMap;

/// What calls get, and from which entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    arches: BTreeMap<Arch, Calls>,
    foreign: Action,
    of_policy: bool,
}

/// The calls of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Calls {
    by_number: BTreeMap<u32, Vec<Alternative>>,
    default: Action,
    /// runc answers ENOSYS above this number.
    last: Option<u32>,
}

/// What some arguments of a call get. The first that matches counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alternative {
    condition: Option<Rule>,
    action: Action,
    position: usize,
}

/// What a call gets, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What happens.
    pub action: Action,
    /// What says so.
    pub source: Source,
}

/// What decides about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An entry of the profile.
    Entry {
        /// Its place among `syscalls`, from 0.
        position: usize,
        /// The comparisons that hold, as the kernel makes them.
        condition: Option<Rule>,
    },
    /// A policy's entry, or that it has none.
    Policy {
        /// The comparisons that hold.
        condition: Option<Rule>,
    },
    /// No entry matches.
    Default,
    /// runc's: the number is above the highest that the profile names.
    AboveNamed(u32),
    /// The architecture is not listed.
    Unlisted,
}

/// Why no runtime would load a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// There are arguments 0 to 5.
    #[error("entry {position} compares argument {index}: a system call has arguments 0 to 5")]
    Index {
        /// The entry's place.
        position: usize,
        /// The number.
        index: u64,
    },
    /// Docker takes one or the other.
    #[error("it has both archMap and architectures, and Docker takes only one of them")]
    Architectures,
    /// More than any filter can hold.
    #[error("up to entry {position} it has more rules than a filter can hold")]
    TooMany {
        /// The entry's place.
        position: usize,
    },
    /// Comparisons by order of lower halves only take many rules.
    #[error("entry {position}: its comparisons are too many for x32")]
    X32 {
        /// The entry's place.
        position: usize,
    },
}

impl Input {
    /// What it does on a machine.
    ///
    /// # Errors
    /// When no runtime would load it.
    pub fn lower(&self, machine: &Machine) -> Result<Lowered, LowerError> {
        match self {
            Input::Seccomp(profile) => lower(profile, machine),
            Input::Policy(policy) => {
                Ok(Lowered::from_policy(&Ruleset::from_policy(policy, Denied::Errno)))
            }
        }
    }
}

/// What a profile does on a machine.
///
/// # Errors
/// When no runtime would load it.
pub fn lower(profile: &Profile, machine: &Machine) -> Result<Lowered, LowerError> {
    if !profile.arch_map.is_empty() && !profile.architectures.is_empty() {
        return Err(LowerError::Architectures);
    }
    bounded(profile)?;
    let default = profile.default.action();
    let listed = machine.listed(profile);
    let mut arches = BTreeMap::new();
    for &arch in listed.iter().chain([&machine.native]) {
        let last = last_named(profile, machine, arch);
        let stubbed = machine.has_stub(default, listed.contains(&arch));
        let mut calls =
            Calls { by_number: BTreeMap::new(), default, last: last.filter(|_| stubbed) };
        for entry in profile.entries.iter().filter(|entry| machine.applies(entry)) {
            let action = entry.answer.action();
            // Before anything else: so it does not swallow others either.
            if action == default {
                continue;
            }
            for condition in conditions(entry, arch)? {
                for name in &entry.names {
                    for (number, condition) in multiplexed::rules(arch, name, condition.as_ref()) {
                        let position = entry.position;
                        let new = Alternative { condition, action, position };
                        if !calls.add(number, new) {
                            return Err(LowerError::TooMany { position });
                        }
                    }
                }
            }
        }
        // runc asks first, and takes no account of calls that are also made through another.
        calls.by_number.retain(|number, _| calls.last.is_none_or(|last| *number <= last));
        if arch == Arch::S390x && calls.last.is_some() {
            // Where the kernel does not know a number, the call looks like number 0 (setup).
            let action = Action::Errno(ENOSYS);
            let position = usize::MAX;
            calls.by_number.insert(0, vec![Alternative { condition: None, action, position }]);
        }
        arches.insert(arch, calls);
    }
    Ok(Lowered { arches, foreign: Action::KillThread, of_policy: false })
}

/// Refuses what the kernel's 4096 instructions could not hold many times over, before it takes time.
fn bounded(profile: &Profile) -> Result<(), LowerError> {
    const RULES: usize = 1 << 18;
    let mut rules = 0usize;
    for entry in &profile.entries {
        rules = rules.saturating_add(entry.names.len().saturating_mul(entry.args.len().max(1)));
        if rules > RULES {
            return Err(LowerError::TooMany { position: entry.position });
        }
    }
    Ok(())
}

/// The highest number of a call that an entry names, whatever it gets. libseccomp resolves those that
/// are also made through another to numbers of its own, which are none.
fn last_named(profile: &Profile, machine: &Machine, arch: Arch) -> Option<u32> {
    let entries = profile.entries.iter().filter(|entry| machine.applies(entry));
    let names = entries.flat_map(|entry| &entry.names);
    let numbers = names.filter_map(|name| {
        let number = Call::by_name(name)?.number(arch)?;
        multiplexed::code(arch, name).is_none().then_some(number)
    });
    numbers.max().filter(|last| *last != 0)
}

impl Calls {
    /// Adds a rule; false when a call has too many.
    fn add(&mut self, number: u32, new: Alternative) -> bool {
        let known = self.by_number.entry(number).or_default();
        if new.condition.is_none() && !known.iter().any(|old| old.condition.is_none()) {
            known.clear();
        }
        let swallowed =
            known.iter().any(|old| old.condition.is_none() || old.condition == new.condition);
        if !swallowed {
            known.push(new);
        }
        known.len() <= arguments::RULES
    }

    /// What a number gets that no entry is for.
    fn other(&self, number: u32) -> (Action, Source) {
        match self.last {
            Some(last) if number > last => (Action::Errno(ENOSYS), Source::AboveNamed(last)),
            _ => (self.default, Source::Default),
        }
    }
}

impl Lowered {
    /// What a ruleset made from a policy does.
    fn from_policy(ruleset: &Ruleset) -> Lowered {
        let alternatives = |rule: &CallRule| match rule {
            CallRule::Always(action) => vec![Alternative::of_policy(None, *action)],
            CallRule::Arguments { rules, otherwise } => rules
                .iter()
                .map(|(rule, action)| Alternative::of_policy(Some(rule.clone()), *action))
                .chain([Alternative::of_policy(None, *otherwise)])
                .collect(),
        };
        let calls = |rules: &ArchRules| Calls {
            by_number: rules
                .calls
                .iter()
                .map(|(number, rule)| (*number, alternatives(rule)))
                .collect(),
            default: rules.unknown,
            last: None,
        };
        Lowered {
            arches: ruleset.arches.iter().map(|(arch, rules)| (*arch, calls(rules))).collect(),
            foreign: ruleset.foreign,
            of_policy: true,
        }
    }

    /// The architectures whose calls are told apart.
    pub fn arches(&self) -> impl Iterator<Item = Arch> {
        self.arches.keys().copied()
    }

    /// What a call gets.
    pub fn verdict(&self, sysno: Sysno, mut args: [u64; 6]) -> Verdict {
        const AUDIT_64BIT: u32 = 0x8000_0000;
        let Some(calls) = self.arches.get(&sysno.arch()) else {
            let (action, source) = self.unlisted(sysno);
            return Verdict { action, source };
        };
        // The kernel drops the upper halves of a 32-bit call's arguments.
        if sysno.arch().audit() & AUDIT_64BIT == 0 {
            args = args.map(|arg| arg & u64::from(u32::MAX));
        }
        let matches =
            |one: &&Alternative| one.condition.as_ref().is_none_or(|rule| rule.matches(&args));
        let alternatives = calls.by_number.get(&sysno.number());
        let (action, source) = match alternatives.and_then(|all| all.iter().find(matches)) {
            Some(found) => (found.action, found.source(self.of_policy)),
            None if alternatives.is_none() => calls.other(sysno.number()),
            None => (calls.default, Source::Default),
        };
        Verdict { action, source }
    }

    /// What a call gets whatever its arguments, with the place of the entry; `None` when it depends.
    pub(crate) fn only_answer(&self, sysno: Sysno) -> Option<(Action, Option<usize>)> {
        let alternatives = self.arches.get(&sysno.arch())?.by_number.get(&sysno.number());
        match alternatives.map(Vec::as_slice) {
            None | Some([Alternative { condition: None, .. }]) => {
                let Verdict { action, source } = self.verdict(sysno, [0; 6]);
                match source {
                    Source::Entry { position, .. } => Some((action, Some(position))),
                    _ => Some((action, None)),
                }
            }
            Some(_) => None,
        }
    }

    /// Whether a call gets an action whatever its arguments.
    pub(crate) fn is_always(&self, sysno: Sysno, action: Action) -> bool {
        self.only_answer(sysno).is_some_and(|(only, _)| only == action)
    }

    /// Whether a call gets an action with some arguments, going by the text of its rules.
    pub(crate) fn may(&self, sysno: Sysno, action: Action) -> bool {
        let calls = self.arches.get(&sysno.arch());
        match calls.and_then(|calls| Some((calls, calls.by_number.get(&sysno.number())?))) {
            Some((calls, all)) => {
                let open = !all.iter().any(|one| one.condition.is_none());
                all.iter().any(|one| one.action == action) || (open && calls.default == action)
            }
            None => self.is_always(sysno, action),
        }
    }

    fn unlisted(&self, sysno: Sysno) -> (Action, Source) {
        let host = self.arches.get(&Arch::X86_64).filter(|_| sysno.arch() == Arch::X32);
        match host {
            // To a ruleset x32 is what x86-64 does not know; libseccomp tells only -1 from it.
            Some(host) if self.of_policy || sysno.number() == u32::MAX => {
                (host.default, Source::Default)
            }
            _ => (self.foreign, Source::Unlisted),
        }
    }

    /// What another one does differently, call by call.
    pub fn compare(&self, new: &Lowered) -> Comparison {
        filter::compare(&self.ruleset(), &new.ruleset())
    }

    /// The same as a ruleset, to be compiled and compared.
    ///
    /// Numbers above the highest named one that no kernel has get the default there, where an
    /// architecture has calls of its own far above all others (32-bit ARM).
    pub fn ruleset(&self) -> Ruleset {
        let mut arches: BTreeMap<Arch, ArchRules> =
            self.arches.iter().map(|(arch, calls)| (*arch, calls.rules(*arch))).collect();
        let has_x32 = arches.contains_key(&Arch::X32) || self.of_policy;
        if let Some(host) = self.arches.get(&Arch::X86_64).filter(|_| !has_x32) {
            let calls = [(u32::MAX, CallRule::Always(host.default))].into();
            arches.insert(Arch::X32, ArchRules { calls, unknown: self.foreign });
        }
        Ruleset { arches, foreign: self.foreign }
    }
}

impl Alternative {
    fn of_policy(condition: Option<Rule>, action: Action) -> Alternative {
        Alternative { condition, action, position: usize::MAX }
    }

    fn source(&self, of_policy: bool) -> Source {
        let condition = self.condition.clone();
        match self.position {
            _ if of_policy => Source::Policy { condition },
            usize::MAX => Source::AboveNamed(0),
            position => Source::Entry { position, condition },
        }
    }
}

impl Calls {
    fn rules(&self, arch: Arch) -> ArchRules {
        /// No architecture has so many calls in a row.
        const MANY: u32 = 4096;
        let rule = |all: &Vec<Alternative>| match all.as_slice() {
            [Alternative { condition: None, action, .. }] => CallRule::Always(*action),
            _ => {
                let otherwise = all.iter().find(|one| one.condition.is_none());
                let rules = all.iter().filter_map(|one| Some((one.condition.clone()?, one.action)));
                CallRule::Arguments {
                    rules: rules.collect(),
                    otherwise: otherwise.map_or(self.default, |one| one.action),
                }
            }
        };
        let mut calls: BTreeMap<u32, CallRule> =
            self.by_number.iter().map(|(number, all)| (*number, rule(all))).collect();
        let first = if arch == Arch::X32 { X32_BIT } else { 0 };
        let unknown = match self.last {
            Some(last) if last - first <= MANY => {
                for number in first..=last {
                    calls.entry(number).or_insert(CallRule::Always(self.default));
                }
                Action::Errno(ENOSYS)
            }
            _ => self.default,
        };
        ArchRules { calls, unknown }
    }
}
