//! What the ptrace engine does for stubs: when a process's space is told of, and what becomes of a
//! call before and after it is recorded.

use crate::{
    observe::Event,
    patch::{Made, Next},
    ptrace::{Calls, Engine},
};
use libc::c_int;
use nix::{sys::ptrace, unistd::Pid};
use std::time::{Duration, Instant};
use supervisor::wait::{Stop, Wait, wait_now};

/// How many milliseconds a thread has to stop.
const PATIENCE: u32 = 200;
/// How long threads that wait have to stop. Mostly they do at once, so that the first looks are soon.
const MOMENT: Duration = Duration::from_millis(20);
const FIRST_LOOK: Duration = Duration::from_micros(10);

/// What to do with the entry of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Record it.
    Record,
    /// It is counted already.
    Skip,
    /// The thread makes it once more, and it is recorded then.
    Anew,
    /// The thread is no longer there to be resumed.
    Over,
}

impl Engine<'_> {
    /// A new image is about to begin. Whether the thread is still to be resumed.
    pub(crate) fn begin(&mut self, tid: i32) -> bool {
        let Some(process) = self.recorder.process_of(tid) else { return true };
        let Some(patcher) = &mut self.patcher else { return true };
        match patcher.begin(tid, process, &mut self.recorder) {
            Some(made) => self.made(tid, made),
            None => true,
        }
    }

    /// The first call of a new image. Whether the thread is still to be resumed.
    pub(crate) fn settle(&mut self, tid: i32) -> bool {
        let Some(process) = self.recorder.process_of(tid) else { return true };
        let Some(patcher) = &mut self.patcher else { return true };
        let made = patcher.settle(tid, process);
        self.made(tid, made)
    }

    fn made(&mut self, tid: i32, made: Made) -> bool {
        let calls = match made {
            Made::Done => Calls::Filtered,
            Made::Refused => {
                self.recorder
                    .note("a program has no room where its calls would pass: each stopped twice");
                Calls::Unfiltered
            }
            Made::Ended(wait) => return self.over(tid, wait),
        };
        self.set_calls(tid, calls);
        true
    }

    fn over(&mut self, tid: i32, wait: Option<Wait>) -> bool {
        if let Some(wait) = wait {
            self.waited(tid, wait);
        }
        false
    }

    /// A call is about to be recorded.
    pub(crate) fn before(&mut self, event: &Event) -> Entry {
        let tid = event.tid;
        let Some(patcher) = &mut self.patcher else { return Entry::Record };
        let Some(process) = self.recorder.process_of(tid) else { return Entry::Record };
        if patcher.is_stub(process, event.instruction_pointer)
            || patcher.asks(event, process, &mut self.recorder)
            || patcher.begins_without(event, process)
        {
            return Entry::Skip;
        }
        patcher.ends_guest(process, &self.recorder);
        match patcher.prepare(event, process, &mut self.recorder) {
            Next::Again => return Entry::Anew,
            Next::Ended(wait) => {
                self.over(tid, wait);
                return Entry::Over;
            }
            Next::Proceed | Next::Hold(_) => {}
        }
        let Some(patcher) = &mut self.patcher else { return Entry::Record };
        patcher.before(event, process, &mut self.recorder);
        if !patcher.entering(event, process, &mut self.recorder) {
            return Entry::Record;
        }
        let threads = patcher.withdraw(tid, process, &self.recorder);
        let is_left = self.leave_stubs(&threads);
        let Some(patcher) = &mut self.patcher else { return Entry::Record };
        let made = patcher.retire(tid, process, is_left, &mut self.recorder);
        self.recorder.note("a program mapped where its calls would pass: each stopped twice");
        self.set_calls_of_process(process, Calls::Unfiltered);
        match made {
            Made::Done => Entry::Anew,
            Made::Refused => Entry::Record,
            Made::Ended(wait) => {
                self.over(tid, wait);
                Entry::Over
            }
        }
    }

    /// Stops threads where they stand, which takes them out of the stubs, and lets them go on. Whether
    /// all did: one that waits for its vfork child, or for a device, stops for nobody, and is not there.
    fn leave_stubs(&mut self, threads: &[i32]) -> bool {
        threads.iter().filter(|&&tid| !self.leaves_stubs(tid)).count() == 0
    }

    fn leaves_stubs(&mut self, tid: i32) -> bool {
        if ptrace::interrupt(Pid::from_raw(tid)).is_err() {
            // It is gone, or its end is yet to be reported.
            return true;
        }
        for _ in 0..PATIENCE {
            match wait_now(tid) {
                Ok(Some(wait)) => {
                    self.waited(tid, wait);
                    if !matches!(wait, Wait::Stopped(stop) if stop != Stop::Trap) {
                        return true;
                    }
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return true,
            }
        }
        false
    }

    /// A call was recorded, of which nothing else is wanted.
    pub(crate) fn after(&mut self, event: &Event) -> Entry {
        let Some(patcher) = &mut self.patcher else { return Entry::Record };
        let Some(process) = self.recorder.process_of(event.tid) else { return Entry::Record };
        match patcher.recorded(event, process, &mut self.recorder) {
            Next::Proceed => Entry::Record,
            Next::Again => Entry::Anew,
            Next::Hold(threads) => {
                self.hold(event, process, &threads);
                Entry::Record
            }
            Next::Ended(wait) => {
                self.over(event.tid, wait);
                Entry::Over
            }
        }
    }

    /// Stops threads that wait, lets the event's place be rewritten, and lets them go on. What one reports
    /// in place of the stop that it was asked for is as good, and is looked at afterwards.
    fn hold(&mut self, event: &Event, process: i32, threads: &[i32]) {
        let mut asked = threads.to_vec();
        asked.retain(|&tid| self.interrupt(tid));
        let mut held = Vec::new();
        let (start, mut nap) = (Instant::now(), FIRST_LOOK);
        while !asked.is_empty() && start.elapsed() < MOMENT {
            std::thread::sleep(nap);
            nap = (nap * 2).min(MOMENT / 10);
            asked.retain(|&tid| match wait_now(tid) {
                Ok(Some(wait)) => {
                    held.push((tid, wait));
                    false
                }
                Ok(None) => true,
                // It is gone.
                Err(_) => false,
            });
        }
        if let Some(patcher) = &mut self.patcher {
            let stand = asked.is_empty().then_some(threads);
            patcher.held(event, process, stand, &mut self.recorder);
        }
        for (tid, wait) in held {
            self.waited(tid, wait);
        }
    }

    /// A thread that was asked to stop did so where it is, or at the entry of a call: whether it goes on
    /// as if it had not, and nothing is to be recorded.
    pub(crate) fn goes_on(&mut self, tid: i32, stop: Stop) -> bool {
        let (Some(patcher), Some(process)) = (&self.patcher, self.recorder.process_of(tid)) else {
            return false;
        };
        match stop {
            Stop::Trap => {
                let restarts = patcher.restarts(tid, process);
                self.set_restarts(tid, restarts);
                true
            }
            Stop::Event(libc::PTRACE_EVENT_SECCOMP) => patcher.make_again(tid),
            _ => false,
        }
    }

    /// A thread stopped where it stands: perhaps the first of its process, perhaps in a stub.
    pub(crate) fn standing(&mut self, tid: i32) {
        let Some(patcher) = &mut self.patcher else { return };
        let Some(process) = self.recorder.process_of(tid) else { return };
        patcher.stopped_first(tid, process, &self.recorder);
        patcher.put_back(tid, process, &mut self.recorder);
    }

    /// A signal is about to be delivered; which one, if any, is left of it.
    pub(crate) fn signalled(&mut self, tid: i32, signal: c_int) -> c_int {
        let Some(patcher) = &mut self.patcher else { return signal };
        let Some(process) = self.recorder.process_of(tid) else { return signal };
        if patcher.is_own_trap(tid, process, signal) {
            return 0;
        }
        patcher.put_back(tid, process, &mut self.recorder);
        signal
    }

    /// A thread is about to be gone, and its memory with it when it is the last.
    pub(crate) fn leaving(&mut self, tid: i32) {
        let Some(patcher) = &mut self.patcher else { return };
        let Some(process) = self.recorder.process_of(tid) else { return };
        // It may be killed in a call that was to be recorded.
        patcher.put_back(tid, process, &mut self.recorder);
        patcher.replay(process, &mut self.recorder);
        patcher.count(tid, process, &mut self.recorder);
        patcher.learn(tid, process, &self.recorder);
    }

    /// Whose records are set aside.
    pub(crate) fn is_behind(&self) -> Option<i32> {
        self.patcher.as_ref()?.is_behind()
    }

    /// Records what was set aside so that its process could go on.
    pub(crate) fn catch_up(&mut self) {
        if let Some(patcher) = &mut self.patcher {
            patcher.catch_up(&mut self.recorder);
        }
    }

    /// A call was recorded at its entry.
    pub(crate) fn noted(&mut self, event: &Event) {
        let Some(patcher) = &mut self.patcher else { return };
        let Some(process) = self.recorder.process_of(event.tid) else { return };
        patcher.follow(process, &mut self.recorder);
    }

    /// Whether a call that stopped at its entry, and will at its exit, may pass the next time.
    pub(crate) fn may_pass(&mut self, event: &Event) -> bool {
        self.patcher.is_some() && self.recorder.plan(event.sysno).names(&event.args).is_some()
    }
}
