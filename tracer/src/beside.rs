//! Keeps threads that stop often on the processor of the tracer.
//!
//! A stop on another processor wakes that one and this one, which costs more than all else that is done at
//! it, most of all in virtual machines: strace(1) of the same program takes a tenth of the time when both
//! are bound to one processor. So a thread whose stops follow each other closely is bound to the tracer's
//! processor, and the tracer with it, until it has run for [`ALONE`] without a stop.
//!
//! The program does not see that: before a call that could tell it, or hand it on to a child, the thread
//! has its own mask again; and once a program sets masks, or reads of any process where it may run, no
//! thread is bound any more.

use model::Sysno;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, gettid},
};
use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Stops that are no further apart follow each other closely.
const NEAR: Duration = Duration::from_micros(250);
/// A thread that runs for so long without a stop is bound no more.
const ALONE: Duration = Duration::from_millis(1);
/// So often all are let go for a moment: the kernel may know a better processor by now.
const TOGETHER: Duration = Duration::from_millis(20);

/// The threads that are bound. They are let go when this is dropped.
#[derive(Debug)]
pub struct Beside {
    shared: Arc<Shared>,
    /// How the stops of each thread followed each other.
    stops: HashMap<i32, Stops>,
}

#[derive(Debug)]
struct Stops {
    last: Instant,
    /// It followed the one before closely.
    near: bool,
    /// It is about to make a call that needs its own mask.
    needs_own: bool,
}

#[derive(Debug)]
struct Shared {
    bound: Mutex<Bound>,
    /// Some thread is bound, or the tracer is gone.
    changed: Condvar,
}

#[derive(Debug)]
struct Bound {
    /// Each with its own mask, and since when it runs.
    threads: HashMap<i32, (CpuSet, Instant)>,
    tracer: Pid,
    /// The tracer's own mask and the processor, while some thread is bound to that, and since when.
    to: Option<(CpuSet, usize, Instant)>,
    over: bool,
}

impl Beside {
    /// No thread is bound yet. The caller is the tracer. `None` when there is no room for a thread of ours.
    pub fn new() -> Option<Beside> {
        let bound = Bound { threads: HashMap::new(), tracer: gettid(), to: None, over: false };
        let shared = Arc::new(Shared { bound: Mutex::new(bound), changed: Condvar::new() });
        let watched = shared.clone();
        let watching = thread::Builder::new().name("profgen-beside".to_owned());
        watching.spawn(move || watched.watch()).ok()?;
        Some(Beside { shared, stops: HashMap::new() })
    }

    /// A thread has stopped.
    pub fn stopped(&mut self, tid: i32) {
        let now = Instant::now();
        let before = self.stops.get(&tid);
        let near = before.is_some_and(|stops| now.duration_since(stops.last) < NEAR);
        self.stops.insert(tid, Stops { last: now, near, needs_own: false });
    }

    /// A thread is about to go on. `alone`: it should do so while the tracer works.
    pub fn resumes(&mut self, tid: i32, alone: bool) {
        let Some(stops) = self.stops.get_mut(&tid) else { return };
        if alone {
            return self.shared.lock().free(tid);
        }
        stops.last = Instant::now();
        if stops.near && !stops.needs_own {
            self.shared.bind(tid, stops.last);
        }
    }

    /// A thread is about to make a call. Whether no thread may be bound any more: the program sets masks, or
    /// asks for that of another thread.
    pub fn makes(&mut self, tid: i32, sysno: Sysno, args: &[u64; 6]) -> bool {
        match sysno.name() {
            Some("sched_setaffinity") => return true,
            Some("sched_getaffinity") if ![0, tid].contains(&(args[0] as i32)) => return true,
            Some(
                "sched_getaffinity" | "clone" | "clone3" | "fork" | "vfork" | "execve" | "execveat",
            ) => {
                if let Some(stops) = self.stops.get_mut(&tid) {
                    stops.needs_own = true;
                }
                self.shared.lock().free(tid);
            }
            _ => {}
        }
        false
    }

    /// A thread is about to be gone, and needs no processor of ours for that. Its number may stay, as the first
    /// thread's does, and be asked for its mask.
    pub fn leaves(&mut self, tid: i32) {
        self.stops.remove(&tid);
        self.shared.lock().free(tid);
    }

    /// A thread is gone.
    pub fn gone(&mut self, tid: i32) {
        self.stops.remove(&tid);
        let mut bound = self.shared.lock();
        bound.threads.remove(&tid);
        bound.let_tracer_go();
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let mut bound = self.shared.lock();
        bound.free_all();
        bound.over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind(&self, tid: i32, now: Instant) {
        let mut bound = self.lock();
        if let Some((_, since)) = bound.threads.get_mut(&tid) {
            *since = now;
            return;
        }
        if let Some(own) = bound.bind(tid, now) {
            bound.threads.insert(tid, (own, now));
            self.changed.notify_one();
        } else {
            bound.let_tracer_go();
        }
    }

    /// Lets those go that run alone.
    fn watch(&self) {
        let mut bound = self.lock();
        while !bound.over {
            if bound.threads.is_empty() {
                bound = self.changed.wait(bound).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(bound);
            thread::sleep(ALONE);
            bound = self.lock();
            let now = Instant::now();
            if bound.to.is_some_and(|(.., since)| now.duration_since(since) >= TOGETHER) {
                bound.free_all();
            }
            let alone = |&(_, since): &(CpuSet, Instant)| now.duration_since(since) >= ALONE;
            let alone = bound.threads.iter().filter(|(_, bound)| alone(bound)).map(|(&tid, _)| tid);
            for tid in alone.collect::<Vec<_>>() {
                bound.free(tid);
            }
        }
    }
}

impl Bound {
    /// Binds a thread to the tracer's processor. Its own mask, where that was done.
    fn bind(&mut self, tid: i32, now: Instant) -> Option<CpuSet> {
        let processor = match self.to {
            Some((_, processor, _)) => processor,
            None => {
                let own = sched_getaffinity(self.tracer).ok()?;
                // SAFETY: no arguments.
                let processor = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
                sched_setaffinity(self.tracer, &only(processor)?).ok()?;
                self.to = Some((own, processor, now));
                processor
            }
        };
        let pid = Pid::from_raw(tid);
        let own = sched_getaffinity(pid).ok()?;
        if !own.is_set(processor).ok()? {
            return None;
        }
        sched_setaffinity(pid, &only(processor)?).ok()?;
        Some(own)
    }

    fn free(&mut self, tid: i32) {
        if let Some((own, _)) = self.threads.remove(&tid) {
            // Where that fails it is gone.
            let _ = sched_setaffinity(Pid::from_raw(tid), &own);
            self.let_tracer_go();
        }
    }

    fn free_all(&mut self) {
        for (tid, (own, _)) in self.threads.drain() {
            let _ = sched_setaffinity(Pid::from_raw(tid), &own);
        }
        self.let_tracer_go();
    }

    /// The tracer is bound no longer than some thread is.
    fn let_tracer_go(&mut self) {
        if self.threads.is_empty()
            && let Some((own, ..)) = self.to.take()
        {
            let _ = sched_setaffinity(self.tracer, &own);
        }
    }
}

fn only(processor: usize) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    set.set(processor).ok()?;
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Arch;
    use std::process::Command;

    const ARGS: [u64; 6] = [0; 6];

    fn of(pid: Pid) -> CpuSet {
        sched_getaffinity(pid).unwrap()
    }

    fn is_bound(pid: Pid) -> bool {
        let own = of(Pid::from_raw(0));
        (0..CpuSet::count()).filter(|&at| of(pid).is_set(at).unwrap()).count() == 1
            && of(pid) == own
    }

    /// Stops so often that it is bound, and goes on.
    fn stop_often(beside: &mut Beside, tid: i32) {
        for _ in 0..3 {
            beside.stopped(tid);
            beside.resumes(tid, false);
        }
    }

    #[test]
    fn a_thread_that_stops_often_is_bound_until_it_needs_its_own_mask_or_runs_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (tid, own) = (Pid::from_raw(child.id() as i32), of(Pid::from_raw(0)));
        let mut beside = Beside::new().unwrap();
        let at = |beside: &mut Beside, name: &str, args: [u64; 6]| {
            beside.makes(tid.as_raw(), Sysno::from_name(Arch::X86_64, name).unwrap(), &args)
        };
        let free = || of(tid) == own && of(Pid::from_raw(0)) == own;
        beside.stopped(tid.as_raw());
        beside.resumes(tid.as_raw(), false);
        assert!(free());
        for name in ["sched_getaffinity", "clone", "execve"] {
            // Whoever watches may have let it go again already, on a machine that is busy.
            while {
                stop_often(&mut beside, tid.as_raw());
                !is_bound(tid)
            } {}
            beside.stopped(tid.as_raw());
            assert!(!at(&mut beside, name, ARGS));
            beside.resumes(tid.as_raw(), false);
            assert!(free(), "{name}");
        }
        stop_often(&mut beside, tid.as_raw());
        while !free() {
            thread::sleep(ALONE);
        }
        stop_often(&mut beside, tid.as_raw());
        beside.resumes(tid.as_raw(), true);
        assert!(free());
        stop_often(&mut beside, tid.as_raw());
        beside.leaves(tid.as_raw());
        beside.resumes(tid.as_raw(), false);
        assert!(free());
        stop_often(&mut beside, tid.as_raw());
        beside.gone(tid.as_raw());
        assert_eq!(of(Pid::from_raw(0)), own);
        sched_setaffinity(tid, &own).unwrap();
        stop_often(&mut beside, tid.as_raw());
        assert!(at(&mut beside, "sched_setaffinity", ARGS));
        drop(beside);
        assert!(free());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
