//! What profgen does when it is asked to end: the command has got the signal already; what it
//! leaves behind is asked, and at last made, to end, so that the record can be written.

use crate::recorder::Recorder;
use nix::sys::signal::Signal;
use supervisor::signals::Signals;

/// After so many signals nothing is asked any more.
const PATIENCE: u32 = 3;

/// The signals that arrived during one recording.
pub struct Ending<'a> {
    signals: &'a Signals,
    last: Option<Signal>,
    command_ended: bool,
}

impl<'a> Ending<'a> {
    pub fn new(signals: &'a Signals) -> Ending<'a> {
        Ending { signals, last: None, command_ended: false }
    }

    /// The signal that interrupted the recording, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.last
    }

    /// The command itself has ended; processes that it left may go on.
    pub fn command_ended(&mut self) {
        self.command_ended = true;
    }

    /// Acts on signals that arrived since the last call. Says whether there were any.
    pub fn check(&mut self, recorder: &Recorder) -> bool {
        let Some((count, signal)) = self.signals.arrived() else { return false };
        self.last = Some(signal);
        if count >= PATIENCE {
            crate::notify::signal_all(recorder.live(), Signal::SIGKILL);
        } else if self.command_ended {
            crate::notify::signal_all(recorder.live(), Signal::SIGTERM);
        }
        true
    }
}
