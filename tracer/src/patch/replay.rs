//! What passed with a path is recorded: the ring is read before a call is made that changes what its
//! records mean, when it is full, and at the end. Until then nothing that the traced programs do can
//! have changed it: what they can change without a stop is no file's name, place, owner or mode, and a
//! descriptor that a record means is not closed.
//!
//! That holds for a process with one thread and with descriptors and a working directory of its own;
//! of others, calls with paths stop, and of those that work in `/proc` or `/dev`, where files come and go
//! by themselves.

use super::{
    Patcher, area,
    function::{Memory, Of},
    look::{self, LOOKS},
    memory::{self, Code},
    ring::{self, Behind, Reads, Record},
    space::{Ring, Space},
    stub::Manner,
    tail::{self, Stage, Tail},
};
use crate::{
    descriptors::clone_flags,
    observe::{Before, Event, Passed, Since},
    paths::is_of_process,
    plan::Special,
    recorder::Recorder,
};
use libc::user_regs_struct;
use model::{Access, Sysno, Text};
use nix::{sys::ptrace, unistd::Pid};
use std::sync::LazyLock;
use supervisor::procfs;

static TAILS: LazyLock<Vec<Tail>> =
    LazyLock::new(|| tail::PATHS.into_iter().filter_map(Tail::new).collect());

/// All of them as they lie there, and all looks.
static TAILS_CODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let parts = tail::PATHS.into_iter().filter_map(tail::address).zip(&*TAILS);
    laid_out(area::TAILS, parts.map(|(address, tail)| (address, &tail.code)))
});
static LOOKS_CODE: LazyLock<Vec<u8>> =
    LazyLock::new(|| laid_out(area::LOOKS, LOOKS.iter().map(|look| (look.address(), &look.code))));

/// rbx in `struct user_regs_struct`: user_64.h counts it the fifth.
const RBX: usize = 5 * 8;
/// A process made with one of these works with what is its maker's.
pub const SHARES: u64 = (libc::CLONE_THREAD | libc::CLONE_FILES | libc::CLONE_FS) as u64;

/// Whose files the traced processes remove without a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Those of this user, who they all are.
    One(u32),
    /// Nobody's, for they are several.
    Several,
}

/// Where a process is whose ring is read.
#[derive(Debug, Clone, Copy)]
enum Stands {
    /// It goes on.
    GoesOn,
    /// It has stopped, in no stub.
    Still,
    /// The same, at a call that ends this descriptor, and changes nothing else.
    Ends(i32),
}

impl Patcher {
    /// Reads what must be read before a call that stopped is made.
    pub fn before(&mut self, event: &Event, process: i32, recorder: &mut Recorder) {
        self.served = false;
        if !self.records {
            return;
        }
        if self.space(process).is_some_and(|space| std::mem::take(&mut space.is_renamed)) {
            self.ask_user(process, recorder);
        }
        let plan = recorder.plan(event.sysno);
        self.renames(event, process, plan.special);
        let reads = Reads::before(plan, &event.args);
        let looks = plan.names(&event.args).is_some();
        let moves = reads == Reads::All
            && plan
                .files
                .iter()
                .any(|file| file.accesses(&event.args, None).into_iter().any(Access::moves_paths));
        match reads {
            Reads::Own => {
                let ended = plan.ends().map(|at| event.args[at] as i32);
                let stands = ended.map_or(Stands::Still, Stands::Ends);
                self.served = self.read(process, stands, recorder) && ended.is_some();
            }
            Reads::All => {
                let spaces = self.spaces.values();
                let spaces = spaces.filter(|space| matches!(space.ring, Ring::Read(_)));
                let others: Vec<i32> =
                    spaces.filter_map(|space| space.members.first()).copied().collect();
                for other in others {
                    let stands = if other == process { Stands::Still } else { Stands::GoesOn };
                    self.read(other, stands, recorder);
                    if other != process && moves {
                        self.forget_opened(other);
                    }
                }
                recorder.forget_alike();
            }
            Reads::Nothing if looks && self.is_moved(process) => {
                self.served = true;
                self.empty(process, recorder);
                self.reopen_paths(process);
            }
            Reads::Nothing if looks && self.is_full(process) => {
                self.served = self.set_aside(process) || self.replay(process, recorder);
            }
            Reads::Nothing => {}
        }
        if matches!(event.sysno.name(), Some("clone" | "clone3")) {
            let flags = clone_flags(event);
            // A child like vfork's is gone, or has its own, when its maker goes on.
            if flags & SHARES != 0 && flags & libc::CLONE_VFORK as u64 == 0 {
                let is_thread = flags & libc::CLONE_THREAD as u64 != 0;
                let until = if is_thread { Ring::Waits } else { Ring::Closed };
                self.stop_paths(process, until, recorder);
            }
        }
    }

    fn is_moved(&mut self, process: i32) -> bool {
        self.space(process).is_some_and(|space| space.moved && space.guest.is_none())
    }

    fn is_full(&mut self, process: i32) -> bool {
        self.space(process).is_some_and(|space| matches!(space.ring, Ring::Read(_)))
            && ring::head(process).is_ok_and(|head| head >= Some(ring::ROOM))
    }

    /// Whether calls with paths of a process may pass; prepares it for that the first time.
    pub fn takes_paths(&mut self, process: i32, recorder: &mut Recorder) -> bool {
        let Some(space) = self.space(process) else { return false };
        let (ring, is_shared) = (space.ring, space.members.len() > 1);
        match ring {
            Ring::Closed => return false,
            Ring::Read(_) => return true,
            Ring::Unused | Ring::Waits if recorder.threads_of(process) != [process] => {
                return false;
            }
            Ring::Unused | Ring::Waits => {}
        }
        let may = !recorder.works_elsewhere(process)
            && procfs::link(process, "cwd").is_ok_and(|cwd| !is_of_process(cwd.as_bytes()))
            && (ring == Ring::Waits || !is_shared && write_tails(process).is_some());
        let Some(space) = self.space(process) else { return false };
        space.ring = if may { Ring::Read(0) } else { Ring::Closed };
        // Nothing was recorded so far, or meanwhile.
        self.rewind(process);
        self.reopen_paths(process);
        self.records |= may;
        if may {
            self.ask_user(process, recorder);
        }
        may
    }

    /// Another user, or another name space for users: who removes which files is asked again.
    fn renames(&mut self, event: &Event, process: i32, special: Special) {
        let is_clone = matches!(event.sysno.name(), Some("clone" | "clone3"));
        let new_users = libc::CLONE_NEWUSER as u64;
        match special {
            Special::ChangesCredentials => {
                let Some(space) = self.space(process) else { return };
                space.is_renamed = true;
                write_user(process, area::NO_USER);
            }
            Special::ChangesView => self.are_several(),
            _ if is_clone && clone_flags(event) & new_users != 0 => self.are_several(),
            _ => {}
        }
    }

    /// Says in the program's memory who it is, whose files it may remove.
    fn ask_user(&mut self, process: i32, recorder: &mut Recorder) {
        match (self.user, recorder.files_user(process)) {
            (known, Some(user)) if known.is_none_or(|known| known == User::One(user)) => {
                self.user = Some(User::One(user));
                write_user(process, user);
            }
            _ => self.are_several(),
        }
    }

    fn are_several(&mut self) {
        self.user = Some(User::Several);
        let recording = self.spaces.values().filter(|space| space.ring != Ring::Unused);
        for &process in recording.flat_map(|space| &space.members) {
            write_user(process, area::NO_USER);
        }
    }

    /// A call was recorded at its stop: a process that begins to work where files come and go by
    /// themselves stops at each path from now on.
    pub fn follow(&mut self, process: i32, recorder: &mut Recorder) {
        // Those of a guest stop anyway.
        let is_guest = self.space(process).is_some_and(|space| space.guest == Some(process));
        if self.records && !is_guest && recorder.works_elsewhere(process) {
            self.stop_paths(process, Ring::Closed, recorder);
        }
    }

    /// From now on all calls with paths of a process stop.
    fn stop_paths(&mut self, process: i32, ring: Ring, recorder: &mut Recorder) {
        self.read(process, Stands::GoesOn, recorder);
        let Some(space) = self.space(process) else { return };
        if matches!(space.ring, Ring::Read(_)) {
            let _ = memory::write_data(process, area::PATHS_CLOSED, &[1]);
        }
        space.ring = match (space.ring, ring) {
            (Ring::Closed, _) => Ring::Closed,
            // Nothing is prepared for paths yet.
            (Ring::Unused, Ring::Waits) => Ring::Unused,
            _ => ring,
        };
    }

    /// Where a process that goes on opened its directories may soon not be where they are: it stops at its
    /// next path.
    fn forget_opened(&mut self, process: i32) {
        let Some(space) = self.space(process) else { return };
        if matches!(space.ring, Ring::Read(_)) && !space.files.is_empty() {
            space.moved = true;
            let _ = memory::write_data(process, area::PATHS_CLOSED, &[1]);
        }
    }

    fn reopen_paths(&mut self, process: i32) {
        let Some(space) = self.space(process) else { return };
        space.moved = false;
        if matches!(space.ring, Ring::Read(_)) {
            let _ = memory::write_data(process, area::PATHS_CLOSED, &[0]);
        }
    }

    /// Records what passed since the last time of a process that has stopped, in no stub. Whether anything did.
    pub fn replay(&mut self, process: i32, recorder: &mut Recorder) -> bool {
        self.read(process, Stands::Still, recorder)
    }

    /// The same, and the ring is empty also when nothing did.
    fn empty(&mut self, process: i32, recorder: &mut Recorder) {
        if !self.replay(process, recorder) {
            self.rewind(process);
        }
    }

    /// Records what passed since the last time. Whether that is why the process stopped.
    fn read(&mut self, process: i32, stands: Stands, recorder: &mut Recorder) -> bool {
        let removed = self.removes;
        let Some(space) = self.space(process) else { return false };
        let Ring::Read(read) = space.ring else { return false };
        let bytes = match ring::since(process, read) {
            Ok(Some((0, _))) if !space.emptied => return false,
            Ok(Some((_, bytes))) => bytes,
            Ok(None) => {
                self.spoilt(process, recorder);
                return false;
            }
            Err(_) => return false,
        };
        let after = (removed, read + bytes.len() as u64);
        let Some(done) = replay_all(space, process, &bytes, after, recorder) else {
            self.spoilt(process, recorder);
            return false;
        };
        space.ring = Ring::Read(read + done);
        match stands {
            Stands::GoesOn => {}
            Stands::Still => self.rewind(process),
            Stands::Ends(descriptor) => return self.rewind_but_opened(process, descriptor),
        }
        true
    }

    /// Takes all records out of a full ring, to be read while the process goes on: what holds for a record
    /// in the ring holds until its process stops again. Whether they are all finished, and it was done.
    fn set_aside(&mut self, process: i32) -> bool {
        let Some(space) = self.space(process) else { return false };
        let Ring::Read(read) = space.ring else { return false };
        let Ok(Some((_, bytes))) = ring::since(process, read) else { return false };
        if Record::all(&bytes).any(|record| record.owner().is_none())
            || memory::write_data(process, area::HEAD, &[0; 8]).is_err()
        {
            return false;
        }
        space.ring = Ring::Read(0);
        space.emptied = true;
        self.aside = Some((process, bytes));
        true
    }

    /// Whose records are set aside, a process of one thread.
    pub fn is_behind(&self) -> Option<i32> {
        self.aside.as_ref().map(|(process, _)| *process)
    }

    /// Records what was set aside. Before anything else that stopped is looked at.
    pub fn catch_up(&mut self, recorder: &mut Recorder) {
        let Some((process, bytes)) = self.aside.take() else { return };
        let removed = self.removes;
        let Some(space) = self.space(process) else { return };
        // Those that follow begin the ring anew.
        if replay_all(space, process, &bytes, (removed, 0), recorder).is_none() {
            self.spoilt(process, recorder);
        }
    }

    /// Empties the ring: no descriptor is meant any more, or known by what opened it.
    fn rewind(&mut self, process: i32) {
        let Some(space) = self.space(process) else { return };
        if !matches!(space.ring, Ring::Read(_)) {
            return;
        }
        space.ring = Ring::Read(0);
        space.rewound += 1;
        space.emptied = false;
        space.files.clear();
        ring::Bits::default().write(process);
    }

    /// Empties the ring before a descriptor is no more what a record opened: of others that still counts.
    /// Whether a record meant that one.
    fn rewind_but_opened(&mut self, process: i32, descriptor: i32) -> bool {
        let Some(space) = self.space(process) else { return false };
        if !matches!(space.ring, Ring::Read(_)) {
            return false;
        }
        let Some(mut bits) = ring::Bits::read(process) else {
            self.rewind(process);
            return true;
        };
        space.ring = Ring::Read(0);
        space.rewound += 1;
        space.emptied = true;
        space.files.remove(&descriptor);
        let is_meant = bits.end(descriptor);
        bits.write(process);
        is_meant
    }

    /// Takes the record at `offset`, the last one, out of the ring, which is read then. The thread may
    /// still read in the record.
    fn take_back(&mut self, process: i32, offset: u64, recorder: &mut Recorder) {
        let _ = memory::write_data(process, area::HEAD, &offset.to_le_bytes());
        self.empty(process, recorder);
    }

    fn spoilt(&mut self, process: i32, recorder: &mut Recorder) {
        recorder.note("a program wrote where its calls are recorded: record it with --no-patch");
        if let Some(space) = self.space(process) {
            space.ring = Ring::Closed;
            let _ = memory::write_data(process, area::PATHS_CLOSED, &[1]);
        }
    }

    /// A call that stopped: whether it is the one by which a tail asks to be recorded now.
    pub fn asks(&mut self, event: &Event, process: i32, recorder: &mut Recorder) -> bool {
        let is_asking = |tail: &Tail| tail.stops_before(event.instruction_pointer);
        if !self.records || !TAILS.iter().any(is_asking) {
            return false;
        }
        let Some(space) = self.space(process) else { return false };
        let Ok(rbx) = ptrace::read_user(Pid::from_raw(event.tid), RBX as ptrace::AddressType)
        else {
            return false;
        };
        let Some(saved) = ring::saved(event.tid, rbx as u64) else { return false };
        let Some(call) = call_of(space, saved.owner) else { return false };
        let call = call.event(event.tid, event.args);
        let passed = before(saved.before, result(saved.result));
        recorder.passed_by(&call, passed, result(saved.result));
        self.follow(process, recorder);
        self.take_back(process, rbx as u64, recorder);
        true
    }

    /// A thread stands where a record is made: it is put where it would be without, and the record is
    /// taken, or taken back.
    pub(super) fn leave_record(
        &mut self,
        tid: i32,
        process: i32,
        rip: u64,
        recorder: &mut Recorder,
    ) -> bool {
        let Some(space) = self.space(process) else { return false };
        let looks = LOOKS.iter().find_map(|look| look.stage(rip));
        let in_stub = area::owner(rip).and_then(|(block, variant)| {
            let passing = space.blocks.get(block)?.passing.get(variant)?;
            passing.stub.records_at(rip)
        });
        let stage = match in_stub {
            _ if looks.is_some() => None,
            Some(false) => None,
            Some(true) => Some(Stage::Returned),
            None => match TAILS.iter().find_map(|tail| tail.stage(rip)) {
                Some(stage) => Some(stage),
                None => return false,
            },
        };
        let pid = Pid::from_raw(tid);
        let Ok(mut regs) = ptrace::getregs(pid) else { return false };
        if stage == Some(Stage::Done) {
            regs.rip = regs.rcx;
            return ptrace::setregs(pid, regs).is_ok();
        }
        if looks == Some(look::Stage::Over) {
            let Some(address) = space.place(regs.rcx) else { return false };
            regs.rip = address;
            return ptrace::setregs(pid, regs).is_ok();
        }
        let offset = regs.rbx;
        let Some(saved) = ring::saved(tid, offset) else { return false };
        let Some(call) = call_of(space, saved.owner) else { return false };
        // Read already, by what another process was about to do.
        let is_read = matches!(space.ring, Ring::Read(read) if read > offset);
        if looks == Some(look::Stage::Looks) {
            [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = saved.arguments;
            regs.rax = saved.result as u64;
        }
        let event = call.event(tid, arguments(&regs));
        let answer = if stage == Some(Stage::Returned) { regs.rax as i64 } else { saved.result };
        regs.rbx = saved.rbx;
        regs.rip = call.after;
        match stage {
            None => regs.rip -= 2,
            Some(_) => regs.rax = answer as u64,
        }
        if matches!(stage, Some(Stage::Returned | Stage::Storing)) && !is_read {
            let passed = before(saved.before, result(answer));
            recorder.passed_by(&event, passed, result(answer));
        }
        if stage != Some(Stage::Stopped) && !is_read {
            self.take_back(process, offset, recorder);
        }
        ptrace::setregs(pid, regs).is_ok()
    }
}

/// Records what is finished of these records: so many bytes. `None` when one is of no stub.
fn replay_all(
    space: &mut Space,
    process: i32,
    bytes: &[u8],
    (removed, more): (bool, u64),
    recorder: &mut Recorder,
) -> Option<u64> {
    recorder.refresh_alike();
    // A descriptor that a record means is what it was.
    recorder.descriptors_stand(true);
    let done = replay_each(space, process, bytes, (removed, more), recorder);
    recorder.descriptors_stand(false);
    done
}

fn replay_each(
    space: &mut Space,
    process: i32,
    bytes: &[u8],
    (removed, more): (bool, u64),
    recorder: &mut Recorder,
) -> Option<u64> {
    let mut done = 0;
    for record in Record::all(bytes) {
        // Its call is still being made.
        let Some(owner) = record.owner() else { break };
        let call = call_of(space, owner)?;
        let event = call.event(process, record.arguments());
        let base = call.base.map(|at| event.args[at] as i32);
        let opened = match base.filter(|_| record.is_below_opened()) {
            Some(base) => Some(space.files.get(&base)?),
            None => None,
        };
        let path = Text::from(record.path());
        let (before, result) = (record.before(), result(record.result()));
        // What a descriptor means that no record opened, it means until it is no more meant.
        let below_another = opened.is_none()
            && base.is_some_and(|base| base != libc::AT_FDCWD)
            && path.as_bytes().first() != Some(&b'/');
        let meant = if below_another { space.rewound + 1 } else { 0 };
        let tells = call.tells.map(|which| {
            let told = |at: usize| if which & 1 << at != 0 { event.args[at] } else { 0 };
            // No such call has six arguments.
            std::array::from_fn(|at| if at == 5 { meant } else { told(at) })
        });
        let behind = &bytes[(done + ring::RECORD) as usize..];
        let behind = Behind { bytes: behind, more: (process, more) };
        let since: Option<&dyn Since> = if removed { Some(&behind) } else { None };
        let is_nameless = opened == Some(&None);
        let opened = opened.and_then(Option::as_ref);
        let (path, stat) = (Some(&path), record.stat());
        let passed =
            Passed { path, opened, result, before, stat, removed, is_nameless, since, tells };
        let at = if call.names {
            recorder.passed_with(&event, passed)
        } else if call.maps {
            recorder.passed_by(&event, Some(Passed { path: None, ..passed }), result)
        } else {
            recorder.passed_by(&event, None, result);
            opened.cloned()
        };
        match i32::try_from(record.result()) {
            Ok(fd @ 0..) if record.opens() => {
                match at {
                    None if !is_nameless => space.files.remove(&fd),
                    at => space.files.insert(fd, at),
                };
            }
            Ok(0) if record.removes() && at.is_some() => {
                at.iter().for_each(|at| recorder.forget_alike_behind(at));
                space.files.values_mut().filter(|file| **file == at).for_each(|file| *file = None);
            }
            _ => {}
        }
        done += ring::RECORD;
    }
    Some(done)
}

/// Whether what [`write_tails`] writes is in the memory of a process: the last of it.
pub fn has_tails(process: i32) -> bool {
    LOOKS.last().is_some_and(|look| Of(process).holds(look.address(), &look.code))
}

/// A call that passes: where it goes on, and which.
#[derive(Debug, Clone, Copy)]
struct Call {
    after: u64,
    sysno: Sysno,
    /// The argument with the descriptor that it is relative to, or copies.
    base: Option<usize>,
    /// It has a path.
    names: bool,
    /// It maps code.
    maps: bool,
    /// Which of its other arguments say what it does.
    tells: Option<u8>,
}

impl Call {
    fn event(self, tid: i32, arguments: [u64; 6]) -> Event {
        Event::new(tid, self.sysno, arguments, self.after)
    }
}

fn call_of(space: &Space, (block, variant): (usize, usize)) -> Option<Call> {
    let block = space.blocks.get(block)?;
    let passing = block.passing.get(variant)?;
    let (base, tells) = match passing.sort.manner {
        Manner::Names(named) => (named.base, named.tells),
        Manner::Copies { descriptor } | Manner::Maps { descriptor } => (Some(descriptor), None),
        Manner::Gives => (None, None),
        Manner::Counts | Manner::Ends { .. } => return None,
    };
    let names = matches!(passing.sort.manner, Manner::Names(_));
    let maps = matches!(passing.sort.manner, Manner::Maps { .. });
    Some(Call { after: block.call + 2, sysno: passing.sysno, base, names, maps, tells })
}

/// The kernel's answer, where it is one: not that a call is to be made again (ERESTARTSYS to
/// ERESTART_RESTARTBLOCK, include/linux/errno.h), or what stands there before there is one.
fn result(answer: i64) -> Option<i64> {
    let again = -516..=-512;
    let none = -i64::from(libc::ENOSYS);
    (!again.contains(&answer) && answer != none).then_some(answer)
}

/// What is known of a call whose path is read now, where it was looked at what was there before.
fn before(before: Option<Before>, result: Option<i64>) -> Option<Passed<'static>> {
    let passed = Passed { result, before, ..Passed::default() };
    before.is_some().then_some(passed)
}

/// Says in a program's memory whose files it may remove. Where that fails it is gone.
pub fn write_user(tid: i32, user: u32) {
    let _ = memory::write_data(tid, area::USER, &user.to_le_bytes());
}

fn arguments(regs: &user_regs_struct) -> [u64; 6] {
    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]
}

/// Codes at their addresses from `start` on, in order, as one.
fn laid_out<'a>(start: u64, parts: impl Iterator<Item = (u64, &'a Vec<u8>)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (address, code) in parts {
        bytes.resize((address - start) as usize, 0);
        bytes.extend(code);
    }
    bytes
}

fn write_tails(process: i32) -> Option<()> {
    let code = Code::of(process).ok()?;
    code.write(area::TAILS, &TAILS_CODE).ok()?;
    code.write(area::LOOKS, &LOOKS_CODE).ok()
}
