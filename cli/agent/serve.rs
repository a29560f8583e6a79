//! Waits for runtimes that hand containers over, and for signals: the first one that asks profgen to
//! end stops the waiting, the second the recording.

use super::{
    socket::Socket,
    worker::{Outcome, work},
};
use crate::{arguments::AgentArguments, bundle::Place, exit::say, files::Plain};
use anyhow::Context;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigHandler, SigSet, Signal, kill, signal},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, setpgid},
};
use std::{
    collections::BTreeSet,
    io::ErrorKind,
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

/// More containers at once are not taken.
const MOST: usize = 1024;
/// How long to wait when the kernel has no descriptor or process to spare.
const BREATH: Duration = Duration::from_millis(100);

struct Agent<'a> {
    arguments: &'a AgentArguments,
    /// None once no more are taken.
    socket: Option<Socket>,
    signals: SignalFd,
    /// The mask before, which a worker starts with.
    before: SigSet,
    workers: BTreeSet<Pid>,
    recorded: u64,
}

pub fn serve(arguments: &AgentArguments) -> anyhow::Result<()> {
    let directory = arguments.output.clone().unwrap_or_else(|| PathBuf::from("."));
    // One that cannot be written to is an error before any container waits for us.
    Place::find(&directory.join("agent.profgen"))?;
    let (signals, before) = signals().plain().context("cannot wait for signals")?;
    let socket = Socket::bind(&arguments.socket)?;
    let mut agent = Agent {
        arguments,
        socket: Some(socket),
        signals,
        before,
        workers: BTreeSet::new(),
        recorded: 0,
    };
    if !arguments.quiet {
        say(&format!("waiting for containers at {}", Path::new(&arguments.socket).display()));
    }
    while agent.socket.is_some() || !agent.workers.is_empty() {
        agent.step()?;
    }
    Ok(())
}

/// Takes the signals that ask to end, and those of workers that have ended.
fn signals() -> nix::Result<(SignalFd, SigSet)> {
    // SAFETY: the default action runs no code.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let before = SigSet::thread_get_mask()?;
    let taken: SigSet =
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD]
            .into_iter()
            .collect();
    taken.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok((SignalFd::with_flags(&taken, flags)?, before))
}

impl Agent<'_> {
    /// Waits for something to happen, and deals with it.
    fn step(&mut self) -> anyhow::Result<()> {
        let mut waited = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let socket =
            self.socket.as_ref().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        waited.extend(socket);
        match poll(&mut waited, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).plain().context("cannot wait for containers"),
        }
        self.hear()?;
        self.collect();
        if let Some(connection) = self.socket.as_ref().map(Socket::accept) {
            match connection {
                Ok(connection) => self.start(connection)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    say(&format!("cannot take a connection: {error}"));
                    thread::sleep(BREATH);
                }
            }
        }
        Ok(())
    }

    /// Acts on signals.
    fn hear(&mut self) -> anyhow::Result<()> {
        while let Some(heard) = self.signals.read_signal().plain()? {
            if heard.ssi_signo == Signal::SIGCHLD as u32 {
                continue;
            }
            match self.socket.take() {
                // The file is removed: another agent can take the place at once.
                Some(socket) => {
                    drop(socket);
                    if !self.workers.is_empty() && !self.arguments.quiet {
                        say(&format!(
                            "taking no more containers; {} still recorded (another signal ends \
                             that, and their announced calls then fail with ENOSYS)",
                            self.workers.len()
                        ));
                    }
                }
                None => {
                    for worker in &self.workers {
                        let _ = kill(*worker, Signal::SIGTERM);
                    }
                }
            }
        }
        Ok(())
    }

    /// Collects workers that have ended.
    fn collect(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(worker, status)) => {
                    self.workers.remove(&worker);
                    self.recorded += u64::from(status == Outcome::Recorded as i32);
                }
                Ok(WaitStatus::Signaled(worker, signal, _)) => {
                    self.workers.remove(&worker);
                    say(&format!(
                        "the recorder of a container was killed by {signal}: what it had saved is \
                         kept, and the calls that the container's profile announces now fail with \
                         ENOSYS"
                    ));
                }
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if self.arguments.count.is_some_and(|count| self.recorded >= count) {
            self.socket = None;
        }
    }

    /// Leaves a connection to a worker.
    fn start(&mut self, connection: UnixStream) -> anyhow::Result<()> {
        if self.workers.len() >= MOST {
            say(&format!("refused a connection: {MOST} containers are being recorded"));
            return Ok(());
        }
        // SAFETY: this process has no other thread, so that the child may do what it could.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                self.socket = None;
                // A signal typed at the terminal is for the agent, which passes on what it means.
                let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                let _ = self.before.thread_set_mask();
                let outcome = work(connection, self.arguments);
                process::exit(outcome as i32)
            }
            Ok(ForkResult::Parent { child }) => {
                self.workers.insert(child);
            }
            Err(errno) => {
                say(&format!("cannot record a container: fork: {}", errno.desc()));
                thread::sleep(BREATH);
            }
        }
        Ok(())
    }
}
