//! The engine on seccomp user notification: each call is announced at its entry, recorded, and
//! let go on. Results, births and deaths are not announced; deaths are learned from pidfds, by
//! `deaths.rs`, so that this loop does nothing but receive, record and let go.

use crate::{
    Options, TraceError,
    cap_capable::Measuring,
    observe::Event,
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
};

/// A process that has called execve and may run another image by its next call.
#[derive(Debug)]
struct Executing {
    tid: i32,
    before: Option<Image>,
}

struct Engine<'a> {
    child: &'a Child,
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
    let mut engine = Engine::new(&child, Listener::new(listener), options, !no_new_privs)?;
    // The command waits in its execve until it is served.
    meter.follow(child.pid.as_raw());
    engine.run(options)?;
    if let Report::NotExecuted(errno) = child.report()? {
        return Err(TraceError::NotExecuted(errno));
    }
    Ok(crate::Recorded {
        recorder: engine.recorder,
        ended: engine.ended,
        interrupted: engine.ending.signal(),
        no_new_privs,
        results: false,
    })
}

impl<'a> Engine<'a> {
    fn new(
        child: &'a Child,
        listener: Listener,
        options: &'a Options,
        privileges_kept: bool,
    ) -> Result<Engine<'a>, TraceError> {
        let deaths = Deaths::watch(&listener, child.pid.as_raw(), &options.signals)?;
        let mut engine = Engine {
            child,
            listener,
            deaths,
            recorder: Recorder::new(privileges_kept, false),
            watched: HashSet::new(),
            last: 0,
            executing: HashMap::new(),
            ending: Ending::new(&options.signals).with_command(options.first_process),
            ended: None,
        };
        engine.recorder.start(child.pid.as_raw());
        engine.watch(child.pid.as_raw());
        Ok(engine)
    }

    /// Serves calls until no task is left that has the filter.
    fn run(&mut self, options: &Options) -> Result<(), TraceError> {
        loop {
            let received = self.listener.receive()?;
            // Deaths first: the pid may be another process's by now.
            self.hear_deaths();
            self.ending.check(|| self.recorder.live());
            match received {
                Received::Call(notification) => {
                    self.record(&notification);
                    if let Err(errno) = self.listener.proceed(notification.id) {
                        self.child.abandon();
                        return Err(TraceError::Refused("to continue notified calls", errno));
                    }
                }
                Received::Gone if self.listener.hung_up() => break,
                Received::Gone => self.recorder.lost_call(),
                Received::Woken if self.deaths.all() => break,
                Received::Woken => {}
            }
            if self.ended.is_some() {
                // What was made while the others were killed has just shown itself.
                self.ending.check(|| self.recorder.live());
            }
            (options.progress)(&self.recorder);
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
            if process == self.child.pid.as_raw() {
                self.ended.clone_from(&ended);
                self.ending.command_ended();
            }
            self.last = 0;
            self.executing.remove(&process);
            self.recorder.process_ended(process, ended);
        }
    }

    fn record(&mut self, notification: &Notification) {
        let tid = notification.tid;
        if tid == 0 {
            self.recorder.note("calls of processes outside profgen's pid namespace were not seen");
            return;
        }
        let Some(sysno) = Sysno::from_audit(notification.arch, notification.number) else {
            self.recorder.note("calls of an unknown architecture were not recorded");
            return;
        };
        if tid != self.last || !self.executing.is_empty() {
            let Some(process) = self.recorder.process_of(tid) else { return };
            if !self.listener.is_valid(notification.id) {
                // It is gone, and what was just read may be another's.
                return;
            }
            if !self.watched.contains(&process) {
                self.watch(process);
            }
            self.after_exec(process, tid);
            self.last = tid;
        }
        let event = Event::new(tid, sysno, notification.args, notification.instruction_pointer);
        let valid = || self.listener.is_valid(notification.id);
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
