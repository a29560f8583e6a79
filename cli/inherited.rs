//! The state in which profgen itself was started, for the command to be started in.

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::{SigSet, Signal},
};
use std::{
    ffi::{CString, OsString},
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
};
use supervisor::{Command, command::CommandError, command::Inherited, signals::Signals};

/// What Rust's start-up code changes is asked before it runs: it ignores SIGPIPE, and opens
/// /dev/null for standard streams that are closed.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

#[used]
// SAFETY: the loader calls the functions of this section once, before main, with arguments that
// this one does not take; it makes a few system calls and writes atomics.
#[unsafe(link_section = ".init_array")]
static ASK: extern "C" fn() = ask;

extern "C" fn ask() {
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    for (fd, closed) in CLOSED.iter().enumerate() {
        // SAFETY: F_GETFD takes no argument.
        let flags = unsafe { libc::fcntl(fd as i32, libc::F_GETFD) };
        closed.store(flags < 0, Ordering::Relaxed);
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero is a valid sigaction, and with a null new action the call only writes it.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
    }
}

/// The command as the shell would start it, and the signals that are taken from here on.
///
/// # Errors
/// When signals cannot be taken; inside, when there is no such command.
pub fn command_with_signals(
    argv: &[OsString],
) -> io::Result<(Result<Command, CommandError>, Signals)> {
    command_with(argv, SigSet::empty())
}

/// The same for the first process of a container, which has to pass on what it is sent: the signals
/// that engines send, and that programs take for requests.
///
/// # Errors
/// As [`command_with_signals`].
pub fn command_of_first_process(
    argv: &[OsString],
) -> io::Result<(Result<Command, CommandError>, Signals)> {
    let passed =
        [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGPWR, Signal::SIGIO];
    command_with(argv, passed.into_iter().collect())
}

fn command_with(
    argv: &[OsString],
    passed: SigSet,
) -> io::Result<(Result<Command, CommandError>, Signals)> {
    let unchanged = plain();
    let (signals, blocked) = Signals::take_with(passed)?;
    // A descriptor for each process: as many as there may be.
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).ok();
    if let Some((_, hard)) = descriptors {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let inherited = Inherited { blocked, descriptors, ..unchanged };
    Ok((command(argv, inherited)?, signals))
}

/// The command as the shell would start it, with signals untouched.
///
/// # Errors
/// When the environment cannot be read; inside, when there is no such command.
pub fn command_alone(argv: &[OsString]) -> io::Result<Result<Command, CommandError>> {
    let mut inherited = plain();
    inherited.blocked = SigSet::thread_get_mask()?;
    command(argv, inherited)
}

fn plain() -> Inherited {
    Inherited {
        ignored: [
            (Signal::SIGPIPE, PIPE_IGNORED.load(Ordering::Relaxed)),
            (Signal::SIGCHLD, is_ignored(libc::SIGCHLD)),
            (Signal::SIGURG, is_ignored(libc::SIGURG)),
        ],
        closed: [0, 1, 2].map(|fd| CLOSED[fd].load(Ordering::Relaxed)),
        ..Inherited::plain()
    }
}

fn command(argv: &[OsString], inherited: Inherited) -> io::Result<Result<Command, CommandError>> {
    let search_path = std::env::var_os("PATH");
    Ok(Command::new(argv, search_path.as_deref(), environment()?, inherited))
}

/// As it was received: std's view of it drops what has no `=`.
fn environment() -> io::Result<Vec<CString>> {
    let bytes = fs::read("/proc/self/environ")?;
    let entries = bytes.split(|&byte| byte == 0).filter(|entry| !entry.is_empty());
    Ok(entries.filter_map(|entry| CString::new(entry).ok()).collect())
}
