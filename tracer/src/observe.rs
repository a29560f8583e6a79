//! Reads what one call carries: paths, addresses, structures. The thread stands still meanwhile,
//! but its memory need not: this is evidence, and never decides anything.

use crate::{
    bases::Base,
    paths::{Look, Namer, Place},
    plan::{Plan, ReadValue, Special, base_argument},
    sockets,
};
use libc::AT_EMPTY_PATH;
use model::{
    Access, Arch, FileOp, Kind, Sysno, Text,
    capability::Check,
    trace::{Address, EndpointOperation, FileKind, Mark},
};
use nix::{errno::Errno, sys::stat::FileStat};
use std::collections::BTreeSet;
use supervisor::memory;

/// A call at its entry.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The thread.
    pub tid: i32,
    /// The call.
    pub sysno: Sysno,
    /// Its arguments.
    pub args: [u64; 6],
    /// The instruction after the one that made it.
    pub instruction_pointer: u64,
    /// The top of its stack; 0 where that is not known.
    pub stack_pointer: u64,
}

impl Event {
    /// A call as the kernel reported it. `int 0x80` in a 64-bit process leaves rubbish in the upper
    /// halves of the arguments, which a 32-bit call does not look at.
    pub fn new(tid: i32, sysno: Sysno, mut args: [u64; 6], instruction_pointer: u64) -> Event {
        if matches!(sysno.arch(), Arch::I386 | Arch::Arm) {
            args.iter_mut().for_each(|argument| *argument &= 0xffff_ffff);
        }
        Event { tid, sysno, args, instruction_pointer, stack_pointer: 0 }
    }

    /// The same with the top of the thread's stack.
    pub fn with_stack(self, stack_pointer: u64) -> Event {
        Event { stack_pointer, ..self }
    }

    /// Whether pointers and sizes are of 64 bits.
    pub fn is_wide(&self) -> bool {
        !matches!(self.sysno.arch(), Arch::I386 | Arch::Arm | Arch::X32)
    }
}

/// Whether a seccomp(2) or prctl(2) installs a filter: SECCOMP_SET_MODE_FILTER is 1,
/// PR_SET_SECCOMP is 22.
pub fn sets_filter(sysno: Sysno, args: &[u64; 6]) -> bool {
    let operation = args[0] & 0xffff_ffff;
    operation == if sysno.name() == Some("seccomp") { 1 } else { 22 }
}

/// What a call carried beyond its registers.
#[derive(Debug, Default)]
pub struct Observation {
    /// The files that it names, and what it does to each.
    pub files: Vec<(Place, Vec<Access>)>,
    /// The addresses that it uses, with the socket's type.
    pub endpoints: Vec<(EndpointOperation, Address, Option<String>)>,
    /// The socket files behind the addresses, and what was done to them.
    pub sockets: Vec<(Place, Access)>,
    /// What the call did that only a capability let it do, other than to the files.
    pub checks: BTreeSet<Check>,
    /// What else it did that decides which restrictions the program can live under.
    pub marks: BTreeSet<Mark>,
    /// The process, when it is the first of the run.
    pub own: Option<i32>,
    /// The values that decide what it may do, in the order of the plan.
    pub values: Vec<u64>,
    /// The protection that it asks for memory.
    pub protection: Option<u64>,
    /// The file that it maps executable.
    pub module: Option<Mapped>,
    /// Something could not be read, through no fault of the program's.
    pub unread: bool,
}

/// A file whose code is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// What this descriptor is.
    Descriptor(i32),
    /// The one that was opened here.
    Opened(Text),
}

/// Whom the sender of a signal means; the caller knows the processes.
pub type FindTarget<'a> = &'a dyn Fn(i32) -> model::KillTarget;

/// What is known of a call that was made before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed<'a> {
    /// The path that it named, where that is not to be read now.
    pub path: Option<&'a Text>,
    /// Of the descriptor that this is relative to: the file that was opened as it, when that may be
    /// closed by now.
    pub opened: Option<&'a Text>,
    /// What the kernel answered.
    pub result: Option<i64>,
    /// What was there before it, where that was looked at.
    pub before: Option<Before>,
    /// What the call itself said of the file that it named.
    pub stat: Option<Stat>,
    /// Whether regular files may have been removed since, and nothing else.
    pub removed: bool,
    /// What the descriptor is that its path is relative to, had no name.
    pub is_nameless: bool,
    /// What has been removed since.
    pub since: Option<&'a dyn Since>,
    /// Of its arguments those that, with its path and its answer, say all of it; the others are 0. Absent
    /// where nothing does.
    pub tells: Option<[u64; 6]>,
}

/// What is wanted of `struct stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stat {
    /// The type and the permission bits.
    pub mode: u32,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Stat {
        Stat { mode: stat.st_mode, user: stat.st_uid, group: stat.st_gid }
    }
}

/// What came after a call that passed.
pub trait Since: std::fmt::Debug {
    /// Whether a file may have been removed that had this name in its directory.
    fn removes(&self, name: &[u8]) -> bool;
}

/// What was there before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Before {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
}

impl Passed<'_> {
    /// What was there at the call, when something else is there by now. Others than the traced processes may
    /// have made or removed it meanwhile.
    fn found(&self, now: Option<FileKind>) -> Option<FileKind> {
        const NONE: i64 = -(libc::ENOENT as i64);
        match (self.before, self.result, now) {
            (Some(Before::Absent), ..) => Some(FileKind::Absent),
            (Some(Before::File), ..) => Some(FileKind::File),
            (None, Some(NONE), _) => Some(FileKind::Absent),
            (None, Some(0..), Some(FileKind::Absent)) => self.removed.then_some(FileKind::File),
            _ => now,
        }
    }
}

/// Reads everything that `plan` asks for; of a call that passed, what it named is known.
pub fn observe(
    event: &Event,
    plan: &Plan,
    passed: Option<Passed<'_>>,
    namer: &Namer<'_>,
    target: FindTarget<'_>,
) -> Observation {
    let mut observation = Observation::default();
    let mut open_flags = None;
    for value in &plan.values {
        let argument = event.args[value.index];
        let read = match value.read {
            ReadValue::Register(mask) => argument & mask,
            ReadValue::FirstWord => match memory::read_u64(event.tid, argument) {
                Ok(word) => word,
                Err(errno) => {
                    observation.note(errno);
                    0
                }
            },
            ReadValue::KillTarget => target(argument as i32) as u64,
        };
        if plan.open_flags.is_some_and(|flags| flags.index == value.index) {
            open_flags = Some(read);
        }
        observation.values.push(read);
    }
    observation.files.reserve_exact(plan.files.len());
    for file in plan.files {
        let path = match (passed, event.args[file.param]) {
            (Some(Passed { path: Some(path), .. }), _) => (*path).clone(),
            (_, 0) => continue,
            (_, pointer) => match memory::read_string(event.tid, pointer, memory::PATH_MAX) {
                Ok(path) => path,
                Err(errno) => {
                    observation.note(errno);
                    continue;
                }
            },
        };
        observation.file(event, plan, namer, (file, &path, passed), open_flags);
    }
    if sets_id_bit(event, open_flags) {
        observation.marks.insert(Mark::SetsIdBit);
    }
    observation.special(event, plan, namer);
    if let (Some(module), Some(passed)) = (&mut observation.module, passed) {
        // Its descriptor may be another file by now.
        match passed.opened {
            Some(opened) => *module = Mapped::Opened(opened.clone()),
            None => observation.module = None,
        }
    }
    observation
}

impl Observation {
    /// A pointer that the program itself got wrong makes its call fail, and is no loss of ours.
    fn note(&mut self, errno: Errno) {
        self.unread |= !matches!(errno, Errno::EFAULT | Errno::ENAMETOOLONG | Errno::ESRCH);
    }

    fn file(
        &mut self,
        event: &Event,
        plan: &Plan,
        namer: &Namer<'_>,
        (file, path, passed): (&FileOp, &Text, Option<Passed<'_>>),
        open_flags: Option<u64>,
    ) {
        let base = base_of(event, file.param);
        let mut accesses = file.accesses(&event.args, open_flags);
        let asks = accesses.iter().any(|access| access.asks_the_mode());
        let follow = file.follows(&event.args, open_flags);
        let may_be_empty =
            plan.at_flags.is_some_and(|index| event.args[index] & AT_EMPTY_PATH as u64 != 0);
        let is_absolute = path.as_bytes().first() == Some(&b'/');
        let opened = passed.and_then(|passed| passed.opened);
        // What a link leads to, the kernel has said, but not that it is one.
        let is_itself = !follow || path.is_empty();
        let stat = passed.and_then(|passed| passed.stat).filter(|_| is_itself);
        let look = Look { follow, asks, stat };
        let place = match (base, opened) {
            // ENOENT for the program: it names nothing.
            (Base::Current, _) if path.is_empty() => return,
            (Base::Descriptor(_), _) if path.is_empty() && !may_be_empty => return,
            (Base::Descriptor(_), _)
                if !is_absolute && passed.is_some_and(|passed| passed.is_nameless) =>
            {
                return;
            }
            (Base::Descriptor(fd), Some(opened)) if !is_absolute => {
                namer.below(opened, fd, path, look)
            }
            (Base::Descriptor(fd), _) if path.is_empty() => {
                namer.descriptor(fd, passed.and_then(|passed| passed.since), look)
            }
            _ => namer.place(base, path, look),
        };
        let Ok(mut place) = place else { return };
        let then = passed.map_or(place.found, |passed| passed.found(place.found));
        if then != place.found {
            // Whose that was is not whose this is.
            (place.found, place.owner) = (then, None);
        }
        // Opening a directory to read it is listing it.
        if place.found == Some(FileKind::Directory) && open_flags.is_some() {
            for access in &mut accesses {
                if *access == Access::Read {
                    *access = Access::List;
                }
            }
        }
        self.files.push((place, accesses));
    }

    fn special(&mut self, event: &Event, plan: &Plan, namer: &Namer<'_>) {
        let args = &event.args;
        match plan.special {
            Special::Map => self.map(args[2], args[3], args[4]),
            Special::OldMap => {
                let mut bytes = [0_u8; 24];
                match memory::read(event.tid, args[0], &mut bytes) {
                    Ok(()) => {
                        let word = words32(&bytes);
                        self.map(word[2], word[3], word[4]);
                        self.protection = Some(word[2]);
                    }
                    Err(errno) => self.note(errno),
                }
            }
            Special::Protect => self.protection = Some(args[2]),
            Special::Address(operation) => {
                self.address(event, namer, operation, args[0], args[1], args[2]);
            }
            Special::Listen => self.listen(namer, args[0]),
            Special::SendTo => {
                self.address(event, namer, EndpointOperation::Send, args[0], args[4], args[5]);
            }
            Special::SendMessage => self.message(event, namer, args[0], args[1]),
            Special::SendMessages => {
                // The kernel takes at most 1024 of them (UIO_MAXIOV).
                let size = sockets::mmsghdr_size(event.is_wide());
                for index in 0..(args[2] & 0xffff_ffff).min(1024) {
                    self.message(event, namer, args[0], args[1].wrapping_add(index * size));
                }
            }
            Special::Socketcall => self.socketcall(event, namer),
            _ => {}
        }
    }

    fn map(&mut self, protection: u64, flags: u64, fd: u64) {
        self.protection = Some(protection);
        let of_file = flags & libc::MAP_ANONYMOUS as u64 == 0;
        if of_file && protection & libc::PROT_EXEC as u64 != 0 {
            self.module = Some(Mapped::Descriptor(fd as i32));
        }
    }

    fn address(
        &mut self,
        event: &Event,
        namer: &Namer<'_>,
        operation: EndpointOperation,
        fd: u64,
        pointer: u64,
        length: u64,
    ) {
        match sockets::read(event.tid, pointer, length & 0xffff_ffff) {
            Ok(Some(address)) => self.endpoint(namer, operation, fd as i32, address),
            Ok(None) => {}
            Err(errno) => self.note(errno),
        }
    }

    fn message(&mut self, event: &Event, namer: &Namer<'_>, fd: u64, pointer: u64) {
        match sockets::read_message(event.tid, pointer, event.is_wide()) {
            Ok(Some(address)) => self.endpoint(namer, EndpointOperation::Send, fd as i32, address),
            Ok(None) => {}
            Err(errno) => self.note(errno),
        }
    }

    fn endpoint(
        &mut self,
        namer: &Namer<'_>,
        operation: EndpointOperation,
        fd: i32,
        address: Address,
    ) {
        let address = match address {
            Address::Unix { path, .. } => {
                match namer.place(Base::Current, &path, Look::following()) {
                    Ok(place) => {
                        let (path, resolved) = (place.named.clone(), place.resolved.clone());
                        let access = match operation {
                            EndpointOperation::Bind => Access::MakeSocket,
                            _ => Access::Write,
                        };
                        self.sockets.push((place, access));
                        Address::Unix { path, resolved }
                    }
                    Err(_) => Address::Unix { path, resolved: None },
                }
            }
            other => other,
        };
        let known = |(seen_operation, seen, _): &(EndpointOperation, Address, Option<String>)| {
            *seen_operation == operation && *seen == address
        };
        if !self.endpoints.iter().any(known) {
            let socket = sockets::borrow(namer.process, fd).ok();
            let kind = socket.as_ref().and_then(sockets::type_name);
            self.endpoints.push((operation, address, kind));
        }
    }

    fn listen(&mut self, namer: &Namer<'_>, fd: u64) {
        let Ok(socket) = sockets::borrow(namer.process, fd as i32) else { return };
        if let Some(address) = sockets::local_address(&socket) {
            self.endpoint(namer, EndpointOperation::Listen, fd as i32, address);
        }
    }

    /// linux/net.h: SYS_BIND 2, SYS_CONNECT 3, SYS_LISTEN 4, SYS_SENDTO 11, SYS_SENDMSG 16,
    /// SYS_SENDMMSG 20.
    fn socketcall(&mut self, event: &Event, namer: &Namer<'_>) {
        let mut bytes = [0_u8; 24];
        let count = match event.args[0] & 0xffff_ffff {
            2 | 3 | 16 => 3,
            4 => 2,
            20 => 4,
            11 => 6,
            _ => return,
        };
        if let Err(errno) = memory::read(event.tid, event.args[1], &mut bytes[..count * 4]) {
            return self.note(errno);
        }
        let [fd, pointer, length, _, address, address_length] = words32(&bytes);
        match event.args[0] & 0xffff_ffff {
            2 => self.address(event, namer, EndpointOperation::Bind, fd, pointer, length),
            3 => self.address(event, namer, EndpointOperation::Connect, fd, pointer, length),
            4 => self.listen(namer, fd),
            11 => {
                self.address(event, namer, EndpointOperation::Send, fd, address, address_length);
            }
            16 => self.message(event, namer, fd, pointer),
            _ => {
                for index in 0..length.min(1024) {
                    let at = pointer + index * sockets::mmsghdr_size(false);
                    self.message(event, namer, fd, at);
                }
            }
        }
    }
}

fn words32(bytes: &[u8; 24]) -> [u64; 6] {
    let mut words = [0; 6];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u64::from(u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
    }
    words
}

/// Whether the mode of a file that is made or changed has a set-user-id or set-group-id bit.
fn sets_id_bit(event: &Event, open_flags: Option<u64>) -> bool {
    const MAKES: u64 = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let params = event.sysno.call().map_or(&[][..], |call| call.params);
    let mode = params.iter().position(|p| matches!(p.kind, Kind::Mode | Kind::NodeMode));
    mode.is_some_and(|at| event.args[at] & u64::from(libc::S_ISUID | libc::S_ISGID) != 0)
        && open_flags.is_none_or(|flags| flags & MAKES != 0)
}

/// Where a path argument starts when it is relative.
fn base_of(event: &Event, param: usize) -> Base {
    let params = event.sysno.call().map_or(&[][..], |call| call.params);
    base_argument(params, param).map_or(Base::Current, |at| Base::from_argument(event.args[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_at_a_call_is_not_what_others_made_or_removed_since() {
        let path = Text::from("x");
        let (file, absent) = (Some(FileKind::File), Some(FileKind::Absent));
        let then = |before, removed, result, now| {
            let passed = Passed { path: Some(&path), result, before, removed, ..Passed::default() };
            passed.found(now)
        };
        let found = |result, now| then(None, false, result, now);
        assert_eq!(found(Some(-2), file), absent);
        assert_eq!(found(Some(-2), None), absent);
        assert_eq!(found(Some(0), absent), None);
        assert_eq!(found(Some(0), file), file);
        assert_eq!(found(Some(-13), absent), absent);
        assert_eq!(found(None, file), file);
        assert_eq!(then(None, true, Some(0), absent), file);
        assert_eq!(then(Some(Before::Absent), false, Some(3), file), absent);
        assert_eq!(then(Some(Before::File), true, Some(0), absent), file);
    }
}
