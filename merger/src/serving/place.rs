//! Where a process first waits for work, in each time line and in words.

use super::table;
use crate::capsicum::{ordinal, own};
use model::{
    Text,
    confinement::{Confinement, Event, Id, Timeline, UseKey},
    descriptor::Name,
};

/// Where serving begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// As a sentence goes on: "right before the first epoll_wait in serve".
    pub words: String,
    /// The calls that lead there, the innermost first.
    pub chain: Vec<String>,
}

/// One kind of process, and when each of its time lines first waits for work.
pub(super) struct Waits<'a> {
    pub(super) confinement: &'a Confinement,
    pub(super) moments: Vec<(&'a Timeline, Option<Wait>)>,
}

/// The first wait of a time line.
#[derive(Clone)]
pub(super) struct Wait {
    pub(super) moment: u32,
    role: Id,
    key: UseKey,
}

impl<'a> Waits<'a> {
    pub(super) fn of(confinement: &'a Confinement) -> Waits<'a> {
        let moments = confinement.timelines.iter();
        let moments = moments.map(|timeline| (timeline, first(confinement, timeline))).collect();
        Waits { confinement, moments }
    }

    /// The time lines of processes that serve, each with the moment.
    pub(super) fn serving(&self) -> impl Iterator<Item = (&'a Timeline, u32)> {
        self.moments.iter().filter_map(|(timeline, wait)| Some((*timeline, wait.as_ref()?.moment)))
    }

    /// Whether a process names such a thing past its moment.
    pub(super) fn names(&self, what: impl Fn(&Name) -> bool) -> bool {
        self.serving().any(|(timeline, moment)| {
            timeline.0.iter().any(|(event, span)| {
                let Event::Name(id) = event else { return false };
                let step = self.confinement.steps.get(id);
                span.last > moment && step.is_some_and(|step| step.names.iter().any(&what))
            })
        })
    }

    /// Where it is, by the first time line that has it.
    pub(super) fn place(&self, program: &Text) -> Option<Place> {
        let mut waits = self.moments.iter();
        let (timeline, wait) =
            waits.find_map(|(timeline, wait)| Some((*timeline, wait.as_ref()?)))?;
        let role = self.confinement.roles.get(&wait.role)?;
        let chain = role.uses.get(&wait.key).cloned().unwrap_or_default();
        let mut words = format!("right before the first {}", wait.key.call);
        words += &within(program, &chain);
        if let Some(after) = self.before(program, timeline, wait.moment) {
            words += &format!(", after {after}");
        }
        Some(Place { words, chain })
    }

    /// The last thing that it named before, from code of its own.
    fn before(&self, program: &Text, timeline: &Timeline, moment: u32) -> Option<String> {
        let named = timeline.0.iter().filter(|(_, span)| span.last <= moment);
        let named = named.filter_map(|(event, span)| {
            let Event::Name(id) = event else { return None };
            let step = self.confinement.steps.get(id)?;
            own(program, &step.chain).next()?;
            Some((span.last, step))
        });
        let (_, step) = named.max_by_key(|(last, _)| *last)?;
        let which = match step.times {
            (least, most) if least == most => ordinal(most),
            _ => "last ".to_owned(),
        };
        Some(format!("the {which}{}{}", step.call, within(program, &step.chain)))
    }
}

/// ` in main`, where it is known.
fn within(program: &Text, chain: &[String]) -> String {
    own(program, chain).next().map(|frame| format!(" in {frame}")).unwrap_or_default()
}

fn first(confinement: &Confinement, timeline: &Timeline) -> Option<Wait> {
    let role_of = |event: &Event| match event {
        Event::Use(id, _) | Event::Made(id) => confinement.roles.get(id),
        _ => None,
    };
    let serves = timeline.0.keys().filter_map(role_of).any(table::serves);
    let waits = timeline.0.iter().filter_map(|(event, span)| {
        let Event::Use(id, key) = event else { return None };
        let row = table::waits(confinement.roles.get(id)?, key, serves)?;
        Some((row, Wait { moment: span.first, role: *id, key: key.clone() }))
    });
    waits.min_by_key(|(row, wait)| (wait.moment, *row)).map(|(_, wait)| wait)
}
