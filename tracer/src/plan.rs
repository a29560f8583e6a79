//! What to look at in each system call, worked out once per call from the call table.

use crate::bases::Disturbs;
use foldhash::HashMap;
use model::{FileOp, Kind, Param, Sysno, capability::Check};

/// An argument whose value is evidence.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// Which argument.
    pub index: usize,
    /// Its name in the call table.
    pub name: &'static str,
    /// How its value is had.
    pub read: ReadValue,
}

/// How the value of an argument is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadValue {
    /// These bits of the register.
    Register(u64),
    /// The first eight bytes of the structure that it points to: `flags` of clone_args and open_how.
    FirstWord,
    /// Whom a signal goes to, as [`model::KillTarget`].
    KillTarget,
}

/// Calls that need more than their table row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Nothing more.
    None,
    /// execve: a new image may follow.
    Execute,
    /// Maps a file: with PROT_EXEC it becomes a module. Protection and descriptor by argument.
    Map,
    /// i386's mmap: its arguments are in memory.
    OldMap,
    /// Changes a mapping's protection.
    Protect,
    /// bind, connect: an address at argument 1, its length at 2.
    Address(model::trace::EndpointOperation),
    /// listen: the address that the socket has.
    Listen,
    /// sendto: an address at argument 4, its length at 5.
    SendTo,
    /// sendmsg.
    SendMessage,
    /// sendmmsg.
    SendMessages,
    /// i386's socketcall: the number of the call, and its arguments in memory.
    Socketcall,
    /// The process may see another file system afterwards.
    ChangesView,
    /// seccomp(2) or prctl(2), by which a program can filter itself.
    Filter,
    /// The ids or capabilities of the process change.
    ChangesCredentials,
    /// The process ends, with the status of argument 0.
    ExitProcess,
}

/// The argument of sendto with its address.
const SENDTO_ADDRESS: usize = 4;

/// What to look at in one system call.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The call.
    pub sysno: Sysno,
    /// Arguments that are evidence.
    pub values: Vec<Value>,
    /// Files that it names.
    pub files: &'static [FileOp],
    /// The argument that holds the flags of an open, when it is one.
    pub open_flags: Option<Value>,
    /// The argument that holds AT_ flags, when there is one.
    pub at_flags: Option<usize>,
    /// What it may do only with a capability.
    pub checks: Vec<Check>,
    /// What else.
    pub special: Special,
    /// What it changes of the directories that paths start from.
    pub disturbs: Disturbs,
    /// Whether its result is evidence, when it has the arguments for it.
    wants_result: bool,
}

impl Plan {
    /// The plan of a call.
    fn new(sysno: Sysno) -> Plan {
        let call = sysno.call();
        let params = call.map_or(&[][..], |call| call.params);
        let mut values = Vec::new();
        let mut at_flags = None;
        for (index, param) in params.iter().enumerate() {
            let read = match param.kind {
                Kind::OpenHow | Kind::CloneArgs => ReadValue::FirstWord,
                kind if kind.is_value() => ReadValue::Register(mask(kind.bits())),
                _ => continue,
            };
            if param.kind == Kind::AtFlags {
                at_flags = Some(index);
            }
            values.push(Value { index, name: param.name, read });
        }
        let name = sysno.name().unwrap_or_default();
        if matches!(name, "kill" | "tgkill" | "tkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo") {
            values.insert(0, Value { index: 0, name: "target", read: ReadValue::KillTarget });
        }
        let files = call.map_or(&[][..], FileOp::of);
        let special = special(sysno, name);
        let addressed = matches!(
            special,
            Special::Address(_)
                | Special::Listen
                | Special::SendTo
                | Special::SendMessage
                | Special::SendMessages
        );
        let is_open =
            |value: &&Value| matches!(params[value.index].kind, Kind::OpenFlags | Kind::OpenHow);
        let of_clone =
            |value: &Value| matches!(params[value.index].kind, Kind::CloneFlags | Kind::CloneArgs);
        let disturbs = Disturbs::of(sysno, values.iter().position(of_clone));
        Plan {
            sysno,
            open_flags: values.iter().find(is_open).copied(),
            values,
            files,
            at_flags,
            checks: Check::of_call(name).collect(),
            special,
            disturbs,
            wants_result: !files.is_empty() || addressed || special == Special::Socketcall,
        }
    }

    /// Whether counting is all there is to do after the first time.
    pub fn only_counts(&self) -> bool {
        self.values.is_empty()
            && self.files.is_empty()
            && self.checks.is_empty()
            && self.special == Special::None
    }

    /// Whether it sends to nobody named: it tells no more than write(2) does.
    pub fn sends_unaddressed(&self, args: &[u64; 6]) -> bool {
        self.special == Special::SendTo && args[SENDTO_ADDRESS] == 0
    }

    /// Arguments that must be 0 where a plain call with these arguments has them so, and whether all of each
    /// counts: with others it would tell more. Nothing where it is not plain by that.
    pub fn absent(&self, args: &[u64; 6]) -> &'static [(usize, bool)] {
        if self.sends_unaddressed(args) {
            return &[(SENDTO_ADDRESS, true)];
        }
        // prlimit64 of the caller itself that sets no limit.
        let own = self.sysno.name() == Some("prlimit64") && args[0] as u32 == 0 && args[2] == 0;
        if own { &[(0, false), (2, true)] } else { &[] }
    }

    /// Whether the result of a call with these arguments is evidence.
    pub fn wants_result(&self, args: &[u64; 6]) -> bool {
        self.wants_result && !self.sends_unaddressed(args)
    }

    /// Whether a call with the same values as one that was recorded, which had these arguments, tells
    /// nothing but that it was made once more.
    pub fn repeats(&self, args: &[u64; 6]) -> bool {
        let in_register = |value: &Value| match value.read {
            ReadValue::Register(mask) => Some(args[value.index] & mask),
            _ => None,
        };
        let named = |name: &str| {
            let value = self.values.iter().find(|value| value.name == name)?;
            in_register(value)
        };
        let tells_nothing = || {
            // How a process ends is seen when it does.
            self.special == Special::ExitProcess
                || !self.absent(args).is_empty()
                || self.is_plain()
                    && self.special == Special::None
                    && !self.checks.iter().any(|check| check.asked(named))
        };
        self.values.iter().all(|value| in_register(value).is_some())
            && self.files.is_empty()
            && !self.wants_result(args)
            && (self.maps_no_code(args) || tells_nothing())
    }

    /// Whether it changes what is mapped, and nothing becomes executable by it.
    fn maps_no_code(&self, args: &[u64; 6]) -> bool {
        let maps = matches!(self.special, Special::Map | Special::Protect);
        self.sysno.name() == Some("munmap")
            || maps && self.is_of_range() && args[2] & libc::PROT_EXEC as u64 == 0
    }

    /// The argument with the descriptor of the file whose code a call maps, not to be written.
    pub fn maps_code(&self, args: &[u64; 6]) -> Option<usize> {
        let protection = (libc::PROT_EXEC | libc::PROT_WRITE) as u64;
        let is_code = self.special == Special::Map
            && self.is_of_range()
            && args[2] & protection == libc::PROT_EXEC as u64
            && args[3] & libc::MAP_ANONYMOUS as u64 == 0;
        is_code.then_some(4)
    }

    /// Whether arguments 0 and 1 are a range of memory.
    fn is_of_range(&self) -> bool {
        matches!(self.sysno.name(), Some("mmap" | "mprotect" | "munmap"))
    }

    /// Whether it may change what is mapped already, at the range that arguments 0 and 1 are.
    pub fn changes_mappings(&self, args: &[u64; 6]) -> bool {
        let fixed = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
        self.is_of_range() && (self.special != Special::Map || args[3] & fixed as u64 != 0)
    }

    /// Whether it gives the file that a descriptor is to somebody else, or to whom it belongs already.
    pub fn gives(&self) -> bool {
        self.sysno.name() == Some("fchown") && self.values.is_empty()
    }

    /// The argument of a plain call whose value is mostly another one, of few that are small.
    pub fn varies(&self) -> Option<usize> {
        (self.sysno.name() == Some("rt_sigaction")).then_some(0)
    }

    /// Whether it is one of the calls that tell nothing once they were seen.
    pub fn is_plain(&self) -> bool {
        self.sysno.name().is_some_and(|name| PLAIN.contains(&name))
    }

    /// The argument with a descriptor that a plain call ends.
    pub fn ends(&self) -> Option<usize> {
        match self.sysno.name() {
            Some("close") => Some(0),
            Some("dup2" | "dup3") => Some(1),
            _ => None,
        }
    }

    /// The argument with the descriptor of which a plain call makes another one, at a number that is free.
    pub fn copies(&self, args: &[u64; 6]) -> Option<usize> {
        let duplicates = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
        match self.sysno.name() {
            Some("dup") => Some(0),
            Some("fcntl") if duplicates.contains(&(args[1] as i32)) => Some(0),
            _ => None,
        }
    }

    /// The path that a call looks at, when that is all it does: no file becomes another one by it, except
    /// that a name of a regular file is made or removed. What it saw can be read as well a while later, if
    /// no other call has changed it since.
    pub fn names(&self, args: &[u64; 6]) -> Option<Named> {
        let name = self.sysno.name()?;
        let (_, output, tells) = LOOKS.iter().find(|(look, ..)| *look == name)?;
        let [file] = self.files else { return None };
        let params = self.sysno.call().map_or(&[][..], |call| call.params);
        let flags = self.open_flags.map_or(0, |flags| args[flags.index]);
        let is_mode = |param: &Param| param.kind == Kind::Mode;
        let mode = params.iter().position(is_mode).filter(|_| flags & libc::O_CREAT as u64 != 0);
        let change = match mode {
            // O_TMPFILE without its O_DIRECTORY: that makes no name.
            _ if flags & 0o20000000 != 0 => return None,
            // Who made it may read and write it: see patch/look.rs.
            Some(mode) if args[mode] & OWNERS != OWNERS => return None,
            Some(mode) => Some((Change::Makes, Some(mode))),
            None if name.starts_with("unlink") => Some((Change::Removes, None)),
            None => None,
        };
        if change == Some((Change::Removes, None)) && self.at_flags.is_some_and(|at| args[at] != 0)
        {
            return None;
        }
        let path = file.param;
        let output = output.map(|behind| path + behind);
        let opens = self.open_flags.is_some();
        let (base, tells) = (base_argument(params, path), *tells);
        let stats = matches!(name, "lstat" | "newfstatat");
        Some(Named { path, base, output, opens, stats, change, tells })
    }
}

/// S_IRUSR and S_IWUSR.
pub const OWNERS: u64 = 0o600;

/// The argument with the descriptor that a path argument may be relative to: the nearest before it.
pub fn base_argument(params: &[Param], path: usize) -> Option<usize> {
    let relative = params.get(path)?.kind == Kind::AtPath;
    relative.then(|| params[..path].iter().rposition(|param| param.kind == Kind::Dirfd))?
}

/// Where a call has its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Which argument.
    pub path: usize,
    /// The argument with the descriptor that it is relative to.
    pub base: Option<usize>,
    /// The argument with the address that the call writes to: the path itself may be there.
    pub output: Option<usize>,
    /// Whether its result is a descriptor.
    pub opens: bool,
    /// Whether it may say what the name itself is, in a `struct stat` behind the path.
    pub stats: bool,
    /// How it changes what has that name, and the argument with the mode that a file is made with.
    pub change: Option<(Change, Option<usize>)>,
    /// Which of its other arguments say what it does, by bits, where these and the path are all.
    pub tells: Option<u8>,
}

/// How a call changes which names there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It makes a regular file where nothing is.
    Makes,
    /// It removes what is no directory.
    Removes,
    /// It gives away what a descriptor is: no name changes.
    Gives,
    /// It maps a file: no name changes.
    Maps,
}

/// Calls that tell nothing once they were seen with the same values: the bulk of what programs do. All
/// others stop each time. Where calls pass, descriptors are not followed, so that what makes, ends or
/// moves one is here too. sched_getaffinity is not: before it, `beside.rs` gives a thread its mask back.
#[rustfmt::skip]
const PLAIN: [&str; 130] = [
    // They use the descriptors among their arguments.
    "copy_file_range", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "fadvise64", "fallocate",
    "fdatasync", "flock", "fstat", "fsync", "ftruncate", "getdents64", "inotify_rm_watch",
    "lseek", "poll", "ppoll", "pread64", "preadv", "preadv2", "pselect6", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readv", "recvfrom", "recvmmsg", "recvmsg", "select",
    "sendfile", "sendto", "shutdown", "splice", "sync_file_range", "syncfs", "tee", "vmsplice", "write",
    "writev",
    // Descriptors themselves.
    "accept", "accept4", "close", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "eventfd",
    "eventfd2", "fcntl", "getpeername", "getsockname", "getsockopt", "ioctl", "pipe", "pipe2",
    "setsockopt", "signalfd", "signalfd4", "socket", "socketpair", "timerfd_create", "timerfd_gettime",
    "timerfd_settime",
    // Waiting and time.
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "futex", "futex_wait", "futex_wake",
    "getitimer", "gettimeofday", "nanosleep", "pause", "sched_yield", "setitimer", "time",
    "timer_getoverrun", "timer_gettime", "timer_settime", "times", "wait4", "waitid",
    // The caller itself.
    "arch_prctl", "get_robust_list", "getcpu", "getcwd", "getegid", "geteuid", "getgid", "getgroups",
    "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid", "getresuid",
    "getrlimit", "getrusage", "getsid", "gettid", "getuid",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigsuspend", "rt_sigtimedwait",
    "sched_getparam", "sched_getscheduler", "set_robust_list", "set_tid_address", "sigaltstack", "sysinfo",
    "umask", "uname",
    // Its own memory, which stays where it is.
    "brk", "madvise", "membarrier", "mincore", "msync",
    // What it shares with others by number.
    "msgrcv", "msgsnd", "semop", "semtimedop",
];

/// Calls that look at the file which a path names, and change nothing but that name; how far behind the path
/// they have the address that they write to; and which of their other arguments say what they do, by bits,
/// where these and the path are all.
const LOOKS: [(&str, Option<usize>, Option<u8>); 18] = [
    ("access", None, Some(0b10)),
    ("faccessat", None, Some(0b101)),
    ("faccessat2", None, Some(0b1101)),
    ("getxattr", Some(2), None),
    ("lgetxattr", Some(2), None),
    ("listxattr", Some(1), None),
    ("llistxattr", Some(1), None),
    ("lstat", Some(1), Some(0)),
    ("newfstatat", Some(1), Some(0b1001)),
    ("open", None, Some(0b110)),
    ("openat", None, Some(0b1101)),
    ("readlink", Some(1), Some(0)),
    ("readlinkat", Some(1), Some(1)),
    ("stat", Some(1), Some(0)),
    ("statfs", Some(1), Some(0)),
    ("statx", Some(3), Some(0b1101)),
    ("unlink", None, Some(0)),
    ("unlinkat", None, Some(0b101)),
];

fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

fn special(sysno: Sysno, name: &str) -> Special {
    use model::{Arch, trace::EndpointOperation};
    match name {
        "execve" | "execveat" => Special::Execute,
        "mmap" if sysno.arch() == Arch::I386 => Special::OldMap,
        "mmap" | "mmap2" => Special::Map,
        "mprotect" | "pkey_mprotect" => Special::Protect,
        "bind" => Special::Address(EndpointOperation::Bind),
        "connect" => Special::Address(EndpointOperation::Connect),
        "listen" => Special::Listen,
        "sendto" => Special::SendTo,
        "sendmsg" => Special::SendMessage,
        "sendmmsg" => Special::SendMessages,
        "socketcall" => Special::Socketcall,
        "chroot" | "pivot_root" | "unshare" | "setns" => Special::ChangesView,
        "seccomp" | "prctl" => Special::Filter,
        "setgroups" | "setgroups32" | "capset" => Special::ChangesCredentials,
        name if name.starts_with("set") && name.trim_end_matches("32").ends_with("id") => {
            Special::ChangesCredentials
        }
        "exit_group" => Special::ExitProcess,
        _ => Special::None,
    }
}

/// A small number for each call that occurred: an index into per-process tables.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    plans: Vec<Plan>,
    by_sysno: HashMap<Sysno, usize>,
    /// The last call found, for runs of one call.
    last: Option<(Sysno, usize)>,
}

impl Slots {
    /// The slot of a call, made when it occurs first.
    pub fn of(&mut self, sysno: Sysno) -> usize {
        if let Some((last, slot)) = self.last
            && last == sysno
        {
            return slot;
        }
        let slot = *self.by_sysno.entry(sysno).or_insert_with(|| {
            self.plans.push(Plan::new(sysno));
            self.plans.len() - 1
        });
        self.last = Some((sysno, slot));
        slot
    }

    /// The plan of a slot.
    pub fn plan(&self, slot: usize) -> &Plan {
        &self.plans[slot]
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.plans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Arch;

    #[test]
    fn plain_calls_exist_and_name_nothing() {
        for name in PLAIN {
            let sysno = Sysno::from_name(Arch::X86_64, name).unwrap_or_else(|| panic!("{name}"));
            let plan = Plan::new(sysno);
            let is_plain = plan.special == Special::None || plan.sends_unaddressed(&[0; 6]);
            assert!(plan.files.is_empty() && is_plain, "{name}");
        }
    }

    #[test]
    fn a_call_repeats_unless_its_values_ask_for_a_check() {
        let plan = |name| Plan::new(Sysno::from_name(Arch::X86_64, name).unwrap());
        let fcntl = |command: i32| plan("fcntl").repeats(&[3, command as u64, 0, 0, 0, 0]);
        assert!(fcntl(libc::F_GETFD) && fcntl(libc::F_DUPFD) && !fcntl(libc::F_SETLEASE));
        let ioctl = |request: u64| plan("ioctl").repeats(&[3, request, 0, 0, 0, 0]);
        assert!(ioctl(libc::TCGETS) && !ioctl(libc::TIOCCONS));
        let socket = |domain: i32, kind: i32| {
            plan("socket").repeats(&[domain as u64, kind as u64, 0, 0, 0, 0])
        };
        let mmap = |protection: i32, flags: i32| {
            plan("mmap").repeats(&[0, 4096, protection as u64, flags as u64, 3, 0])
        };
        let (private, data) = (libc::MAP_PRIVATE, libc::PROT_READ | libc::PROT_WRITE);
        assert!(mmap(data, private | libc::MAP_ANONYMOUS) && mmap(libc::PROT_READ, private));
        assert!(!mmap(data | libc::PROT_EXEC, private) && mmap(data, private | libc::MAP_FIXED));
        let protect = |bits: i32| plan("mprotect").repeats(&[0x5000, 4096, bits as u64, 0, 0, 0]);
        assert!(protect(data) && !protect(libc::PROT_READ | libc::PROT_EXEC));
        let changes =
            |name, flags: i32| plan(name).changes_mappings(&[0, 0, 0, flags as u64, 0, 0]);
        assert!(changes("mmap", libc::MAP_FIXED) && changes("mmap", libc::MAP_FIXED_NOREPLACE));
        assert!(!changes("mmap", private) && changes("munmap", 0) && changes("mprotect", 0));
        let send = |address| plan("sendto").repeats(&[3, 0x5000, 1, 0, address, 16]);
        assert!(send(0) && !send(0x6000));
        assert!(socket(libc::AF_INET, libc::SOCK_STREAM) && !socket(libc::AF_INET, libc::SOCK_RAW));
    }

    #[test]
    fn what_names_a_file_or_makes_a_process_or_moves_memory_never_repeats() {
        for name in
            ["openat", "newfstatat", "connect", "sendmsg", "mremap", "pkey_mprotect", "clone"]
        {
            let sysno = Sysno::from_name(Arch::X86_64, name).unwrap();
            assert!(!Plan::new(sysno).repeats(&[0; 6]), "{name}");
        }
    }
}
