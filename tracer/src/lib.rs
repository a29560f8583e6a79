//! Records what a program does: every system call of every process that it starts, with the files,
//! addresses and arguments that decide its power.
//!
//! Two engines observe, `ptrace` and `notify`; [`EngineChoice`] says which. Both feed one recorder,
//! which builds the [`Trace`].

mod attach;
mod bases;
mod beside;
mod cap_capable;
mod checks;
mod contained;
mod descriptors;
mod modules;
mod notify;
mod observe;
#[cfg(target_arch = "x86_64")]
mod patch;
#[cfg(not(target_arch = "x86_64"))]
#[path = "patch/none.rs"]
mod patch;
mod patched;
mod paths;
mod plan;
mod privileges;
mod program;
mod ptrace;
mod recorder;
mod sockets;
mod watch;

pub use contained::{Contained, contained};
use recorder::Finished;
pub use recorder::{BEFORE_EXEC, Progress, Recorder};
pub use watch::Watcher;

use cap_capable::Measuring;
use model::{
    Arch, Text, Trace,
    document::Schema,
    trace::{self, Ended, Engine, EngineName, Host},
};
use nix::{errno::Errno, sys::signal::Signal};
use std::{ffi::OsString, time::SystemTime};
use supervisor::{Command, LaunchError, command::describe, signals::Signals};

/// Which engine observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// notify, and ptrace where that cannot serve.
    Auto,
    /// This one or none.
    Only(EngineName),
}

/// How to record.
pub struct Options {
    /// Which engine.
    pub engine: EngineChoice,
    /// Signals for profgen, which are passed on.
    pub signals: Signals,
    /// Called after each event.
    pub progress: Box<dyn Fn(&Recorder)>,
    /// Whether the command's end is the end of all that it has left behind, as in a container whose
    /// first process it is.
    pub first_process: bool,
    /// Whether to count what the kernel is asked about capabilities, where it lets us.
    pub measure: bool,
    /// Whether the ptrace engine rewrites the places that make calls, so that those which tell nothing
    /// new do not stop.
    pub patch: bool,
    /// Written into the trace: the version of profgen.
    pub version: String,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The child could not be made.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The kernel would not execute the command.
    #[error("{}", describe(*.0))]
    NotExecuted(Errno),
    /// The kernel refuses an engine.
    #[error("cannot trace: the kernel refuses {}: {}", .0, describe(*.1))]
    Refused(&'static str, Errno),
    /// No such process, or not ours.
    #[error("cannot trace pid {}: {}{}", .0, describe(*.1), yama_hint(*.1))]
    Attach(i32, Errno),
    /// The child was gone before it could run anything.
    #[error("cannot trace: the command's process vanished before it ran")]
    Vanished,
    /// A call of profgen's own failed.
    #[error("cannot trace: {}", describe(*.0))]
    Call(#[from] Errno),
    /// profgen has no call table for this machine.
    #[error("cannot trace: profgen does not know this machine's architecture")]
    Architecture,
}

/// Yama's ptrace_scope is the usual reason for EPERM.
fn yama_hint(errno: Errno) -> String {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match (errno, scope.trim()) {
        (Errno::EPERM, scope @ ("1" | "2" | "3")) => format!(" (yama ptrace_scope is {scope})"),
        _ => String::new(),
    }
}

/// What an engine hands over.
pub(crate) struct Recorded {
    recorder: Recorder,
    ended: Option<Ended>,
    interrupted: Option<Signal>,
    no_new_privs: bool,
    results: bool,
}

/// What to record.
pub enum Subject<'a> {
    /// A command, which is started.
    Command {
        /// What is executed.
        command: &'a Command,
        /// As it was typed.
        argv: &'a [OsString],
    },
    /// A process that is running.
    Process(i32),
}

/// Records a command until it and everything it started has ended, or a running process until it
/// ends or profgen is asked to.
///
/// # Errors
/// Only when nothing was recorded; what goes wrong later stands in the trace's completeness.
pub fn trace(subject: &Subject<'_>, options: &Options) -> Result<Trace, TraceError> {
    let started = timestamp(SystemTime::now());
    let directory = std::env::current_dir().unwrap_or_default();
    let mut capabilities = None;
    let (recorded, name, reason, argv, places) = match subject {
        Subject::Process(process) => {
            let argv = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let argv = argv.split(|&byte| byte == 0).filter(|part| !part.is_empty());
            let argv = argv.map(Text::from).collect();
            let reason = "only ptrace can attach to a running process".to_owned();
            let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let places = trace::Command::places(environment.split(|&byte| byte == 0));
            (attach::run(*process, options)?, EngineName::Ptrace, reason, argv, places)
        }
        Subject::Command { command, argv } => {
            let meter = Measuring::start(options.measure);
            let (recorded, name, reason) = record(command, options, &meter)?;
            capabilities = meter.finish();
            let argv = argv.iter().map(|argument| Text::from(argument.as_os_str())).collect();
            let places =
                trace::Command::places(command.environment.iter().map(|entry| entry.as_bytes()));
            (recorded, name, reason, argv, places)
        }
    };
    let mut head = Head::new(&options.version, started, name, reason)?;
    head.engine.no_new_privs = recorded.no_new_privs;
    head.engine.results = recorded.results;
    head.command = trace::Command { argv, directory: Text::from(directory.as_path()), places };
    let mut trace = head.complete(recorded);
    trace.capabilities = capabilities;
    Ok(trace)
}

/// What of a trace is known without its lists.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    id: String,
    started: String,
    version: String,
    host: Host,
    engine: Engine,
    command: trace::Command,
    container: Option<trace::Container>,
}

impl Head {
    /// Of a trace that begins.
    fn new(
        version: &str,
        started: String,
        name: EngineName,
        reason: String,
    ) -> Result<Head, TraceError> {
        let arch = Arch::native().ok_or(TraceError::Architecture)?;
        Ok(Head {
            id: run_id()?,
            started,
            version: version.to_owned(),
            host: Host { kernel: kernel_release(), arch },
            engine: Engine { name, reason, no_new_privs: false, results: false },
            command: trace::Command {
                argv: Vec::new(),
                directory: Text::default(),
                places: Default::default(),
            },
            container: None,
        })
    }

    /// The trace with its lists.
    fn complete(self, recorded: Recorded) -> Trace {
        let Finished { programs, processes, images, stacks, mut completeness } =
            recorded.recorder.finish();
        completeness.ended = recorded.ended;
        completeness.interrupted = recorded.interrupted.map(|signal| signal.as_str().to_owned());
        let argv = bounded(self.command.argv, &mut completeness);
        Trace {
            schema: Schema::default(),
            id: self.id,
            started: self.started,
            recorder: self.version,
            host: self.host,
            engine: self.engine,
            command: trace::Command { argv, ..self.command },
            container: self.container,
            completeness,
            programs,
            processes,
            images,
            stacks,
            capabilities: None,
        }
    }
}

fn record(
    command: &Command,
    options: &Options,
    meter: &Measuring,
) -> Result<(Recorded, EngineName, String), TraceError> {
    match options.engine {
        EngineChoice::Only(name) => {
            Ok((run(name, command, options, meter)?, name, "asked for".to_owned()))
        }
        EngineChoice::Auto => {
            let mut engines = [EngineName::Notify, EngineName::Ptrace];
            let mut reason = "auto: the cheaper engine".to_owned();
            if modules::wants_listener(&command.path) {
                engines.reverse();
                reason = "auto: the program asks libseccomp for a listener of its own".to_owned();
            } else if modules::uses_ptrace(&command.path) {
                reason = "auto: the program uses ptrace".to_owned();
            } else if options.patch && ptrace::patches() {
                engines.reverse();
            }
            let [first, second] = engines;
            match run(first, command, options, meter) {
                Err(TraceError::Refused(what, errno)) => {
                    let reason = format!("auto: the kernel refuses {what}: {}", describe(errno));
                    Ok((run(second, command, options, meter)?, second, reason))
                }
                result => Ok((result?, first, reason)),
            }
        }
    }
}

fn run(
    engine: EngineName,
    command: &Command,
    options: &Options,
    meter: &Measuring,
) -> Result<Recorded, TraceError> {
    match engine {
        EngineName::Ptrace => ptrace::run(command, options, meter),
        EngineName::Notify => notify::run(command, options, meter),
    }
}

/// The arguments up to a bound, which is noted where it cut.
fn bounded(argv: Vec<Text>, completeness: &mut trace::Completeness) -> Vec<Text> {
    let mut left = trace::Command::ARGV_BOUND;
    let whole = argv.len();
    let kept: Vec<Text> = argv
        .into_iter()
        .take_while(|argument| {
            let fits = argument.as_bytes().len() < left;
            left = left.saturating_sub(argument.as_bytes().len() + 1);
            fits
        })
        .collect();
    if kept.len() < whole {
        let what = "the command's arguments".to_owned();
        completeness.cut.push(trace::Cut { what, bound: kept.len() as u64 });
    }
    kept
}

fn run_id() -> Result<String, TraceError> {
    Ok(format!("{:016x}", supervisor::random()?))
}

fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| String::new(), |uname| uname.release().to_string_lossy().into_owned())
}

/// `2026-11-22T05:01:50Z`.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_in_utc() {
        // As `date -u -d @N +%FT%TZ` prints them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_323_710, "2026-11-22T05:01:50Z"),
        ] {
            assert_eq!(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
