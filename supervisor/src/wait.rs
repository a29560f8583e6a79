//! What wait(2) says of a child or tracee. nix's own type knows no real-time signals, and glibc uses
//! three of them in every threaded program; so the status is read here.

use libc::c_int;
use model::trace::Ended;
use nix::{errno::Errno, sys::signal::Signal};

/// A report of wait(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The thread ended with this status.
    Exited(i32),
    /// A signal ended the thread.
    Killed(c_int),
    /// It stopped.
    Stopped(Stop),
}

/// Why a tracee stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A PTRACE_EVENT.
    Event(c_int),
    /// The first stop of a new child, or after PTRACE_INTERRUPT.
    Trap,
    /// Job control stopped the whole process with this signal.
    Group(c_int),
    /// The entry or exit of a call.
    Syscall,
    /// A signal is about to be delivered.
    Signal(c_int),
}

impl Wait {
    /// Reads a status as waitpid(2) gives it.
    pub fn from_status(status: c_int) -> Wait {
        if libc::WIFEXITED(status) {
            return Wait::Exited(libc::WEXITSTATUS(status));
        }
        if libc::WIFSIGNALED(status) {
            return Wait::Killed(libc::WTERMSIG(status));
        }
        let signal = libc::WSTOPSIG(status);
        // ptrace(2): PTRACE_O_TRACESYSGOOD sets bit 7; an event stands in the bits above 16.
        Wait::Stopped(match status >> 16 {
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Trap,
            libc::PTRACE_EVENT_STOP => Stop::Group(signal),
            0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
            0 => Stop::Signal(signal),
            event => Stop::Event(event),
        })
    }

    /// How the thread ended, when it did.
    pub fn ended(self) -> Option<Ended> {
        match self {
            Wait::Exited(status) => Some(Ended::Exit(status)),
            Wait::Killed(signal) => Some(Ended::Signal(signal_name(signal))),
            Wait::Stopped(_) => None,
        }
    }
}

/// `SIGSEGV`, or `SIG34` for a signal without a name.
fn signal_name(signal: c_int) -> String {
    match Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("SIG{signal}"),
    }
}

/// Collects a child of ours that has ended: how it did. `None` when it is no child, or has not.
pub fn collect(process: i32) -> Option<Ended> {
    let mut status = 0;
    loop {
        // SAFETY: the status is valid for the call.
        let tid = unsafe { libc::waitpid(process, &raw mut status, libc::__WALL | libc::WNOHANG) };
        if tid > 0 {
            return Wait::from_status(status).ended();
        }
        if tid == 0 || Errno::last() != Errno::EINTR {
            return None;
        }
    }
}

/// Waits for any child or tracee.
///
/// # Errors
/// ECHILD when there is none left, EINTR when a signal came first.
pub fn wait_any(flags: c_int) -> nix::Result<(i32, Wait)> {
    let mut status = 0;
    // SAFETY: the status is valid for the call.
    let tid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | flags) })?;
    Ok((tid, Wait::from_status(status)))
}

/// What there is to report of one tracee at this moment, if anything.
///
/// # Errors
/// ECHILD when there is none.
pub fn wait_now(tid: i32) -> nix::Result<Option<Wait>> {
    let mut status = 0;
    // SAFETY: the status is valid for the call.
    let found = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
    Ok((Errno::result(found)? != 0).then(|| Wait::from_status(status)))
}

/// Waits for one tracee, which is about to stop or to end.
///
/// # Errors
/// ECHILD when there is none.
pub fn wait_for(tid: i32) -> nix::Result<Wait> {
    let mut status = 0;
    loop {
        // SAFETY: the status is valid for the call.
        match Errno::result(unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) }) {
            Ok(_) => return Ok(Wait::from_status(status)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_status_is_told_apart() {
        let stopped =
            |signal: c_int, event: c_int| Wait::from_status(event << 16 | signal << 8 | 0x7f);
        assert_eq!(Wait::from_status(3 << 8), Wait::Exited(3));
        assert_eq!(Wait::from_status(libc::SIGSEGV | 0x80), Wait::Killed(libc::SIGSEGV));
        assert_eq!(stopped(34, 0), Wait::Stopped(Stop::Signal(34)));
        assert_eq!(stopped(libc::SIGTRAP | 0x80, 0), Wait::Stopped(Stop::Syscall));
        assert_eq!(stopped(libc::SIGTRAP, 128), Wait::Stopped(Stop::Trap));
        assert_eq!(stopped(libc::SIGTSTP, 128), Wait::Stopped(Stop::Group(libc::SIGTSTP)));
        let seccomp = stopped(libc::SIGTRAP, libc::PTRACE_EVENT_SECCOMP);
        assert_eq!(seccomp, Wait::Stopped(Stop::Event(libc::PTRACE_EVENT_SECCOMP)));
    }

    #[test]
    fn real_time_signals_have_a_name() {
        assert_eq!(Wait::Killed(34).ended(), Some(Ended::Signal("SIG34".to_owned())));
        assert_eq!(Wait::Killed(11).ended(), Some(Ended::Signal("SIGSEGV".to_owned())));
    }
}
