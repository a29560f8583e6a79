//! The engine on seccomp user notification: each call is announced at its entry, recorded, and
//! let go on. Results, births and deaths are not announced; deaths are learned from pidfds, by
//! `deaths.rs`, so that this loop does nothing but receive, record and let go.

use crate::{
    Options, TraceError,
    cap_capable::Measuring,
    observe::Event,
    plan::Special,
    recorder::{Next, Recorder},
};
use filter::Flags;
use model::{Sysno, trace::Ended};
use std::collections::{HashMap, HashSet};
use supervisor::{
    Child, Command, Deaths, Ending, Listener, Notification, Received, Watch,
    deaths::last_deaths,
    launch::{Report, every_call},
    procfs::{self, Image},
    signals::Signals,
};

/// A process that has called execve and may run another image by its next call.
#[derive(Debug)]
struct Executing {
    tid: i32,
    before: Option<Image>,
}

/// Serves one listener.
pub(crate) struct Engine {
    /// The first process: a child of profgen's, or a container's.
    command: i32,
    listener: Listener,
    deaths: Deaths,
    recorder: Recorder,
    /// The processes whose death will be told.
    watched: HashSet<i32>,
    /// The thread of the last call, whose process is known and watched.
    last: i32,
    executing: HashMap<i32, Executing>,
    ending: Ending,
    ended: Option<Ended>,
    /// Whether a container's runtime, and not profgen, started the first process.
    contained: bool,
    /// Such a process is still its runtime's: it has not executed the container's program.
    preparing: bool,
    /// What it runs until then.
    runtime: Option<Image>,
}

/// Runs `command` and records it.
///
/// # Errors
/// [`TraceError::Refused`] when the kernel gives no listener, before the command has run.
pub fn run(
    command: &Command,
    options: &Options,
    meter: &Measuring,
) -> Result<crate::Recorded, TraceError> {
    let child = Child::start(command, Watch::Notify, &every_call(libc::SECCOMP_RET_USER_NOTIF))?;
    options.signals.pass_to(child.pid);
    let (listener, no_new_privs) = match child.report()? {
        Report::Filtered { listener: Some(listener), no_new_privs } => (listener, no_new_privs),
        Report::Refused(errno) => {
            child.abandon();
            return Err(TraceError::Refused("a listener for notifications", errno));
        }
        _ => {
            child.abandon();
            return Err(TraceError::Vanished);
        }
    };
    let mut recorder = Recorder::new(!no_new_privs, false);
    recorder.keep_bases(true);
    let command = child.pid.as_raw();
    let signals = &options.signals;
    let ending = Ending::new(signals).with_command(options.first_process);
    let mut engine = Engine::new(command, Listener::new(listener), signals, ending, recorder)?;
    // The command waits in its execve until it is served.
    meter.follow(command);
    engine.run(&options.progress).inspect_err(|error| {
        if matches!(error, TraceError::Refused(..)) {
            child.abandon();
        }
    })?;
    if let Report::NotExecuted(errno) = child.report()? {
        return Err(TraceError::NotExecuted(errno));
    }
    Ok(engine.recorded(no_new_privs))
}

impl Engine {
    fn new(
        command: i32,
        listener: Listener,
        signals: &Signals,
        ending: Ending,
        recorder: Recorder,
    ) -> Result<Engine, TraceError> {
        let deaths = Deaths::watch(&listener, command, signals)?;
        let mut engine = Engine {
            command,
            listener,
            deaths,
            recorder,
            watched: HashSet::new(),
            last: 0,
            executing: HashMap::new(),
            ending,
            ended: None,
            contained: false,
            preparing: false,
            runtime: None,
        };
        engine.recorder.start(command);
        engine.watch(command);
        Ok(engine)
    }

    /// For a process that a container's runtime has started, and that is about to execute the
    /// container's program.
    pub(crate) fn of_container(
        process: i32,
        listener: Listener,
        signals: &Signals,
    ) -> Result<Engine, TraceError> {
        let (ending, recorder) = (Ending::new(signals), Recorder::of_container());
        let engine = Engine::new(process, listener, signals, ending, recorder)?;
        let runtime = procfs::image(process);
        Ok(Engine { contained: true, preparing: true, runtime, ..engine })
    }

    /// Adds something that the reader of the trace must know.
    pub(crate) fn note(&mut self, note: &str) {
        self.recorder.note(note);
    }

    /// What was recorded.
    pub(crate) fn recorded(self, no_new_privs: bool) -> crate::Recorded {
        crate::Recorded {
            recorder: self.recorder,
            ended: self.ended,
            interrupted: self.ending.signal(),
            no_new_privs,
            results: false,
        }
    }

    /// Serves calls until no task is left that has the filter; those of a container at most until
    /// profgen is asked to end.
    pub(crate) fn run(&mut self, progress: &dyn Fn(&Recorder)) -> Result<(), TraceError> {
        loop {
            let received = self.listener.receive()?;
            // Deaths first: the pid may be another process's by now.
            self.hear_deaths();
            // What a container does is not profgen's to end.
            let asked = match self.contained {
                true => self.ending.heard(),
                false => self.ending.check(|| self.recorder.live()),
            };
            match received {
                Received::Call(notification) => {
                    let answered = match self.record(&notification) {
                        Some(answered) => answered,
                        None => self.listener.proceed(notification.id),
                    };
                    if let Err(errno) = answered {
                        return Err(TraceError::Refused("to continue notified calls", errno));
                    }
                }
                Received::Gone if self.listener.hung_up() => break,
                // The runtime's own are none of the container's.
                Received::Gone if self.preparing => {}
                Received::Gone => self.recorder.lost_call(),
                Received::Woken if self.deaths.all() => break,
                Received::Woken => {}
            }
            if self.ended.is_some() && !self.contained {
                // What was made while the others were killed has just shown itself.
                self.ending.check(|| self.recorder.live());
            }
            progress(&self.recorder);
            if asked && self.contained {
                return Ok(());
            }
        }
        last_deaths(|| {
            self.hear_deaths();
            self.watched.is_empty()
        });
        Ok(())
    }

    /// Watches for the end of a process.
    fn watch(&mut self, process: i32) {
        if self.deaths.add(process) {
            self.watched.insert(process);
        } else {
            self.recorder.note("the end of some processes could not be watched for");
        }
    }

    fn hear_deaths(&mut self) {
        for (process, ended) in self.deaths.take() {
            self.watched.remove(&process);
            if process == self.command {
                self.ended.clone_from(&ended);
                self.ending.command_ended();
            }
            self.last = 0;
            self.executing.remove(&process);
            self.recorder.process_ended(process, ended);
            if process == self.command && self.contained {
                // No child of ours: only what it said itself is known.
                self.ended = self.recorder.first_ended().cloned();
            }
        }
    }

    /// Records a call. What came of letting it go on, where that was done already.
    fn record(&mut self, notification: &Notification) -> Option<nix::Result<bool>> {
        let tid = notification.tid;
        if tid == 0 {
            self.recorder.note("calls of processes outside profgen's pid namespace were not seen");
            return None;
        }
        let Some(sysno) = Sysno::from_audit(notification.arch, notification.number) else {
            self.recorder.note("calls of an unknown architecture were not recorded");
            return None;
        };
        if self.preparing && !self.is_the_containers(tid, sysno) {
            return None;
        }
        if tid != self.last || !self.executing.is_empty() {
            let process = self.recorder.process_of(tid)?;
            if !self.listener.is_valid(notification.id) {
                // It is gone, and what was just read may be another's.
                return None;
            }
            if !self.watched.contains(&process) {
                self.watch(process);
            }
            self.after_exec(process, tid);
            self.last = tid;
        }
        let event = Event::new(tid, sysno, notification.args, notification.instruction_pointer);
        // Where nothing more is read of the process, it is let go at once: the answer says, too, whether
        // what was read was its own.
        let looked_at = self.recorder.plan(sysno).special != Special::None;
        let mut answered = None;
        let valid = || match looked_at {
            true => self.listener.is_valid(notification.id),
            false => *answered.insert(self.listener.proceed(notification.id)) == Ok(true),
        };
        if let Next::Result(pending) = self.recorder.call(&event, valid) {
            self.recorder.result(*pending, None);
        }
        match sysno.name() {
            Some("execve" | "execveat") => {
                if let Some(process) = self.recorder.process_of(tid) {
                    let before = procfs::image(process);
                    self.executing.insert(process, Executing { tid, before });
                }
            }
            Some("exit") => {
                self.recorder.thread_ended(tid);
                self.last = 0;
            }
            Some("seccomp") => self.second_listener(&event),
            _ => {}
        }
        answered
    }

    /// Whether a call is the container's, and not still its runtime's: the execve of its program is
    /// the first. Helpers of the runtime may have the filter too.
    fn is_the_containers(&mut self, tid: i32, sysno: Sysno) -> bool {
        if self.executing.contains_key(&self.command) && tid == self.command {
            self.after_exec(tid, tid);
            if !self.executing.contains_key(&tid) && procfs::image(tid) != self.runtime {
                self.preparing = false;
                self.recorder.started_as(tid);
                return true;
            }
        }
        let execute = matches!(sysno.name(), Some("execve" | "execveat"));
        execute && procfs::family(tid).is_some_and(|family| family.process == self.command)
    }

    /// A process that called execve makes another call: has it another image now?
    fn after_exec(&mut self, process: i32, tid: i32) {
        let Some(executing) = self.executing.get(&process) else { return };
        let now = procfs::image(process);
        if now != executing.before && now.is_some() {
            self.executing.remove(&process);
            self.recorder.executed(process, process);
        } else if executing.tid == tid {
            self.executing.remove(&process);
        }
    }

    /// The kernel gives a task one listener only, and this one is taken.
    fn second_listener(&mut self, event: &Event) {
        if event.args[0] == 1 && event.args[1] & u64::from(Flags::NEW_LISTENER.bits()) != 0 {
            let note = "the program asked for a seccomp listener of its own, which the notify \
                        engine leaves no room for (EBUSY): record it with --engine ptrace";
            self.recorder.note(note);
        }
    }
}
