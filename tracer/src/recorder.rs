//! Turns the events of an engine into a trace: which process and program each call belongs to,
//! what is new about it, and what may have been missed.

mod alike;
mod finish;

pub use finish::Finished;

use alike::Alike;

use crate::{
    bases::Bases,
    checks::{Credentials, Directories, Looker, Owners, user_namespace},
    descriptors::{Entered, Follower, Who},
    modules,
    observe::{Event, Mapped, Observation, Passed, observe, sets_filter},
    paths::{Namer, View, is_of_process},
    plan::{Plan, ReadValue, Slots, Special},
    privileges::privileged,
    program::{self, ProgramState},
};
use foldhash::HashMap;
use model::{
    Access, KillTarget, Sysno, Text,
    capability::Check,
    descriptor::Detail,
    trace::{Command, Ended, FileKind, Mark, Privileged, Untraced},
};
use nix::errno::Errno;
use std::{collections::BTreeSet, sync::LazyLock};
use supervisor::procfs::{self, Mapping};

/// The program of a process that has not yet executed the command.
pub const BEFORE_EXEC: &str = "[before exec]";
/// For how many processes the calls are kept one by one.
const PROCESSES_BOUND: usize = 10_000;

/// What the engine should do with a call whose entry was recorded.
#[derive(Debug)]
pub enum Next {
    /// Nothing more.
    Proceed,
    /// Give the result to [`Recorder::result`].
    Result(Box<Pending>),
}

/// A call whose result is wanted.
#[derive(Debug)]
pub struct Pending {
    of_program: Option<program::Pending>,
    of_descriptors: Option<Box<Entered>>,
    /// What it names is not there, for the caller no more than for profgen.
    is_missing: bool,
}

impl Pending {
    /// Whether the kernel will hardly say anything but ENOENT.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }
}

#[derive(Debug)]
struct ProcessState {
    /// Index into the finished list.
    id: usize,
    program: usize,
    /// Parsed when first needed, dropped when they may have changed.
    mappings: Option<Vec<Mapping>>,
    view: Option<View>,
    /// Read when first needed, dropped when they may have changed.
    credentials: Option<Credentials>,
    /// The name space for users that it is in, likewise.
    users: Option<Text>,
    directories: Directories,
    /// Its number in its own /proc.
    inner: i32,
    /// The status that it passed to exit_group.
    exiting: Option<i32>,
    /// It opened a directory, or went to one, where files come and go by themselves.
    elsewhere: bool,
}

impl ProcessState {
    /// Who it is, as one of its threads says. In a name space for users that is not the command's own (`users`)
    /// it is powerless.
    fn who(&mut self, tid: i32, users: &mut Option<Text>) -> Option<&Credentials> {
        if self.credentials.is_none() {
            let who = Credentials::of(tid)?;
            self.credentials = Some(if !who.is_privileged() || self.is_of(tid, users)? {
                who
            } else {
                who.powerless()
            });
        }
        self.credentials.as_ref()
    }

    fn is_of(&mut self, tid: i32, users: &mut Option<Text>) -> Option<bool> {
        if self.users.is_none() {
            self.users = user_namespace(tid);
        }
        let own = self.users.as_ref()?;
        Some(users.get_or_insert_with(|| own.clone()) == own)
    }
}

#[derive(Debug, Clone)]
struct ProcessRecord {
    parent: Option<usize>,
    programs: Vec<usize>,
    threads: u64,
    counts: Vec<u64>,
    ended: Option<Ended>,
}

impl ProcessRecord {
    fn add(&mut self, slot: usize, count: i64) {
        if self.counts.len() <= slot {
            self.counts.resize(slot + 1, 0);
        }
        self.counts[slot] = self.counts[slot].saturating_add_signed(count);
    }
}

/// Live numbers for a progress line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Processes seen so far.
    pub processes: usize,
    /// Calls seen so far.
    pub calls: u64,
    /// Distinct calls seen so far.
    pub distinct: usize,
}

/// Collects a run.
#[derive(Debug)]
pub struct Recorder {
    slots: Slots,
    programs: Vec<ProgramState>,
    program_index: HashMap<Text, usize>,
    processes: HashMap<i32, ProcessState>,
    records: Vec<ProcessRecord>,
    threads: HashMap<i32, i32>,
    /// Where descriptors are followed.
    follower: Option<Follower>,
    /// Of a container: what was executed in it.
    command: Option<Command>,
    /// Of a container: its threads by the numbers that they have inside.
    inside: Option<HashMap<i32, i32>>,
    /// The name space for users in which the command was started: only there its capabilities count.
    users: Option<Text>,
    /// Counts what may have changed whose directories are.
    generation: u64,
    /// Whose directories are, as each user sees them who sees profgen's files.
    owners: HashMap<u32, Owners>,
    /// The directories that paths started from.
    bases: Bases,
    /// Where the file lies that a call which passed has opened.
    seen_at: Option<Text>,
    /// Whether a call that passed has named what lies where files come and go by themselves.
    seen_elsewhere: bool,
    alike: Alike,
    privileges_kept: bool,
    sees_denied: bool,
    calls: u64,
    lost: u64,
    unread: u64,
    asked_where_it_runs: bool,
    untraced: BTreeSet<Untraced>,
    privileges: BTreeSet<Privileged>,
    notes: BTreeSet<String>,
}

impl Recorder {
    /// An empty recorder. `privileges_kept`: executing a set-user-id program works as without
    /// profgen; `sees_denied`: so is a call that a filter of the program's own denies.
    pub fn new(privileges_kept: bool, sees_denied: bool) -> Recorder {
        Recorder {
            slots: Slots::default(),
            programs: Vec::new(),
            program_index: HashMap::default(),
            processes: HashMap::default(),
            records: Vec::new(),
            threads: HashMap::default(),
            follower: None,
            command: None,
            inside: None,
            users: None,
            generation: 0,
            owners: HashMap::default(),
            bases: Bases::default(),
            seen_at: None,
            seen_elsewhere: false,
            alike: Alike::default(),
            privileges_kept,
            sees_denied,
            calls: 0,
            lost: 0,
            unread: 0,
            asked_where_it_runs: false,
            untraced: BTreeSet::new(),
            privileges: BTreeSet::new(),
            notes: BTreeSet::new(),
        }
    }

    /// From here on directories that paths start from are kept between calls: by an engine that sees all
    /// calls, except, without `descriptors_stand`, those which close or duplicate descriptors.
    pub fn keep_bases(&mut self, descriptors_stand: bool) {
        self.bases.keep(descriptors_stand);
    }

    /// Whether calls that close or duplicate descriptors are seen from here on, or none is made.
    pub fn descriptors_stand(&mut self, stand: bool) {
        self.bases.descriptors_stand(stand);
        self.bases.hold(stand);
    }

    /// From here on descriptors are followed: by an engine that sees results.
    pub fn follow(&mut self) {
        self.follower = Some(Follower::default());
    }

    /// Whether they are.
    pub fn follows(&self) -> bool {
        self.follower.is_some()
    }

    /// Adds uses of a descriptor that were counted without stops: of this call and argument, since the
    /// last event of the process. Nothing happens where descriptors are not followed.
    pub fn counted(
        &mut self,
        process: i32,
        call: Sysno,
        argument: u8,
        detail: Option<Detail>,
        number: i32,
        count: u64,
    ) {
        if let Some(follower) = &mut self.follower {
            follower.counted(process, call, argument, detail, number, count);
        }
    }

    /// The same for a container, which may number its processes by itself.
    pub fn of_container() -> Recorder {
        Recorder { inside: Some(HashMap::default()), ..Recorder::new(true, false) }
    }

    /// A copy of what has been recorded, without what only the rest of the recording needs.
    pub fn snapshot(&self) -> Recorder {
        Recorder {
            slots: self.slots.clone(),
            programs: self.programs.clone(),
            records: self.records.clone(),
            command: self.command.clone(),
            calls: self.calls,
            lost: self.lost,
            unread: self.unread,
            untraced: self.untraced.clone(),
            privileges: self.privileges.clone(),
            notes: self.notes.clone(),
            ..Recorder::new(self.privileges_kept, self.sees_denied)
        }
    }

    /// What has been seen so far.
    pub fn progress(&self) -> Progress {
        Progress { processes: self.records.len(), calls: self.calls, distinct: self.slots.len() }
    }

    /// The first process has executed the program of its container: the command is as it says.
    pub fn started_as(&mut self, process: i32) {
        let read = |name: &str| std::fs::read(format!("/proc/{process}/{name}"));
        let argv = read("cmdline").unwrap_or_default();
        let argv = argv.split(|&byte| byte == 0).filter(|part| !part.is_empty());
        let environment = read("environ").unwrap_or_default();
        self.command = Some(Command {
            argv: argv.map(Text::from).collect(),
            directory: procfs::link(process, "cwd").unwrap_or_default(),
            places: Command::places(environment.split(|&byte| byte == 0)),
        });
    }

    /// What [`Recorder::started_as`] was told.
    pub fn command(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// Counts a call that was announced and gone before it could be taken.
    pub fn lost_call(&mut self) {
        self.lost += 1;
    }

    /// Adds something that the reader of the trace must know.
    pub fn note(&mut self, note: &str) {
        if !self.notes.contains(note) {
            self.notes.insert(note.to_owned());
        }
    }

    /// The first process, which is profgen's own until it executes the command.
    pub fn start(&mut self, process: i32) {
        let program = self.program(Text::from(BEFORE_EXEC));
        self.add_process(process, None, program);
    }

    /// A process that was there before the recording began.
    pub fn attached(&mut self, process: i32) {
        self.process_of(process);
        if let Some(program) = self.processes.get(&process).map(|state| state.program) {
            self.initial_modules(process, program);
            self.begins(process, process);
        }
    }

    /// A new thread or process `tid`, made by a thread of ours. Whether it is still there: it may
    /// have come and gone before its maker's word of it.
    pub fn forked(&mut self, maker: i32, tid: i32) -> bool {
        let known = self.threads.get(&tid).copied();
        // Mostly it is a process, and to ask that costs less than to read what it is.
        let process = known
            .or_else(|| procfs::is_process(tid).then_some(tid))
            .or_else(|| procfs::family(tid).map(|family| family.process));
        let Some(process) = process else { return false };
        self.take_in_child(maker, tid, process);
        true
    }

    fn take_in_child(&mut self, maker: i32, tid: i32, process: i32) {
        let Some(parent) = self.process_of(maker) else { return };
        if process == parent {
            self.add_thread(tid, process);
        } else if self.processes.contains_key(&process) {
            // It was seen before its parent said that it had made it.
            self.set_parent(process, parent);
        } else {
            let program = self.processes.get(&parent).map(|state| state.program);
            let program = program.unwrap_or_else(|| self.program_of(process));
            self.add_process(process, Some(parent), program);
            self.inherit_credentials(parent, process);
        }
        if let (Some(follower), Some(state)) =
            (self.follower.as_mut(), self.processes.get(&process))
        {
            follower.forked(maker, tid, who(state, process, &self.programs));
        }
    }

    /// A new process is who its parent is, but for what a new name space for users makes of that.
    fn inherit_credentials(&mut self, parent: i32, process: i32) {
        let known = |state: &ProcessState| state.credentials.clone().zip(state.users.clone());
        let Some((who, users)) = self.processes.get(&parent).and_then(known) else { return };
        if let Some(state) = self.processes.get_mut(&process)
            && user_namespace(process).is_some_and(|own| own == users)
        {
            (state.credentials, state.users) = (Some(who), Some(users));
        }
    }

    fn add_thread(&mut self, tid: i32, process: i32) {
        if self.threads.insert(tid, process).is_none()
            && tid != process
            && let Some(state) = self.processes.get(&process)
        {
            self.records[state.id].threads += 1;
        }
        if tid != process && self.inside.is_some() {
            let inner = procfs::family(tid).map_or(tid, |family| family.inner);
            self.is_inside(tid, inner);
        }
    }

    fn is_inside(&mut self, tid: i32, inner: i32) {
        if let Some(inside) = &mut self.inside {
            inside.insert(inner, tid);
        }
    }

    fn set_parent(&mut self, process: i32, parent: i32) {
        let parent = self.processes.get(&parent).map(|state| state.id);
        if let Some(state) = self.processes.get(&process) {
            self.records[state.id].parent = parent;
        }
    }

    fn add_process(&mut self, process: i32, parent: Option<i32>, program: usize) {
        let parent = parent.and_then(|parent| self.processes.get(&parent)).map(|state| state.id);
        let id = self.records.len();
        self.records.push(ProcessRecord {
            parent,
            programs: vec![program],
            threads: 1,
            counts: Vec::new(),
            ended: None,
        });
        let inner = match self.inside {
            Some(_) => procfs::family(process).map_or(process, |family| family.inner),
            None => process,
        };
        self.is_inside(process, inner);
        let state = ProcessState {
            id,
            program,
            mappings: None,
            view: None,
            credentials: None,
            users: None,
            directories: Directories::default(),
            inner,
            exiting: None,
            elsewhere: false,
        };
        self.processes.insert(process, state);
        self.threads.insert(process, process);
    }

    /// The process of a thread; both are taken in when they are seen first. `None` when the thread
    /// is gone before that.
    pub fn process_of(&mut self, tid: i32) -> Option<i32> {
        if let Some(&process) = self.threads.get(&tid) {
            return Some(process);
        }
        let family = procfs::family(tid)?;
        let process = family.process;
        if !self.processes.contains_key(&process) {
            let program = self.program_of(process);
            self.add_process(process, Some(family.parent), program);
        }
        // A leader that called exit(2) was forgotten while its process goes on.
        self.add_thread(tid, process);
        Some(process)
    }

    fn program_of(&mut self, process: i32) -> usize {
        match procfs::link(process, "exe") {
            Ok(path) => self.program(without_deleted(path)),
            Err(_) => self.program(Text::from("[unknown]")),
        }
    }

    fn program(&mut self, path: Text) -> usize {
        if let Some(&index) = self.program_index.get(&path) {
            return index;
        }
        self.programs.push(ProgramState::new(path.clone()));
        self.program_index.insert(path, self.programs.len() - 1);
        self.programs.len() - 1
    }

    /// `process` has executed another image; of its threads only this one is left, under another id
    /// than it had where that was not the first: `former`.
    pub fn executed(&mut self, process: i32, former: i32) {
        let program = self.program_of(process);
        self.threads.retain(|&tid, &mut of| of != process || tid == process);
        self.bases.process_ended(process);
        let Some(state) = self.processes.get_mut(&process) else { return };
        state.program = program;
        state.mappings = None;
        state.credentials = None;
        state.directories.forget_ways();
        state.exiting = None;
        let record = &mut self.records[state.id];
        if record.programs.last() != Some(&program) {
            record.programs.push(program);
        }
        self.programs[program].executions += 1;
        self.initial_modules(process, program);
        self.begins(process, former);
    }

    fn begins(&mut self, process: i32, former: i32) {
        if let (Some(follower), Some(state)) =
            (self.follower.as_mut(), self.processes.get(&process))
        {
            follower.begins(who(state, process, &self.programs), former);
        }
    }

    /// The executable and its loader, which the kernel itself mapped.
    fn initial_modules(&mut self, process: i32, program: usize) {
        let path = self.programs[program].path.clone();
        if self.programs[program].has_module(&path) {
            return;
        }
        let mappings = procfs::mappings(process).unwrap_or_default();
        for mapping in mappings.iter().filter(|mapping| mapping.is_file() && mapping.executable) {
            if self.programs[program].has_module(&mapping.path) {
                continue;
            }
            let opened_as = if mapping.path == path {
                format!("/proc/{process}/exe")
            } else {
                format!("/proc/{process}/root{}", mapping.path)
            };
            let module = modules::identify(mapping.path.clone(), &opened_as);
            self.programs[program].add_module(module);
        }
        if let Some(state) = self.processes.get_mut(&process) {
            state.mappings = Some(mappings);
        }
    }

    /// The thread is gone.
    pub fn thread_ended(&mut self, tid: i32) {
        self.threads.remove(&tid);
        self.bases.thread_ended(tid);
        if let Some(follower) = &mut self.follower {
            follower.thread_ended(tid);
        }
    }

    /// The process is gone. `ended` is absent when the engine does not see how.
    pub fn process_ended(&mut self, process: i32, ended: Option<Ended>) {
        self.threads.retain(|_, &mut of| of != process);
        self.bases.process_ended(process);
        if let Some(follower) = &mut self.follower {
            follower.process_ended(process);
        }
        if let Some(state) = self.processes.remove(&process) {
            let record = &mut self.records[state.id];
            record.ended = ended.or(state.exiting.map(Ended::Exit));
        }
    }

    /// How the first process ended, once it has and where that is known.
    pub fn first_ended(&self) -> Option<&Ended> {
        self.records.first()?.ended.as_ref()
    }

    /// Whether the thread is the first of a process that is still there.
    pub fn is_process(&self, tid: i32) -> bool {
        self.processes.contains_key(&tid)
    }

    /// Who a process is to the file system.
    pub fn files_user(&mut self, process: i32) -> Option<u32> {
        let state = self.processes.get_mut(&process)?;
        state.who(process, &mut self.users).map(|who| who.users.files)
    }

    /// The number of the program that a process runs.
    pub fn runs(&self, process: i32) -> Option<usize> {
        self.processes.get(&process).map(|state| state.program)
    }

    /// The threads of a process that are still there.
    pub fn threads_of(&self, process: i32) -> Vec<i32> {
        let of = self.threads.iter().filter(|(_, of)| **of == process);
        of.map(|(&tid, _)| tid).collect()
    }

    /// The processes that are still there.
    pub fn live(&self) -> impl Iterator<Item = i32> {
        self.processes.keys().copied()
    }

    /// Records the entry of a call. `valid` says afterwards whether the thread stood still: what
    /// was read of another one that took its place is dropped.
    pub fn call(&mut self, event: &Event, valid: impl FnOnce() -> bool) -> Next {
        self.call_with(event, None, valid)
    }

    /// Records a call that was made before, and passed, with the kernel's answer where there was one. What
    /// it saw is looked at now. Where the file lies that it opened, if that is what it did.
    pub fn passed_by(
        &mut self,
        event: &Event,
        passed: Option<Passed<'_>>,
        result: Option<i64>,
    ) -> Option<Text> {
        self.pass(event, passed, result).1
    }

    fn pass(
        &mut self,
        event: &Event,
        passed: Option<Passed<'_>>,
        result: Option<i64>,
    ) -> (Option<program::Pending>, Option<Text>) {
        self.seen_at = None;
        let Next::Result(pending) = self.call_with(event, passed, || true) else {
            return (None, self.seen_at.take());
        };
        self.settle(&pending, result);
        (pending.of_program, self.seen_at.take())
    }

    fn call_with(
        &mut self,
        event: &Event,
        passed: Option<Passed<'_>>,
        valid: impl FnOnce() -> bool,
    ) -> Next {
        let slot = self.slots.of(event.sysno);
        let Some(process) = self.process_of(event.tid) else { return Next::Proceed };
        self.calls += 1;
        self.bases.entered(event.tid);
        let Some(state) = self.processes.get_mut(&process) else { return Next::Proceed };
        let index = state.program;
        count(&mut self.records, state.id, slot, 1);
        let program = &mut self.programs[index];
        if program.count(slot) {
            let site = locate(state, process, event);
            program.locate(slot, site);
        }
        let entered = match &mut self.follower {
            Some(follower) => follower.entered(event, who(state, process, &self.programs)),
            None => None,
        };
        if self.slots.plan(slot).only_counts() {
            self.disturbed(event, process, slot, None);
            let entered = self.named(entered, None);
            return self.awaits(entered);
        }
        let Some(observation) = self.read(event, passed, process, slot) else {
            return Next::Proceed;
        };
        let opens = self.slots.plan(slot).open_flags.is_some();
        let is_behind = |passed: Passed<'_>| passed.path.is_some_and(Text::is_empty);
        if passed.is_some_and(|passed| opens || passed.before.is_some() || is_behind(passed)) {
            let place = observation.files.first().map(|(place, _)| place);
            self.seen_at = place.map(|place| place.at().clone());
        }
        self.seen_elsewhere = passed.is_some()
            && observation.files.iter().any(|(place, _)| is_of_process(place.at().as_bytes()));
        self.disturbed(event, process, slot, Some(&observation));
        if !valid() {
            return Next::Proceed;
        }
        self.unread += u64::from(observation.unread);
        self.special(event, process, index, slot, &observation);
        let entered = self.named(entered, Some(&observation));
        let plan = self.slots.plan(slot);
        let names = plan.values.iter().map(|value| value.name);
        let is_missing = plan.special == Special::Execute && self.is_missing(process, &observation);
        let pending = self.programs[index].take(index, slot, names, observation);
        if plan.wants_result(&event.args) || pending.is_conditional() {
            let of_descriptors = entered.map(Box::new);
            let of_program = Some(pending);
            return Next::Result(Pending { of_program, of_descriptors, is_missing }.into());
        }
        self.programs[index].settle(&pending, Some(0));
        self.awaits(entered)
    }

    /// Whether the file that a call names is not there for a process that may look where profgen may.
    fn is_missing(&self, process: i32, observation: &Observation) -> bool {
        static OWN: LazyLock<Option<Credentials>> =
            LazyLock::new(|| Credentials::of(std::process::id() as i32));
        let [(place, _)] = &observation.files[..] else { return false };
        let who = self.processes.get(&process).and_then(|state| state.credentials.as_ref());
        let is_like_us = || who.zip(OWN.as_ref()).is_some_and(|(who, own)| who.are_like(own));
        place.absent == Some(Errno::ENOENT) && is_like_us()
    }

    /// Forgets what a call may change of the directories that paths start from.
    fn disturbed(
        &mut self,
        event: &Event,
        process: i32,
        slot: usize,
        observation: Option<&Observation>,
    ) {
        let disturbs = self.slots.plan(slot).disturbs;
        let values = observation.map_or(&[][..], |observation| &observation.values);
        self.bases.disturbed(process, event.tid, disturbs, &event.args, values);
        if let Some(observation) = observation {
            let accesses = observation
                .files
                .iter()
                .flat_map(|(place, accesses)| accesses.iter().map(|access| (*access, place.found)));
            self.bases.renamed(process, event.tid, accesses);
        }
    }

    fn named(
        &mut self,
        entered: Option<Entered>,
        observation: Option<&Observation>,
    ) -> Option<Entered> {
        self.follower.as_mut()?.named(entered?, observation)
    }

    /// A call that the program's record is done with.
    fn awaits(&mut self, entered: Option<Entered>) -> Next {
        match (entered, &mut self.follower) {
            (Some(entered), _) if entered.wants_result() => {
                let of_descriptors = Some(Box::new(entered));
                let (of_program, is_missing) = (None, false);
                Next::Result(Pending { of_program, of_descriptors, is_missing }.into())
            }
            (Some(entered), Some(follower)) => {
                follower.left(entered, None);
                Next::Proceed
            }
            _ => Next::Proceed,
        }
    }

    /// Counts calls that were made without a stop: calls like them were recorded. Fewer than none where
    /// some that were counted turned out not to have been made.
    pub fn passed(&mut self, process: i32, sysno: Sysno, count: i64) {
        let slot = self.slots.of(sysno);
        let Some(state) = self.processes.get(&process) else { return };
        self.calls = self.calls.saturating_add_signed(count);
        self::count(&mut self.records, state.id, slot, count);
        self.programs[state.program].add(slot, count);
    }

    /// Whether a process works with directories below `/proc` or `/dev`.
    pub fn works_elsewhere(&self, process: i32) -> bool {
        self.processes.get(&process).is_some_and(|state| state.elsewhere)
    }

    /// Whether a program named a file that says on which processors a process may run.
    pub fn asked_where_it_runs(&self) -> bool {
        self.asked_where_it_runs
    }

    /// The plan of a call.
    pub fn plan(&mut self, sysno: Sysno) -> &Plan {
        let slot = self.slots.of(sysno);
        self.slots.plan(slot)
    }

    /// What a call is about to do, and its plan; it is not recorded.
    pub fn look(
        &mut self,
        event: &Event,
        valid: impl FnOnce() -> bool,
    ) -> Option<(Observation, &Plan)> {
        let slot = self.slots.of(event.sysno);
        let process = self.process_of(event.tid)?;
        let observation = self.read(event, None, process, slot)?;
        if !valid() {
            return None;
        }
        match self.slots.plan(slot).special {
            Special::ChangesView => self.forget_view(process),
            Special::ChangesCredentials | Special::Filter | Special::Execute => {
                self.forget_credentials(process);
            }
            Special::ExitProcess => self.process_ended(process, None),
            _ => {}
        }
        Some((observation, self.slots.plan(slot)))
    }

    /// Whether there may be something to see in a call beside that it was made.
    pub fn looks_at(&mut self, sysno: Sysno) -> bool {
        let slot = self.slots.of(sysno);
        let plan = self.slots.plan(slot);
        let signals = plan.values.iter().any(|value| value.read == ReadValue::KillTarget);
        let maps = matches!(plan.special, Special::Map | Special::OldMap | Special::Protect);
        let special = plan.special != Special::None && !maps;
        special || signals || !plan.files.is_empty() || !plan.checks.is_empty()
    }

    /// Reads what a call carries, and which checks it passes by a capability.
    fn read(
        &mut self,
        event: &Event,
        passed: Option<Passed<'_>>,
        process: i32,
        slot: usize,
    ) -> Option<Observation> {
        let plan = self.slots.plan(slot);
        let state = self.processes.get_mut(&process)?;
        let looks = !plan.files.is_empty()
            || !plan.checks.is_empty()
            || matches!(plan.special, Special::Address(_));
        if looks {
            state.who(event.tid, &mut self.users);
        }
        let who = state.credentials.as_ref().filter(|who| looks && who.is_privileged());
        let view = state.view.get_or_insert_with(|| View::of(process));
        let bases = &self.bases;
        let namer = Namer { tid: event.tid, process, view, credentials: who, bases };
        let (threads, inside) = (&self.threads, self.inside.as_ref());
        let target = |argument| match inside {
            Some(inside) => kill_target_inside(threads, inside, process, argument),
            None => kill_target(threads, process, argument),
        };
        let mut observation = observe(event, plan, passed, &namer, &target);
        observation.own = (state.id == 0).then_some(state.inner);
        state.elsewhere |= observation.files.iter().any(|(place, accesses)| {
            place.found == Some(FileKind::Directory)
                && is_of_process(place.at().as_bytes())
                && !matches!(accesses[..], [Access::Metadata])
        });
        self.asked_where_it_runs |= observation.files.iter().any(|(place, _)| {
            let at = place.at().as_bytes();
            at.ends_with(b"/status") && is_of_process(at)
        });
        if let Some(who) = who {
            if view.is_own() {
                let owners = self.owners.entry(who.users.files).or_default();
                state.directories.share(owners);
            }
            state.directories.refresh(self.generation);
            let directories = &state.directories;
            let looker = Looker { event, plan, who, namer: &namer, directories, target: &target };
            looker.look(&mut observation);
        }
        if plan.special == Special::Execute && privileged(process, &observation).next().is_some() {
            observation.marks.insert(Mark::GainsPrivileges);
        }
        self.generation += u64::from(changes_owners(&observation, &plan.checks));
        Some(observation)
    }

    fn special(
        &mut self,
        event: &Event,
        process: i32,
        program: usize,
        slot: usize,
        observation: &Observation,
    ) {
        if let Some(module) = &observation.module {
            self.map_module(process, event.tid, program, module);
        }
        match self.slots.plan(slot).special {
            Special::Execute => self.executing(process, observation),
            Special::ChangesView => self.forget_view(process),
            Special::ChangesCredentials => self.forget_credentials(process),
            Special::Filter => {
                // prctl also changes no_new_privs and capabilities.
                self.forget_credentials(process);
                self.filters(event, program);
            }
            Special::ExitProcess => {
                if let Some(state) = self.processes.get_mut(&process) {
                    state.exiting = Some(event.args[0] as i32 & 0xff);
                }
            }
            _ => {}
        }
    }

    fn forget_view(&mut self, process: i32) {
        if let Some(state) = self.processes.get_mut(&process) {
            state.view = None;
            (state.credentials, state.users) = (None, None);
            state.directories = Directories::default();
        }
    }

    fn forget_credentials(&mut self, process: i32) {
        if let Some(state) = self.processes.get_mut(&process) {
            state.credentials = None;
            state.directories.forget_ways();
        }
    }

    fn map_module(&mut self, process: i32, tid: i32, program: usize, module: &Mapped) {
        if let Some(state) = self.processes.get_mut(&process) {
            state.mappings = None;
        }
        let (path, opened_as) = match module {
            Mapped::Opened(path) => (path.clone(), path.to_string()),
            Mapped::Descriptor(fd) => match procfs::descriptor(tid, *fd) {
                Ok(path) => (path, format!("/proc/{tid}/fd/{fd}")),
                Err(_) => return,
            },
        };
        if !self.programs[program].has_module(&path) {
            let module = modules::identify(path, &opened_as);
            self.programs[program].add_module(module);
        }
    }

    /// A file that would give privileges which it does not give under this engine.
    fn executing(&mut self, process: i32, observation: &Observation) {
        if self.privileges_kept || !observation.marks.contains(&Mark::GainsPrivileges) {
            return;
        }
        for (path, kind) in privileged(process, observation) {
            self.privileges.insert(Privileged { program: path.clone(), kind: kind.to_owned() });
        }
    }

    fn filters(&mut self, event: &Event, program: usize) {
        if sets_filter(event.sysno, &event.args) && !self.sees_denied {
            let path = self.programs[program].path.clone();
            let note =
                format!("{path} filters its own system calls: those that it denies were not seen");
            self.note(&note);
        }
    }

    /// Gives the result of a call.
    pub fn result(&mut self, pending: Pending, result: Option<i64>) {
        self.settle(&pending, result);
        if let (Some(entered), Some(follower)) = (pending.of_descriptors, &mut self.follower) {
            follower.left(*entered, result);
        }
    }

    fn settle(&mut self, pending: &Pending, result: Option<i64>) {
        if let Some(pending) = &pending.of_program {
            self.programs[pending.program()].settle(pending, result);
        }
    }

    /// Says that a process was seen and is not traced.
    pub fn untraced(&mut self, process: i32, reason: &str) {
        let program = procfs::link(process, "exe").unwrap_or_else(|_| Text::from("a process"));
        self.untraced.insert(Untraced { program, reason: reason.to_owned() });
    }
}

/// Counts calls of a process, as long as there are not too many of these.
fn count(records: &mut [ProcessRecord], id: usize, slot: usize, count: i64) {
    if id < PROCESSES_BOUND {
        records[id].add(slot, count);
    }
}

fn who<'a>(state: &ProcessState, process: i32, programs: &'a [ProgramState]) -> Who<'a> {
    let path = &programs[state.program].path;
    Who { process, id: state.id, program: state.program, path }
}

/// Whether a call may change whose directories are, or which they are.
fn changes_owners(observation: &Observation, checks: &[Check]) -> bool {
    let changes = |access: &Access| {
        matches!(
            access,
            Access::ChangeMetadata
                | Access::MakeDirectory
                | Access::RemoveDirectory
                | Access::RenameFrom
                | Access::Exchange
                | Access::Mount
                | Access::Root
        )
    };
    checks.contains(&Check::Owner)
        || checks.contains(&Check::Give)
        || observation.files.iter().any(|(_, accesses)| accesses.iter().any(changes))
}

fn locate(state: &mut ProcessState, process: i32, event: &Event) -> Option<model::trace::Site> {
    let known = state.mappings.as_ref();
    if let Some(site) = known.and_then(|known| procfs::call_site(known, event.instruction_pointer))
    {
        return Some(site);
    }
    // Not there, or mapped since.
    let mappings = procfs::mappings(process).ok()?;
    let site = procfs::call_site(&mappings, event.instruction_pointer);
    state.mappings = Some(mappings);
    site
}

fn kill_target(threads: &HashMap<i32, i32>, own: i32, argument: i32) -> KillTarget {
    let known = |tid: i32| threads.values().any(|&process| process == tid);
    match (argument, threads.get(&argument)) {
        (-1, _) => KillTarget::Everyone,
        (..=0, _) => KillTarget::Group,
        (pid, _) if pid == own => KillTarget::Own,
        (_, Some(&process)) if process == own => KillTarget::Own,
        (_, Some(_)) => KillTarget::Traced,
        // A child that has not made a call yet.
        (pid, None) => match procfs::family(pid) {
            Some(family) if known(family.parent) || known(family.process) => KillTarget::Traced,
            _ => KillTarget::Other,
        },
    }
}

/// The same for the numbers of a container. One that is not known is that of a process which has
/// not made a call yet, or joined later: both are of the container.
fn kill_target_inside(
    threads: &HashMap<i32, i32>,
    inside: &HashMap<i32, i32>,
    own: i32,
    argument: i32,
) -> KillTarget {
    match (argument, inside.get(&argument)) {
        (..=0, _) => kill_target(threads, own, argument),
        (_, Some(&tid)) if threads.contains_key(&tid) => kill_target(threads, own, tid),
        _ => KillTarget::Traced,
    }
}

/// The kernel marks the path of a file that was unlinked since.
fn without_deleted(path: Text) -> Text {
    match path.as_bytes().strip_suffix(b" (deleted)") {
        Some(plain) => Text::from(plain),
        None => path,
    }
}
