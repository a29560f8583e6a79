//! Tells the notify engine which processes have ended, and when none is left: a thread of its own
//! waits for that, so that the engine's loop costs no call for it.

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        pthread::{Pthread, pthread_kill, pthread_self},
    },
};
use std::{
    collections::HashMap,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use supervisor::{Listener, signals::WAKE};

/// Epoll data of the listener; processes have their pid.
const LISTENER: u64 = u64::MAX;

/// Deaths that the engine has not heard of yet.
pub struct Deaths {
    shared: Arc<Shared>,
}

struct Shared {
    epoll: Epoll,
    pidfds: Mutex<HashMap<i32, OwnedFd>>,
    dead: Mutex<Vec<i32>>,
    /// Set when `dead` has something.
    news: AtomicBool,
    /// No task is left that has the filter.
    all: AtomicBool,
    /// The engine has heard of that, or is gone.
    heard: AtomicBool,
}

impl Deaths {
    /// Starts to wait, on behalf of the calling thread.
    ///
    /// # Errors
    /// When there is no descriptor or thread to be had.
    pub fn watch(listener: &Listener) -> nix::Result<Deaths> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // EPOLLHUP is reported unasked.
        epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLONESHOT, LISTENER))?;
        let shared = Arc::new(Shared {
            epoll,
            pidfds: Mutex::default(),
            dead: Mutex::default(),
            news: AtomicBool::new(false),
            all: AtomicBool::new(false),
            heard: AtomicBool::new(false),
        });
        let (of_thread, engine) = (Arc::clone(&shared), pthread_self());
        let spawned =
            thread::Builder::new().name("deaths".to_owned()).spawn(move || of_thread.wait(engine));
        spawned
            .map(drop)
            .map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))?;
        Ok(Deaths { shared })
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
        let mut pidfds = lock(&self.shared.pidfds);
        let added = self.shared.epoll.add(fd.as_fd(), event).is_ok();
        pidfds.insert(process, fd);
        added
    }

    /// The processes that have ended since the last call.
    pub fn take(&self) -> Vec<i32> {
        if self.shared.news.load(Ordering::Relaxed)
            && self.shared.news.swap(false, Ordering::AcqRel)
        {
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
    fn wait(&self, engine: Pthread) {
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                // The engine then waits for its next event in vain only if the kernel is before
                // 6.11, which does not end the waiting itself.
                Err(_) => return,
            };
            for event in &events[..count] {
                if event.data() == LISTENER {
                    return self.tell_all(engine);
                }
                let process = event.data() as i32;
                lock(&self.pidfds).remove(&process);
                lock(&self.dead).push(process);
                self.news.store(true, Ordering::Release);
            }
        }
    }

    fn tell_all(&self, engine: Pthread) {
        self.all.store(true, Ordering::Release);
        // It may just be about to block: wake it until it has heard.
        while !self.heard.load(Ordering::Acquire) {
            let _ = pthread_kill(engine, WAKE);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A lock whose holder cannot have left half a change: each changes one thing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
