//! The state in which profgen itself was started, for the command to be started in.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    ffi::{CString, OsString},
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
};
use supervisor::{Command, command::CommandError, command::Inherited, signals::Signals};

/// Whether SIGPIPE was ignored when profgen started. Rust's own start-up code ignores it, so this
/// is asked before that runs.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

#[used]
// SAFETY: the loader calls the functions of this section once, before main, with arguments that
// this one does not take; it makes one system call and writes one atomic.
#[unsafe(link_section = ".init_array")]
static ASK: extern "C" fn() = ask;

extern "C" fn ask() {
    // SAFETY: all-zero is a valid sigaction, and with a null new action the call only writes it.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut old) == 0 {
            PIPE_IGNORED.store(old.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
        }
    }
}

/// The command as the shell would start it, and the signals that are taken from here on.
///
/// # Errors
/// When signals cannot be taken; inside, when there is no such command.
pub fn command_with_signals(
    argv: &[OsString],
) -> io::Result<(Result<Command, CommandError>, Signals)> {
    let (signals, blocked) = Signals::take()?;
    // A descriptor for each process: as many as there may be.
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).ok();
    if let Some((_, hard)) = descriptors {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let inherited = Inherited { blocked, descriptors, ..plain() };
    Ok((command(argv, inherited)?, signals))
}

/// The command as the shell would start it, with signals untouched.
///
/// # Errors
/// When the environment cannot be read; inside, when there is no such command.
pub fn command_alone(argv: &[OsString]) -> io::Result<Result<Command, CommandError>> {
    let mut inherited = plain();
    inherited.blocked = nix::sys::signal::SigSet::thread_get_mask()?;
    command(argv, inherited)
}

fn plain() -> Inherited {
    Inherited { pipe_ignored: PIPE_IGNORED.load(Ordering::Relaxed), ..Inherited::plain() }
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
