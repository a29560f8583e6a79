//! What a policy keeps of a trace: roles, steps and timelines, without numbers that another run has
//! otherwise.

use super::{frames::is_own, roles::AF_UNIX};
use crate::evidence::link;
use model::{
    Text, Trace,
    confinement::{Confinement, Event, Id, Kept, Role, Source, Span, Step, Timeline, UseKey},
    descriptor::{Descriptor, Image, Name, Object, Origin, Use},
};
use std::collections::{BTreeMap, BTreeSet};

/// How many frames of a chain are kept.
const FRAMES: usize = 8;

// open(2): what stays of the flags, since it tells one role from another.
const KEPT_FLAGS: u64 = 3 | 0o100 | 0o1000 | 0o2000 | 0o200_000 | 0o10_000_000;

/// By executable, what its processes did.
pub(crate) fn of_trace(trace: &Trace) -> BTreeMap<Text, Kept> {
    let mut all = BTreeMap::<Text, Kept>::new();
    for image in &trace.images {
        let Some(program) =
            usize::try_from(image.program).ok().and_then(|at| trace.programs.get(at))
        else {
            continue;
        };
        let kept = all.entry(program.path.clone()).or_default();
        let slot = if image.forked { &mut kept.forked } else { &mut kept.executed };
        slot.get_or_insert_default().join(fold(trace, image).confinement);
    }
    all
}

/// An image, folded, and where its parts went.
pub(crate) struct Folded {
    pub(crate) confinement: Confinement,
    /// The role of each descriptor.
    pub(crate) roles: Vec<Id>,
    /// The step of each use of a name.
    pub(crate) steps: Vec<Id>,
}

/// Folds one image.
pub(crate) fn fold(trace: &Trace, image: &Image) -> Folded {
    let chain = |stack: Option<u32>| chain(trace, stack);
    let mut confinement = Confinement::default();
    let roles: Vec<Id> = (0..image.descriptors.len()).map(|at| role_id(trace, image, at)).collect();
    let mut ranks = Ranks::of(image);
    let mut events = BTreeMap::<Event, Span>::new();
    if let Some(tick) = image.entered_main {
        ranks.note(&mut events, Event::Main, tick, tick);
    }
    for (descriptor, id) in image.descriptors.iter().zip(&roles) {
        let role = confinement.roles.entry(*id).or_insert_with(|| {
            Role::new(source(descriptor), descriptor.object, role_chain(trace, image, descriptor))
        });
        let copy = matches!(descriptor.origin, Origin::Duplicated { from: Some(_), .. });
        add(role, descriptor, &roles, *id, copy);
        if descriptor.made > 0 && !copy {
            ranks.note(&mut events, Event::Made(*id), descriptor.made, descriptor.made_last);
        }
        for used in &descriptor.uses {
            let key = key(used);
            role.uses.entry(key.clone()).or_insert_with(|| chain(used.stack));
            ranks.note(&mut events, Event::Use(*id, key), used.first, used.last);
        }
    }
    for (call, (first, last)) in &image.calls {
        ranks.note(&mut events, Event::Call(*call), *first, *last);
    }
    let mut steps = Vec::new();
    for name in &image.names {
        let (call, chain) = (name.call.label().into_owned(), chain(name.stack));
        let id = step_id(&call, &name.what, &chain);
        let step = confinement.steps.entry(id).or_insert_with(|| Step {
            call,
            chain,
            names: BTreeSet::new(),
            more: false,
            ok: false,
            times: (0, 0),
        });
        step.names.insert(name.what.clone());
        step.ok |= name.ok > 0;
        step.times.0 = step.times.0.saturating_add(name.count);
        step.times.1 = step.times.0;
        ranks.note(&mut events, Event::Name(id), name.first, name.last);
        steps.push(id);
    }
    confinement.timelines.insert(Timeline(events));
    confinement.bound();
    Folded { confinement, roles, steps }
}

fn add(role: &mut Role, descriptor: &Descriptor, roles: &[Id], own: Id, copy: bool) {
    let standard = matches!(role.source, Source::Inherited { standard: Some(_) });
    match &descriptor.origin {
        Origin::Opened { paths, more, .. } => {
            role.paths.extend(paths.iter().cloned());
            role.more |= more;
        }
        Origin::Inherited { path: Some(path), .. } if !standard => {
            role.paths.insert(path.clone());
        }
        _ => {}
    }
    let from = match &descriptor.origin {
        Origin::Accepted { from } => *from,
        Origin::Opened { at, .. } => *at,
        _ => None,
    };
    let from = from.and_then(|at| roles.get(at as usize)).filter(|from| **from != own);
    role.from.extend(from);
    role.several |= !copy && (descriptor.count > 1 || !role.numbers.is_empty());
    role.numbers.extend(&descriptor.numbers);
    role.crossed_exec |= descriptor.crossed_exec;
}

fn key(used: &Use) -> UseKey {
    UseKey { call: used.call.label().into_owned(), argument: used.argument, detail: used.detail }
}

fn source(descriptor: &Descriptor) -> Source {
    match &descriptor.origin {
        Origin::Inherited { .. } => {
            let standard = descriptor.numbers.first().copied();
            Source::Inherited { standard: standard.filter(|number| (0..=2).contains(number)) }
        }
        Origin::Opened { flags, at, .. } => {
            Source::Opened { flags: flags & KEPT_FLAGS, relative: at.is_some() }
        }
        Origin::Socket => Source::Socket,
        Origin::SocketPair => Source::SocketPair,
        Origin::Accepted { .. } => Source::Accepted,
        Origin::Pipe { end } => Source::Pipe(*end),
        Origin::Duplicated { .. } => Source::Copied,
        Origin::Received { .. } => Source::Received,
        Origin::Made { call } => Source::Made(call.label().into_owned()),
    }
}

/// A copy has the role of what it was copied from, and its rights.
fn role_id(trace: &Trace, image: &Image, at: usize) -> Id {
    let mut descriptor = &image.descriptors[at];
    for _ in 0..image.descriptors.len() {
        let Origin::Duplicated { from: Some(from), .. } = &descriptor.origin else { break };
        let Some(next) = image.descriptors.get(*from as usize) else { break };
        descriptor = next;
    }
    let source = source(descriptor);
    let text = format!("{source:?}");
    if let Source::Inherited { standard: Some(_) } = source {
        return Id::of([&text[..]]);
    }
    let object = match (&source, descriptor.object) {
        // What a connection is does not depend on who connects.
        (Source::Accepted, Object::Socket(socket)) => format!("{}", socket.family),
        (_, object) => format!("{object:?}"),
    };
    let path = match &descriptor.origin {
        Origin::Inherited { path: Some(path), .. } => path.to_string(),
        _ => String::new(),
    };
    let chain = role_chain(trace, image, descriptor);
    Id::of([&text[..], &object, &path].into_iter().chain(chain.iter().map(String::as_str)))
}

/// The calls that led to a descriptor. The C library asks its caches and name services over many
/// sockets, each from a place of its own: of those only what the program called counts.
fn role_chain(trace: &Trace, image: &Image, descriptor: &Descriptor) -> Vec<String> {
    let mut chain = chain(trace, descriptor.stack);
    let socket = matches!(descriptor.object, Object::Socket(kind) if kind.family == AF_UNIX);
    if socket && descriptor.origin == Origin::Socket {
        let program = trace.programs.get(image.program as usize);
        chain.retain(|frame| program.is_some_and(|program| is_own(&program.path, frame)));
    }
    chain
}

fn step_id(call: &str, what: &Name, chain: &[String]) -> Id {
    let kind = match what {
        Name::Path { .. } => "path",
        Name::Address { .. } => "address",
        Name::Pid { .. } => "pid",
        Name::Exec { .. } => "exec",
        Name::Child => "child",
        Name::Ipc { .. } => "ipc",
        Name::Kernel => "kernel",
    };
    Id::of([call, kind].into_iter().chain(chain.iter().map(String::as_str)))
}

fn chain(trace: &Trace, stack: Option<u32>) -> Vec<String> {
    let stack = stack.and_then(|at| trace.stacks.get(at as usize));
    stack.map(|stack| stack.0.iter().take(FRAMES).map(link).collect()).unwrap_or_default()
}

/// The ticks at which something was named or made, by their order.
struct Ranks(Vec<u64>);

impl Ranks {
    fn of(image: &Image) -> Ranks {
        let made = image.descriptors.iter().flat_map(|one| [one.made, one.made_last]);
        let named = image.names.iter().flat_map(|name| [name.first, name.last]);
        let ticks: BTreeSet<u64> = made.chain(named).chain(image.entered_main).collect();
        Ranks(ticks.into_iter().collect())
    }

    /// How many of them had come by then.
    fn rank(&self, tick: u64) -> u32 {
        self.0.partition_point(|known| *known <= tick) as u32
    }

    fn note(&mut self, events: &mut BTreeMap<Event, Span>, event: Event, first: u64, last: u64) {
        let (first, last) = (self.rank(first), self.rank(last.max(first)));
        let span = events.entry(event).or_insert(Span { first, last });
        span.first = span.first.min(first);
        span.last = span.last.max(last);
    }
}
