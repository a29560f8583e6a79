//! The line that shows on a terminal while a command is recorded.

use crate::exit::printable;
use std::{
    cell::Cell,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};
use tracer::Recorder;

const INTERVAL: Duration = Duration::from_millis(250);
/// The clock is looked at once in so many events.
const EVENTS: u32 = 256;

/// Shows what has been recorded so far, now and then.
pub struct Progress {
    shown: bool,
    due: Cell<Instant>,
    events: Cell<u32>,
    written: Cell<bool>,
}

impl Progress {
    /// A progress line, where there is a terminal to show it on that the command does not also use.
    pub fn new(quiet: bool) -> Progress {
        // A command that writes to the same terminal would be written over.
        let free = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        Progress {
            shown: free && !quiet,
            due: Cell::new(Instant::now() + INTERVAL),
            events: Cell::new(0),
            written: Cell::new(false),
        }
    }

    /// One for after the command has ended, when the terminal is profgen's.
    pub fn alone(quiet: bool) -> Progress {
        let mut progress = Progress::new(quiet);
        progress.shown = std::io::stderr().is_terminal() && !quiet;
        progress
    }

    /// Shows a text.
    pub fn line(&self, text: &str) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[Kprofgen: {}", printable(text));
            self.written.set(true);
        }
    }

    /// Takes note of an event.
    pub fn show(&self, recorder: &Recorder) {
        if !self.shown {
            return;
        }
        self.events.set(self.events.get().wrapping_add(1));
        if !self.events.get().is_multiple_of(EVENTS) || Instant::now() < self.due.get() {
            return;
        }
        self.due.set(Instant::now() + INTERVAL);
        let seen = recorder.progress();
        self.line(&format!(
            "{} processes, {} calls, {} distinct",
            seen.processes, seen.calls, seen.distinct
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.written.get() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
