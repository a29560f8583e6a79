//! Signals between the terminal, profgen and the command.
//!
//! A signal typed at the terminal reaches the command by itself, being in the same process group;
//! one that somebody sends to profgen alone is passed on. Either way profgen goes on until the
//! command has ended, so that nothing recorded is lost.

use nix::{
    errno::Errno,
    sys::{
        pthread::{Pthread, pthread_kill, pthread_self},
        signal::{
            SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask,
            sigaction, signal,
        },
    },
    unistd::Pid,
};
use std::{
    mem::MaybeUninit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// The signals that ask a program to end.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
/// Wakes the thread that works from a call that blocks; its handler does nothing.
pub const WAKE: Signal = Signal::SIGURG;

/// Signals that arrived for profgen, and what became of them.
#[derive(Debug, Clone)]
pub struct Signals {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The process to which signals are passed on; 0 before there is one.
    command: AtomicI32,
    /// A signal that arrived before there was a process to pass it to.
    early: AtomicI32,
    /// How many ending signals arrived.
    count: AtomicU32,
    /// The number of the last one.
    last: AtomicI32,
    /// The worker has seen them all.
    seen: AtomicU32,
    finished: AtomicBool,
}

impl Signals {
    /// Blocks the ending signals in this thread and starts a thread that takes them. What was
    /// ignored stays ignored. To be called before any other thread is started; the calling thread
    /// is the one that is woken when a signal has arrived.
    ///
    /// Returns the mask that was in force before, for the command to inherit.
    ///
    /// # Errors
    /// When the kernel refuses a handler or a thread.
    pub fn take() -> std::io::Result<(Signals, SigSet)> {
        Signals::take_with(SigSet::empty())
    }

    /// The same, and the signals of `passed` are passed on too, though they ask nobody to end: what
    /// the first process of a container has to do for the command that it stands before.
    ///
    /// # Errors
    /// As [`Signals::take`].
    pub fn take_with(passed: SigSet) -> std::io::Result<(Signals, SigSet)> {
        let mut taken = passed;
        for signal in ENDING {
            if !ignored(signal)? {
                taken.add(signal);
            }
        }
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&taken), Some(&mut before))?;
        // A handler that does nothing, without SA_RESTART: a blocking call returns EINTR.
        let action = SigAction::new(SigHandler::Handler(wake), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(WAKE, &action) }?;
        let mut woken = SigSet::empty();
        woken.add(WAKE);
        pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&woken), None)?;
        // With SIGCHLD ignored the kernel would collect the command before its status is read.
        // SAFETY: the default action runs no code.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        let shared = Arc::new(Shared::default());
        let (thread_shared, worker) = (Arc::clone(&shared), pthread_self());
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || take_signals(&thread_shared, &taken, worker))?;
        Ok((Signals { shared }, before))
    }

    /// Passes signals on to this process from now on, and first the one that came too early.
    pub fn pass_to(&self, command: Pid) {
        self.shared.command.store(command.as_raw(), Ordering::SeqCst);
        let early = self.shared.early.swap(0, Ordering::SeqCst);
        if let Ok(signal) = Signal::try_from(early) {
            let _ = kill(command, signal);
        }
    }

    /// Passes signals on no more: the command is about to be collected, and its id is then free.
    pub fn pass_to_nobody(&self) {
        self.shared.command.store(0, Ordering::SeqCst);
    }

    /// The ending signals that arrived since the last call: how many in all, and the last one.
    pub fn arrived(&self) -> Option<(u32, Signal)> {
        let count = self.shared.count.load(Ordering::SeqCst);
        if self.shared.seen.swap(count, Ordering::SeqCst) == count {
            return None;
        }
        let last = self.shared.last.load(Ordering::SeqCst);
        Signal::try_from(last).ok().map(|signal| (count, signal))
    }

    /// Stops waking the worker thread, which is about to end its work.
    pub fn finish(&self) {
        self.shared.finished.store(true, Ordering::SeqCst);
    }
}

extern "C" fn wake(_: i32) {}

fn ignored(signal: Signal) -> nix::Result<bool> {
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null new action the call only writes the old one.
    let result = unsafe { libc::sigaction(signal as i32, std::ptr::null(), old.as_mut_ptr()) };
    Errno::result(result)?;
    // SAFETY: the call succeeded and filled it.
    Ok(unsafe { old.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

fn take_signals(shared: &Shared, taken: &SigSet, worker: Pthread) {
    loop {
        let Some((signal, typed)) = next(taken) else { return };
        let command = shared.command.load(Ordering::SeqCst);
        if !ENDING.contains(&signal) {
            if command > 0 && !typed {
                let _ = kill(Pid::from_raw(command), signal);
            }
            continue;
        }
        shared.last.store(signal as i32, Ordering::SeqCst);
        let count = shared.count.fetch_add(1, Ordering::SeqCst) + 1;
        if command > 0 && !typed {
            let _ = kill(Pid::from_raw(command), signal);
        } else if command == 0 {
            shared.early.store(signal as i32, Ordering::SeqCst);
        }
        // The worker may just be about to block: wake it until it has looked.
        while shared.seen.load(Ordering::SeqCst) < count && !shared.finished.load(Ordering::SeqCst)
        {
            let _ = pthread_kill(worker, WAKE);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The next signal, and whether the terminal's driver sent it (to the whole process group).
fn next(taken: &SigSet) -> Option<(Signal, bool)> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: both pointers are valid for the call.
        let number = unsafe { libc::sigwaitinfo(taken.as_ref(), info.as_mut_ptr()) };
        if number > 0 {
            // SAFETY: the call succeeded and filled it.
            let code = unsafe { info.assume_init() }.si_code;
            return Some((Signal::try_from(number).ok()?, code == libc::SI_KERNEL));
        }
        if Errno::last() != Errno::EINTR {
            return None;
        }
    }
}
