//! The engine on ptrace(2), with PTRACE_SEIZE. A seccomp filter stops each call once, at its
//! entry; only where the result is evidence a second stop, at the exit, is paid for. Without a
//! filter (a process that was already running) every call stops twice.

use crate::{
    Options, Recorded, TraceError,
    beside::Beside,
    cap_capable::Measuring,
    observe::{Event, sets_filter},
    patch::{self, Patcher},
    patched::Entry,
    recorder::{Next, Pending, Recorder},
};
use libc::c_int;
use model::{Arch, Sysno, trace::Ended};
use nix::{
    errno::Errno,
    sys::ptrace::{self, Options as PtraceOptions},
    unistd::Pid,
};
use std::collections::{HashMap, HashSet};
use supervisor::{
    Child, Command, Ending, Watch,
    launch::{Report, every_call},
    procfs,
    wait::{Stop, Wait, wait_any},
};

/// How calls are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// By the filter: a PTRACE_EVENT_SECCOMP at each entry.
    Filtered,
    /// By PTRACE_SYSCALL: a stop at each entry and each exit.
    Unfiltered,
    /// The same, until there is room for the stubs of a new image.
    Settling,
}

/// What is known of a thread that is being traced.
#[derive(Debug)]
struct Tracee {
    /// How its calls are seen.
    calls: Calls,
    /// A call whose exit stop is to come, and its result when that is wanted.
    entered: Option<Option<Box<Pending>>>,
    /// An execve that is taken to fail: what its next stop says otherwise is recorded then.
    presumed: Option<Box<Pending>>,
    /// The arguments and the environment of an execve, which may have failed because the file is not there.
    executes: Option<[u64; 2]>,
    /// Those of one that has, since when the thread has made no other call that stopped.
    searches: Option<[u64; 2]>,
    /// Its maker's event is still to come: the two are reported in any order.
    unannounced: bool,
    /// It stands at its beginning until then: what it begins with, its maker's call says.
    held: bool,
    /// It makes a call again that was recorded: where, and which.
    again: Option<(u64, Sysno)>,
    /// It was asked to stop, and has not stopped since.
    interrupted: bool,
    /// The kernel restarts the call that it was interrupted in: as which, and where.
    restarts: Option<(u64, Sysno)>,
}

impl Tracee {
    fn new(calls: Calls) -> Tracee {
        Tracee {
            calls,
            entered: None,
            presumed: None,
            executes: None,
            searches: None,
            unannounced: false,
            held: false,
            again: None,
            interrupted: false,
            restarts: None,
        }
    }
}

/// What the tracees' options have in common; EXITKILL only for children of our own.
pub fn options(own_child: bool, calls: Calls) -> PtraceOptions {
    let mut options = PtraceOptions::PTRACE_O_TRACESYSGOOD
        | PtraceOptions::PTRACE_O_TRACEFORK
        | PtraceOptions::PTRACE_O_TRACEVFORK
        | PtraceOptions::PTRACE_O_TRACECLONE
        | PtraceOptions::PTRACE_O_TRACEEXEC;
    if own_child {
        options |= PtraceOptions::PTRACE_O_EXITKILL;
    }
    if calls == Calls::Filtered {
        options |= PtraceOptions::PTRACE_O_TRACESECCOMP;
    }
    options
}

/// Whether calls can pass without a stop on this machine.
pub fn patches() -> bool {
    !patch::pass_stubs().is_empty()
}

/// Runs `command` and records it.
///
/// # Errors
/// [`TraceError::Refused`] when the kernel lets nothing be traced, before the command has run.
pub fn run(
    command: &Command,
    run_options: &Options,
    meter: &Measuring,
) -> Result<Recorded, TraceError> {
    match launch(command, run_options, meter, Calls::Filtered) {
        Err(TraceError::Refused(what, errno)) if what == FILTER => {
            let mut recorded = launch(command, run_options, meter, Calls::Unfiltered)?;
            let reason = crate::describe(errno);
            recorded
                .recorder
                .note(&format!("no seccomp filter ({reason}): every call stopped twice"));
            Ok(recorded)
        }
        result => result,
    }
}

const FILTER: &str = "a seccomp filter";

fn launch(
    command: &Command,
    run_options: &Options,
    meter: &Measuring,
    calls: Calls,
) -> Result<Recorded, TraceError> {
    let patches = calls == Calls::Filtered && run_options.patch;
    let mut body = if patches { patch::pass_stubs() } else { Vec::new() };
    let patches = !body.is_empty();
    body.extend(every_call(libc::SECCOMP_RET_TRACE));
    let watch = if calls == Calls::Filtered { Watch::Trace } else { Watch::Unfiltered };
    let child = Child::start(command, watch, &body)?;
    run_options.signals.pass_to(child.pid);
    let mut wanted = options(true, calls);
    wanted.set(PtraceOptions::PTRACE_O_TRACEEXIT, patches);
    if let Err(errno) = ptrace::seize(child.pid, wanted) {
        child.abandon();
        return Err(TraceError::Refused("ptrace", errno));
    }
    let mut engine = Engine::new(Recorder::new(keeps_privileges(), true), run_options, calls);
    engine.recorder.keep_bases(!patches);
    // What passes without a stop says nothing of the descriptors that it used.
    if !run_options.patch {
        engine.recorder.follow();
    }
    engine.command = Some(child.pid.as_raw());
    engine.recorder.start(child.pid.as_raw());
    engine.add(child.pid.as_raw());
    engine.before_exec = true;
    engine.patcher = patches.then(Patcher::default);
    engine.beside = Beside::new();
    if calls == Calls::Unfiltered {
        // It stops where it waits, and each of its calls from there on.
        ptrace::interrupt(child.pid)?;
    }
    meter.follow(child.pid.as_raw());
    child.go()?;
    engine.run()?;
    let mut no_new_privs = false;
    loop {
        match child.report()? {
            Report::Filtered { no_new_privs: set, .. } => no_new_privs = set,
            Report::Refused(errno) => return Err(TraceError::Refused(FILTER, errno)),
            Report::NotExecuted(errno) => return Err(TraceError::NotExecuted(errno)),
            Report::Closed => break,
        }
    }
    Ok(engine.recorded(no_new_privs))
}

/// Executing a set-user-id file keeps its effect only when the tracer could trace any process, and
/// when the filter did not need no_new_privs: CAP_SYS_PTRACE (19) and CAP_SYS_ADMIN (21).
fn keeps_privileges() -> bool {
    let needed = 1 << 19 | 1 << 21;
    procfs::own_capabilities().is_some_and(|effective| effective & needed == needed)
}

/// Follows tracees until none is left.
pub struct Engine<'a> {
    /// What they did.
    pub recorder: Recorder,
    /// The thread of the command itself.
    pub command: Option<i32>,
    /// Set while the child has not yet executed the command.
    pub before_exec: bool,
    tracees: HashMap<i32, Tracee>,
    /// Those that came and went before their maker's event: that tells nothing new, though the
    /// child may still be there as a zombie.
    came_and_went: HashSet<i32>,
    calls: Calls,
    ending: Ending,
    ended: Option<Ended>,
    options: &'a Options,
    /// The flags of a clone that were changed for the call: of its maker, then of the child that has not begun.
    asked: HashMap<i32, u64>,
    /// Where calls may pass without a stop.
    pub(crate) patcher: Option<Patcher>,
    /// Threads that stop often; `None` where they are not ours, or would see it.
    beside: Option<Beside>,
}

impl<'a> Engine<'a> {
    /// An engine without tracees.
    pub fn new(recorder: Recorder, options: &'a Options, calls: Calls) -> Engine<'a> {
        Engine {
            recorder,
            command: None,
            before_exec: false,
            tracees: HashMap::new(),
            came_and_went: HashSet::new(),
            calls,
            ending: Ending::new(&options.signals).with_command(options.first_process),
            ended: None,
            options,
            asked: HashMap::new(),
            patcher: None,
            beside: None,
        }
    }

    /// Takes in a thread that was seized.
    pub fn add(&mut self, tid: i32) {
        self.tracees.insert(tid, Tracee::new(self.calls));
    }

    /// The threads that are traced.
    pub fn tids(&self) -> Vec<i32> {
        self.tracees.keys().copied().collect()
    }

    /// What was recorded.
    pub fn recorded(mut self, no_new_privs: bool) -> Recorded {
        for tid in self.tids() {
            self.forget(tid);
        }
        Recorded {
            recorder: self.recorder,
            ended: self.ended,
            interrupted: self.ending.signal(),
            no_new_privs,
            results: true,
        }
    }

    /// Serves the tracees until none is left.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn run(&mut self) -> Result<(), TraceError> {
        while !self.tracees.is_empty() {
            self.ending.check(|| self.recorder.live());
            self.serve_one()?;
        }
        Ok(())
    }

    /// Serves the tracees until none is left or a signal asks profgen to end.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn run_until_asked(&mut self) -> Result<(), TraceError> {
        while !self.tracees.is_empty() && !self.ending.check(|| self.recorder.live()) {
            self.serve_one()?;
        }
        Ok(())
    }

    fn serve_one(&mut self) -> Result<(), TraceError> {
        // One that stops once more before it goes on is served first.
        if !self.is_behind().is_some_and(|tid| self.awaits_exit(tid)) {
            self.catch_up();
        }
        match wait_any(0) {
            Ok((tid, wait)) => self.waited(tid, wait),
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => self.tracees.clear(),
            Err(errno) => return Err(errno.into()),
        }
        (self.options.progress)(&self.recorder);
        Ok(())
    }

    pub(crate) fn waited(&mut self, tid: i32, wait: Wait) {
        let goes_on = wait == Wait::Stopped(Stop::Syscall) && self.awaits_exit(tid);
        if !goes_on || self.is_behind() != Some(tid) {
            self.catch_up();
        }
        if let Some(patcher) = &self.patcher {
            patcher.reports(wait);
        }
        match wait {
            Wait::Stopped(stop) => {
                if let Some(beside) = &mut self.beside {
                    beside.stopped(tid);
                }
                self.stopped(tid, stop);
            }
            Wait::Exited(_) | Wait::Killed(_) => self.gone(tid, wait),
        }
    }

    fn awaits_exit(&self, tid: i32) -> bool {
        self.tracees.get(&tid).is_some_and(|tracee| tracee.entered.is_some())
    }

    fn gone(&mut self, tid: i32, wait: Wait) {
        if self.tracees.get(&tid).is_some_and(|tracee| tracee.unannounced) {
            self.came_and_went.insert(tid);
        }
        self.forget(tid);
        self.release();
        if self.command == Some(tid) {
            self.options.signals.pass_to_nobody();
            self.ended = wait.ended();
            self.ending.command_ended();
        }
        // A leader is reported when all its threads are gone.
        if self.recorder.is_process(tid) {
            if let Some(patcher) = &mut self.patcher {
                patcher.gone(tid, &self.recorder);
            }
            self.recorder.process_ended(tid, wait.ended());
        } else {
            self.recorder.thread_ended(tid);
        }
    }

    /// A thread that is gone, or let go: the result of the call that it was in is not known.
    fn forget(&mut self, tid: i32) {
        if let Some(beside) = &mut self.beside {
            beside.gone(tid);
        }
        self.asked.remove(&tid);
        let Some(tracee) = self.tracees.remove(&tid) else { return };
        if let Some(pending) = tracee.entered.flatten().or(tracee.presumed) {
            self.recorder.result(*pending, None);
        }
    }

    fn stopped(&mut self, tid: i32, stop: Stop) {
        let new = !self.tracees.contains_key(&tid);
        if new {
            // A new child can stop before its parent's event says that it was made.
            self.came_and_went.remove(&tid);
            let tracee = Tracee { unannounced: true, ..Tracee::new(self.calls) };
            self.tracees.insert(tid, tracee);
            self.recorder.process_of(tid);
        }
        if stop != Stop::Event(libc::PTRACE_EVENT_EXEC) {
            self.has_failed(tid);
        }
        let interrupted = self
            .tracees
            .get_mut(&tid)
            .is_some_and(|tracee| std::mem::take(&mut tracee.interrupted));
        if interrupted && self.goes_on(tid, stop) {
            return self.resume(tid, 0);
        }
        match stop {
            Stop::Event(libc::PTRACE_EVENT_SECCOMP) => {
                // Where there was an entry stop it is recorded already.
                let entered = |tracee: &Tracee| tracee.entered.is_some();
                let recorded = self.calls_of(tid) != Calls::Filtered
                    && self.tracees.get(&tid).is_some_and(entered);
                if recorded || self.entry(tid) {
                    self.resume(tid, 0);
                }
            }
            Stop::Syscall => {
                if self.syscall(tid) {
                    self.resume(tid, 0);
                }
            }
            Stop::Event(libc::PTRACE_EVENT_EXEC) => {
                self.executed(tid);
                if self.calls_of(tid) != Calls::Settling || self.begin(tid) {
                    self.resume(tid, 0);
                }
            }
            Stop::Event(
                libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE,
            ) => {
                self.has_made(tid);
                self.forked(tid);
                self.resume(tid, 0);
            }
            Stop::Event(libc::PTRACE_EVENT_EXIT) => {
                if let Some(beside) = &mut self.beside {
                    beside.leaves(tid);
                }
                self.leaving(tid);
                self.resume(tid, 0);
            }
            Stop::Event(_) => self.resume(tid, 0),
            Stop::Trap => {
                if !self.asked.is_empty() && (new || self.asked.contains_key(&tid)) {
                    self.is_made(tid);
                }
                self.standing(tid);
                let held = new && self.recorder.follows();
                match self.tracees.get_mut(&tid) {
                    Some(tracee) if held => tracee.held = true,
                    _ => self.resume(tid, 0),
                }
            }
            Stop::Group(_) => {
                self.standing(tid);
                listen(tid);
            }
            Stop::Signal(signal) => {
                // What becomes of its call now, the signal decides.
                self.set_restarts(tid, None);
                let signal = self.signalled(tid, signal);
                self.resume(tid, signal);
            }
        }
    }

    /// A thread has come to its next stop, and has executed nothing.
    fn has_failed(&mut self, tid: i32) {
        let presumed = self.tracees.get_mut(&tid).and_then(|tracee| tracee.presumed.take());
        if let Some(pending) = presumed {
            self.recorder.result(*pending, Some(-i64::from(libc::ENOENT)));
        }
    }

    fn calls_of(&self, tid: i32) -> Calls {
        self.tracees.get(&tid).map_or(self.calls, |tracee| tracee.calls)
    }

    /// A filter of the program's own can deny a call, or hand it to a listener, before ours sees
    /// it; from now on the process is stopped at each entry, which comes before all filters.
    fn filters_itself(&mut self, tid: i32) {
        let Some(process) = self.recorder.process_of(tid) else { return };
        self.set_calls_of_process(process, Calls::Unfiltered);
        if let Some(patcher) = &mut self.patcher {
            patcher.close(tid, process);
        }
    }

    pub(crate) fn set_calls_of_process(&mut self, process: i32, calls: Calls) {
        for (&other, tracee) in &mut self.tracees {
            if self.recorder.process_of(other) == Some(process) {
                tracee.calls = calls;
            }
        }
    }

    pub(crate) fn set_calls(&mut self, tid: i32, calls: Calls) {
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.calls = calls;
            tracee.entered = None;
        }
    }

    pub(crate) fn set_restarts(&mut self, tid: i32, restarts: Option<(u64, Sysno)>) {
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.restarts = restarts;
        }
    }

    /// Asks a thread to stop where it is. Whether it will: one that is gone does not.
    pub(crate) fn interrupt(&mut self, tid: i32) -> bool {
        let Some(tracee) = self.tracees.get_mut(&tid) else { return false };
        tracee.interrupted = ptrace::interrupt(Pid::from_raw(tid)).is_ok();
        tracee.interrupted
    }

    /// Lets a thread go on to its next stop, delivering a signal when there is one.
    fn resume(&mut self, tid: i32, signal: c_int) {
        let is_behind = self.is_behind().is_some() && !self.awaits_exit(tid);
        if let Some(beside) = &mut self.beside {
            beside.resumes(tid, is_behind);
        }
        let request = if self.calls_of(tid) != Calls::Filtered || self.awaits_exit(tid) {
            libc::PTRACE_SYSCALL
        } else {
            libc::PTRACE_CONT
        };
        resume(request, tid, signal);
    }

    /// A stop by PTRACE_SYSCALL: an exit whose result is wanted, or, unfiltered, either end. Whether
    /// the thread is to be resumed.
    fn syscall(&mut self, tid: i32) -> bool {
        let Some(info) = self.info(tid) else { return true };
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => match self.calls_of(tid) {
                Calls::Unfiltered => return self.entry(tid),
                Calls::Settling if info.arch == Arch::X86_64.audit() => return self.settle(tid),
                // Of a 32-bit program no call passes: the filter says so.
                Calls::Settling => self.set_calls(tid, Calls::Filtered),
                Calls::Filtered => {}
            },
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                let Some(tracee) = self.tracees.get_mut(&tid) else { return true };
                if let Some(Some(pending)) = tracee.entered.take() {
                    // SAFETY: the kernel filled this member, for `op` says so.
                    let exit = unsafe { info.u.exit };
                    let result = if exit.is_error != 0 { exit.sval } else { exit.sval.max(0) };
                    let is_missing = result == -i64::from(libc::ENOENT);
                    tracee.searches = tracee.executes.take().filter(|_| is_missing);
                    self.recorder.result(*pending, Some(result));
                }
            }
            _ => {}
        }
        true
    }

    /// What the kernel says of the call that a thread has stopped at.
    fn info(&mut self, tid: i32) -> Option<libc::ptrace_syscall_info> {
        match ptrace::syscall_info(Pid::from_raw(tid)) {
            Ok(info) => Some(info),
            // Killed meanwhile.
            Err(Errno::ESRCH) => None,
            Err(_) => {
                self.recorder.note("calls were not recorded: this needs Linux 5.3 or newer");
                self.recorder.lost_call();
                None
            }
        }
    }

    /// Records the entry of a call. Whether the thread is to be resumed.
    fn entry(&mut self, tid: i32) -> bool {
        let Some(event) = self.event(tid) else { return true };
        let sysno = event.sysno;
        let executes = matches!(sysno.name(), Some("execve" | "execveat"));
        if self.before_exec && self.calls == Calls::Unfiltered && !executes {
            return true;
        }
        if self.beside.as_mut().is_some_and(|beside| beside.makes(tid, sysno, &event.args)) {
            self.beside = None;
        }
        let here = (event.instruction_pointer, sysno);
        let again = self.tracees.get_mut(&tid).and_then(|tracee| {
            let again = tracee.again.take_if(|at| *at == here);
            again.or(tracee.restarts.take_if(|at| *at == here))
        });
        let seen = if again.is_some() { Entry::Skip } else { self.before(&event) };
        let pending = match seen {
            Entry::Record => match self.recorder.call(&event, || true) {
                Next::Result(pending) => Some(pending),
                Next::Proceed => None,
            },
            Entry::Skip => None,
            Entry::Anew => return true,
            Entry::Over => return false,
        };
        if seen == Entry::Record {
            self.noted(&event);
        }
        if self.recorder.asked_where_it_runs() {
            self.beside = None;
        }
        match sysno.name() {
            Some("seccomp" | "prctl") if sets_filter(sysno, &event.args) => {
                self.filters_itself(tid)
            }
            Some("clone") => self.traces_child(&event),
            Some("ptrace") => self.recorder.note(
                "the program uses ptrace, of which there is one tracer at a time (EPERM): record \
                 it with --engine notify",
            ),
            _ => {}
        }
        let calls = self.calls_of(tid);
        let mut again = None;
        if seen == Entry::Record
            && calls == Calls::Filtered
            && (pending.is_none() || self.may_pass(&event))
        {
            match self.after(&event) {
                Entry::Anew => again = Some(here),
                Entry::Over => return false,
                Entry::Record | Entry::Skip => {}
            }
        }
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            let mut pending = pending;
            tracee.executes =
                (sysno.name() == Some("execve")).then(|| [event.args[1], event.args[2]]);
            let searched = tracee.searches.take();
            // A search goes on through PATH with the same arguments, which the kernel took the last time.
            if calls == Calls::Filtered
                && searched.is_some()
                && searched == tracee.executes
                && pending.as_ref().is_some_and(|pending| pending.is_missing())
            {
                (tracee.presumed, tracee.searches) = (pending.take(), searched);
            }
            let exit_stops = calls != Calls::Filtered || pending.is_some();
            tracee.entered = exit_stops.then_some(pending);
            tracee.again = again.or(tracee.again);
        }
        true
    }

    /// A child that is not to be traced is all the same: without a tracer all its calls would fail with ENOSYS,
    /// for the filter is its own too. Sanitizers look for leaks from such a thread.
    fn traces_child(&mut self, event: &Event) {
        let flags = event.args[0];
        if flags & libc::CLONE_UNTRACED as u64 == 0 || Some(event.sysno.arch()) != Arch::native() {
            return;
        }
        if change_first_argument(event.tid, flags, traced(flags)) {
            self.asked.insert(event.tid, flags);
        }
    }

    /// A thread has made a child: the flags that were changed for that are as they were.
    fn has_made(&mut self, tid: i32) {
        let Some(flags) = self.asked.remove(&tid) else { return };
        change_first_argument(tid, traced(flags), flags);
        let child = ptrace::getevent(Pid::from_raw(tid)).map_or(0, |child| child as i32);
        if !self.tracees.contains_key(&child) {
            self.asked.insert(child, flags);
        }
    }

    /// The same for that child, which begins; perhaps before its maker's event.
    fn is_made(&mut self, tid: i32) {
        let own = self.asked.remove(&tid);
        for flags in own.into_iter().chain(self.asked.values().copied()) {
            if change_first_argument(tid, traced(flags), flags) {
                break;
            }
        }
    }

    /// The call that a thread stands at the entry of.
    fn event(&mut self, tid: i32) -> Option<Event> {
        let info = self.info(tid)?;
        let (number, args) = match info.op {
            // SAFETY: the kernel filled the member that `op` names (ptrace(2)).
            libc::PTRACE_SYSCALL_INFO_SECCOMP => unsafe {
                (info.u.seccomp.nr, info.u.seccomp.args)
            },
            // SAFETY: as above.
            libc::PTRACE_SYSCALL_INFO_ENTRY => unsafe { (info.u.entry.nr, info.u.entry.args) },
            _ => return None,
        };
        let Some(sysno) = Sysno::from_audit(info.arch, number as u32) else {
            self.recorder.note("calls of an unknown architecture were not recorded");
            return None;
        };
        let event = Event::new(tid, sysno, args, info.instruction_pointer);
        Some(event.with_stack(info.stack_pointer))
    }

    fn executed(&mut self, tid: i32) {
        self.before_exec = false;
        // The thread that called execve has taken over the leader's id; its old one is gone
        // without a word, and so are the other threads.
        let former = ptrace::getevent(Pid::from_raw(tid)).map_or(tid, |former| former as i32);
        let calls = self.calls_of(former);
        let tracee = self.tracees.remove(&former);
        let pending = tracee.and_then(|tracee| tracee.entered.flatten().or(tracee.presumed));
        if let Some(pending) = pending {
            self.recorder.result(*pending, Some(0));
        }
        if let Some(beside) = self.beside.as_mut().filter(|_| former != tid) {
            beside.gone(former);
        }
        let others: Vec<i32> = self.tracees.keys().copied().collect();
        for other in others {
            if self.recorder.process_of(other) == Some(tid) {
                self.forget(other);
            }
        }
        let calls = match &mut self.patcher {
            Some(patcher) if calls != Calls::Unfiltered => {
                patcher.executed(tid, &self.recorder);
                Calls::Settling
            }
            _ => calls,
        };
        self.tracees.insert(tid, Tracee::new(calls));
        self.recorder.executed(tid, former);
    }

    fn forked(&mut self, tid: i32) {
        let Ok(child) = ptrace::getevent(Pid::from_raw(tid)) else { return };
        let child = child as i32;
        if self.came_and_went.remove(&child) || !self.recorder.forked(tid, child) {
            return;
        }
        let makers = self.recorder.process_of(tid).zip(self.recorder.process_of(child));
        if let (Some(patcher), Some((maker, child))) = (&mut self.patcher, makers) {
            patcher.expect(maker, child);
        }
        let calls = self.calls_of(tid);
        let tracee = self.tracees.entry(child).or_insert(Tracee::new(calls));
        // Its filters are its maker's, also when it stopped before its maker did; if it executes another
        // image by now, its calls are seen as is good for that one.
        if std::mem::take(&mut tracee.unannounced) {
            tracee.calls = calls;
        }
        if std::mem::take(&mut tracee.held) {
            self.resume(child, 0);
        }
    }

    /// Lets those go whose makers may be gone before they could speak of them.
    pub fn release(&mut self) {
        let held = self.tracees.iter_mut().filter(|(_, tracee)| tracee.held);
        let held = held.map(|(&tid, tracee)| {
            tracee.held = false;
            tid
        });
        for tid in held.collect::<Vec<_>>() {
            self.resume(tid, 0);
        }
    }
}

/// Flags of clone(2) without CLONE_UNTRACED.
fn traced(flags: u64) -> u64 {
    flags & !(libc::CLONE_UNTRACED as u64)
}

/// Changes the first argument of the call that a thread is in, or has left. Whether it was `from`.
#[cfg(target_arch = "x86_64")]
fn change_first_argument(tid: i32, from: u64, to: u64) -> bool {
    let pid = Pid::from_raw(tid);
    let regs = ptrace::getregs(pid).ok().filter(|regs| regs.rdi == from);
    regs.is_some_and(|regs| {
        ptrace::setregs(pid, libc::user_regs_struct { rdi: to, ..regs }).is_ok()
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn change_first_argument(_: i32, _: u64, _: u64) -> bool {
    false
}

/// Continues a stopped thread. One that is gone meanwhile is reported by wait.
pub fn resume(request: libc::c_uint, tid: i32, signal: c_int) {
    // SAFETY: these requests take a number as data; nix's wrappers know no real-time signals.
    unsafe { libc::ptrace(request, tid, 0, i64::from(signal)) };
}

/// Leaves a thread in its group stop until SIGCONT. nix has no PTRACE_LISTEN.
fn listen(tid: i32) {
    resume(libc::PTRACE_LISTEN, tid, 0);
}
