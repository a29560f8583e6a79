//! What profgen does when it is asked to end: the command has got the signal already; what it
//! leaves behind is asked, and at last made, to end, so that the record can be written.

use crate::signals::Signals;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// After so many signals nothing is asked any more.
const PATIENCE: u32 = 3;

/// The signals that arrived during one run.
#[derive(Debug)]
pub struct Ending {
    signals: Signals,
    last: Option<Signal>,
    command_ended: bool,
    /// Whether the command's end is that of all it has left.
    with_command: bool,
}

impl Ending {
    /// Nothing has arrived yet.
    pub fn new(signals: &Signals) -> Ending {
        Ending { signals: signals.clone(), last: None, command_ended: false, with_command: false }
    }

    /// The same, and when the command ends, what it has left behind is killed if `yes`: as the kernel
    /// does when a container's first process ends (pid_namespaces(7)).
    pub fn with_command(self, yes: bool) -> Ending {
        Ending { with_command: yes, ..self }
    }

    /// The signal that interrupted the run, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.last
    }

    /// Takes note of signals that arrived since the last call and acts on none: what runs is not
    /// profgen's to end. Says whether there were any.
    pub fn heard(&mut self) -> bool {
        let arrived = self.signals.arrived();
        self.last = arrived.map(|(_, signal)| signal).or(self.last);
        arrived.is_some()
    }

    /// The command itself has ended; processes that it left may go on.
    pub fn command_ended(&mut self) {
        self.command_ended = true;
    }

    /// Acts on signals that arrived since the last call; `live` are the processes that are still
    /// there. Says whether there were any.
    pub fn check<I: Iterator<Item = i32>>(&mut self, live: impl FnOnce() -> I) -> bool {
        let arrived = self.signals.arrived();
        if self.with_command && self.command_ended {
            signal_all(live(), Signal::SIGKILL);
            self.last = arrived.map(|(_, signal)| signal).or(self.last);
            return arrived.is_some();
        }
        let Some((count, signal)) = arrived else { return false };
        self.last = Some(signal);
        if count >= PATIENCE {
            signal_all(live(), Signal::SIGKILL);
        } else if self.command_ended {
            signal_all(live(), Signal::SIGTERM);
        }
        true
    }
}

fn signal_all(processes: impl Iterator<Item = i32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process), signal);
    }
}
