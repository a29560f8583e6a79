//! How profgen ends: as the command did, or with one line and a documented status.

use model::trace::Ended;
use nix::sys::signal::Signal;
use std::{io::Write, process};

/// The end of a command that did its work.
#[derive(Debug)]
pub enum Status {
    /// With this status.
    Code(i32),
    /// As the command that was run.
    Like(Ended),
}

/// The end of one that did not.
#[derive(Debug)]
pub struct Failure {
    /// Why, outermost first.
    pub error: anyhow::Error,
    /// The exit status, or the usual one of the command.
    pub status: Option<i32>,
}

impl Failure {
    /// With the usual status: 125 for trace, run and container, whose command has statuses of its own; else 2.
    pub fn usual(error: anyhow::Error) -> Failure {
        Failure { error, status: None }
    }

    /// With this status.
    pub fn with(status: i32, error: anyhow::Error) -> Failure {
        Failure { error, status: Some(status) }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::usual(error)
    }
}

/// Ends the process.
pub fn end(command: &str, result: Result<Status, Failure>) -> ! {
    let code = match result {
        Ok(Status::Code(code)) | Ok(Status::Like(Ended::Exit(code))) => code,
        Ok(Status::Like(Ended::Signal(name))) => die_like(&name),
        Err(Failure { error, status }) => {
            say(&format!("{error:#}"));
            status.unwrap_or(if matches!(command, "trace" | "run" | "container" | "inside") {
                125
            } else {
                2
            })
        }
    };
    process::exit(code)
}

/// One line on standard error.
pub fn say(line: &str) {
    // What cannot be printed there cannot be reported anywhere.
    let _ = writeln!(std::io::stderr(), "profgen: {}", printable(line));
}

/// Several lines on standard error, without a name before them.
pub fn tell(text: &str) {
    for line in text.lines() {
        let _ = writeln!(std::io::stderr(), "{}", printable(line));
    }
}

/// Names in files and arguments are not profgen's own: none may move the cursor or end the line.
pub fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Dies by the same signal, so that a shell says of profgen what it would say of the command; if
/// that does not work, the status that a shell gives to it.
fn die_like(name: &str) -> i32 {
    // A real-time signal is written `SIG35`.
    let number = name.parse::<Signal>().map(|signal| signal as i32);
    let number = number.or_else(|_| name.trim_start_matches("SIG").parse()).unwrap_or(0);
    // The core, if any, is the command's to leave. (A limit of 0 does not stop a core to a pipe.)
    let _ = nix::sys::prctl::set_dumpable(false);
    // SAFETY: the default action runs no code; the set is initialised before it is used.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, number);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        libc::raise(number);
    }
    128 + number
}
