//! Arbitrary evidence of how programs are confined.

use super::{
    descriptor::{detail, name, object},
    path, small, sysno,
};
use crate::{
    confinement::{Confinement, Event, Id, Kept, Role, Source, Span, Step, Timeline, UseKey},
    descriptor::PipeEnd,
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

/// Any evidence of one program.
pub fn kept() -> impl Strategy<Value = Kept> {
    (option::of(confinement()), option::of(confinement()))
        .prop_map(|(executed, forked)| Kept { executed, forked })
}

/// Any evidence of one kind of process.
pub fn confinement() -> impl Strategy<Value = Confinement> {
    (
        btree_map(id(), role(), 0..4),
        btree_map(id(), step(), 0..4),
        btree_set(timeline(), 0..4),
        any::<bool>(),
    )
        .prop_map(|(roles, steps, timelines, more)| {
            let mut confinement = Confinement { roles, steps, timelines, more };
            confinement.bound();
            confinement
        })
}

fn id() -> impl Strategy<Value = Id> {
    (0..6_u64).prop_map(Id)
}

fn chain() -> impl Strategy<Value = Vec<String>> {
    vec(select(vec!["ld.so:_start", "libc.so.6:open+0x1", "a:main+0x2"]), 0..3)
        .prop_map(|frames| frames.into_iter().map(str::to_owned).collect())
}

fn role() -> impl Strategy<Value = Role> {
    (
        (source(), object(), chain(), btree_set(path(), 0..3)),
        (any::<bool>(), btree_set(0..9, 0..3), btree_set(id(), 0..2)),
        btree_map(use_key(), chain(), 0..4),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |(
                (source, object, chain, paths),
                (more, numbers, from),
                uses,
                (several, crossed_exec),
            )| Role {
                source,
                object,
                chain,
                paths,
                more,
                numbers,
                from,
                uses,
                several,
                crossed_exec,
            },
        )
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        option::of(0..3).prop_map(|standard| Source::Inherited { standard }),
        (small(), any::<bool>()).prop_map(|(flags, relative)| Source::Opened { flags, relative }),
        select(vec![
            Source::Socket,
            Source::SocketPair,
            Source::Accepted,
            Source::Pipe(PipeEnd::Read),
            Source::Pipe(PipeEnd::Write),
            Source::Received,
            Source::Copied,
        ]),
        sysno().prop_map(|call| Source::Made(call.label().into_owned())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (
        (sysno(), chain(), btree_set(name(), 0..3)),
        (any::<bool>(), any::<bool>(), 0..3_u64, 0..3_u64),
    )
        .prop_map(|((call, chain, names), (more, ok, least, further))| Step {
            call: call.label().into_owned(),
            chain,
            names,
            more,
            ok,
            times: (least, least + further),
        })
}

fn timeline() -> impl Strategy<Value = Timeline> {
    btree_map(event(), span(), 0..6).prop_map(Timeline)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Main),
        id().prop_map(Event::Name),
        id().prop_map(Event::Made),
        (id(), use_key()).prop_map(|(id, key)| Event::Use(id, key)),
        sysno().prop_map(Event::Call),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    (0..5_u32, 0..5_u32).prop_map(|(first, more)| Span { first, last: first + more })
}

fn use_key() -> impl Strategy<Value = UseKey> {
    (sysno(), 0..6_u8, option::of(detail())).prop_map(|(call, argument, detail)| UseKey {
        call: call.label().into_owned(),
        argument,
        detail,
    })
}
