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
    /// When that is, in each timeline.
    pub(crate) moments: Vec<u32>,
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
        !seen || self.confinement.more && !matches!(event, Event::Name(_))
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

    /// The moment right after these steps in each timeline.
    fn moments(&self, start_up: &BTreeSet<Id>, steps: &[Seen]) -> Vec<u32> {
        let mains = self.confinement.timelines.iter().map(|timeline| timeline.0.get(&Event::Main));
        let mut moments: Vec<u32> = mains.map(|main| main.map_or(0, |span| span.first)).collect();
        for step in steps.iter().filter(|step| start_up.contains(&step.id)) {
            for (moment, span) in moments.iter_mut().zip(&step.spans) {
                *moment = (*moment).max(span.map_or(0, |span| span.last));
            }
        }
        moments
    }

    /// Whether something goes on past these moments, in some run. What no kept timeline has does.
    pub(crate) fn past(&self, event: &Event, moments: &[u32]) -> bool {
        let mut seen = false;
        for (timeline, moment) in self.confinement.timelines.iter().zip(moments) {
            let Some(span) = timeline.0.get(event) else { continue };
            seen = true;
            if goes_past(event, *span, *moment) {
                return true;
            }
        }
        !seen
    }

    /// The best place.
    pub(crate) fn place(&self) -> Place {
        let steps: Vec<Seen> = self
            .forbidden()
            .into_iter()
            .map(|(id, step)| Seen {
                id,
                spans: self.spans(&Event::Name(id)),
                way: remedy(step, self.words),
                several: false,
                child: step.names.contains(&Name::Child),
            })
            .collect();
        let mut candidates = BTreeSet::from([BTreeSet::new()]);
        for at in 0..self.confinement.timelines.len() {
            let mut lasts: Vec<(u32, Id)> =
                steps.iter().filter_map(|step| Some((step.spans[at]?.last, step.id))).collect();
            lasts.sort_unstable();
            let mut start_up = BTreeSet::new();
            for (_, id) in lasts {
                start_up.insert(id);
                candidates.insert(start_up.clone());
            }
        }
        let reads = self.reads();
        let places = candidates.into_iter().map(|start_up| self.judge(start_up, &steps, &reads));
        let best = places.min_by_key(|place| (place.cost, place.start_up.len()));
        let mut best = best.unwrap_or_default();
        best.last = self.last_of(&best.start_up);
        best
    }

    fn spans(&self, event: &Event) -> Vec<Option<Span>> {
        let timelines = self.confinement.timelines.iter();
        timelines.map(|timeline| timeline.0.get(event).copied()).collect()
    }

    /// The uses that bring in data once main has begun.
    fn reads(&self) -> Vec<Seen> {
        let mut reads = Vec::new();
        for (id, role) in &self.confinement.roles {
            let several = role.several && !self.of_libraries(role);
            let keys = role.uses.keys().filter(|key| roles::reads(role, key));
            let events = keys.map(|key| Event::Use(*id, key.clone()));
            let seen = events.filter(|event| self.after_main(event)).map(|event| Seen {
                id: *id,
                spans: self.spans(&event),
                way: None,
                several,
                child: false,
            });
            reads.extend(seen);
        }
        reads
    }

    fn judge(&self, start_up: BTreeSet<Id>, steps: &[Seen], reads: &[Seen]) -> Place {
        let moments = self.moments(&start_up, steps);
        // Past a bound there are runs that went another way: what is not before it may be past it.
        let past = |step: &&Seen| match self.confinement.more {
            true => !start_up.contains(&step.id),
            false => step.any(&moments, |span, moment| span.last > moment),
        };
        let rest: Vec<&Seen> = steps.iter().filter(past).collect();
        let ways: BTreeSet<&Way> = rest.iter().filter_map(|step| step.way).collect();
        let mut cost = ways.iter().map(|way| way.cost * 10).sum::<u32>() + rest.len() as u32;
        let goes_on = |span: Span, moment: u32| span.last >= moment;
        // While it waits for a child, that one may be at work, as confined as its parent.
        let over = !reads.is_empty()
            && !rest.iter().any(|step| step.child)
            && !reads.iter().any(|read| read.any(&moments, goes_on));
        // Several descriptors of a role are read from, one after the other, and the place is between.
        let between = |span: Span, moment: u32| span.first < moment && span.last >= moment;
        let started = reads.iter().any(|read| read.several && read.known(&moments, between));
        cost += u32::from(over) * OVER + u32::from(started) * STARTED;
        let rest = rest.iter().map(|step| step.id).collect();
        Place { start_up, moments, last: None, rest, cost, started, over }
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

/// When something came in each timeline, and what else decides of it.
struct Seen {
    id: Id,
    spans: Vec<Option<Span>>,
    way: Option<&'static Way>,
    several: bool,
    /// It is about a child.
    child: bool,
}

impl Seen {
    /// Whether it is so in some timeline. What no kept timeline has is.
    fn any(&self, moments: &[u32], is_so: impl Fn(Span, u32) -> bool) -> bool {
        self.spans.iter().all(Option::is_none) || self.known(moments, is_so)
    }

    fn known(&self, moments: &[u32], is_so: impl Fn(Span, u32) -> bool) -> bool {
        self.spans
            .iter()
            .zip(moments)
            .any(|(span, moment)| span.is_some_and(|span| is_so(span, *moment)))
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
