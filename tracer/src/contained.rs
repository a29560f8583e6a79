//! Records a container that its runtime has handed over: no child of profgen's, and not profgen's to
//! end. What is recorded is also given away now and then while it runs, so that little is lost when
//! profgen is.

use crate::{Head, Recorded, TraceError, notify::Engine, recorder::Recorder, timestamp};
use model::{
    Arch, Sysno, Trace,
    trace::{Container, EngineName},
};
use nix::sys::pthread::{pthread_kill, pthread_self};
use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};
use supervisor::{
    Listener, procfs,
    signals::{Signals, WAKE},
};

/// How often a trace is given away, if anything was called meanwhile.
const INTERVAL: Duration = Duration::from_secs(2);
/// A thread that serves calls looks by itself whether it is time; one that waits is woken.
const WAIT: Duration = Duration::from_millis(200);

/// What a container's runtime hands over.
#[derive(Debug)]
pub struct Contained {
    /// The container.
    pub container: Container,
    /// The process that will be its first, or one that joins it, in profgen's pid namespace.
    pub process: i32,
    /// Announces the calls of that process and of what it starts.
    pub listener: OwnedFd,
    /// Whether the container was already running.
    pub joins: bool,
    /// The calls that the container's filter lets through unannounced.
    pub unseen: BTreeSet<Sysno>,
    /// What the reader of the trace must know besides.
    pub notes: Vec<String>,
}

/// Records until no task of the container is left that has the filter, or until profgen is asked
/// to end. Meanwhile `keep` is called, on a thread of its own, with the trace as it stands.
///
/// # Errors
/// When the listener cannot be served.
pub fn contained(
    contained: Contained,
    signals: &Signals,
    version: &str,
    keep: impl Fn(Trace) + Send + 'static,
) -> Result<Trace, TraceError> {
    let Contained { container, process, listener, joins, unseen, notes } = contained;
    let started = timestamp(SystemTime::now());
    let reason = match joins {
        true => "handed over by a container runtime: it joined a running container",
        false => "handed over by a container runtime",
    };
    let mut head = Head::new(version, started, EngineName::Notify, reason.to_owned())?;
    // Set before the filter is loaded, if at all.
    let no_new_privs = procfs::no_new_privs(process).unwrap_or_default();
    head.engine.no_new_privs = no_new_privs;
    head.container = Some(container);
    let mut engine = Engine::of_container(process, Listener::new(listener), signals)?;
    for note in &notes {
        engine.note(note);
    }

    let due = Due::every(INTERVAL);
    let (to_keep, snapshots) = sync_channel::<Recorder>(1);
    let (of_keeper, of_snapshots) = (head.clone(), unseen.clone());
    let keeper = thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        for mut recorder in snapshots {
            recorder.note("the container was still running when this was saved");
            let recorded =
                Recorded { recorder, ended: None, interrupted: None, no_new_privs, results: false };
            keep(complete(of_keeper.clone(), recorded, &of_snapshots));
        }
    });
    let keeper = keeper.map_err(|error| {
        TraceError::Call(
            error.raw_os_error().map_or(nix::errno::Errno::EAGAIN, nix::errno::Errno::from_raw),
        )
    })?;
    let served = engine.run(&|recorder| due.offer(recorder, &to_keep));
    drop(to_keep);
    // Only one of us writes at a time, and the last word is the whole trace's.
    let _ = keeper.join();
    served?;
    Ok(complete(head, engine.recorded(no_new_privs), &unseen))
}

fn complete(mut head: Head, recorded: Recorded, unseen: &BTreeSet<Sysno>) -> Trace {
    if let Some(command) = recorded.recorder.command() {
        head.command = command.clone();
    }
    let mut trace = head.complete(recorded);
    let mut arches: BTreeSet<Arch> = trace.calls().iter().map(|sysno| sysno.arch()).collect();
    arches.insert(trace.host.arch);
    let unseen = unseen.iter().filter(|sysno| arches.contains(&sysno.arch()));
    trace.completeness.unseen = unseen.copied().collect();
    trace
}

/// Says when it is time to give a trace away.
struct Due {
    now: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    /// How many calls the last one had.
    calls: AtomicU64,
}

impl Due {
    /// From the calling thread's point of view, which is the one that serves.
    fn every(interval: Duration) -> Due {
        let due = Due {
            now: Arc::new(AtomicBool::new(false)),
            ended: Arc::new(AtomicBool::new(false)),
            calls: AtomicU64::new(0),
        };
        let (now, ended, server) = (Arc::clone(&due.now), Arc::clone(&due.ended), pthread_self());
        // Without this thread there are no snapshots, and the trace at the end all the same.
        let _ = thread::Builder::new().name("clock".to_owned()).spawn(move || {
            while !ended.load(Ordering::Acquire) {
                thread::sleep(interval);
                now.store(true, Ordering::Release);
                thread::sleep(WAIT);
                if now.load(Ordering::Acquire) && !ended.load(Ordering::Acquire) {
                    let _ = pthread_kill(server, WAKE);
                }
            }
        });
        due
    }

    /// Gives a copy away if it is time, something is new, and the last one has been dealt with.
    fn offer(&self, recorder: &Recorder, to_keep: &SyncSender<Recorder>) {
        if !self.now.load(Ordering::Relaxed) || !self.now.swap(false, Ordering::AcqRel) {
            return;
        }
        let calls = recorder.progress().calls;
        if self.calls.load(Ordering::Relaxed) != calls
            && to_keep.try_send(recorder.snapshot()).is_ok()
        {
            self.calls.store(calls, Ordering::Relaxed);
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}
