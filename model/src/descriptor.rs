//! The descriptors of a run and the order in which global names were used: what a capability mode
//! (capsicum(4)) or a later confinement has to know beyond the set of calls.
//!
//! How they are followed is the tracer's; what they need is judged elsewhere.

pub mod rule;

use crate::{
    Access, Sysno, Text,
    serial::{by_sysno, is_false, is_one, is_zero, one_sysno},
    trace::{Address, EndpointOperation, Site},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How well the descriptors of a run are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Followed {
    /// Not followed: the trace has no images.
    #[default]
    No,
    /// Entries of calls only: what /proc said of a descriptor when a call named it. How it was made
    /// and when it was closed is not known, nor which calls failed.
    Entries,
    /// By entries and results: the table of each process as the kernel had it.
    Exact,
}

impl Followed {
    /// Whether the trace has nothing of them.
    pub fn is_no(&self) -> bool {
        *self == Followed::No
    }
}

/// One process between two execve(2), or from its making by fork(2) to its end.
///
/// Its clock ticks once for each event that changes what it holds or what it has named: a descriptor
/// made, closed or duplicated, a global name used, a child made. A use during tick `k` came after
/// event `k` and before event `k + 1`; what the image began with was there at tick 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The process: [`Process::id`](crate::trace::Process::id). The first one, when several are
    /// folded.
    pub process: u32,
    /// What it executed: index into [`Trace::programs`](crate::Trace::programs).
    pub program: u32,
    /// It began with fork(2), not with execve(2): it inherited memory beside descriptors.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forked: bool,
    /// How many images looked alike.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// How many ticks it lived.
    pub clock: u64,
    /// The tick during which its main function began, where that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_main: Option<u64>,
    /// The descriptors, by the tick of their making.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<Descriptor>,
    /// The global names that it used, in the order of first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameUse>,
    /// During which ticks it first and last entered each call. A call that makes a descriptor or uses
    /// a name was entered before the tick of that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "by_sysno")]
    pub calls: BTreeMap<Sysno, (u64, u64)>,
}

/// An entry of the table of open files, from its making to its closing; alike ones are one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// How it came to be.
    pub origin: Origin,
    /// What it refers to.
    pub object: Object,
    /// How many were alike: the same origin, object and stack.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// Its numbers, up to [`Descriptor::NUMBERS_BOUND`].
    pub numbers: BTreeSet<i32>,
    /// The tick of its making; of the first, when several are folded. 0 when the image began with it.
    pub made: u64,
    /// The tick of the last one's making.
    pub made_last: u64,
    /// The tick of its closing, of the last one's; absent when one was open at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<u64>,
    /// Whether close-on-exec was set at its end, for all of them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub close_on_exec: bool,
    /// It was open when the process made a child that has a table of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inherited_by_children: bool,
    /// It was open and not close-on-exec when the process executed the next image.
    #[serde(default, skip_serializing_if = "is_false")]
    pub crossed_exec: bool,
    /// From where it was made: index into [`Trace::stacks`](crate::Trace::stacks).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u32>,
    /// What was done through it: one record for each distinct call, argument and detail, by first
    /// use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
}

impl Descriptor {
    /// How many numbers a folded record keeps.
    pub const NUMBERS_BOUND: usize = 16;
    /// How many paths a folded record keeps.
    pub const PATHS_BOUND: usize = 16;
}

/// How a descriptor came to be. Indices are places in the same image's list of descriptors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// It was there when the image began, or when the recording did.
    Inherited {
        /// The file as /proc/PID/fd or its opening named it, where it has a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Text>,
        /// The access mode and the status flags of its open file description, O_.
        flags: u64,
    },
    /// By open(2) and its like, also creat and open_by_handle_at.
    Opened {
        /// The absolute paths as named, up to [`Descriptor::PATHS_BOUND`].
        paths: BTreeSet<Text>,
        /// There were more paths.
        #[serde(default, skip_serializing_if = "is_false")]
        more: bool,
        /// The flags, O_.
        flags: u64,
        /// The directory descriptor that the path was relative to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u32>,
    },
    /// socket(2); the object says of which kind.
    Socket,
    /// One end of a socketpair(2).
    SocketPair,
    /// accept(2).
    Accepted {
        /// The listening socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u32>,
    },
    /// pipe(2).
    Pipe {
        /// Which end.
        end: PipeEnd,
    },
    /// A second number for the same open file description.
    Duplicated {
        /// What was duplicated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u32>,
        /// How.
        by: Duplication,
    },
    /// From another process: in a control message, or by pidfd_getfd(2).
    Received {
        /// The socket or the pidfd that it came over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<u32>,
    },
    /// Any other call that makes descriptors: epoll_create, eventfd, bpf. The object says of what
    /// kind.
    Made {
        /// The call.
        #[serde(with = "one_sysno")]
        call: Sysno,
    },
}

/// An end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipeEnd {
    /// The first of the two.
    Read,
    /// The second.
    Write,
}

/// How a descriptor was duplicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplication {
    /// dup(2).
    Dup,
    /// dup2(2).
    Dup2,
    /// dup3(2).
    Dup3,
    /// fcntl(2) with F_DUPFD or F_DUPFD_CLOEXEC.
    Fcntl,
}

/// What a descriptor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, opened with O_PATH.
    Symlink,
    /// A terminal.
    Terminal,
    /// Another character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A pipe, with or without a name.
    Fifo,
    /// A socket.
    Socket(SocketKind),
    /// epoll_create(2).
    Epoll,
    /// eventfd(2).
    EventFd,
    /// timerfd_create(2).
    TimerFd,
    /// signalfd(2).
    SignalFd,
    /// memfd_create(2), memfd_secret(2).
    MemFd,
    /// inotify_init(2).
    Inotify,
    /// fanotify_init(2).
    Fanotify,
    /// pidfd_open(2), clone(2) with CLONE_PIDFD.
    PidFd,
    /// userfaultfd(2).
    UserFaultFd,
    /// io_uring_setup(2).
    IoUring,
    /// perf_event_open(2).
    Perf,
    /// bpf(2): a map, a program, a link.
    Bpf,
    /// landlock_create_ruleset(2).
    Landlock,
    /// seccomp(2) with SECCOMP_FILTER_FLAG_NEW_LISTENER.
    SeccompListener,
    /// fsopen(2), fspick(2).
    FsContext,
    /// mq_open(2).
    MessageQueue,
    /// Anything else.
    Other,
}

/// Of which kind a socket is: numbers of linux/socket.h and linux/net.h, the type without its flags.
/// 0 where it could not be asked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct SocketKind {
    /// AF_.
    pub family: u16,
    /// SOCK_.
    #[serde(rename = "type")]
    pub kind: u16,
    /// The protocol within the family.
    #[serde(default, skip_serializing_if = "is_zero_u16")]
    pub protocol: u16,
}

/// What was done through a descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The call. What went through socketcall(2) or ipc(2) is recorded as the call meant.
    #[serde(with = "one_sysno")]
    pub call: Sysno,
    /// Which of its arguments the descriptor was, from 0; the one that points to it, when it stood in
    /// memory.
    pub argument: u8,
    /// What else decides which right it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
    /// During which tick it was first done.
    pub first: u64,
    /// During which it was last done.
    pub last: u64,
    /// How often.
    pub count: u64,
    /// How many of them failed, where the result was seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// From where it was first done, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u32>,
}

/// What beside the call decides which right a use takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Detail {
    /// fcntl(2): F_.
    Fcntl(u32),
    /// ioctl(2): the request.
    Ioctl(u32),
    /// mmap(2).
    Map {
        /// PROT_.
        prot: u32,
        /// MAP_SHARED or MAP_SHARED_VALIDATE.
        shared: bool,
    },
    /// lseek(2).
    Seek {
        /// It only asked for the position: by 0 from the current one.
        tell: bool,
    },
    /// A send with (`true`) or without an address.
    Addressed(bool),
    /// openat(2) relative to the descriptor: O_.
    Open(u64),
    /// epoll_ctl(2), of the epoll descriptor and of the one watched: EPOLL_CTL_.
    EpollOp(u32),
    /// setsockopt(2) and getsockopt(2): SOL_ and the option's number.
    SocketOption {
        /// The level.
        level: u32,
        /// The option.
        name: u32,
    },
    /// shutdown(2): SHUT_.
    Shutdown(u32),
    /// It was sent to another process in a control message.
    Passed,
    /// It was in a set of poll(2), select(2) and their like.
    Polled,
    /// A call that takes a directory and a path had no path: AT_EMPTY_PATH, or a null pointer. It is
    /// about the descriptor itself.
    Itself,
}

/// A use of a global name: of anything that a process in capability mode cannot reach but through a
/// descriptor. What is relative to a directory descriptor is a [`Use`] of that one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameUse {
    /// The call.
    #[serde(with = "one_sysno")]
    pub call: Sysno,
    /// What was named.
    pub what: Name,
    /// The tick of the first.
    pub first: u64,
    /// The tick of the last.
    pub last: u64,
    /// How often.
    pub count: u64,
    /// How many succeeded, where the results were seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ok: u64,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u32>,
}

/// A global name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Name {
    /// A path, absolute or relative to the working directory.
    Path {
        /// The absolute path as named. A last component `*` stands for siblings past a bound.
        path: Text,
        /// What was done to it.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        accesses: BTreeSet<Access>,
        /// O_, of calls that open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flags: Option<u64>,
    },
    /// The address of a socket.
    Address {
        /// The address.
        address: Address,
        /// What was done with it.
        operation: EndpointOperation,
    },
    /// A process.
    Pid {
        /// Which.
        target: PidTarget,
    },
    /// An executed file.
    Exec {
        /// The absolute path as named.
        path: Text,
    },
    /// A child: made or waited for.
    Child,
    /// An object of System V or POSIX interprocess communication.
    Ipc {
        /// The name of a POSIX message queue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Text>,
    },
    /// The state of the machine or of a name space: mount, reboot, sethostname. The call says what.
    Kernel,
}

/// Which process a call named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PidTarget {
    /// The caller's own.
    Own,
    /// A child of it.
    Child,
    /// Its parent.
    Parent,
    /// A group of processes.
    Group,
    /// Every process that it may reach.
    Everyone,
    /// Any other.
    Other,
}

/// A call and who called whom: from the call outwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stack(pub Vec<Site>);

impl Stack {
    /// How many frames are kept.
    pub const BOUND: usize = 16;
}

fn one() -> u64 {
    1
}

fn is_zero_u16(number: &u16) -> bool {
    *number == 0
}
