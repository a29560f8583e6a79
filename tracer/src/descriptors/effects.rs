//! What a call does to the table: closings at its entry, makings at its exit.

use super::{
    Entered, Follower,
    kernel::{self, Opened},
    plan::{self, Plan},
    sets,
    table::Held,
};
use crate::observe::Event;
use libc::{FD_CLOEXEC, O_RDWR};
use model::{
    Text,
    descriptor::{Duplication, Object, Origin, PipeEnd, SocketKind, rule::Effect},
    trace::FileKind,
};
use std::{collections::BTreeSet, sync::Arc};

/// linux/close_range.h.
const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;
/// asm-generic/ioctls.h.
const FIOCLEX: u64 = 0x5451;
const FIONCLEX: u64 = 0x5450;
/// Requests whose result is a descriptor: TIOCGPTPEER; of linux/nsfs.h NS_GET_USERNS and
/// NS_GET_PARENT; of linux/kvm.h KVM_CREATE_VM and KVM_CREATE_VCPU.
const GIVING_IOCTLS: [u64; 5] = [0x5441, 0xb701, 0xb702, 0xae01, 0xae41];
/// Commands of linux/bpf.h whose result is a descriptor: MAP_CREATE, PROG_LOAD, OBJ_GET, the
/// GET_FD_BY_ID of programs, maps, types and links, RAW_TRACEPOINT_OPEN, BTF_LOAD, LINK_CREATE,
/// ENABLE_STATS, ITER_CREATE, TOKEN_CREATE.
const GIVING_BPF: [u64; 13] = [0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33, 36];

/// What was opened, for a table.
pub fn opened(object: Object, path: Option<Text>, flags: u64) -> Arc<Opened> {
    Arc::new(Opened { object, path, flags: kernel::status(flags) })
}

impl Follower {
    /// Whether the end of a call will change the table.
    pub(super) fn wants_result(&self, event: &Event, plan: &Plan) -> bool {
        let args = &event.args;
        match plan.rule.and_then(|rule| rule.effect) {
            None | Some(Effect::Close | Effect::CloseRange | Effect::Clone) => false,
            Some(Effect::Fcntl) => is_duplication(args[1]),
            Some(Effect::Ioctl) => GIVING_IOCTLS.contains(&(args[1] & 0xffff_ffff)),
            Some(Effect::Receive | Effect::ReceiveMany) => {
                let many = plan.rule.is_some_and(|r| r.effect == Some(Effect::ReceiveMany));
                plan::headers(event, many).any(|header| header.has_control())
            }
            Some(Effect::Update) => args[0] as i32 == -1,
            Some(Effect::Bpf) => GIVING_BPF.contains(&(args[0] & 0xffff_ffff)),
            // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER.
            Some(Effect::Listener) => args[0] as u32 == 1 && args[1] & 8 != 0,
            Some(Effect::Unshare) => args[0] & libc::CLONE_FILES as u64 != 0,
            Some(_) => true,
        }
    }

    /// What is certain at the entry of a call.
    pub(super) fn at_entry(&mut self, table: usize, process: i32, event: &Event, plan: &Plan) {
        let args = &event.args;
        let number = args[0] as i32;
        match plan.rule.and_then(|rule| rule.effect) {
            Some(Effect::Close) if self.tables.held(table).contains_key(&number) => {
                self.tick(process);
                self.take(table, process, number);
            }
            Some(Effect::CloseRange) => self.close_range(table, process, event),
            Some(Effect::Fcntl) if args[1] as i32 == libc::F_SETFD => {
                self.mark(table, number, args[2] & FD_CLOEXEC as u64 != 0);
            }
            Some(Effect::Ioctl) if matches!(args[1] & 0xffff_ffff, FIOCLEX | FIONCLEX) => {
                self.mark(table, number, args[1] & 0xffff_ffff == FIOCLEX);
            }
            _ => {}
        }
    }

    fn mark(&mut self, table: usize, number: i32, close_on_exec: bool) {
        if let Some(held) = self.tables.held_mut(table).get_mut(&number) {
            held.close_on_exec = close_on_exec;
        }
    }

    fn close_range(&mut self, mut table: usize, process: i32, event: &Event) {
        let [first, last, flags, ..] = event.args.map(|argument| argument & 0xffff_ffff);
        if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
            return;
        }
        if flags & CLOSE_RANGE_UNSHARE != 0 && self.tables.threads(table) > 1 {
            table = self.unshare(table, event.tid, process);
        }
        let within = |number: &i32| (first..=last).contains(&(*number as u64));
        let held = self.tables.held(table).keys().copied().filter(within);
        let numbers: Vec<i32> = held.collect();
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            numbers.iter().for_each(|&number| self.mark(table, number, true));
        } else if !numbers.is_empty() {
            self.tick(process);
            numbers.iter().for_each(|&number| self.take(table, process, number));
        }
    }

    fn unshare(&mut self, table: usize, tid: i32, process: i32) -> usize {
        let held = self.tables.held(table).clone();
        self.tables.give(tid, process, held)
    }

    /// A number is closed, during the present tick.
    fn take(&mut self, table: usize, process: i32, number: i32) {
        let Some(held) = self.tables.held_mut(table).remove(&number) else { return };
        if held.owner != process {
            self.tick(held.owner);
        }
        if let Some(running) = self.images.get_mut(&held.owner) {
            running.growing.closed(held.record, held.close_on_exec);
        }
    }

    /// A number is made, during the present tick. Gives its record.
    #[expect(clippy::too_many_arguments, reason = "they are what a descriptor is")]
    pub(super) fn put(
        &mut self,
        table: usize,
        process: i32,
        number: i32,
        origin: Origin,
        opened: Arc<Opened>,
        close_on_exec: bool,
        stack: Option<u32>,
    ) -> Option<usize> {
        self.take(table, process, number);
        let image = &mut self.images.get_mut(&process)?.growing;
        let record = image.made(number, origin, opened.object, stack);
        self.serial += 1;
        let (serial, owner) = (self.serial, process);
        let held = Held { opened, close_on_exec, serial, owner, record };
        self.tables.held_mut(table).insert(number, held);
        Some(record)
    }

    /// What a call that succeeded has made.
    pub(super) fn at_exit(&mut self, entered: &Entered, result: i64, ticked: &mut bool) {
        let Entered { event, plan, process, .. } = entered;
        let Some(rule) = plan.rule.filter(|_| entered.wants_result) else { return };
        let (Some(effect), Some(table)) = (rule.effect, self.tables.of(event.tid)) else { return };
        let number = result as i32;
        let args = &event.args;
        let mut made: Vec<(i32, Origin, Arc<Opened>)> = Vec::new();
        let mut close_on_exec = plan.close_on_exec(event);
        match effect {
            Effect::Open => made.push(self.open(entered, table, number)),
            Effect::Make | Effect::Update | Effect::Bpf | Effect::Listener | Effect::Ioctl => {
                let object = rule.object.unwrap_or_else(|| kernel::object_of(event.tid, number));
                let origin = Origin::Made { call: event.sysno };
                made.push((number, origin, opened(object, None, O_RDWR as u64)));
            }
            Effect::Socket => {
                made.push((number, Origin::Socket, opened(socket(args), None, O_RDWR as u64)));
            }
            Effect::SocketPair => {
                for number in sets::pair(event.tid, args[3]).into_iter().flatten() {
                    let opened = opened(socket(args), None, O_RDWR as u64);
                    made.push((number, Origin::SocketPair, opened));
                }
            }
            Effect::Accept => {
                let listener = self.tables.held(table).get(&(args[0] as i32));
                let object = listener.map(|held| held.opened.object);
                let object = object.unwrap_or_else(|| kernel::object_of(event.tid, number));
                let from = self.reference(table, *process, event.tid, args[0] as i32);
                let opened = opened(object, None, O_RDWR as u64);
                made.push((number, Origin::Accepted { from }, opened));
            }
            Effect::Pipe => {
                let ends = [(PipeEnd::Read, libc::O_RDONLY), (PipeEnd::Write, libc::O_WRONLY)];
                let numbers = sets::pair(event.tid, args[0]).into_iter().flatten();
                for (number, (end, flags)) in numbers.zip(ends) {
                    let opened = opened(Object::Fifo, None, flags as u64);
                    made.push((number, Origin::Pipe { end }, opened));
                }
            }
            Effect::Dup | Effect::DupOnto | Effect::Fcntl => {
                let (from, by) = (args[0] as i32, duplication(event));
                if effect == Effect::DupOnto && from == args[1] as i32 {
                    return;
                }
                close_on_exec |= by == Duplication::Fcntl && args[1] as i32 == F_DUPFD_CLOEXEC;
                let reference = self.reference(table, *process, event.tid, from);
                let Some(held) = self.tables.held(table).get(&from) else { return };
                let origin = Origin::Duplicated { from: reference, by };
                made.push((number, origin, held.opened.clone()));
            }
            Effect::Receive | Effect::ReceiveMany => {
                return self.receive(entered, table, close_on_exec, ticked);
            }
            Effect::Fetch => {
                let over = self.reference(table, *process, event.tid, args[0] as i32);
                if let Some((opened, _)) = kernel::describe(event.tid, number) {
                    made.push((number, Origin::Received { over }, opened));
                }
            }
            Effect::Unshare if self.tables.threads(table) > 1 => {
                self.unshare(table, event.tid, *process);
            }
            Effect::Unshare | Effect::Close | Effect::CloseRange | Effect::Clone => {}
        }
        for (number, origin, opened) in made {
            if !std::mem::replace(ticked, true) {
                self.tick(*process);
            }
            self.put(table, *process, number, origin, opened, close_on_exec, entered.stack);
        }
    }

    fn open(&mut self, entered: &Entered, table: usize, number: i32) -> (i32, Origin, Arc<Opened>) {
        let Entered { event, plan, process, .. } = entered;
        let flags = plan.opens_with(event).unwrap_or_default();
        let (path, found) = entered.opens.clone().map_or((None, None), |(p, f)| (Some(p), f));
        let object = match found {
            Some(FileKind::File) => Object::File,
            Some(FileKind::Directory) if flags & TMPFILE != TMPFILE => Object::Directory,
            Some(FileKind::Fifo) => Object::Fifo,
            Some(FileKind::BlockDevice) => Object::BlockDevice,
            Some(FileKind::Absent) if flags & libc::O_CREAT as u64 != 0 => Object::File,
            _ => kernel::object_of(event.tid, number),
        };
        let paths: BTreeSet<Text> = path.iter().cloned().collect();
        let at = plan.relative.iter().find_map(|relative| Some(relative.descriptor(event)?.0));
        let at = at.and_then(|at| self.reference(table, *process, event.tid, at));
        let origin = Origin::Opened { paths, more: false, flags, at };
        (number, origin, opened(object, path, flags))
    }

    fn reference(&mut self, table: usize, process: i32, tid: i32, number: i32) -> Option<u32> {
        self.record(table, process, tid, number).map(|record| record as u32)
    }

    /// Descriptors that came in control messages: the kernel has written how much there is.
    fn receive(&mut self, entered: &Entered, table: usize, close_on_exec: bool, ticked: &mut bool) {
        let Entered { event, plan, process, .. } = entered;
        let many = plan.rule.is_some_and(|rule| rule.effect == Some(Effect::ReceiveMany));
        let mut received = Vec::new();
        for header in plan::headers(event, many) {
            let control = header.control(event.tid, event.is_wide());
            received.extend(control.rights.into_iter().map(|number| (number, close_on_exec)));
            received.extend(control.pidfds.into_iter().map(|number| (number, true)));
        }
        if received.is_empty() {
            return;
        }
        let over = self.reference(table, *process, event.tid, event.args[0] as i32);
        let stack = self.stack(event, *process);
        for (number, close_on_exec) in received {
            // Of a recvmmsg not every header was written.
            let Some((opened, _)) = kernel::describe(event.tid, number) else { continue };
            if !std::mem::replace(ticked, true) {
                self.tick(*process);
            }
            let origin = Origin::Received { over };
            self.put(table, *process, number, origin, opened, close_on_exec, stack);
        }
    }
}

const F_DUPFD_CLOEXEC: i32 = libc::F_DUPFD_CLOEXEC;
const TMPFILE: u64 = libc::O_TMPFILE as u64;

fn is_duplication(command: u64) -> bool {
    matches!(command as i32, libc::F_DUPFD | F_DUPFD_CLOEXEC)
}

fn duplication(event: &Event) -> Duplication {
    match event.sysno.name() {
        Some("dup") => Duplication::Dup,
        Some("dup2") => Duplication::Dup2,
        Some("dup3") => Duplication::Dup3,
        _ => Duplication::Fcntl,
    }
}

/// Of which kind a new socket is: the type without SOCK_NONBLOCK and SOCK_CLOEXEC (SOCK_TYPE_MASK).
fn socket(args: &[u64; 6]) -> Object {
    let [family, kind, protocol, ..] = args.map(|argument| argument as u16);
    Object::Socket(SocketKind { family, kind: kind & 0xf, protocol })
}
