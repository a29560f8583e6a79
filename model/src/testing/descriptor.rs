//! Arbitrary images of a trace, and short ways to write one down.

use super::{address, path, site, small, sysno, text};
use crate::{
    Access, Arch, Sysno, Text,
    descriptor::{
        Descriptor, Detail, Duplication, Followed, Image, Name, NameUse, Object, Origin, PidTarget,
        PipeEnd, SocketKind, Stack, Use,
    },
    trace::EndpointOperation,
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::select,
};
use std::collections::BTreeMap;

/// An image of process 0 and program 0 that lived `clock` ticks.
pub fn image_of(clock: u64, descriptors: Vec<Descriptor>, names: Vec<NameUse>) -> Image {
    Image {
        process: 0,
        program: 0,
        forked: false,
        count: 1,
        clock,
        entered_main: None,
        descriptors,
        names,
        calls: BTreeMap::new(),
    }
}

/// A descriptor that was made at a tick and not closed.
pub fn descriptor_of(
    number: i32,
    origin: Origin,
    object: Object,
    made: u64,
    uses: Vec<Use>,
) -> Descriptor {
    Descriptor {
        origin,
        object,
        count: 1,
        numbers: [number].into(),
        made,
        made_last: made,
        closed: None,
        close_on_exec: false,
        inherited_by_children: false,
        crossed_exec: false,
        stack: None,
        uses,
    }
}

/// The origin of what was opened by an absolute path.
pub fn opened(path: &str, flags: u64) -> Origin {
    Origin::Opened { paths: [Text::from(path)].into(), more: false, flags, at: None }
}

/// One use by a call of x86_64, of its first argument.
pub fn use_of(call: &str, detail: Option<Detail>, tick: u64) -> Use {
    let call = Sysno::from_name(Arch::X86_64, call).expect("a call of x86_64");
    Use { call, argument: 0, detail, first: tick, last: tick, count: 1, failed: 0, stack: None }
}

/// One successful use of a name by a call of x86_64.
pub fn name_of(call: &str, what: Name, tick: u64) -> NameUse {
    let call = Sysno::from_name(Arch::X86_64, call).expect("a call of x86_64");
    NameUse { call, what, first: tick, last: tick, count: 1, ok: 1, stack: None }
}

/// The name that a path is, read.
pub fn path_of(path: &str, flags: u64) -> Name {
    Name::Path { path: Text::from(path), accesses: [Access::Read].into(), flags: Some(flags) }
}

/// Any image.
pub fn image() -> impl Strategy<Value = Image> {
    (
        (0..3_u32, 0..3_u32, any::<bool>(), 1..9_u64),
        (small(), option::of(small())),
        vec(descriptor(), 0..4),
        (vec(name_use(), 0..4), btree_map(sysno(), (small(), small()), 0..4)),
    )
        .prop_map(
            |(
                (process, program, forked, count),
                (clock, entered_main),
                descriptors,
                (names, calls),
            )| Image {
                process,
                program,
                forked,
                count,
                clock,
                entered_main,
                descriptors,
                names,
                calls,
            },
        )
}

/// Any stack.
pub fn stack() -> impl Strategy<Value = Stack> {
    vec(site(), 0..4).prop_map(Stack)
}

pub(super) fn followed() -> impl Strategy<Value = Followed> {
    select(vec![Followed::No, Followed::Entries, Followed::Exact])
}

fn index() -> impl Strategy<Value = Option<u32>> {
    option::of(0..4_u32)
}

/// Any descriptor.
pub fn descriptor() -> impl Strategy<Value = Descriptor> {
    (
        (origin(), object(), 1..5_u64, btree_set(0..32, 0..3)),
        (small(), small(), option::of(small()), index()),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        vec(any_use(), 0..4),
    )
        .prop_map(
            |(
                (origin, object, count, numbers),
                (made, made_last, closed, stack),
                (close_on_exec, inherited_by_children, crossed_exec),
                uses,
            )| Descriptor {
                origin,
                object,
                count,
                numbers,
                made,
                made_last,
                closed,
                close_on_exec,
                inherited_by_children,
                crossed_exec,
                stack,
                uses,
            },
        )
}

fn origin() -> impl Strategy<Value = Origin> {
    let duplications =
        vec![Duplication::Dup, Duplication::Dup2, Duplication::Dup3, Duplication::Fcntl];
    prop_oneof![
        (option::of(text()), small()).prop_map(|(path, flags)| Origin::Inherited { path, flags }),
        (btree_set(text(), 0..3), any::<bool>(), small(), index())
            .prop_map(|(paths, more, flags, at)| Origin::Opened { paths, more, flags, at }),
        Just(Origin::Socket),
        Just(Origin::SocketPair),
        index().prop_map(|from| Origin::Accepted { from }),
        select(vec![PipeEnd::Read, PipeEnd::Write]).prop_map(|end| Origin::Pipe { end }),
        (index(), select(duplications)).prop_map(|(from, by)| Origin::Duplicated { from, by }),
        index().prop_map(|over| Origin::Received { over }),
        sysno().prop_map(|call| Origin::Made { call }),
    ]
}

pub(super) fn object() -> impl Strategy<Value = Object> {
    let plain = vec![
        Object::File,
        Object::Directory,
        Object::Symlink,
        Object::Terminal,
        Object::CharDevice,
        Object::BlockDevice,
        Object::Fifo,
        Object::Epoll,
        Object::EventFd,
        Object::TimerFd,
        Object::SignalFd,
        Object::MemFd,
        Object::Inotify,
        Object::Fanotify,
        Object::PidFd,
        Object::UserFaultFd,
        Object::IoUring,
        Object::Perf,
        Object::Bpf,
        Object::Landlock,
        Object::SeccompListener,
        Object::FsContext,
        Object::MessageQueue,
        Object::Other,
    ];
    prop_oneof![
        3 => select(plain),
        1 => (0..40_u16, 1..6_u16, 0..18_u16)
            .prop_map(|(family, kind, protocol)| Object::Socket(SocketKind {
                family,
                kind,
                protocol
            })),
    ]
}

fn any_use() -> impl Strategy<Value = Use> {
    ((sysno(), 0..6_u8, option::of(detail())), (small(), small(), small(), 0..3_u64), index())
        .prop_map(|((call, argument, detail), (first, last, count, failed), stack)| Use {
            call,
            argument,
            detail,
            first,
            last,
            count,
            failed,
            stack,
        })
}

pub(super) fn detail() -> impl Strategy<Value = Detail> {
    prop_oneof![
        any::<u32>().prop_map(Detail::Fcntl),
        any::<u32>().prop_map(Detail::Ioctl),
        (0..8_u32, any::<bool>()).prop_map(|(prot, shared)| Detail::Map { prot, shared }),
        any::<bool>().prop_map(|tell| Detail::Seek { tell }),
        any::<bool>().prop_map(Detail::Addressed),
        small().prop_map(Detail::Open),
        (1..4_u32).prop_map(Detail::EpollOp),
        (0..9_u32, 0..9_u32).prop_map(|(level, name)| Detail::SocketOption { level, name }),
        (0..3_u32).prop_map(Detail::Shutdown),
        Just(Detail::Passed),
        Just(Detail::Polled),
        Just(Detail::Itself),
    ]
}

fn name_use() -> impl Strategy<Value = NameUse> {
    ((sysno(), name()), (small(), small(), small(), 0..3_u64), index()).prop_map(
        |((call, what), (first, last, count, ok), stack)| NameUse {
            call,
            what,
            first,
            last,
            count,
            ok,
            stack,
        },
    )
}

pub(super) fn name() -> impl Strategy<Value = Name> {
    let targets = vec![
        PidTarget::Own,
        PidTarget::Child,
        PidTarget::Parent,
        PidTarget::Group,
        PidTarget::Everyone,
        PidTarget::Other,
    ];
    let operations = vec![
        EndpointOperation::Bind,
        EndpointOperation::Listen,
        EndpointOperation::Connect,
        EndpointOperation::Send,
    ];
    prop_oneof![
        (text(), btree_set(select(Access::ALL.to_vec()), 0..3), option::of(small()))
            .prop_map(|(path, accesses, flags)| Name::Path { path, accesses, flags }),
        (address(), select(operations))
            .prop_map(|(address, operation)| Name::Address { address, operation }),
        select(targets).prop_map(|target| Name::Pid { target }),
        path().prop_map(|path| Name::Exec { path }),
        Just(Name::Child),
        option::of(path()).prop_map(|name| Name::Ipc { name }),
        Just(Name::Kernel),
    ]
}
