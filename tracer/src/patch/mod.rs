//! Lets calls that tell nothing new pass without a stop, by rewriting the places that make them:
//! tracing costs by the number of places, not of calls. x86-64 only.
//!
//! This file follows the processes and says when a place is rewritten. What must stop, stops;
//! whatever looks odd goes on stopping.

mod area;
mod code;
mod function;
mod inject;
mod look;
mod memory;
mod pads;
mod prepare;
mod replay;
mod rewrite;
mod ring;
mod site;
mod space;
mod start;
mod stub;
mod tail;
mod threads;

use crate::{
    descriptors::clone_flags,
    observe::Event,
    plan::{Plan, ReadValue},
    recorder::Recorder,
};
use filter::Insn;
use foldhash::{HashMap, HashSet};
use inject::Injected;
use libc::c_int;
use model::{Arch, Sysno};
use nix::{sys::ptrace, unistd::Pid};
use prepare::Shown;
use replay::{SHARES, User};
use rewrite::{Atlas, Others};
use space::{Due, Ring, Site, Space};
use stub::{Choice, Manner, Sort, Value};
use supervisor::{
    memory::read_u64,
    wait::{Stop, Wait},
};

/// A place is rewritten when it stops for this many-th time: rewriting costs as much as some stops.
const STOPS: u8 = 3;
/// How many stops to let go before a process is asked again whether its threads can be rewritten under:
/// twice as many each time, for asking costs more than a stop.
const ASK_AGAIN: std::ops::RangeInclusive<u32> = 8..=1024;
/// rip in `struct user_regs_struct`: user_64.h counts it the 17th.
const RIP: usize = 16 * 8;

/// What came of a call that a thread had to make for us.
#[derive(Debug)]
pub enum Made {
    /// It worked; the thread makes its own call again.
    Done,
    /// The kernel refused.
    Refused,
    /// The thread ended meanwhile.
    Ended(Option<Wait>),
}

/// What is to become of a call after it was recorded.
#[derive(Debug)]
pub enum Next {
    /// Nothing: it goes on.
    Proceed,
    /// The thread makes it once more: it is not to be recorded then.
    Again,
    /// These other threads, which wait, are to be stopped; [`Patcher::held`] is told, and they go on.
    Hold(Vec<i32>),
    /// The thread ended meanwhile.
    Ended(Option<Wait>),
}

/// The beginning of a filter that lets calls from stubs pass.
pub fn pass_stubs() -> Vec<Insn> {
    area::pass_stubs(Arch::X86_64).to_vec()
}

/// The stubs of all processes.
#[derive(Debug, Default)]
pub struct Patcher {
    spaces: HashMap<u64, Space>,
    /// The space of each process that has one.
    of: HashMap<i32, u64>,
    /// Processes that were looked at and have none.
    without: HashSet<i32>,
    atlas: Atlas,
    /// What each program has shown, by its number in the record.
    shown: HashMap<usize, Shown>,
    /// How far from where their image began threads made their first calls.
    firsts: Vec<u64>,
    /// Where images begin whose first call is waited for.
    entries: HashMap<i32, u64>,
    last: u64,
    /// In some space calls with paths passed.
    records: bool,
    /// In some, they may have removed files.
    removes: bool,
    /// Whose files are removed so, if that is somebody's alone.
    user: Option<User>,
    /// The call that stopped did so because records depend on it: its place is as it should be.
    served: bool,
    /// The records of a process that goes on, to be read before anything else is looked at.
    aside: Option<(i32, Vec<u8>)>,
}

impl Patcher {
    /// What a thread reports is about to be looked at.
    pub fn reports(&self, wait: Wait) {
        match wait {
            Wait::Stopped(stop) if stop != Stop::Event(libc::PTRACE_EVENT_EXEC) => {}
            _ => memory::forget(),
        }
    }

    /// A process has executed another image: its old space is gone.
    pub fn executed(&mut self, process: i32, recorder: &Recorder) {
        self.leave(process, recorder);
    }

    /// The first call of a new image: takes the area, so that nothing else can lie there. Whether
    /// that worked.
    pub fn settle(&mut self, tid: i32, process: i32) -> Made {
        self.learn_first(tid, process);
        match inject::call(tid, area::mapping()) {
            Injected::Returned(address) if address as u64 == area::AREA.start => {}
            Injected::Returned(_) => return Made::Refused,
            Injected::Ended(wait) => return Made::Ended(wait),
        }
        self.has_room(tid, process)
    }

    /// The area is there. Whether it can be written to.
    fn has_room(&mut self, tid: i32, process: i32) -> Made {
        self.last += 1;
        let number = self.last;
        if !set_number(tid, number) {
            return Made::Refused;
        }
        let rewound = first_rewound(number);
        let space = Space { members: vec![process], due: Due::Now, rewound, ..Space::default() };
        self.spaces.insert(number, space);
        self.without.remove(&process);
        self.of.insert(process, number);
        Made::Done
    }

    /// A maker's word of a process that has not stopped yet: what is known of its space is kept.
    pub fn expect(&mut self, maker: i32, child: i32) {
        if self.of.contains_key(&child) || self.without.contains(&child) || maker == child {
            return;
        }
        if let Some(space) = self.of.get(&maker).and_then(|number| self.spaces.get_mut(number)) {
            space.expected.insert(child);
        }
    }

    /// A thread stopped that may be the first of a new process: it lives in its maker's space, or in a
    /// copy of it.
    pub fn stopped_first(&mut self, tid: i32, process: i32, recorder: &Recorder) {
        if self.spaces.is_empty()
            || self.of.contains_key(&process)
            || self.without.contains(&process)
        {
            return;
        }
        let found = read_u64(tid, area::NUMBER).ok().filter(|&number| number != 0);
        let Some(origin) = found else {
            self.without.insert(process);
            return;
        };
        self.last += 1;
        let number = self.last;
        let Some(space) = self.spaces.get_mut(&origin) else {
            // Its maker is gone and forgotten: everything stops.
            let _ = write(tid, area::CLOSED, &[1]);
            self.without.insert(process);
            return;
        };
        space.expected.remove(&process);
        let threads: Vec<i32> =
            space.members.iter().flat_map(|&member| recorder.threads_of(member)).collect();
        let Some(is_shared) = shares_memory(tid, origin, number, &threads) else { return };
        if is_shared {
            if space.is_lent && space.members.len() == 1 {
                // Its maker makes no call before this one is gone or has its own.
                space.members.insert(0, process);
                space.guest = Some(process);
                let _ = memory::write_data(tid, area::PATHS_CLOSED, &[1]);
                self.of.insert(process, origin);
                return;
            }
            // Whose call it was that passed could not be told: all stop until one is alone again.
            if space.opened {
                let _ = write(tid, area::CLOSED, &[1]);
            }
            space.members.push(process);
            self.of.insert(process, origin);
            return;
        }
        if !set_number(tid, number) {
            return;
        }
        let mut copy =
            Space { members: vec![process], expected: HashSet::default(), ..space.clone() };
        // Its maker's was read before the copy was made.
        if let Ring::Read(read) = &mut copy.ring {
            *read = 0;
        }
        copy.rewound = first_rewound(number);
        copy.emptied = false;
        copy.taken = None;
        copy.due = Due::No;
        copy.is_lent = false;
        copy.guest = None;
        copy.begins = None;
        copy.loading = false;
        copy.seen.clear();
        copy.files.clear();
        copy.keep_what_is_there(tid);
        if matches!(copy.ring, Ring::Read(_) | Ring::Waits) && !replay::has_tails(tid) {
            // Its maker was prepared for paths after the copying.
            copy.ring = Ring::Unused;
        }
        if self.user == Some(User::Several) {
            replay::write_user(tid, area::NO_USER);
        }
        copy.set_base(tid, 0);
        if copy.opened && !copy.closed {
            let _ = write(tid, area::CLOSED, &[0]);
        }
        self.spaces.insert(number, copy);
        self.of.insert(process, number);
        self.tidy(origin);
    }

    /// A process is gone.
    pub fn gone(&mut self, process: i32, recorder: &Recorder) {
        self.leave(process, recorder);
        self.entries.remove(&process);
        self.without.remove(&process);
        self.spaces.values_mut().for_each(|space| {
            space.expected.remove(&process);
        });
    }

    fn leave(&mut self, process: i32, recorder: &Recorder) {
        let Some(number) = self.of.remove(&process) else { return };
        let Some(space) = self.spaces.get_mut(&number) else { return };
        space.members.retain(|&member| member != process);
        if let [alone] = space.members[..] {
            space.guest = None;
            let is_open = space.opened && !space.closed;
            let takes_paths = matches!(space.ring, Ring::Read(_)) && !space.moved;
            let bytes = [0, u8::from(!takes_paths)];
            let mut threads = recorder.threads_of(alone).into_iter().filter(|_| is_open);
            // One that is still there.
            threads.find(|&tid| memory::write_data(tid, area::CLOSED, &bytes).is_ok());
        }
        self.tidy(number);
    }

    /// A process makes a call. While a guest lived in its memory it could not: that one is elsewhere by now,
    /// though this was not reported yet.
    pub fn ends_guest(&mut self, process: i32, recorder: &Recorder) {
        let guest = self.space(process).and_then(|space| space.guest);
        if let Some(guest) = guest.filter(|&guest| guest != process) {
            self.leave(guest, recorder);
        }
    }

    fn tidy(&mut self, number: u64) {
        let is_over = |space: &Space| space.members.is_empty() && space.expected.is_empty();
        if self.spaces.get(&number).is_some_and(is_over) {
            self.spaces.remove(&number);
        }
    }

    fn space(&mut self, process: i32) -> Option<&mut Space> {
        self.spaces.get_mut(self.of.get(&process)?)
    }

    /// Counts what passed.
    pub fn count(&mut self, tid: i32, process: i32, recorder: &mut Recorder) {
        let Some(space) = self.space(process).filter(|space| !space.blocks.is_empty()) else {
            return;
        };
        let Some(&owner) = space.members.first() else { return };
        let Some((counts, sound)) = space.counts(tid) else { return };
        for (sysno, count) in counts {
            recorder.passed(owner, sysno, count);
        }
        if !sound {
            recorder.note("a program wrote where its calls are counted: record it with --no-patch");
        }
    }

    /// Whether the call whose next instruction is at `address` came from a stub, which counted or recorded
    /// it.
    pub fn is_stub(&self, process: i32, address: u64) -> bool {
        area::owner(address).is_some() && self.of.contains_key(&process)
    }

    /// A filter of the program's own may deny calls: all stop from now on, those of its threads too.
    pub fn close(&mut self, tid: i32, process: i32) {
        let Some(space) = self.space(process) else { return };
        space.closed = true;
        if space.opened {
            let _ = write(tid, area::CLOSED, &[1]);
        }
    }

    /// A call is about to be made that may change what is mapped. Whether it takes the area away: from
    /// then on each entry must stop.
    pub fn entering(&mut self, event: &Event, process: i32, recorder: &mut Recorder) -> bool {
        let Some(name) = event.sysno.name() else { return false };
        let args = event.args;
        let (start, length, is_new) = match name {
            "execve" | "execveat" => {
                self.count(event.tid, process, recorder);
                self.learn(event.tid, process, recorder);
                return false;
            }
            "clone" | "clone3" | "fork" | "vfork" => {
                self.prepare_for_child(event.tid, process, recorder);
                self.lend(event, process, recorder);
                return false;
            }
            "mmap" => (args[0], args[1], args[3] & libc::MAP_FIXED as u64 != 0),
            "munmap" => (args[0], args[1], true),
            "mremap" => (args[0], args[1], true),
            "mprotect" | "pkey_mprotect" => (args[0], args[1], false),
            "shmat" => (args[1], 0, false),
            _ => return false,
        };
        let others = self.others(process, recorder);
        let Some(space) = self.space(process) else { return false };
        space.code = None;
        if name == "mmap" && args[2] & libc::PROT_EXEC as u64 != 0 && space.due == Due::No {
            space.due = Due::Soon;
        }
        let end = start.saturating_add(length).saturating_add(0xfff) & !0xfff;
        let is_written = name.ends_with("mprotect") && args[2] & libc::PROT_WRITE as u64 != 0;
        let target = (name == "mremap" && args[3] & libc::MREMAP_FIXED as u64 != 0)
            .then(|| args[4]..args[4].saturating_add(args[2]));
        for range in [Some(start..end).filter(|_| is_new || is_written), target.clone()] {
            let Some(range) = range else { continue };
            space.undo(event.tid, others, range.start, range.end);
            if is_new {
                space.forget(range.start, range.end);
            }
        }
        let touches = |range: &std::ops::Range<u64>| {
            range.start < area::AREA.end && area::AREA.start < range.end
        };
        let fixed = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
        let asks = name != "mmap" || args[3] & fixed as u64 != 0;
        (asks && touches(&(start..end))) || target.as_ref().is_some_and(touches)
    }

    /// A process is about to make another one, which may use its memory until it has its own: what was
    /// counted so far is not of that one.
    fn lend(&mut self, event: &Event, process: i32, recorder: &mut Recorder) {
        let lends = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
        let flags = clone_flags(event);
        let is_alone = recorder.threads_of(process).len() == 1;
        let Some(space) = self.space(process) else { return };
        space.is_lent = flags & (lends | SHARES) == lends && is_alone && space.members.len() == 1;
        if space.is_lent {
            self.count(event.tid, process, recorder);
        }
    }

    /// The area is about to be taken away by the program itself: its code gets its own bytes back.
    /// Its other threads, which may stand in the stubs.
    pub fn withdraw(&mut self, tid: i32, process: i32, recorder: &Recorder) -> Vec<i32> {
        let others = self.others(process, recorder);
        let Some(space) = self.space(process) else { return Vec::new() };
        space.undo(tid, others, 0, u64::MAX);
        let threads = space.members.iter().flat_map(|&member| recorder.threads_of(member));
        threads.filter(|&other| other != tid).collect()
    }

    /// Nothing passes any more. When nobody stands in the stubs, the program finds the area free, as it
    /// would be.
    pub fn retire(
        &mut self,
        tid: i32,
        process: i32,
        is_left: bool,
        recorder: &mut Recorder,
    ) -> Made {
        self.count(tid, process, recorder);
        self.replay(process, recorder);
        if self.space(process).is_none() {
            return Made::Refused;
        }
        if !is_left {
            self.leave(process, recorder);
            self.without.insert(process);
            return Made::Refused;
        }
        let args = [area::AREA.start, area::AREA.end - area::AREA.start, 0, 0, 0, 0];
        let made = match inject::call(tid, (libc::SYS_munmap, args)) {
            Injected::Returned(_) => Made::Done,
            Injected::Ended(wait) => Made::Ended(wait),
        };
        self.leave(process, recorder);
        self.without.insert(process);
        made
    }

    fn others(&self, process: i32, recorder: &Recorder) -> Others {
        let space = self.of.get(&process).and_then(|number| self.spaces.get(number));
        let threads = space.map_or(0, |space| {
            space.members.iter().map(|&member| recorder.threads_of(member).len()).sum()
        });
        if threads > 1 { Others::Running } else { Others::None }
    }

    /// A call was recorded: its place is rewritten when it repeats.
    pub fn recorded(&mut self, event: &Event, process: i32, recorder: &mut Recorder) -> Next {
        if event.sysno.arch() != Arch::X86_64 || std::mem::take(&mut self.served) {
            return Next::Proceed;
        }
        let Some(space) = self.space(process).filter(|space| !space.closed) else {
            return Next::Proceed;
        };
        let known = space.sites.get(&event.instruction_pointer).copied();
        let site = known.unwrap_or(Site::Stopped(0));
        if site == Site::Never {
            return Next::Proceed;
        }
        let Some(sort) = sort(recorder.plan(event.sysno), event) else { return Next::Proceed };
        let Some(space) = self.space(process) else { return Next::Proceed };
        space.saw(event.instruction_pointer, event.sysno, &sort);
        if space.guest.is_some() || matches!(sort.manner, Manner::Maps { .. }) {
            // What a guest calls from is rewritten for the next one; and only the code of a later image maps
            // without a stop, while that is loaded.
            return Next::Proceed;
        }
        if let Site::Stopped(times) = site
            && times + 1 < STOPS
        {
            space.sites.insert(event.instruction_pointer, Site::Stopped(times + 1));
            return Next::Proceed;
        }
        let opened = space.opened;
        self.removes |= sort.removes();
        if sort.manner.takes_records() && !(opened && self.takes_paths(process, recorder)) {
            return Next::Proceed;
        }
        let Some(space) = self.space(process) else { return Next::Proceed };
        if !opened {
            return prepare::open(space, event.tid);
        }
        if space.members.len() > 1 {
            return Next::Proceed;
        }
        // Of a place that has its jump, nothing changes that anybody executes.
        let in_place =
            matches!(site, Site::Rewritten(block) if space.is_in_place(event.tid, block));
        if in_place || self.others(process, recorder) == Others::None {
            self.rewrite(event, process, Others::None, site, sort);
            return Next::Proceed;
        }
        self.rewrite_among_others(event, process, recorder)
    }

    /// Other threads may be about to execute what is rewritten. They run into a breakpoint meanwhile; those
    /// that cannot, as jemalloc's own, stand still.
    fn rewrite_among_others(
        &mut self,
        event: &Event,
        process: i32,
        recorder: &mut Recorder,
    ) -> Next {
        let Some(space) = self.space(process) else { return Next::Proceed };
        if space.deaf_for > 0 {
            space.deaf_for -= 1;
            return Next::Proceed;
        }
        // From here on each call of theirs stops: none blocks SIGTRAP, and one that waits may stop waiting,
        // but comes no further than to its next call.
        if write(event.tid, area::CLOSED, &[1]).is_err() {
            return Next::Proceed;
        }
        match threads::deaf(&others_of(process, event.tid, recorder)) {
            Some(deaf) if !deaf.is_empty() => return Next::Hold(deaf),
            deaf => self.held(event, process, deaf.as_deref(), recorder),
        }
        Next::Proceed
    }

    /// The threads that cannot run into a breakpoint stand still: the event's place is rewritten. Where
    /// they do not (`None`), that waits for a later stop.
    pub fn held(
        &mut self,
        event: &Event,
        process: i32,
        held: Option<&[i32]>,
        recorder: &mut Recorder,
    ) {
        let others = others_of(process, event.tid, recorder);
        let sort = sort(recorder.plan(event.sysno), event);
        let Some(space) = self.space(process) else { return };
        let site = space.sites.get(&event.instruction_pointer).copied();
        match (held, site, sort) {
            (Some(held), Some(site), Some(sort)) => {
                space.ask_again = *ASK_AGAIN.start();
                let all_stand = others.iter().all(|tid| held.contains(tid));
                let others = if all_stand { Others::None } else { Others::Running };
                self.rewrite(event, process, others, site, sort);
            }
            _ => {
                space.deaf_for = space.ask_again;
                space.ask_again = (space.ask_again * 2).clamp(*ASK_AGAIN.start(), *ASK_AGAIN.end());
            }
        }
        if self.space(process).is_some_and(|space| !space.closed && space.members.len() == 1) {
            let _ = write(event.tid, area::CLOSED, &[0]);
        }
    }

    fn rewrite(
        &mut self,
        event: &Event,
        process: i32,
        others: Others,
        site: Site,
        sort: Sort,
    ) -> Option<()> {
        let space = self.spaces.get_mut(self.of.get(&process)?)?;
        let (tid, after) = (event.tid, event.instruction_pointer);
        let block = match site {
            Site::Rewritten(block) if space.is_in_place(tid, block) => block,
            _ => {
                let call = after.checked_sub(2)?;
                let done = space.rewrite(&mut self.atlas, tid, others, call, event.sysno, sort);
                if done.is_none() {
                    space.sites.insert(after, Site::Never);
                }
                return done;
            }
        };
        space.add(tid, block, event.sysno, sort)
    }

    /// A thread that was asked to stop stands at the entry of a call instead. What it was asked by would end
    /// its waiting there: it makes the call once more. Whether it does, and that was all.
    pub fn make_again(&self, tid: i32) -> bool {
        inject::again(tid)
    }

    /// The call that a thread which was asked to stop in it makes once more, when that will stop it: where,
    /// and which.
    pub fn restarts(&self, tid: i32, process: i32) -> Option<(u64, Sysno)> {
        let (address, number) = inject::restarted(tid)?;
        let sysno = Sysno::from_audit(Arch::X86_64.audit(), number as u32)?;
        (!self.is_stub(process, address)).then_some((address, sysno))
    }

    /// A thread stopped on its way, not at a call: when it stands in a stub it is put where it would
    /// stand without, so that a handler, an unwinder and a restarted call find what they would.
    pub fn put_back(&mut self, tid: i32, process: i32, recorder: &mut Recorder) {
        let Some(space) = self.space(process).filter(|space| !space.blocks.is_empty()) else {
            return;
        };
        let pid = Pid::from_raw(tid);
        let Ok(rip) = ptrace::read_user(pid, RIP as ptrace::AddressType) else { return };
        if space.ring != Ring::Unused && self.leave_record(tid, process, rip as u64, recorder) {
            return;
        }
        let Some(space) = self.space(process) else { return };
        if let Some(address) = space.place(rip as u64) {
            let _ = ptrace::write_user(pid, RIP as ptrace::AddressType, address as i64);
        }
    }

    /// Whether SIGTRAP comes from the breakpoint that stands for an instant where a site is rewritten.
    /// The thread is then put before it.
    pub fn is_own_trap(&mut self, tid: i32, process: i32, signal: c_int) -> bool {
        let Some(space) = self.space(process) else { return false };
        let pid = Pid::from_raw(tid);
        if signal != libc::SIGTRAP || space.blocks.is_empty() {
            return false;
        }
        // SI_KERNEL: the kernel's answer to an instruction.
        if !ptrace::getsiginfo(pid).is_ok_and(|info| info.si_code == 0x80) {
            return false;
        }
        let Ok(rip) = ptrace::read_user(pid, RIP as ptrace::AddressType) else { return false };
        let before = (rip as u64).wrapping_sub(1);
        let is_own = space.blocks.iter().any(|block| block.moved[0].address == before);
        is_own && ptrace::write_user(pid, RIP as ptrace::AddressType, before as i64).is_ok()
    }
}

/// No two spaces are ever rewound as often, so that what a descriptor meant in one says nothing of another.
fn first_rewound(number: u64) -> u64 {
    number << 32
}

/// The threads of a process but one.
fn others_of(process: i32, but: i32, recorder: &Recorder) -> Vec<i32> {
    recorder.threads_of(process).into_iter().filter(|&tid| tid != but).collect()
}

/// The sort of call that an event is, when calls like it may pass.
fn sort(plan: &Plan, event: &Event) -> Option<Sort> {
    let in_register = |value: &crate::plan::Value| {
        let ReadValue::Register(mask) = value.read else { return None };
        let argument = event.args[value.index];
        Some(Value { argument: value.index, wide: mask == u64::MAX, value: argument & mask })
    };
    let number = event.sysno.number();
    if let Some(named) = plan.names(&event.args) {
        // Its other values are recorded with it; the flags of an open say that it is one of these.
        let of_flags = |value: &&crate::plan::Value| {
            plan.open_flags.is_some_and(|flags| flags.index == value.index)
                || named.change.is_some() && plan.at_flags == Some(value.index)
        };
        let values = plan.values.iter().filter(of_flags).map(in_register).collect::<Option<_>>()?;
        return Some(Sort::new(number, values, Manner::Names(named)));
    }
    if plan.gives() {
        return Some(Sort::new(number, Vec::new(), Manner::Gives));
    }
    let maps = plan.maps_code(&event.args);
    if maps.is_none() && !plan.repeats(&event.args) {
        return None;
    }
    let mut values = plan.values.iter().map(in_register).collect::<Option<Vec<_>>>()?;
    let absent = plan.absent(&event.args).iter();
    values.extend(absent.map(|&(argument, wide)| Value { argument, wide, value: 0 }));
    let manner = match (maps, plan.ends(), plan.copies(&event.args)) {
        (Some(descriptor), ..) => Manner::Maps { descriptor },
        (_, Some(descriptor), _) => Manner::Ends { descriptor },
        (.., Some(descriptor)) => Manner::Copies { descriptor },
        _ => Manner::Counts,
    };
    let choice = plan.varies().and_then(|argument| {
        let is_it = |value: &Value| value.argument == argument && value.value < 64;
        let Value { wide, value, .. } = values.remove(values.iter().position(is_it)?);
        Some(Choice { argument, wide, of: 1 << value })
    });
    let clears = plan.changes_mappings(&event.args);
    Some(Sort { choice, clears, ..Sort::new(number, values, manner) })
}

/// Whether a new thread lives in the memory that `threads` live in, or in a copy of it, in which the number of
/// their space is still the same. `None` when it is gone.
fn shares_memory(tid: i32, number: u64, other: u64, threads: &[i32]) -> Option<bool> {
    /// linux/kcmp.h.
    const KCMP_VM: i32 = 1;
    // SAFETY: five numbers (kcmp(2)).
    let compare = |with: i32| unsafe { libc::syscall(libc::SYS_kcmp, tid, with, KCMP_VM, 0, 0) };
    let orders: Vec<i64> = threads.iter().map(|&with| compare(with)).collect();
    // One that is about to be gone has no memory any more.
    if orders.iter().any(|order| *order >= 0) {
        return Some(orders.contains(&0));
    }
    // Not in every kernel. Written here, is it read there?
    if !set_number(tid, other) {
        return None;
    }
    let read = threads.iter().find_map(|&tid| read_u64(tid, area::NUMBER).ok());
    set_number(tid, number);
    Some(read == Some(other))
}

/// Writes the number of a space where the program itself cannot.
fn set_number(tid: i32, number: u64) -> bool {
    write(tid, area::NUMBER, &number.to_le_bytes()).is_ok()
}

fn write(tid: i32, address: u64, bytes: &[u8]) -> std::io::Result<()> {
    memory::Code::of(tid)?.write(address, bytes)
}
