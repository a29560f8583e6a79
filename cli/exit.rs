//! How profgen ends: as the command did, or with one line and a documented status.

use model::trace::Ended;
use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SigHandler, SigSet, SigmaskHow, Signal, raise, signal, sigprocmask},
};
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
    /// With the usual status: 125 for trace and run, whose command has statuses of its own; else 2.
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
            status.unwrap_or(if matches!(command, "trace" | "run") { 125 } else { 2 })
        }
    };
    process::exit(code)
}

/// One line on standard error.
pub fn say(line: &str) {
    // What cannot be printed there cannot be reported anywhere.
    let _ = writeln!(std::io::stderr(), "profgen: {}", line.replace('\n', "\\n"));
}

/// Dies by the same signal, so that a shell says of profgen what it would say of the command; if
/// that does not work, the status that a shell gives to it.
fn die_like(name: &str) -> i32 {
    let number = match name.parse::<Signal>() {
        Ok(number) => number,
        Err(_) => return 128 + name.trim_start_matches("SIG").parse::<i32>().unwrap_or_default(),
    };
    // The core, if any, is the command's to leave.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: the default action runs no code.
    let _ = unsafe { signal(number, SigHandler::SigDfl) };
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&SigSet::from(number)), None);
    let _ = raise(number);
    128 + number as i32
}
