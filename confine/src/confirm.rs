//! Which capabilities a command needs, by running it without them: a check that the kernel made is
//! not yet a need.
//!
//! What it writes and how it ends is compared, byte by byte, with a run that had all. A command that
//! does not do the same each time shows nothing, and that is said.

use crate::ConfineError;
use model::{Confirmed, Need, trace::Ended};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        signal::{Signal, killpg},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe2},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use supervisor::{
    CapSet, Command,
    capset::{self, Sets, limit},
    signals::Signals,
    wait::Wait,
};

/// Those that stand for many others, the mightiest first: what can do without is tried with these
/// first, so that the narrower ones remain.
const MIGHTY: [u32; 7] = [21, 16, 17, 19, 1, 39, 12];

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    ended: Option<Ended>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs `command` again and again, each time with fewer capabilities, with nothing to read and its
/// output kept from the user, and says of each of `suspects` whether it is needed. Where the
/// suspects do not suffice, the others are tried too. `told` hears of each run before it starts.
///
/// # Errors
/// When a run cannot be started, or a signal asked profgen to end.
pub fn confirm(
    command: &Command,
    suspects: CapSet,
    signals: &Signals,
    told: &mut dyn FnMut(&str),
) -> Result<BTreeMap<String, Confirmed>, ConfineError> {
    let own = Sets::own()?.permitted;
    let suspects = suspects & own;
    let mut runs = Runs { command, signals, patience: Duration::from_secs(60) };
    told("with all capabilities");
    let begun = Instant::now();
    let control = runs.run(CapSet::ALL)?;
    // Waiting for what a capability would have given must end some time.
    runs.patience = begun.elapsed() * 10 + Duration::from_secs(10);
    told("with all capabilities, once more");
    if let Some(how) = difference(&control, &runs.run(CapSet::ALL)?) {
        let reason = format!("two runs with all capabilities differ: {how}");
        return Ok(all(suspects, Need::Unknown, &reason));
    }
    let mut found = BTreeMap::new();
    told("with the suspects only");
    let enough = difference(&control, &runs.run(suspects)?).is_none();
    let (mut kept, tried) = if enough { (suspects, suspects) } else { (own, own) };
    for number in in_order(tried) {
        let name = capset::name(number);
        let without = kept.without(CapSet::of([number]));
        told(&format!("without {name}"));
        match difference(&control, &runs.run(without)?) {
            None => {
                kept = without;
                let reason = "without that it did the same".to_owned();
                found.insert(name, Confirmed { need: Need::NotNeeded, reason });
            }
            Some(how) => {
                let reason = format!("without that {how}");
                found.insert(name, Confirmed { need: Need::Needed, reason });
            }
        }
    }
    // Of those that nobody suspected only what is needed is news.
    let named = suspects.names();
    found.retain(|name, confirmed| confirmed.need == Need::Needed || named.contains(name));
    Ok(found)
}

fn all(set: CapSet, need: Need, reason: &str) -> BTreeMap<String, Confirmed> {
    let confirmed = Confirmed { need, reason: reason.to_owned() };
    set.names().into_iter().map(|name| (name, confirmed.clone())).collect()
}

fn in_order(set: CapSet) -> Vec<u32> {
    let mighty = MIGHTY.into_iter().filter(|number| set.has(*number));
    mighty.chain(set.numbers().filter(|number| !MIGHTY.contains(number))).collect()
}

/// How a run differs from the one that had all.
fn difference(control: &Outcome, run: &Outcome) -> Option<String> {
    let ended = |ended: &Option<Ended>| match ended {
        Some(Ended::Exit(status)) => format!("exits with status {status}"),
        Some(Ended::Signal(name)) => format!("dies by {name}"),
        None => "does not end".to_owned(),
    };
    if control.ended != run.ended {
        let (run, control) = (ended(&run.ended), ended(&control.ended));
        return Some(format!("it {run} (with all it {control})"));
    }
    let streams = [
        ("standard output", &control.stdout, &run.stdout),
        ("standard error", &control.stderr, &run.stderr),
    ];
    let differs = streams.into_iter().find(|(_, one, other)| one != other);
    differs.map(|(name, ..)| format!("its {name} differs"))
}

struct Runs<'a> {
    command: &'a Command,
    signals: &'a Signals,
    patience: Duration,
}

impl Runs<'_> {
    /// Runs it with these capabilities and no others.
    fn run(&self, keep: CapSet) -> Result<Outcome, ConfineError> {
        let nothing = File::open("/dev/null").map_err(|_| ConfineError::Call(Errno::ENOENT))?;
        let (stdout, stdout_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr, stderr_end) = pipe2(OFlag::O_CLOEXEC)?;
        let streams = [nothing.as_raw_fd(), stdout_end.as_raw_fd(), stderr_end.as_raw_fd()];
        let execution = self.command.prepare();
        // SAFETY: the child calls only async-signal-safe functions, on memory that was prepared
        // here, and never returns.
        let child = match unsafe { fork() }? {
            ForkResult::Child => {
                become_it(self.command, &execution, streams, keep);
            }
            ForkResult::Parent { child } => child,
        };
        drop((stdout_end, stderr_end));
        let (stdout, stderr) = (collect(stdout), collect(stderr));
        let ended = self.wait(child, &[&stdout, &stderr])?;
        // One that did not end with the command's group is left to itself.
        let bytes = |reader: JoinHandle<Vec<u8>>| match reader.is_finished() {
            true => reader.join().unwrap_or_default(),
            false => Vec::new(),
        };
        Ok(Outcome { ended, stdout: bytes(stdout), stderr: bytes(stderr) })
    }

    /// Waits for the command, and for whoever else holds its output; kills them when that takes too
    /// long.
    fn wait(
        &self,
        child: Pid,
        readers: &[&JoinHandle<Vec<u8>>],
    ) -> Result<Option<Ended>, ConfineError> {
        const PAUSE: Duration = Duration::from_millis(2);
        let until = Instant::now() + self.patience;
        let mut ended = None;
        loop {
            if ended.is_none() {
                ended = collect_end(child)?;
            }
            if ended.is_some() && readers.iter().all(|reader| reader.is_finished()) {
                return Ok(ended);
            }
            let asked = self.signals.arrived();
            if asked.is_some() || Instant::now() > until {
                // The group is the command's own.
                let _ = killpg(child, Signal::SIGKILL);
                if ended.is_none() {
                    let _ = waitpid(child, None);
                }
                return match asked {
                    Some((_, signal)) => Err(ConfineError::Interrupted(signal)),
                    None => Ok(None),
                };
            }
            thread::sleep(PAUSE);
        }
    }
}

fn collect_end(child: Pid) -> Result<Option<Ended>, ConfineError> {
    let mut status = 0;
    // SAFETY: the status is valid for the call.
    let result = unsafe { libc::waitpid(child.as_raw(), &raw mut status, libc::WNOHANG) };
    match Errno::result(result) {
        Ok(0) | Err(Errno::EINTR) => Ok(None),
        Ok(_) => Ok(Wait::from_status(status).ended()),
        Err(errno) => Err(errno.into()),
    }
}

fn collect(pipe: OwnedFd) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error counts.
        let _ = File::from(pipe).read_to_end(&mut bytes);
        bytes
    })
}

/// The child's life: only async-signal-safe calls, no allocation.
fn become_it(
    command: &Command,
    execution: &supervisor::command::Prepared<'_>,
    streams: [i32; 3],
    keep: CapSet,
) -> ! {
    command.restore();
    for (number, fd) in streams.into_iter().enumerate() {
        // SAFETY: plain numbers.
        unsafe { libc::dup2(fd, number as i32) };
    }
    // SAFETY: plain numbers; a group of its own can be killed whole.
    unsafe { libc::setpgid(0, 0) };
    if keep == CapSet::ALL || limit(keep, false).is_ok() {
        execution.execute();
    }
    // SAFETY: ends the process, with what a shell says of a command that cannot be executed.
    unsafe { libc::_exit(126) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: i32, stdout: &str) -> Outcome {
        Outcome { ended: Some(Ended::Exit(status)), stdout: stdout.into(), stderr: Vec::new() }
    }

    #[test]
    fn a_difference_is_named() {
        let same = outcome(0, "a");
        assert_eq!(difference(&same, &same), None);
        let said = |run: &Outcome| difference(&outcome(0, "a"), run).unwrap();
        assert_eq!(
            said(&outcome(1, "a")),
            "it exits with status 1 (with all it exits with status 0)"
        );
        assert_eq!(said(&outcome(0, "b")), "its standard output differs");
        let stuck = Outcome { ended: None, ..outcome(0, "a") };
        assert_eq!(said(&stuck), "it does not end (with all it exits with status 0)");
    }

    #[test]
    fn the_mightiest_are_tried_first() {
        assert_eq!(in_order(CapSet::of([0, 2, 1, 21])), [21, 1, 0, 2]);
    }
}
