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
/// So many must do that before a thread is bound: it costs as much as a stop.
const OFTEN: u8 = 1;
/// A thread that runs for so long without a stop is bound no more.
const ALONE: Duration = Duration::from_millis(1);
/// So often all are let go for a moment: the kernel may know a better processor by now.
const TOGETHER: Duration = Duration::from_millis(20);

/// The threads that are bound.
#[derive(Debug)]
pub struct Beside {
    shared: Arc<Shared>,
    /// How the stops of each thread followed each other.
    stops: HashMap<i32, Stops>,
    /// The program could see it, or set masks itself.
    given_up: bool,
}

#[derive(Debug)]
struct Stops {
    last: Instant,
    /// How many of them followed the one before closely.
    near: u8,
    /// It is about to make a call that needs its own mask.
    needs_own: bool,
}

#[derive(Debug)]
struct Shared {
    bound: Mutex<Bound>,
    /// Some thread is bound, or the tracer is gone.
    changed: Condvar,
    tracer: Pid,
}

#[derive(Debug, Default)]
struct Bound {
    /// Each with its own mask, and since when it runs.
    threads: HashMap<i32, (CpuSet, Instant)>,
    /// The tracer's own mask and the processor, while some thread is bound to that, and since when.
    tracer: Option<(CpuSet, usize, Instant)>,
    over: bool,
}

impl Beside {
    /// No thread is bound yet. The caller is the tracer.
    pub fn new() -> Beside {
        let shared = Shared { bound: Mutex::default(), changed: Condvar::new(), tracer: gettid() };
        let shared = Arc::new(shared);
        let watched = shared.clone();
        let watching = thread::Builder::new().name("profgen-beside".to_owned());
        let given_up = watching.spawn(move || watched.watch()).is_err();
        Beside { shared, stops: HashMap::new(), given_up }
    }

    /// A thread has stopped.
    pub fn stopped(&mut self, tid: i32) {
        if self.given_up {
            return;
        }
        let now = Instant::now();
        let first = Stops { last: now, near: 0, needs_own: false };
        self.stops
            .entry(tid)
            .and_modify(|stops| {
                let is_near = now.duration_since(stops.last) < NEAR;
                stops.near = if is_near { stops.near.saturating_add(1) } else { 0 };
                stops.needs_own = false;
            })
            .or_insert(first);
    }

    /// A thread is about to go on. `alone`: it should do so while the tracer works.
    pub fn resumes(&mut self, tid: i32, alone: bool) {
        let Some(stops) = self.stops.get_mut(&tid).filter(|_| !self.given_up) else { return };
        if alone {
            return self.shared.lock().free(tid, self.shared.tracer);
        }
        stops.last = Instant::now();
        if stops.near >= OFTEN && !stops.needs_own {
            self.shared.bind(tid, stops.last);
        }
    }

    /// A thread is about to make a call.
    pub fn makes(&mut self, tid: i32, sysno: Sysno, args: &[u64; 6]) {
        if self.given_up {
            return;
        }
        match sysno.name() {
            Some("sched_getaffinity") if ![0, tid].contains(&(args[0] as i32)) => self.give_up(),
            Some(
                "sched_getaffinity" | "clone" | "clone3" | "fork" | "vfork" | "execve" | "execveat",
            ) => {
                if let Some(stops) = self.stops.get_mut(&tid) {
                    stops.needs_own = true;
                }
                self.shared.lock().free(tid, self.shared.tracer);
            }
            Some("sched_setaffinity") => self.give_up(),
            _ => {}
        }
    }

    /// A thread is gone.
    pub fn gone(&mut self, tid: i32) {
        self.stops.remove(&tid);
        let mut bound = self.shared.lock();
        bound.threads.remove(&tid);
        bound.let_tracer_go(self.shared.tracer);
    }

    /// From now on no thread is bound.
    pub fn give_up(&mut self) {
        self.given_up = true;
        self.shared.lock().free_all(self.shared.tracer);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let mut bound = self.shared.lock();
        bound.free_all(self.shared.tracer);
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
            bound.let_tracer_go(self.tracer);
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
            if bound.tracer.is_some_and(|(.., since)| now.duration_since(since) >= TOGETHER) {
                bound.free_all(self.tracer);
            }
            let alone = |&(_, since): &(CpuSet, Instant)| now.duration_since(since) >= ALONE;
            let alone = bound.threads.iter().filter(|(_, bound)| alone(bound)).map(|(&tid, _)| tid);
            for tid in alone.collect::<Vec<_>>() {
                bound.free(tid, self.tracer);
            }
        }
    }
}

impl Bound {
    /// Binds a thread to the tracer's processor. Its own mask, where that was done.
    fn bind(&mut self, tid: i32, now: Instant) -> Option<CpuSet> {
        let processor = match self.tracer {
            Some((_, processor, _)) => processor,
            None => {
                let own = sched_getaffinity(Pid::from_raw(0)).ok()?;
                // SAFETY: no arguments.
                let processor = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
                sched_setaffinity(Pid::from_raw(0), &only(processor)?).ok()?;
                self.tracer = Some((own, processor, now));
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

    fn free(&mut self, tid: i32, tracer: Pid) {
        if let Some((own, _)) = self.threads.remove(&tid) {
            // Where that fails it is gone.
            let _ = sched_setaffinity(Pid::from_raw(tid), &own);
            self.let_tracer_go(tracer);
        }
    }

    fn free_all(&mut self, tracer: Pid) {
        for (tid, (own, _)) in self.threads.drain() {
            let _ = sched_setaffinity(Pid::from_raw(tid), &own);
        }
        self.let_tracer_go(tracer);
    }

    /// The tracer is bound no longer than some thread is.
    fn let_tracer_go(&mut self, tracer: Pid) {
        if self.threads.is_empty()
            && let Some((own, ..)) = self.tracer.take()
        {
            let _ = sched_setaffinity(tracer, &own);
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
        for _ in 0..=OFTEN + 1 {
            beside.stopped(tid);
            beside.resumes(tid, false);
        }
    }

    #[test]
    fn a_thread_that_stops_often_is_bound_until_it_needs_its_own_mask_or_runs_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (tid, own) = (Pid::from_raw(child.id() as i32), of(Pid::from_raw(0)));
        let mut beside = Beside::new();
        let at = |beside: &mut Beside, name: &str, args: [u64; 6]| {
            beside.makes(tid.as_raw(), Sysno::from_name(Arch::X86_64, name).unwrap(), &args);
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
            at(&mut beside, name, ARGS);
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
        beside.gone(tid.as_raw());
        assert_eq!(of(Pid::from_raw(0)), own);
        sched_setaffinity(tid, &own).unwrap();
        stop_often(&mut beside, tid.as_raw());
        at(&mut beside, "sched_setaffinity", ARGS);
        stop_often(&mut beside, tid.as_raw());
        assert!(free());
        drop(beside);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
