//! Tells whoever serves a listener which processes have ended, and when none is left: a thread of
//! its own waits for that, so that the serving costs no call for it.
//!
//! It also collects the children of ours among them at once: before Linux 6.11 a filter lives as
//! long as the last zombie that had it, and the listener does not hang up until then.

use crate::{
    Listener,
    signals::{Signals, WAKE},
    wait::collect,
};
use model::trace::Ended;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        pthread::{Pthread, pthread_kill, pthread_self},
        resource::{Resource, getrlimit},
    },
};
use std::{
    collections::HashMap,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Epoll data of the listener; processes have their pid.
const LISTENER: u64 = u64::MAX;

/// Descriptors that are left for everything else than watching processes.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Deaths that the server has not heard of yet.
pub struct Deaths {
    shared: Arc<Shared>,
    /// Descriptors from here on are not used for watching.
    limit: u64,
}

struct Shared {
    epoll: Epoll,
    pidfds: Mutex<HashMap<i32, OwnedFd>>,
    dead: Mutex<Vec<(i32, Option<Ended>)>>,
    /// Set when `dead` has something.
    news: AtomicBool,
    /// Set when `dead` has the command, which the server may have to act on at once.
    ended: AtomicBool,
    /// No task is left that has the filter.
    all: AtomicBool,
    /// The server has heard of that, or is gone.
    heard: AtomicBool,
    /// The command, to which signals are passed while it is there.
    command: i32,
    signals: Signals,
}

impl Deaths {
    /// Starts to wait, on behalf of the calling thread, for processes of the command `command`.
    ///
    /// # Errors
    /// When there is no descriptor or thread to be had.
    pub fn watch(listener: &Listener, command: i32, signals: &Signals) -> nix::Result<Deaths> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // EPOLLHUP is reported unasked.
        epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLONESHOT, LISTENER))?;
        let shared = Arc::new(Shared {
            epoll,
            pidfds: Mutex::default(),
            dead: Mutex::default(),
            news: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            all: AtomicBool::new(false),
            heard: AtomicBool::new(false),
            command,
            signals: signals.clone(),
        });
        let (of_thread, server) = (Arc::clone(&shared), pthread_self());
        let spawned =
            thread::Builder::new().name("deaths".to_owned()).spawn(move || of_thread.wait(server));
        spawned
            .map(drop)
            .map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))?;
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Deaths { shared, limit: soft - RESERVED_DESCRIPTORS.min(soft / 2) })
    }

    /// Waits for the end of this process too. Whether that is possible.
    pub fn add(&self, process: i32) -> bool {
        // SAFETY: plain numbers; the kernel makes a descriptor for us.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
        if fd < 0 {
            return false;
        }
        // SAFETY: it was just made.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, process as u64);
        if fd.as_raw_fd() as u64 >= self.limit && process != self.shared.command {
            return false;
        }
        let mut pidfds = lock(&self.shared.pidfds);
        let added = self.shared.epoll.add(fd.as_fd(), event).is_ok();
        if added {
            pidfds.insert(process, fd);
        }
        added
    }

    /// The processes that have ended since the last call, and how, where they were children of ours.
    pub fn take(&self) -> Vec<(i32, Option<Ended>)> {
        if self.shared.news.load(Ordering::Relaxed)
            && self.shared.news.swap(false, Ordering::AcqRel)
        {
            self.shared.ended.store(false, Ordering::Release);
            std::mem::take(&mut *lock(&self.shared.dead))
        } else {
            Vec::new()
        }
    }

    /// Whether all have ended.
    pub fn all(&self) -> bool {
        let all = self.shared.all.load(Ordering::Acquire);
        if all {
            self.shared.heard.store(true, Ordering::Release);
        }
        all
    }
}

impl Drop for Deaths {
    fn drop(&mut self) {
        self.shared.heard.store(true, Ordering::Release);
    }
}

impl Shared {
    fn wait(&self, server: Pthread) {
        let mut events = [EpollEvent::empty(); 16];
        loop {
            // The server may just be about to block: it is woken until it has heard.
            let waking = self.all.load(Ordering::Acquire) && !self.heard.load(Ordering::Acquire);
            let urgent = self.ended.load(Ordering::Acquire) && !self.heard.load(Ordering::Acquire);
            let timeout =
                if waking || urgent { EpollTimeout::from(1_u8) } else { EpollTimeout::NONE };
            match self.epoll.wait(&mut events, timeout) {
                Ok(count) => events[..count].iter().for_each(|event| self.take_in(event.data())),
                Err(Errno::EINTR) => {}
                // Not with valid arguments.
                Err(_) => return,
            }
            if urgent && !waking {
                let _ = pthread_kill(server, WAKE);
            }
            if self.all.load(Ordering::Acquire) {
                if !self.heard.load(Ordering::Acquire) {
                    let _ = pthread_kill(server, WAKE);
                } else if lock(&self.pidfds).is_empty() {
                    return;
                }
            }
        }
    }

    fn take_in(&self, data: u64) {
        if data == LISTENER {
            self.all.store(true, Ordering::Release);
            return;
        }
        let process = data as i32;
        if process == self.command {
            self.signals.pass_to_nobody();
        }
        let ended = collect(process);
        lock(&self.pidfds).remove(&process);
        lock(&self.dead).push((process, ended));
        self.news.store(true, Ordering::Release);
        if process == self.command {
            self.ended.store(true, Ordering::Release);
        }
    }
}

/// Once no task can call any more, the last deaths are told within moments: calls `heard`, which
/// takes them in and says whether they were all, until they are or it has taken too long.
pub fn last_deaths(mut heard: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(5);
    while !heard() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
}

/// A lock whose holder cannot have left half a change: each changes one thing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
