//! A trace under a suggestion: what would fail on FreeBSD if the program had been changed as
//! suggested.

use super::{
    fold::{Folded, fold},
    suggest::{name, suffices},
};
use model::{
    Text, Trace,
    capsicum::{Limit, Mode, Rights, Suggestion, Suggestions, needs},
    confinement::Id,
    descriptor::{Descriptor, Image, Origin, Use},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a program may do: what [`replay()`] is about.
pub type Allowed = Suggestions;

/// An operation that fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The executable.
    pub program: Text,
    /// ECAPMODE or ENOTCAPABLE.
    pub error: &'static str,
    /// The call on Linux.
    pub call: String,
    /// What was missing, or named.
    pub what: String,
}

/// Everything that fails in a run.
pub fn replay(trace: &Trace, allowed: &Allowed) -> BTreeSet<Violation> {
    let mut violations = BTreeSet::new();
    for image in &trace.images {
        let Some(program) = trace.programs.get(image.program as usize) else { continue };
        let suggested = allowed.programs.get(&program.path).into_iter().flatten();
        for suggestion in suggested.filter(|suggestion| suggestion.forked == image.forked) {
            let folded = fold(trace, image);
            let run = Run { program: &program.path, image, folded, suggestion };
            run.names(&mut violations);
            run.uses(&mut violations);
        }
    }
    violations
}

struct Run<'a> {
    program: &'a Text,
    image: &'a Image,
    folded: Folded,
    suggestion: &'a Suggestion,
}

impl Run<'_> {
    fn violation(&self, error: &'static str, call: String, what: String) -> Violation {
        Violation { program: self.program.clone(), error, call, what }
    }

    /// The tick of the point.
    fn point(&self) -> u64 {
        let start_up = &self.suggestion.point.start_up;
        let steps = self.image.names.iter().zip(&self.folded.steps);
        let lasts = steps.filter(|(_, id)| start_up.contains(id)).map(|(name, _)| name.last);
        lasts.max().unwrap_or(0).max(self.image.entered_main.unwrap_or(0))
    }

    /// Global names that are used past the point, and for which there is no remedy.
    fn names(&self, violations: &mut BTreeSet<Violation>) {
        let point = self.point();
        let helped: BTreeSet<Id> = self
            .suggestion
            .remedies
            .iter()
            .flat_map(|remedy| remedy.steps.iter().copied())
            .collect();
        for (used, id) in self.image.names.iter().zip(&self.folded.steps) {
            let forbidden =
                self.folded.confinement.steps.get(id).is_some_and(super::point::is_forbidden);
            // Without main, what ld.so does alone is before it.
            let loader = self.image.entered_main.is_none() && self.of_loader(*id);
            if used.last > point && forbidden && !loader && !helped.contains(id) {
                let call = used.call.label().into_owned();
                violations.insert(self.violation("ECAPMODE", call, name(&used.what)));
            }
        }
    }

    fn of_loader(&self, id: Id) -> bool {
        let step = self.folded.confinement.steps.get(&id);
        step.is_some_and(|step| {
            !step.chain.is_empty() && step.chain.iter().all(|frame| frame.starts_with("ld-"))
        })
    }

    /// Uses of descriptors that have not the right, or that capability mode forbids.
    fn uses(&self, violations: &mut BTreeSet<Violation>) {
        let limits: BTreeMap<Id, &Limit> =
            self.suggestion.descriptors.iter().map(|limit| (limit.id, limit)).collect();
        let (main, point) = (self.image.entered_main.unwrap_or(0), self.point());
        for (at, descriptor) in self.image.descriptors.iter().enumerate() {
            for used in descriptor.uses.iter().filter(|used| used.last >= main) {
                let call = used.call.label();
                let needed = needs(&call, used.argument, used.detail, descriptor.object);
                let Some(needed) = needed.filter(|_| limits.contains_key(&self.folded.roles[at]))
                else {
                    continue;
                };
                let past = used.last >= point;
                let holders: Vec<&Limit> =
                    self.holders(at).iter().filter_map(|id| limits.get(id).copied()).collect();
                for limit in &holders {
                    if !suffices(limit.rights, limit.narrowed, needed.rights, past) {
                        let held = if past {
                            limit.narrowed.unwrap_or(limit.rights)
                        } else {
                            limit.rights
                        };
                        violations.insert(self.missing(used, needed.rights, held));
                    }
                    let unlisted = |command: Option<u32>, list: &BTreeSet<u32>| {
                        command.is_some_and(|command| !list.contains(&command))
                    };
                    if unlisted(needed.fcntl, &limit.fcntls)
                        || unlisted(needed.ioctl, &limit.ioctls)
                    {
                        let what = "a command that is not in its list".to_owned();
                        violations.insert(self.violation(
                            "ENOTCAPABLE",
                            call.clone().into_owned(),
                            what,
                        ));
                    }
                }
                let addressed =
                    matches!(&*call, "bind" | "connect" | "sendto" | "sendmsg" | "sendmmsg");
                let told = self.suggestion.failures.iter().any(|failure| failure.call == call);
                if needed.mode == Mode::No && past && !addressed && !told {
                    violations.insert(self.violation("ECAPMODE", call.into_owned(), String::new()));
                }
            }
        }
    }

    fn missing(&self, used: &Use, needed: Rights, held: Rights) -> Violation {
        let what = format!("operation requires {needed}, descriptor holds {held}");
        self.violation("ENOTCAPABLE", used.call.label().into_owned(), what)
    }

    /// The roles whose rights a descriptor has: its own, and of those that it came from.
    fn holders(&self, at: usize) -> BTreeSet<Id> {
        let mut holders = BTreeSet::from([self.folded.roles[at]]);
        let mut next = Some(at);
        for _ in 0..self.image.descriptors.len() {
            let Some(Descriptor { origin, .. }) =
                next.and_then(|at| self.image.descriptors.get(at))
            else {
                break;
            };
            next = match origin {
                Origin::Accepted { from }
                | Origin::Opened { at: from, .. }
                | Origin::Duplicated { from, .. } => from.map(|from| from as usize),
                _ => None,
            };
            holders.extend(next.and_then(|at| self.folded.roles.get(at)));
        }
        holders
    }
}
