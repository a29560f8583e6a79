//! Follows descriptors from the calls that make, duplicate and close them, and keeps the order in
//! which global names were used.
//!
//! Exact where results are seen. A closing is taken at its entry, before the kernel has done it: a
//! number that another thread gets afterwards is then never thought closed. What is made is taken at
//! its exit. Where several threads may have been about to change a table that a child copies, the
//! child's own is read from /proc before it runs.

mod effects;
mod fold;
mod image;
mod kernel;
mod multiplexed;
mod plan;
mod sets;
mod stack;
mod table;
mod unwind;

pub use plan::clone_flags;

use crate::{observe::Event, observe::Observation};
use image::{Growing, Outcome};
use model::{
    Access, Sysno, Text,
    descriptor::{
        Detail, Image, Name, Object, Origin, PidTarget, Stack,
        rule::{Effect, Naming},
    },
    trace::{Cut, EndpointOperation, FileKind},
};
use plan::Plan;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use supervisor::{memory, procfs};
use table::{Held, Tables};

/// The longest name of a message queue that is read.
const QUEUE_NAME_MAX: usize = 256;

/// The image that a call belongs to, in the recorder's words.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The process.
    pub process: i32,
    /// Its place in the list of processes.
    pub id: usize,
    /// The place of its program.
    pub program: usize,
    /// The program's file.
    pub path: &'a Text,
}

/// A call that has begun, where its result or its names matter.
#[derive(Debug)]
pub struct Entered {
    event: Event,
    plan: Arc<Plan>,
    process: i32,
    stack: Option<u32>,
    uses: Vec<(usize, usize)>,
    names: Vec<Name>,
    /// What an open named, and what was there.
    opens: Option<(Text, Option<FileKind>)>,
    wants_result: bool,
}

impl Entered {
    /// Whether [`Follower::left`] needs to know the result.
    pub fn wants_result(&self) -> bool {
        self.wants_result
    }
}

#[derive(Debug)]
struct Running {
    growing: Growing,
    code: stack::Code,
    path: Text,
}

/// Follows all descriptors of a run.
#[derive(Debug, Default)]
pub struct Follower {
    plans: HashMap<Sysno, Arc<Plan>>,
    last_plan: Option<Arc<Plan>>,
    tables: Tables,
    images: HashMap<i32, Running>,
    parents: HashMap<i32, i32>,
    /// The last clone(2) of each thread that is in one.
    cloning: HashMap<i32, Event>,
    stacks: stack::Stacks,
    folded: fold::Folded,
    serial: u64,
    /// Numbers that an image began with and that were not as followed.
    corrected: u64,
    begun: bool,
}

impl Follower {
    /// `who` begins a new image: by execve, or because the recording begins. `former` is the thread
    /// that called execve.
    pub fn begins(&mut self, who: Who<'_>, former: i32) {
        let process = who.process;
        let mut before = BTreeMap::new();
        if let Some(table) = self.tables.of(former) {
            before = self.tables.held(table).clone();
        }
        self.ends(process, &before, true);
        self.tables.drop_process(process, None);
        self.begun = true;
        let numbers = kernel::numbers(process).unwrap_or_default();
        let known = !before.is_empty();
        before.retain(|_, held| !held.close_on_exec);
        self.start(who, process, false, before, Some((numbers, known)));
    }

    /// The image of a process is over.
    fn ends(&mut self, process: i32, held: &BTreeMap<i32, Held>, executes: bool) {
        let Some(Running { mut growing, .. }) = self.images.remove(&process) else { return };
        for held in held.values().filter(|held| held.owner == process) {
            growing.left_open(held.record, held.close_on_exec, executes);
        }
        self.folded.add(growing);
    }

    /// An image begins with what `held` says, or with what the kernel does where that is asked.
    fn start(
        &mut self,
        who: Who<'_>,
        tid: i32,
        forked: bool,
        mut held: BTreeMap<i32, Held>,
        numbers: Option<(Vec<i32>, bool)>,
    ) {
        if let Some((numbers, known)) = numbers {
            let before = held.len();
            held.retain(|number, _| numbers.binary_search(number).is_ok());
            let mut corrected = before - held.len();
            for number in numbers {
                // Where the copy may be of another moment, a number may be another file's by now.
                if held.contains_key(&number) && known {
                    continue;
                }
                let Some((opened, close_on_exec)) = kernel::describe(tid, number) else { continue };
                if let Some(held) = held.get_mut(&number) {
                    held.close_on_exec = close_on_exec;
                    if held.opened.object != opened.object {
                        held.opened = opened;
                    }
                    continue;
                }
                corrected += 1;
                let (serial, owner, record) = (0, who.process, 0);
                held.insert(number, Held { opened, close_on_exec, serial, owner, record });
            }
            self.corrected += if known { corrected as u64 } else { 0 };
        }
        let mut growing = Growing::new(who.id, who.program, forked);
        for (&number, held) in &mut held {
            self.serial += 1;
            held.serial = self.serial;
            held.owner = who.process;
            held.record = growing.made(number, inherited(held), held.opened.object, None);
        }
        self.tables.give(tid, who.process, held);
        let running = Running { growing, code: stack::Code::default(), path: who.path.clone() };
        self.images.insert(who.process, running);
    }

    /// A thread `tid` of `who`, made by `maker`, which still is in the call that made it.
    pub fn forked(&mut self, maker: i32, tid: i32, who: Who<'_>) {
        let call = self.cloning.remove(&maker);
        let flags = call.as_ref().map_or(0, plan::clone_flags);
        let Some(table) = self.tables.of(maker) else { return };
        let maker_process = self.tables.process_of(maker);
        let shares = flags & libc::CLONE_FILES as u64 != 0;
        if let Some(parent) = maker_process.filter(|&parent| parent != who.process) {
            self.parents.insert(who.process, parent);
        }
        if self.tables.of(tid).is_some() {
            // It had to go on before its maker spoke of it.
        } else if shares && self.images.contains_key(&who.process) {
            self.tables.join(tid, who.process, table);
        } else {
            self.copy(table, tid, who, maker_process.unwrap_or(who.process), shares);
        }
        // The child's copy was made before the kernel gave the parent this one.
        if let Some(place) = call.as_ref().and_then(plan::pidfd_place)
            && let (Some(number), Some(process), Some(call)) =
                (sets::single(maker, place), maker_process, call)
        {
            self.tick(process);
            let origin = Origin::Made { call: call.sysno };
            let opened = effects::opened(Object::PidFd, None, libc::O_RDWR as u64);
            self.put(table, process, number, origin, opened, true, None);
        }
    }

    fn copy(&mut self, table: usize, tid: i32, who: Who<'_>, parent: i32, shares: bool) {
        let held = self.tables.held(table).clone();
        if !shares && let Some(running) = self.images.get_mut(&parent) {
            for held in held.values().filter(|held| held.owner == parent) {
                running.growing.inherited(held.record);
            }
        }
        // Another thread of the parent may have been about to change the table.
        let numbers = (!shares && self.tables.threads(table) > 1).then(|| kernel::numbers(tid));
        if self.images.contains_key(&who.process) {
            // A thread with a table of its own.
            self.tables.give(tid, who.process, held);
            return;
        }
        let numbers = numbers.flatten().map(|numbers| (numbers, false));
        self.start(who, tid, true, held, numbers);
        if shares {
            self.share(table, tid, who.process);
        }
    }

    /// A process of its own that has the table of another: its records are known there by other
    /// names.
    fn share(&mut self, table: usize, tid: i32, process: i32) {
        let Some(own) = self.tables.of(tid) else { return };
        if let Some(running) = self.images.get_mut(&process) {
            for (number, held) in self.tables.held(table) {
                if let Some(copy) = self.tables.held(own).get(number) {
                    running.growing.shares(held.serial, copy.record);
                }
            }
        }
        self.tables.join(tid, process, table);
    }

    /// A thread of which no maker spoke: it shares its process's table, or has one that only the
    /// kernel knows.
    fn adopt(&mut self, tid: i32, who: Who<'_>) -> Option<usize> {
        if !self.begun {
            return None;
        }
        if self.images.contains_key(&who.process) {
            let table = self.tables.of_process(who.process)?;
            self.tables.join(tid, who.process, table);
        } else {
            let numbers = kernel::numbers(tid).unwrap_or_default();
            self.start(who, tid, true, BTreeMap::new(), Some((numbers, false)));
        }
        self.tables.of(tid)
    }

    /// The thread is gone.
    pub fn thread_ended(&mut self, tid: i32) {
        self.tables.drop_thread(tid);
        self.cloning.remove(&tid);
    }

    /// The process is gone.
    pub fn process_ended(&mut self, process: i32) {
        let table = self.tables.of_process(process);
        let held = table.map(|table| self.tables.held(table).clone()).unwrap_or_default();
        self.ends(process, &held, false);
        self.tables.drop_process(process, None);
        self.parents.remove(&process);
    }

    /// The entry of a call: what it uses and closes. Gives what has to be known at its end.
    pub fn entered(&mut self, event: &Event, who: Who<'_>) -> Option<Entered> {
        let event = multiplexed::meant(event);
        #[cfg(test)]
        tests::compare(self, &event);
        let plan = self.plan(event.sysno);
        if let Some(image) = self.images.get_mut(&who.process) {
            image.growing.called(event.sysno);
        }
        if plan.is_empty() {
            return None;
        }
        let table = match self.tables.of(event.tid) {
            Some(table) => table,
            None => self.adopt(event.tid, who)?,
        };
        let mut uses = Vec::new();
        for usage in &plan.uses {
            let number = event.args[usage.argument] as i32;
            let detail = if number >= 0 { usage.detail(&event) } else { None };
            if let Some(detail) = detail {
                let argument = usage.argument as u8;
                uses.extend(self.use_one(table, who.process, &event, number, argument, detail));
            }
        }
        let open_flags = plan.opens_with(&event);
        for relative in &plan.relative {
            if let Some((number, itself)) = relative.descriptor(&event) {
                let argument = relative.directory as u8;
                let detail = open_flags.map(Detail::Open).or(itself);
                uses.extend(self.use_one(table, who.process, &event, number, argument, detail));
            }
        }
        if plan.set != plan::Set::No {
            let (numbers, argument, detail) = plan::in_memory(plan.set, &event);
            for number in numbers {
                self.use_one(table, who.process, &event, number, argument, Some(detail));
            }
        }
        self.at_entry(table, who.process, &event, &plan);
        let wants_result = self.wants_result(&event, &plan);
        let (stack, names, opens) = (None, Vec::new(), None);
        let process = who.process;
        Some(Entered { event, plan, process, stack, uses, names, opens, wants_result })
    }

    fn plan(&mut self, sysno: Sysno) -> Arc<Plan> {
        if let Some(plan) = self.last_plan.as_ref().filter(|plan| plan.sysno == sysno) {
            return plan.clone();
        }
        let plan = self.plans.entry(sysno).or_insert_with(|| Arc::new(Plan::new(sysno))).clone();
        self.last_plan = Some(plan.clone());
        plan
    }

    fn use_one(
        &mut self,
        table: usize,
        process: i32,
        event: &Event,
        number: i32,
        argument: u8,
        detail: Option<Detail>,
    ) -> Option<(usize, usize)> {
        let record = self.record(table, process, event.tid, number)?;
        let image = &mut self.images.get_mut(&process)?.growing;
        Some(image.used(record, event.sysno, argument, detail, 1))
    }

    /// Adds `count` uses of a descriptor that an engine counted without a stop, valid for the present
    /// tick of the process.
    pub fn counted(
        &mut self,
        process: i32,
        call: Sysno,
        argument: u8,
        detail: Option<Detail>,
        number: i32,
        count: u64,
    ) {
        let Some(table) = self.tables.of_process(process) else { return };
        let Some(record) = self.record(table, process, process, number) else { return };
        if let Some(running) = self.images.get_mut(&process) {
            running.growing.used(record, call, argument, detail, count);
        }
    }

    /// The record of an open number in the image of a process.
    fn record(&mut self, table: usize, process: i32, tid: i32, number: i32) -> Option<usize> {
        match self.tables.held(table).get(&number) {
            Some(held) if held.owner == process => Some(held.record),
            Some(held) => {
                let (serial, object) = (held.serial, held.opened.object);
                let origin = inherited(held);
                let image = &mut self.images.get_mut(&process)?.growing;
                Some(image.foreign(serial, number, origin, object))
            }
            None => {
                // Made in a way that is not followed: by an ioctl, by reading from fanotify.
                let (opened, close_on_exec) = kernel::describe(tid, number)?;
                self.tick(process);
                let origin = Origin::Received { over: None };
                self.put(table, process, number, origin, opened, close_on_exec, None)
            }
        }
    }

    /// The clock of a process goes on by one event.
    fn tick(&mut self, process: i32) {
        if let Some(running) = self.images.get_mut(&process) {
            running.growing.clock += 1;
        }
    }

    fn stack(&mut self, event: &Event, process: i32) -> Option<u32> {
        let Running { growing, code, path } = self.images.get_mut(&process)?;
        self.stacks.of(event, process, code, growing, path)
    }

    /// The names that a call uses, as far as its arguments were read; and from where, when there is
    /// something to tell. Gives it back when its end matters.
    pub fn named(
        &mut self,
        mut entered: Entered,
        observation: Option<&Observation>,
    ) -> Option<Entered> {
        let (event, plan) = (entered.event, entered.plan.clone());
        let flags = plan.opens_with(&event);
        if let Some(observation) = observation {
            names_of(&mut entered, observation, flags);
        }
        if let Some(at) = plan.target.filter(|_| plan.names(&event).is_none()) {
            let target = self.target(entered.process, event.args[at] as i32);
            entered.names.push(Name::Pid { target });
        }
        match plan.names(&event) {
            Some(Naming::Child) => entered.names.push(Name::Child),
            Some(Naming::Kernel) if entered.names.is_empty() => entered.names.push(Name::Kernel),
            Some(Naming::Ipc) => {
                let queue = matches!(event.sysno.name(), Some("mq_open" | "mq_unlink"));
                let name = queue
                    .then(|| memory::read_string(event.tid, event.args[0], QUEUE_NAME_MAX).ok())
                    .flatten();
                entered.names.push(Name::Ipc { name });
            }
            _ => {}
        }
        let effect = plan.rule.and_then(|rule| rule.effect);
        if effect == Some(Effect::Clone) {
            self.cloning.insert(event.tid, event);
        }
        let makes = entered.wants_result && effect != Some(Effect::Receive);
        if makes || !entered.names.is_empty() {
            entered.stack = self.stack(&event, entered.process);
        }
        let matters = entered.wants_result
            || !entered.names.is_empty()
            || !entered.uses.is_empty() && observation.is_some();
        matters.then_some(entered)
    }

    fn target(&mut self, own: i32, pid: i32) -> PidTarget {
        match pid {
            0 => PidTarget::Own,
            -1 => PidTarget::Everyone,
            ..0 => PidTarget::Group,
            pid if pid == own || self.tables.process_of(pid) == Some(own) => PidTarget::Own,
            pid if self.parents.get(&pid) == Some(&own) => PidTarget::Child,
            pid if self.parents.get(&own) == Some(&pid) => PidTarget::Parent,
            pid => match procfs::family(pid) {
                Some(family) if family.parent == own => PidTarget::Child,
                _ => PidTarget::Other,
            },
        }
    }

    /// The end of a call; `result` is absent where it was not seen.
    pub fn left(&mut self, entered: Entered, result: Option<i64>) {
        // ERESTARTSYS and its like: the call is made again, or fails with EINTR.
        if result.is_some_and(|result| (-516..=-512).contains(&result)) {
            return;
        }
        let failed = result.is_some_and(|result| result < 0);
        let process = entered.process;
        let Some(running) = self.images.get_mut(&process) else { return };
        if failed {
            entered.uses.iter().for_each(|&at| running.growing.failed(at));
        }
        let outcome = match result {
            None => Outcome::Unknown,
            Some(_) if failed => Outcome::Failed,
            Some(_) => Outcome::Ok,
        };
        let mut ticked = !entered.names.is_empty();
        if ticked {
            running.growing.clock += 1;
            for name in &entered.names {
                running.growing.named(entered.event.sysno, name.clone(), entered.stack, outcome);
            }
        }
        if let (Some(result), false) = (result, failed) {
            self.at_exit(&entered, result, &mut ticked);
        }
    }

    /// How many descriptors the kernel had otherwise than they were followed, at the beginning of an
    /// image; from there on they are as the kernel had them.
    pub fn corrected(&self) -> u64 {
        self.corrected
    }

    /// The trace's lists, and what was cut. `places`: where the recorder's programs came to be.
    pub fn finish(mut self, places: &[u32], paths: &[Text]) -> (Vec<Image>, Vec<Stack>, Vec<Cut>) {
        let mut left: Vec<i32> = self.images.keys().copied().collect();
        left.sort_unstable();
        for process in left {
            self.process_ended(process);
        }
        let (images, cuts) = self.folded.finish(places, paths);
        (images, self.stacks.finish(), cuts)
    }
}

/// How a descriptor looks from an image that did not make it.
fn inherited(held: &Held) -> Origin {
    Origin::Inherited { path: held.opened.path.clone(), flags: held.opened.flags }
}

/// The global names among what was read of a call.
fn names_of(entered: &mut Entered, observation: &Observation, flags: Option<u64>) {
    if flags.is_some()
        && let Some((place, _)) = observation.files.first()
    {
        entered.opens = Some((place.named.clone(), place.found));
    }
    let executes = matches!(entered.event.sysno.name(), Some("execve" | "execveat"));
    for (place, accesses) in observation.files.iter().filter(|(place, _)| place.base.is_none()) {
        let path = place.named.clone();
        entered.names.push(if executes {
            Name::Exec { path }
        } else {
            let accesses: BTreeSet<Access> = accesses.iter().copied().collect();
            Name::Path { path, accesses, flags }
        });
    }
    for (operation, address, _) in &observation.endpoints {
        // listen(2) names nothing: its address was named by bind(2).
        if *operation != EndpointOperation::Listen {
            let (address, operation) = (address.clone(), *operation);
            entered.names.push(Name::Address { address, operation });
        }
    }
}

#[cfg(test)]
mod tests;
