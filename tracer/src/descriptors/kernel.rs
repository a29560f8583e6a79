//! What the kernel says of an open descriptor: by /proc and by asking the socket itself.

use crate::sockets;
use libc::{O_CLOEXEC, O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC};
use model::{
    Text,
    descriptor::{Object, SocketKind},
};
use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::FileTypeExt, unix::fs::MetadataExt},
    sync::Arc,
};
use supervisor::procfs;

/// An open file description, as far as a record says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it is.
    pub object: Object,
    /// Its path, where it has one.
    pub path: Option<Text>,
    /// Its access mode and status flags, O_.
    pub flags: u64,
}

/// A descriptor of a process, with whether it is close-on-exec.
pub fn describe(tid: i32, number: i32) -> Option<(Arc<Opened>, bool)> {
    let link = procfs::descriptor(tid, number).ok()?;
    let flags = flags(tid, number).unwrap_or_default();
    let object = object(tid, number, &link);
    let path = (link.as_bytes().first() == Some(&b'/') && object != Object::MemFd).then_some(link);
    let cloexec = flags & O_CLOEXEC as u64 != 0;
    Some((Arc::new(Opened { object, path, flags: status(flags) }), cloexec))
}

/// The flags that stay with an open file: not those that only said how to open it.
pub fn status(flags: u64) -> u64 {
    flags & !((O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC) as u64)
}

/// The line `flags:` of /proc/PID/fdinfo/N is octal, see proc_pid_fdinfo(5).
fn flags(tid: i32, number: i32) -> Option<u64> {
    let info = fs::read_to_string(format!("/proc/{tid}/fdinfo/{number}")).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u64::from_str_radix(line.trim(), 8).ok()
}

/// The open descriptors of a process.
pub fn numbers(tid: i32) -> Option<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(format!("/proc/{tid}/fd")).ok()? {
        numbers.push(entry.ok()?.file_name().to_str()?.parse().ok()?);
    }
    numbers.sort_unstable();
    Some(numbers)
}

/// What a descriptor refers to.
pub fn object_of(tid: i32, number: i32) -> Object {
    procfs::descriptor(tid, number).map_or(Object::Other, |link| object(tid, number, &link))
}

fn object(tid: i32, number: i32, link: &Text) -> Object {
    if let Some(name) = link.as_bytes().strip_prefix(b"anon_inode:") {
        return anonymous(name);
    }
    if link.as_bytes().starts_with(b"/memfd:") || link.as_bytes().starts_with(b"/secretmem") {
        return Object::MemFd;
    }
    if link.as_bytes().starts_with(b"socket:") {
        return Object::Socket(socket_kind(tid, number).unwrap_or_default());
    }
    let Ok(metadata) = fs::metadata(format!("/proc/{tid}/fd/{number}")) else {
        return Object::Other;
    };
    let kind = metadata.file_type();
    match metadata.rdev() >> 8 & 0xfff {
        // Documentation/admin-guide/devices.txt: consoles and serial lines, /dev/tty, the two sides
        // of pseudo-terminals.
        4 | 5 | 136..=143 if kind.is_char_device() => Object::Terminal,
        _ if kind.is_char_device() => Object::CharDevice,
        _ if kind.is_block_device() => Object::BlockDevice,
        _ if kind.is_dir() => Object::Directory,
        _ if kind.is_fifo() => Object::Fifo,
        _ if kind.is_symlink() => Object::Symlink,
        _ if kind.is_file() => Object::File,
        _ => Object::Other,
    }
}

/// The names that anon_inode_getfd() is given in the kernel.
fn anonymous(name: &[u8]) -> Object {
    match name {
        b"[eventpoll]" => Object::Epoll,
        b"[eventfd]" => Object::EventFd,
        b"[timerfd]" => Object::TimerFd,
        b"[signalfd]" => Object::SignalFd,
        b"inotify" => Object::Inotify,
        b"[fanotify]" => Object::Fanotify,
        b"[pidfd]" => Object::PidFd,
        b"[userfaultfd]" => Object::UserFaultFd,
        b"[io_uring]" => Object::IoUring,
        b"[perf_event]" => Object::Perf,
        b"[landlock-ruleset]" => Object::Landlock,
        b"seccomp notify" => Object::SeccompListener,
        b"[fscontext]" => Object::FsContext,
        name if name.starts_with(b"bpf-") || name.starts_with(b"bpf_") => Object::Bpf,
        _ => Object::Other,
    }
}

/// What a socket is, asked of the socket itself.
fn socket_kind(tid: i32, number: i32) -> Option<SocketKind> {
    let process = procfs::family(tid)?.process;
    let socket = sockets::borrow(process, number).ok()?;
    let ask = |option| sockets::option(socket.as_raw_fd(), option);
    let word = |option| u16::try_from(ask(option)?).ok();
    Some(SocketKind {
        family: word(libc::SO_DOMAIN)?,
        kind: word(libc::SO_TYPE)?,
        protocol: word(libc::SO_PROTOCOL).unwrap_or_default(),
    })
}
