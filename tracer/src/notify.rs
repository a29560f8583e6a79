//! The engine on seccomp user notification: each call is announced at its entry, recorded, and
//! let go on. Results, births and deaths are not announced; deaths are learned from pidfds.

use crate::{
    Ending, Options, TraceError,
    observe::Event,
    recorder::{Next, Recorder},
};
use filter::Flags;
use model::{Sysno, trace::Ended};
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{
    collections::HashMap,
    os::fd::{AsFd, FromRawFd, OwnedFd},
};
use supervisor::{
    Child, Command, Listener, Notification, Watch,
    launch::{Report, every_call},
    procfs::{self, Image},
};

/// Epoll data of the listener; processes have their pid.
const LISTENER: u64 = u64::MAX;
/// Epoll data of the connection to the child.
const CONTROL: u64 = u64::MAX - 1;

/// A process that has called execve and may run another image by its next call.
#[derive(Debug)]
struct Executing {
    tid: i32,
    before: Option<Image>,
}

struct Engine<'a> {
    child: &'a Child,
    listener: Listener,
    epoll: Epoll,
    recorder: Recorder,
    pidfds: HashMap<i32, OwnedFd>,
    executing: HashMap<i32, Executing>,
    ending: Ending<'a>,
    ended: Option<Ended>,
    not_executed: Option<Errno>,
}

/// Runs `command` and records it.
///
/// # Errors
/// [`TraceError::Refused`] when the kernel gives no listener, before the command has run.
pub fn run(command: &Command, options: &Options) -> Result<crate::Recorded, TraceError> {
    let child = Child::start(command, Watch::Notify, &every_call(libc::SECCOMP_RET_USER_NOTIF))?;
    options.signals.pass_to(child.pid);
    let (listener, no_new_privs) = match child.report()? {
        Report::Filtered { listener: Some(listener), no_new_privs } => (listener, no_new_privs),
        Report::Refused(errno) => {
            child.reap();
            return Err(TraceError::Refused("a listener for notifications", errno));
        }
        _ => {
            child.reap();
            return Err(TraceError::Vanished);
        }
    };
    let mut engine = Engine::new(&child, Listener::new(listener), options, !no_new_privs)?;
    engine.run(options)?;
    if let Some(errno) = engine.not_executed {
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
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        epoll.add(child.control(), EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        let mut engine = Engine {
            child,
            listener,
            epoll,
            recorder: Recorder::new(privileges_kept, false),
            pidfds: HashMap::new(),
            executing: HashMap::new(),
            ending: Ending::new(&options.signals),
            ended: None,
            not_executed: None,
        };
        engine.recorder.start(child.pid.as_raw());
        engine.watch(child.pid.as_raw());
        Ok(engine)
    }

    fn run(&mut self, options: &Options) -> Result<(), TraceError> {
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(errno.into()),
            };
            self.ending.check(&self.recorder);
            let mut hung_up = false;
            // Deaths first: a pid may be in use again by the next notification.
            for event in events[..count].iter().filter(|event| event.data() < CONTROL) {
                self.process_ended(event.data() as i32);
            }
            for event in &events[..count] {
                match event.data() {
                    CONTROL => self.hear_child()?,
                    LISTENER if event.events().contains(EpollFlags::EPOLLIN) => {
                        match self.listener.receive()? {
                            Some(notification) => self.notified(&notification),
                            None => self.recorder.lost_call(),
                        }
                        (options.progress)(&self.recorder);
                    }
                    LISTENER => hung_up = true,
                    _ => {}
                }
            }
            if hung_up {
                // No task is left that has the filter.
                self.collect_rest();
                return Ok(());
            }
        }
    }

    /// Watches for the end of a process. Without a descriptor for it, its end is not seen.
    fn watch(&mut self, process: i32) {
        // SAFETY: plain numbers; the kernel makes a descriptor for us.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
        if fd < 0 {
            return;
        }
        // SAFETY: it was just made.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, process as u64);
        if self.epoll.add(fd.as_fd(), event).is_ok() {
            self.pidfds.insert(process, fd);
        }
    }

    fn process_ended(&mut self, process: i32) {
        if self.pidfds.remove(&process).is_none() {
            return;
        }
        let mut ended = None;
        if process == self.child.pid.as_raw() {
            ended = wait_for(self.child.pid, WaitPidFlag::__WALL);
            self.ended.clone_from(&ended);
            self.ending.command_ended();
        }
        self.executing.remove(&process);
        self.recorder.process_ended(process, ended);
    }

    fn collect_rest(&mut self) {
        let rest: Vec<i32> = self.pidfds.keys().copied().collect();
        for process in rest {
            self.process_ended(process);
        }
    }

    fn hear_child(&mut self) -> Result<(), TraceError> {
        match self.child.report()? {
            Report::NotExecuted(errno) => self.not_executed = Some(errno),
            _ => self.epoll.delete(self.child.control())?,
        }
        Ok(())
    }

    fn notified(&mut self, notification: &Notification) {
        self.record(notification);
        self.listener.proceed(notification.id);
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
        let process = self.recorder.process_of(tid);
        if !self.pidfds.contains_key(&process) {
            self.watch(process);
        }
        if !self.executing.is_empty() {
            self.after_exec(process, tid);
        }
        let event = Event {
            tid,
            sysno,
            args: notification.args,
            instruction_pointer: notification.instruction_pointer,
        };
        let valid = || self.listener.is_valid(notification.id);
        if let Next::Result(pending) = self.recorder.call(&event, valid) {
            self.recorder.result(pending, None);
        }
        match sysno.name() {
            Some("execve" | "execveat") => {
                let before = procfs::image(process);
                self.executing.insert(process, Executing { tid, before });
            }
            Some("exit") => self.recorder.thread_ended(tid),
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
            self.recorder.executed(process);
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

/// How a child of ours ended; `None` when it has not.
fn wait_for(pid: Pid, flags: WaitPidFlag) -> Option<Ended> {
    loop {
        return match waitpid(pid, Some(flags)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Ended::Exit(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                Some(Ended::Signal(signal.as_str().to_owned()))
            }
            Err(Errno::EINTR) => continue,
            _ => None,
        };
    }
}

/// Sends a signal to each of these processes.
pub fn signal_all(processes: impl Iterator<Item = i32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process), signal);
    }
}
