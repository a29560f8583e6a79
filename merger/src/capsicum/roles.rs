//! What descriptors are for, in words, and the rights that their uses take.

use model::{
    capsicum::{Mode, Rights, needs},
    confinement::{Role, Source, UseKey},
    descriptor::{Object, PipeEnd},
};
use std::collections::BTreeSet;

// open(2)
const ACCMODE: u64 = 3;
const APPEND: u64 = 0o2000;
const O_PATH: u64 = 0o10_000_000;
// linux/socket.h
pub(crate) const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;

/// What a role takes in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) rights: Rights,
    pub(crate) fcntls: BTreeSet<u32>,
    pub(crate) ioctls: BTreeSet<u32>,
    pub(crate) inferred: bool,
}

impl Taken {
    pub(crate) fn add(&mut self, role: &Role, key: &UseKey) {
        let Some(needs) = needs(&key.call, key.argument, key.detail, role.object) else {
            // A use that the table does not know: nothing can be said of its right.
            self.inferred = true;
            return;
        };
        self.rights |= needs.rights;
        self.fcntls.extend(needs.fcntl);
        self.ioctls.extend(needs.ioctl);
        self.inferred |= needs.inferred;
    }

    pub(crate) fn join(&mut self, other: &Taken) {
        self.rights |= other.rights;
        self.fcntls.extend(&other.fcntls);
        self.ioctls.extend(&other.ioctls);
    }
}

/// Whether a use brings in data or waits for it: the work of a program, as opposed to its set-up.
pub(crate) fn reads(role: &Role, key: &UseKey) -> bool {
    let Some(needs) = needs(&key.call, key.argument, key.detail, role.object) else { return false };
    let work = ["READ", "ACCEPT", "KQUEUE_EVENT"];
    work.iter().filter_map(|name| Rights::named(name)).any(|right| needs.rights.contains(right))
}

/// What capability mode says of a use whatever the rights.
pub(crate) fn mode(role: &Role, key: &UseKey) -> Mode {
    needs(&key.call, key.argument, key.detail, role.object)
        .map(|needs| needs.mode)
        .unwrap_or_default()
}

/// What descriptors of a role are: `input file`, `listening socket`.
pub(crate) fn describe(role: &Role) -> String {
    let does = |call: &str| role.uses.keys().any(|key| key.call == call);
    match (&role.source, role.object) {
        (Source::Inherited { standard: Some(0) }, _) => "standard input".to_owned(),
        (Source::Inherited { standard: Some(1) }, _) => "standard output".to_owned(),
        (Source::Inherited { standard: Some(2) }, _) => "standard error".to_owned(),
        (Source::Accepted, _) => "accepted connections".to_owned(),
        (Source::Socket | Source::Inherited { .. } | Source::Received, Object::Socket(socket)) => {
            let listening = does("listen") || does("accept") || does("accept4");
            let kind = match (listening, does("connect"), socket.family) {
                (true, ..) => "listening socket",
                (_, _, AF_NETLINK) => "netlink socket",
                (_, true, AF_UNIX) => "client socket (unix)",
                (_, true, _) => "client socket",
                _ => "socket",
            };
            inherited(role, kind)
        }
        (Source::SocketPair, _) => "end of a socket pair".to_owned(),
        (Source::Pipe(PipeEnd::Read), _) => "read end of a pipe".to_owned(),
        (Source::Pipe(PipeEnd::Write), _) => "write end of a pipe".to_owned(),
        (Source::Opened { flags, .. }, object) => opened(*flags, object),
        (_, object) => inherited(role, self::object(object)),
    }
}

fn inherited(role: &Role, what: &str) -> String {
    match role.source {
        Source::Inherited { .. } => format!("inherited {what}"),
        Source::Received => format!("received {what}"),
        _ => what.to_owned(),
    }
}

fn opened(flags: u64, object: Object) -> String {
    let write = flags & ACCMODE != 0;
    let words = match object {
        Object::Directory => "directory",
        _ if flags & O_PATH != 0 => "place (O_PATH)",
        Object::Terminal => "terminal",
        Object::CharDevice | Object::BlockDevice => "device",
        Object::Fifo => "named pipe",
        _ if write && flags & APPEND != 0 => "log file opened with O_APPEND",
        _ if flags & ACCMODE == 1 => "output file",
        _ if write => "file read and written",
        _ => "input file",
    };
    words.to_owned()
}

fn object(object: Object) -> &'static str {
    match object {
        Object::File => "file",
        Object::Directory => "directory",
        Object::Symlink => "symbolic link",
        Object::Terminal => "terminal",
        Object::CharDevice | Object::BlockDevice => "device",
        Object::Fifo => "pipe",
        Object::Socket(_) => "socket",
        Object::Epoll => "event queue (epoll, there a kqueue)",
        Object::EventFd => "event counter",
        Object::TimerFd => "timer",
        Object::SignalFd => "signal queue",
        Object::MemFd => "anonymous memory",
        Object::Inotify | Object::Fanotify => "file watch",
        Object::PidFd => "process descriptor",
        Object::MessageQueue => "message queue",
        Object::IoUring => "io_uring (no counterpart there: aio(4) and kqueue)",
        _ => "other descriptor",
    }
}

/// A name in C: `input_file`.
pub(crate) fn variable(role: &str) -> String {
    let plain = role.split_once('(').map_or(role, |(plain, _)| plain).trim();
    let plain = plain.strip_suffix(" opened with O_APPEND").unwrap_or(plain);
    plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_for_what_they_are() {
        let role = |source, object| Role::new(source, object, Vec::new());
        let open = |flags| describe(&role(Source::Opened { flags, relative: false }, Object::File));
        assert_eq!(open(0), "input file");
        assert_eq!(open(1 | 0o100 | APPEND), "log file opened with O_APPEND");
        assert_eq!(open(1 | 0o100 | 0o1000), "output file");
        assert_eq!(open(2), "file read and written");
        let stdin = Source::Inherited { standard: Some(0) };
        assert_eq!(describe(&role(stdin, Object::Terminal)), "standard input");
        assert_eq!(variable("log file opened with O_APPEND"), "log_file");
        assert_eq!(variable("event queue (epoll, there a kqueue)"), "event_queue");
    }
}
