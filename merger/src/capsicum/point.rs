//! Where a process would enter capability mode.
//!
//! A place is a set of steps that have come by then: it is right after the last of them, so that it
//! means something in every run, also in one that skips some. The candidates are the starts of all
//! timelines. Each costs what the remedies for the steps past it cost; a place by which a part of the
//! repeated work has been done costs more than any remedy, and one past which nothing is read any
//! more protects nothing.

use super::{
    remedies::{Way, remedy},
    roles,
};
use model::{
    Policy, Text,
    capsicum::{Mode, Verdict, verdict},
    confinement::{Confinement, Event, Id, Role, Span, Step, Timeline, UseKey},
    descriptor::{Name, PidTarget},
};
use std::collections::{BTreeMap, BTreeSet};

/// A part of the work has been done outside already.
const STARTED: u32 = 1_000;
/// Nothing is left to protect.
const OVER: u32 = 10_000;

/// One kind of process, looked at from main on.
pub(crate) struct View<'a> {
    pub(crate) confinement: &'a Confinement,
    /// The words of the command lines.
    pub(crate) words: &'a BTreeSet<Text>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The steps that have come by then.
    pub(crate) start_up: BTreeSet<Id>,
    /// The last of them; none at the start of main.
    pub(crate) last: Option<Id>,
    /// What is past it.
    pub(crate) rest: BTreeSet<Id>,
    /// Whether the cheapest place had to be looked for, and what it costs.
    pub(crate) cost: u32,
    pub(crate) started: bool,
    pub(crate) over: bool,
}

impl View<'_> {
    /// The steps that capability mode forbids, and that come after main has begun.
    pub(crate) fn forbidden(&self) -> BTreeMap<Id, &Step> {
        let steps = self.confinement.steps.iter();
        steps
            .filter(|(id, step)| is_forbidden(step) && self.after_main(&Event::Name(**id)))
            .map(|(id, step)| (*id, step))
            .collect()
    }

    /// Whether something happens once main has begun, in some run. What no kept timeline has counts.
    pub(crate) fn after_main(&self, event: &Event) -> bool {
        let mut seen = false;
        for timeline in &self.confinement.timelines {
            let Some(span) = timeline.0.get(event) else { continue };
            seen = true;
            if span.last >= self.main(timeline, event) {
                return true;
            }
        }
        !seen
    }

    /// The first moment that counts. Where main was not seen, what ld.so does alone is before it.
    fn main(&self, timeline: &Timeline, event: &Event) -> u32 {
        if let Some(span) = timeline.0.get(&Event::Main) {
            // A name at that moment came before main; a use went on during it.
            return span.first + u32::from(matches!(event, Event::Name(_) | Event::Made(_)));
        }
        let chain = match event {
            Event::Name(id) => self.confinement.steps.get(id).map(|step| &step.chain),
            Event::Made(id) | Event::Use(id, _) => {
                self.confinement.roles.get(id).map(|role| &role.chain)
            }
            Event::Main | Event::Call(_) => None,
        };
        let loader = chain.is_some_and(|chain| {
            !chain.is_empty() && chain.iter().all(|frame| frame.starts_with("ld-"))
        });
        if loader { u32::MAX } else { 0 }
    }

    /// The moment right after these steps.
    pub(crate) fn moment(&self, timeline: &Timeline, start_up: &BTreeSet<Id>) -> u32 {
        let steps = start_up.iter().filter_map(|id| timeline.0.get(&Event::Name(*id)));
        let main = timeline.0.get(&Event::Main).map_or(0, |span| span.first);
        steps.map(|span| span.last).max().unwrap_or(0).max(main)
    }

    /// Whether something goes on past these steps, in some run. What no kept timeline has does.
    pub(crate) fn past(&self, event: &Event, start_up: &BTreeSet<Id>) -> bool {
        let mut seen = false;
        for timeline in &self.confinement.timelines {
            let Some(span) = timeline.0.get(event) else { continue };
            seen = true;
            if goes_past(event, *span, self.moment(timeline, start_up)) {
                return true;
            }
        }
        !seen
    }

    /// The best place.
    pub(crate) fn place(&self) -> Place {
        let forbidden = self.forbidden();
        let all: BTreeSet<Id> = forbidden.keys().copied().collect();
        let mut candidates = BTreeSet::from([BTreeSet::new()]);
        for timeline in &self.confinement.timelines {
            let mut lasts: Vec<(u32, Id)> = all
                .iter()
                .filter_map(|id| Some((timeline.0.get(&Event::Name(*id))?.last, *id)))
                .collect();
            lasts.sort_unstable();
            let mut start_up = BTreeSet::new();
            for (_, id) in lasts {
                start_up.insert(id);
                candidates.insert(start_up.clone());
            }
        }
        let reads = self.reads();
        let mut best: Option<(u32, usize, Place)> = None;
        for start_up in candidates {
            let place = self.judge(start_up, &forbidden, &reads);
            let key = (place.cost, place.start_up.len());
            if best.as_ref().is_none_or(|(cost, len, _)| key < (*cost, *len)) {
                best = Some((key.0, key.1, place));
            }
        }
        best.map(|(_, _, place)| place).unwrap_or_default()
    }

    /// The uses that bring in data once main has begun.
    fn reads(&self) -> Vec<(Id, &UseKey)> {
        let mut reads = Vec::new();
        for (id, role) in &self.confinement.roles {
            let keys = role.uses.keys().filter(|key| roles::reads(role, key));
            let after = |key: &&UseKey| self.after_main(&Event::Use(*id, (*key).clone()));
            reads.extend(keys.filter(after).map(|key| (*id, key)));
        }
        reads
    }

    fn judge(
        &self,
        start_up: BTreeSet<Id>,
        forbidden: &BTreeMap<Id, &Step>,
        reads: &[(Id, &UseKey)],
    ) -> Place {
        let rest: BTreeSet<Id> = forbidden
            .keys()
            .filter(|id| self.past(&Event::Name(**id), &start_up))
            .copied()
            .collect();
        let ways: BTreeSet<&Way> =
            rest.iter().filter_map(|id| remedy(forbidden[id], self.words)).collect();
        let mut cost = ways.iter().map(|way| way.cost * 10).sum::<u32>() + rest.len() as u32;
        let over = !reads.is_empty()
            && !reads
                .iter()
                .any(|(id, key)| self.past(&Event::Use(*id, (*key).clone()), &start_up));
        let started = reads.iter().any(|(id, key)| self.straddles(*id, key, &start_up));
        cost += u32::from(over) * OVER + u32::from(started) * STARTED;
        let last = self.last_of(&start_up);
        Place { start_up, last, rest, cost, started, over }
    }

    /// Several descriptors of a role are read from, one after the other, and the place is between.
    fn straddles(&self, id: Id, key: &UseKey, start_up: &BTreeSet<Id>) -> bool {
        let several = self
            .confinement
            .roles
            .get(&id)
            .is_some_and(|role| role.several && !self.of_libraries(role));
        several
            && self.confinement.timelines.iter().any(|timeline| {
                let event = Event::Use(id, key.clone());
                let Some(span) = timeline.0.get(&event) else { return false };
                let moment = self.moment(timeline, start_up);
                span.first < moment && span.last >= moment
            })
    }

    /// What a library reads for itself, one after the other, is not the work of the program.
    fn of_libraries(&self, role: &Role) -> bool {
        let steps = self.confinement.steps.values();
        steps.filter(|step| step.chain == role.chain && !step.chain.is_empty()).any(|step| {
            let way = remedy(step, self.words).map(|way| way.id);
            way.is_some_and(|id| {
                id.starts_with("caph-") || id.starts_with("cap-") || id == "load-before"
            })
        })
    }

    fn last_of(&self, start_up: &BTreeSet<Id>) -> Option<Id> {
        let places = self.confinement.timelines.iter().flat_map(|timeline| {
            start_up.iter().filter_map(|id| Some((timeline.0.get(&Event::Name(*id))?.last, *id)))
        });
        places.max().map(|(_, id)| id)
    }
}

/// A name is used at a moment, anything else goes on from one to the next.
fn goes_past(event: &Event, span: Span, moment: u32) -> bool {
    match event {
        Event::Name(_) | Event::Made(_) | Event::Main => span.last > moment,
        Event::Use(..) | Event::Call(_) => span.last >= moment,
    }
}

/// Whether capability mode forbids it.
pub(crate) fn is_forbidden(step: &Step) -> bool {
    let own = |name: &Name| matches!(name, Name::Pid { target: PidTarget::Own });
    match verdict(&step.call) {
        Some((Verdict::Yes | Verdict::Newer, ..)) => {
            // sendto is allowed without an address, and this is one with.
            step.names.iter().any(|name| matches!(name, Name::Address { .. }))
                && matches!(&step.call[..], "sendto" | "sendmsg" | "sendmmsg")
        }
        Some((Verdict::Own, ..)) => !step.names.iter().all(own),
        Some((Verdict::Relative | Verdict::No | Verdict::Linux, ..)) | None => true,
    }
}

/// Whether a use fails in capability mode whatever the rights. With an address there is a step too.
pub(crate) fn use_is_forbidden(view: &View<'_>, id: Id, key: &UseKey) -> bool {
    let named = matches!(&key.call[..], "bind" | "connect" | "sendto" | "sendmsg" | "sendmmsg");
    !named && view.confinement.roles.get(&id).is_some_and(|role| roles::mode(role, key) == Mode::No)
}

/// The words of the command lines that a policy rests on.
pub(crate) fn words(policy: &Policy) -> BTreeSet<Text> {
    let commands = policy.evidence.values().map(|piece| &piece.command);
    commands.flat_map(|command| command.iter().skip(1).cloned()).collect()
}
