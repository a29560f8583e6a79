//! What each program needs once it serves, and what only start-up needs.

use super::{
    place::{Place, Waits},
    table,
};
use crate::capsicum::{fits_strict_mode, name, suggestions};
use model::{
    Policy, Sysno, Text,
    capsicum::Suggestion,
    confinement::{Confinement, Event, Kept, Timeline},
    descriptor::Name,
};
use std::collections::{BTreeMap, BTreeSet};

/// A program from the place on where it only serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// It waits for requests there. Otherwise it is where it would enter capability mode.
    pub server: bool,
    /// It is processes that were forked and executed nothing which come to the place: workers.
    pub workers: bool,
    /// Where.
    pub place: Place,
    /// The calls from there on.
    pub serving: BTreeSet<Sysno>,
    /// The calls that were seen before it, or in processes that do not come to it, and not after.
    pub start_up: BTreeSet<Sysno>,
    /// Those of them that may come again all the same, each with why.
    pub kept: BTreeMap<Sysno, &'static str>,
    /// What only start-up names: paths and addresses.
    pub names: BTreeSet<String>,
    /// What it inherited and did not use.
    pub close: Vec<String>,
    /// What makes `serving` wider than what the processes were seen to do, or may make it too narrow.
    pub notes: BTreeSet<String>,
}

impl Phase {
    /// Whether what remains fits the strict mode of seccomp(2).
    pub fn strict(&self) -> bool {
        fits_strict_mode(&self.serving)
    }
}

/// By executable, of all that have a time line.
pub fn phases(policy: &Policy) -> BTreeMap<Text, Phase> {
    let suggested = suggestions(policy).programs;
    let phases = policy.confinement.iter().filter_map(|(program, kept)| {
        let suggested = suggested.get(program)?.iter().find(|suggestion| !suggestion.forked);
        let phase = server(policy, program, kept).or_else(|| other(suggested?))?;
        Some((program.clone(), finish(policy, program, phase, suggested)))
    });
    phases.collect()
}

/// One that waits for requests.
fn server(policy: &Policy, program: &Text, kept: &Kept) -> Option<Phase> {
    let none = Confinement::default();
    let executed = Waits::of(kept.executed.as_ref().unwrap_or(&none));
    let forked = Waits::of(kept.forked.as_ref().unwrap_or(&none));
    let workers = executed.serving().next().is_none();
    let mut place = executed.place(program).or_else(|| forked.place(program))?;
    if workers {
        place.words += ", in each forked worker";
    }
    let mut notes = BTreeSet::new();
    let mut serving = BTreeSet::new();
    for (timeline, moment) in executed.serving().chain(forked.serving()) {
        serving.extend(calls(timeline, moment));
    }
    // A filter goes to the children: what is forked past the place needs its calls from its birth on,
    // and nothing tells which of the forked processes that was.
    let spawns = [&executed, &forked].iter().any(|kind| kind.names(|name| *name == Name::Child));
    if spawns {
        notes.insert(
            "it forks while it serves: all calls of its children are among them".to_owned(),
        );
        serving.extend(forked.moments.iter().flat_map(|(timeline, _)| calls(timeline, 0)));
    }
    let is_exec = |name: &Name| matches!(name, Name::Exec { .. });
    let children_execute = || {
        let mut steps = forked.confinement.steps.values();
        steps.any(|step| step.ok && step.names.iter().any(is_exec))
    };
    if executed.names(is_exec) || forked.names(is_exec) || spawns && children_execute() {
        notes.insert(
            "it executes programs while it serves, and they have the filter too: whatever any \
             program of the policy was seen to do is among them"
                .to_owned(),
        );
        let observed = policy.calls.iter().filter(|(_, entry)| entry.origins.observed.is_some());
        serving.extend(observed.map(|(sysno, _)| *sysno));
    }
    if executed.confinement.more || forked.confinement.more {
        notes.insert(
            "some runs went ways that are past a bound: what only they did late is missing"
                .to_owned(),
        );
    }
    // What is in no time line may come at any time.
    let timed: BTreeSet<Sysno> = [&executed, &forked]
        .iter()
        .flat_map(|kind| kind.moments.iter().flat_map(|(timeline, _)| calls(timeline, 0)))
        .collect();
    let untimed: Vec<Sysno> =
        observed(policy, program).into_iter().filter(|sysno| !timed.contains(sysno)).collect();
    if !untimed.is_empty() {
        notes.insert("calls of runs without a time line are among them".to_owned());
        serving.extend(untimed);
    }
    // As with the calls, a child of the serving phase names what it names from its birth on.
    let late = names(&executed, true).into_iter().chain(names(&forked, !spawns));
    let late: BTreeSet<String> = late.collect();
    let all = names(&executed, false).into_iter().chain(names(&forked, false));
    let names = all.filter(|name| !late.contains(name)).collect();
    Some(Phase { notes, names, ..Phase::new(true, workers, place, serving) })
}

impl Phase {
    fn new(server: bool, workers: bool, place: Place, serving: BTreeSet<Sysno>) -> Phase {
        Phase {
            server,
            workers,
            place,
            serving,
            start_up: BTreeSet::new(),
            kept: BTreeMap::new(),
            names: BTreeSet::new(),
            close: Vec::new(),
            notes: BTreeSet::new(),
        }
    }
}

/// One that waits for none.
fn other(suggested: &Suggestion) -> Option<Phase> {
    let serving = suggested.serving.as_ref()?.calls.clone();
    let point = &suggested.point;
    let place = Place { words: point.place.clone(), chain: point.chain.clone() };
    Some(Phase::new(false, false, place, serving))
}

fn finish(policy: &Policy, program: &Text, mut phase: Phase, own: Option<&Suggestion>) -> Phase {
    let all = observed(policy, program);
    let threads = all.iter().any(|sysno| matches!(sysno.name(), Some("clone" | "clone3")));
    phase.start_up = all.difference(&phase.serving).copied().collect();
    let kept = phase
        .start_up
        .iter()
        .filter_map(|sysno| Some((*sysno, table::kept(sysno.name()?, threads)?)));
    phase.kept = kept.collect();
    phase.close = own.map(|own| own.close.clone()).unwrap_or_default();
    phase
}

/// What runs showed of it.
fn observed(policy: &Policy, program: &Text) -> BTreeSet<Sysno> {
    let calls = policy.calls.iter().filter(|(_, entry)| {
        let observed = entry.origins.observed.as_ref();
        observed.is_some_and(|observed| observed.programs.contains_key(program))
    });
    calls.map(|(sysno, _)| *sysno).collect()
}

/// The calls of a time line from a moment on.
fn calls(timeline: &Timeline, moment: u32) -> impl Iterator<Item = Sysno> {
    timeline.0.iter().filter_map(move |(event, span)| match event {
        Event::Call(sysno) if span.last >= moment => Some(*sysno),
        _ => None,
    })
}

/// What processes name past the place, or at whatever time.
fn names(waits: &Waits<'_>, late: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (timeline, wait) in &waits.moments {
        let moment = wait.as_ref().map(|wait| wait.moment);
        for (event, span) in &timeline.0 {
            let Event::Name(id) = event else { continue };
            let Some(step) = waits.confinement.steps.get(id) else { continue };
            if !late || moment.is_some_and(|moment| span.last > moment) {
                let paths = step.names.iter().filter(|name| {
                    matches!(name, Name::Path { .. } | Name::Address { .. } | Name::Exec { .. })
                });
                found.extend(paths.map(name));
            }
        }
    }
    found
}
