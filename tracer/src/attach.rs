//! Records a process that is already running, and leaves it as it was.

use crate::{
    Options, Recorded, TraceError,
    ptrace::{Calls, Engine, options, resume},
    recorder::Recorder,
};
use nix::{errno::Errno, sys::ptrace, unistd::Pid};
use std::collections::HashSet;
use supervisor::{
    command::describe,
    procfs,
    wait::{Stop, Wait, wait_any},
};

/// Records `process` until it ends or profgen is asked to.
///
/// # Errors
/// [`TraceError::Attach`] when the process is not there or not ours to trace.
pub fn run(process: i32, run_options: &Options) -> Result<Recorded, TraceError> {
    let mut engine = Engine::new(Recorder::new(true, true), run_options, Calls::Unfiltered);
    engine.recorder.follow();
    engine.recorder.note("the process was already running: what it did before is not recorded");
    // New threads are made by threads that are not seized yet: look until none is new.
    let mut seized = HashSet::new();
    loop {
        let new: Vec<i32> = procfs::threads(process)
            .unwrap_or_default()
            .into_iter()
            .filter(|tid| !seized.contains(tid))
            .collect();
        if new.is_empty() {
            break;
        }
        for tid in new {
            match ptrace::seize(Pid::from_raw(tid), options(false, Calls::Unfiltered)) {
                Ok(()) => {
                    let _ = ptrace::interrupt(Pid::from_raw(tid));
                    engine.add(tid);
                }
                Err(errno) if seized.is_empty() => return Err(TraceError::Attach(process, errno)),
                // It may just have ended.
                Err(Errno::ESRCH) => {}
                Err(errno) => {
                    engine.recorder.untraced(tid, &format!("ptrace: {}", describe(errno)))
                }
            }
            seized.insert(tid);
        }
    }
    if seized.is_empty() {
        return Err(TraceError::Attach(process, Errno::ESRCH));
    }
    engine.command = Some(process);
    engine.recorder.attached(process);
    for child in procfs::children(process) {
        engine.recorder.untraced(child, "it was already running");
    }
    engine.run_until_asked()?;
    engine.release();
    detach(&engine.tids());
    Ok(engine.recorded(false))
}

/// Lets every thread go, each with the signal that it was about to get.
fn detach(tids: &[i32]) {
    let mut left: HashSet<i32> = tids.iter().copied().collect();
    for &tid in tids {
        let _ = ptrace::interrupt(Pid::from_raw(tid));
    }
    while !left.is_empty() {
        match wait_any(0) {
            Ok((tid, Wait::Stopped(stop))) => {
                let signal = match stop {
                    Stop::Signal(signal) => signal,
                    _ => 0,
                };
                // A thread that was made meanwhile is let go like the others.
                resume(libc::PTRACE_DETACH, tid, signal);
                left.remove(&tid);
            }
            Ok((tid, _)) => {
                left.remove(&tid);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
