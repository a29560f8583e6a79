//! A child of profgen's whose output is read while it runs.

use super::output::{Echo, Stream, collect};
use anyhow::Context;
use nix::sys::signal::Signal;
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often something is looked at that does not tell by itself.
pub const TICK: Duration = Duration::from_millis(30);

/// What a process said, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// As a shell says it.
    pub status: i32,
    /// Its standard output and error; none where they went to the terminal.
    pub streams: Option<[Stream; 2]>,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether its output is passed on.
    pub echo: bool,
    /// Whether the container has the terminal.
    pub tty: bool,
    /// Whether it reads profgen's standard input.
    pub input: bool,
    /// Whether profgen is in it, and needs time to write.
    pub recorded: bool,
}

/// A child whose output is read meanwhile.
pub struct Watched {
    /// It.
    pub child: Child,
    streams: Option<[JoinHandle<Stream>; 2]>,
}

impl Watched {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(mut command: Command, manner: Manner, what: &str) -> anyhow::Result<Watched> {
        if !manner.tty {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            // What is typed at the terminal is for profgen, which passes on what it means.
            command.process_group(0);
        }
        let mut child = command.spawn().with_context(|| format!("cannot run {what}"))?;
        let [output, error] = match manner.echo {
            true => [Echo::Output, Echo::Error],
            false => [Echo::None, Echo::None],
        };
        let streams = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), Some(err)) => Some([collect(out, output), collect(err, error)]),
            _ => None,
        };
        Ok(Watched { child, streams })
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a process")
    }

    /// Waits for its end, but not for ever.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn wait(&mut self, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let until = Instant::now() + patience;
        loop {
            match self.ended()? {
                None if Instant::now() < until => thread::sleep(TICK),
                status => return Ok(status),
            }
        }
    }

    /// All that it said, once it has ended with this status.
    pub fn finish(self, status: i32) -> Ran {
        let streams = self.streams.map(|all| all.map(|one| one.join().unwrap_or_default()));
        Ran { status, streams }
    }

    /// Ends it.
    pub fn kill(&mut self) {
        // It is a group of its own: what it started ends with it.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Passes standard input on, and keeps it. It may never end: nobody waits for this.
pub fn pass_input(mut to: ChildStdin, mut copy: File) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count) = std::io::stdin().read(&mut buffer) {
        if count == 0 || copy.write_all(&buffer[..count]).is_err() {
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}

/// As a shell says it.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
