//! What to look at in each system call for its descriptors' sake, worked out once per call from the
//! tables.

use super::sets::{self, Header};
use crate::observe::Event;
use model::{
    Kind, Sysno,
    descriptor::{
        Detail,
        rule::{CloseOnExec, Naming, Rule},
    },
};
use supervisor::memory;

/// A parameter that is a descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Which argument.
    pub argument: usize,
    /// What else decides which right its use takes.
    how: How,
}

/// Where the detail of a use is.
#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    /// The command is at this argument.
    Fcntl(usize),
    Ioctl(usize),
    /// Protection and flags at arguments 2 and 3; nothing is used with MAP_ANONYMOUS.
    Map,
    /// Offset and whence.
    Seek,
    /// As [`How::Seek`], with the offset in two halves before and whence at argument 4.
    LongSeek,
    /// The address at argument 4.
    SendTo,
    /// A header at argument 1, or an array of them.
    Message,
    /// Level and name at these arguments.
    Option(usize, usize),
    Shutdown,
    Epoll,
}

/// A path that may be relative to a descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Relative {
    /// The argument with the descriptor.
    pub directory: usize,
    /// The argument with the path.
    pub path: usize,
}

/// A set of descriptors in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// None.
    No,
    /// An array of pollfd at argument 0, and how many at argument 1.
    Poll,
    /// How many at argument 0, and three sets after it.
    Select,
    /// Headers with control messages at argument 1: sendmsg; of sendmmsg an array.
    Sent,
}

/// What to look at in one call.
#[derive(Debug)]
pub struct Plan {
    /// The call.
    pub sysno: Sysno,
    /// Its row, where it has one.
    pub rule: Option<&'static Rule>,
    /// Descriptors among its arguments.
    pub uses: Vec<Usage>,
    /// Paths that may be relative to one.
    pub relative: Vec<Relative>,
    /// It has a path that is relative to the working directory: the call names it, whatever else it
    /// does.
    path: bool,
    /// Descriptors in memory.
    pub set: Set,
    /// The argument with the flags of an open: in memory where it is an open_how.
    pub open_flags: Option<(usize, bool)>,
    /// The argument with a process.
    pub target: Option<usize>,
    /// The argument whose bit makes a new descriptor close-on-exec.
    close_on_exec: Option<(usize, bool, u64)>,
}

impl Plan {
    /// The plan of a call.
    pub fn new(sysno: Sysno) -> Plan {
        let params = sysno.call().map_or(&[][..], |call| call.params);
        let name = sysno.name().unwrap_or_default();
        let rule = Rule::of(name);
        let at = |kind: Kind| params.iter().position(|param| param.kind == kind);
        let detail = |argument| match name {
            "fcntl" | "fcntl64" => How::Fcntl(1),
            "ioctl" => How::Ioctl(1),
            "mmap" | "mmap2" => How::Map,
            "lseek" => How::Seek,
            "_llseek" => How::LongSeek,
            "sendto" => How::SendTo,
            "sendmsg" | "sendmmsg" => How::Message,
            "shutdown" => How::Shutdown,
            "epoll_ctl" => How::Epoll,
            _ => match (at(Kind::SockLevel), at(Kind::SockOption)) {
                (Some(level), Some(option)) if argument == 0 => How::Option(level, option),
                _ => How::Plain,
            },
        };
        let used = |&(argument, param): &(usize, &model::Param)| {
            // What is only closed or replaced is not used; targetfd is another process's.
            let not = matches!(
                (name, argument),
                ("close" | "close_range", _) | ("dup2" | "dup3" | "pidfd_getfd", 1)
            );
            param.kind == Kind::Fd && !not
        };
        let uses = params.iter().enumerate().filter(used);
        let relative = params.iter().enumerate().filter_map(|(path, param)| {
            let before = params[..path].iter().rposition(|param| param.kind == Kind::Dirfd);
            (param.kind == Kind::AtPath).then_some(Relative { directory: before?, path })
        });
        let set = match name {
            "poll" | "ppoll" | "ppoll_time64" => Set::Poll,
            "select" | "_newselect" | "pselect6" | "pselect6_time64" => Set::Select,
            "sendmsg" | "sendmmsg" => Set::Sent,
            _ => Set::No,
        };
        let flag = match rule.map(|rule| rule.close_on_exec) {
            Some(CloseOnExec::Flag { param, bit }) => {
                let at = params.iter().position(|known| known.name == param);
                at.map(|at| (at, params[at].kind == Kind::OpenHow, bit))
            }
            _ => None,
        };
        let open_flags =
            at(Kind::OpenFlags).filter(|_| name != "fanotify_init" && name != "mq_open");
        Plan {
            sysno,
            rule,
            uses: uses.map(|(argument, _)| Usage { argument, how: detail(argument) }).collect(),
            relative: relative.collect(),
            path: at(Kind::Path).is_some(),
            set,
            open_flags: open_flags.map(|at| (at, false)).or(at(Kind::OpenHow).map(|at| (at, true))),
            target: at(Kind::Pid),
            close_on_exec: flag,
        }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.rule.is_none()
            && self.uses.is_empty()
            && self.relative.is_empty()
            && !self.path
            && self.set == Set::No
            && self.target.is_none()
    }

    /// The flags that a call opens with.
    pub fn opens_with(&self, event: &Event) -> Option<u64> {
        if event.sysno.name() == Some("creat") {
            return Some((libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64);
        }
        let (at, in_memory) = self.open_flags?;
        Some(flag_word(event, at, in_memory))
    }

    /// Whether the call's new descriptors are close-on-exec.
    pub fn close_on_exec(&self, event: &Event) -> bool {
        match (self.rule.map(|rule| rule.close_on_exec), self.close_on_exec) {
            (Some(CloseOnExec::Always), _) => true,
            (_, Some((at, in_memory, bit))) => flag_word(event, at, in_memory) & bit != 0,
            _ => false,
        }
    }

    /// The global name that stands in no argument.
    pub fn names(&self, event: &Event) -> Option<Naming> {
        match event.sysno.name()? {
            // The flags of new name spaces: not those that only end sharing.
            "unshare" => (event.args[0] & 0x7e02_0080 != 0).then_some(Naming::Kernel),
            "clone" | "clone3" if clone_flags(event) & libc::CLONE_THREAD as u64 != 0 => None,
            "io_uring_register" => None,
            _ => self.rule?.names,
        }
    }
}

impl Usage {
    /// What else decides which right the use takes; `None` when the descriptor is not used at all.
    pub fn detail(&self, event: &Event) -> Option<Option<Detail>> {
        let args = &event.args;
        Some(Some(match self.how {
            How::Plain => return Some(None),
            How::Fcntl(at) => Detail::Fcntl(args[at] as u32),
            How::Ioctl(at) => Detail::Ioctl(args[at] as u32),
            How::Map if args[3] & libc::MAP_ANONYMOUS as u64 != 0 => return None,
            // MAP_SHARED is 1, MAP_PRIVATE 2, MAP_SHARED_VALIDATE 3.
            How::Map => Detail::Map { prot: args[2] as u32, shared: args[3] & 1 != 0 },
            How::Seek => Detail::Seek { tell: args[1] == 0 && args[2] as i32 == libc::SEEK_CUR },
            How::LongSeek => Detail::Seek {
                tell: args[1] == 0 && args[2] == 0 && args[4] as i32 == libc::SEEK_CUR,
            },
            How::SendTo => Detail::Addressed(args[4] != 0),
            How::Message => {
                let header = Header::read(event.tid, args[1], event.is_wide());
                Detail::Addressed(header.is_some_and(|header| header.addressed))
            }
            How::Option(level, name) => {
                Detail::SocketOption { level: args[level] as u32, name: args[name] as u32 }
            }
            How::Shutdown => Detail::Shutdown(args[1] as u32),
            How::Epoll => Detail::EpollOp(args[1] as u32),
        }))
    }
}

impl Relative {
    /// The descriptor that the path is relative to; or, with [`Detail::Itself`], that the call is about
    /// when there is no path.
    pub fn descriptor(&self, event: &Event) -> Option<(i32, Option<Detail>)> {
        let directory = event.args[self.directory] as i32;
        if directory < 0 {
            return None;
        }
        let mut first = [0_u8];
        let pointer = event.args[self.path];
        let read = memory::read(event.tid, pointer, &mut first).is_ok();
        if pointer == 0 || read && first[0] == 0 {
            return Some((directory, Some(Detail::Itself)));
        }
        (read && first[0] != b'/').then_some((directory, None))
    }
}

/// The descriptors of a set that a call carries, and how they are used.
pub fn in_memory(set: Set, event: &Event) -> (Vec<i32>, u8, Detail) {
    let args = &event.args;
    match set {
        Set::No => (Vec::new(), 0, Detail::Polled),
        Set::Poll => (sets::polled(event.tid, args[0], args[1]), 0, Detail::Polled),
        Set::Select => {
            let all = (1..4).flat_map(|at| sets::selected(event.tid, args[at], args[0]));
            (all.collect(), 1, Detail::Polled)
        }
        Set::Sent => {
            let many = event.sysno.name() == Some("sendmmsg");
            let rights = headers(event, many)
                .flat_map(|header| header.control(event.tid, event.is_wide()).rights);
            (rights.collect(), 1, Detail::Passed)
        }
    }
}

/// The message headers at argument 1: one, or as many as argument 2 says.
pub fn headers(event: &Event, many: bool) -> impl Iterator<Item = Header> {
    let count = if many { (event.args[2] & 0xffff_ffff).min(64) } else { 1 };
    let size = crate::sockets::mmsghdr_size(event.is_wide());
    let (tid, pointer, wide) = (event.tid, event.args[1], event.is_wide());
    (0..count).filter_map(move |index| Header::read(tid, pointer.wrapping_add(index * size), wide))
}

/// The flags of a clone(2) or its like.
pub fn clone_flags(event: &Event) -> u64 {
    if event.sysno.name() == Some("vfork") {
        return (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    }
    let kinds = event.sysno.call().map_or(&[][..], |call| call.params);
    let at = |kind: Kind| kinds.iter().position(|param| param.kind == kind);
    if let Some(at) = at(Kind::CloneFlags) {
        return event.args[at] & 0xffff_ffff;
    }
    at(Kind::CloneArgs).map_or(0, |at| flag_word(event, at, true))
}

/// Where a clone(2) with CLONE_PIDFD writes the descriptor: of clone the place for the parent's
/// thread id, of clone3 the second member of its structure.
pub fn pidfd_place(event: &Event) -> Option<u64> {
    const CLONE_PIDFD: u64 = 0x1000;
    if clone_flags(event) & CLONE_PIDFD == 0 {
        return None;
    }
    match event.sysno.name()? {
        "clone3" => memory::read_u64(event.tid, event.args[0].wrapping_add(8)).ok(),
        _ => {
            let params = event.sysno.call()?.params;
            let at = params.iter().position(|param| param.name == "parent_tid")?;
            Some(event.args[at])
        }
    }
}

fn flag_word(event: &Event, at: usize, in_memory: bool) -> u64 {
    if in_memory {
        memory::read_u64(event.tid, event.args[at]).unwrap_or_default()
    } else {
        event.args[at] & 0xffff_ffff
    }
}
