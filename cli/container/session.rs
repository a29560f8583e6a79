//! One run of a container, from its start to its end: by itself, after a time, when it is healthy and
//! its test is done, or when profgen is interrupted.

use super::{
    engine::{Container, Health, INSIDE},
    output::{Echo, Stream, collect},
};
use anyhow::{Context, anyhow};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};
use supervisor::signals::Signals;

const TICK: Duration = Duration::from_millis(30);
/// How often an engine is asked for the health of a container.
const ASK: Duration = Duration::from_millis(500);
/// As `docker stop` waits.
const GRACE: Duration = Duration::from_secs(10);
/// For a tracer to write its record.
const WRITING: Duration = Duration::from_secs(30);

/// When a run is over that does not end by itself.
#[derive(Debug, Clone, Default)]
pub struct Until {
    /// After so long.
    pub limit: Option<Duration>,
    /// When the container is healthy.
    pub healthy: bool,
    /// When this line of a shell has ended.
    pub exercise: Option<OsString>,
}

/// Why a container was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its time was over.
    Limit,
    /// It was healthy.
    Healthy,
    /// Its health check failed.
    Unhealthy,
    /// The exercise was done.
    Exercised,
    /// A signal for profgen.
    Signal(Signal),
}

/// What a process said, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// As a shell says it.
    pub status: i32,
    /// Its standard output and error; none where they went to the terminal.
    pub streams: Option<[Stream; 2]>,
}

/// One run of a container.
#[derive(Debug)]
pub struct Run {
    /// The container's end.
    pub container: Ran,
    /// Why it was stopped; none when it ended by itself.
    pub stop: Option<Stop>,
    /// The exercise, where it came to its end.
    pub exercise: Option<Ran>,
    /// What joined the container and was not recorded.
    pub joined: BTreeSet<String>,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether its output is passed on.
    pub echo: bool,
    /// Whether the container has the terminal.
    pub tty: bool,
    /// Whether profgen is in it, and needs time to write.
    pub recorded: bool,
}

/// A child whose output is read meanwhile.
struct Watched {
    child: Child,
    streams: Option<[JoinHandle<Stream>; 2]>,
}

impl Watched {
    fn start(mut command: Command, manner: Manner, what: &str) -> anyhow::Result<Watched> {
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

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a process")
    }

    fn wait(&mut self, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let until = Instant::now() + patience;
        loop {
            match self.ended()? {
                None if Instant::now() < until => thread::sleep(TICK),
                status => return Ok(status),
            }
        }
    }

    fn finish(self, status: i32) -> Ran {
        let streams = self.streams.map(|all| all.map(|one| one.join().unwrap_or_default()));
        Ran { status, streams }
    }

    fn kill(&mut self) {
        // It is a group of its own: what it started ends with it.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Runs a container.
///
/// # Errors
/// When it could not be started, or the engine says nothing more.
pub fn run(
    container: &Container<'_>,
    until: &Until,
    signals: &Signals,
    manner: Manner,
    workspace: &Path,
) -> anyhow::Result<Run> {
    let (engine, id) = (container.engine, &container.id);
    let joining = Joining::listen(container, workspace);
    let mut client = Watched::start(engine.start(id), manner, "the engine's client")?;
    let mut exercise = None;
    let result = watch(container, until, signals, &mut client, &mut exercise, manner);
    let (stop, status) = match result {
        Ok((stop, Some(status))) => (stop, Ok(status)),
        Ok((stop, None)) => (stop, end(container, &mut client, manner.recorded)),
        Err(error) => (None, Err(error)),
    };
    let exercise = match exercise {
        None => None,
        Some(Exercise { mut watched, status: None }) => {
            watched.kill();
            None
        }
        Some(Exercise { watched, status: Some(status) }) => Some(watched.finish(status)),
    };
    let joined = joining.map(Joining::seen).unwrap_or_default();
    let status = engine.status(id, status?)?;
    Ok(Run { container: client.finish(status), stop, exercise, joined })
}

struct Exercise {
    watched: Watched,
    status: Option<i32>,
}

/// Waits for the first reason to stop; the client's end is one.
fn watch(
    container: &Container<'_>,
    until: &Until,
    signals: &Signals,
    client: &mut Watched,
    exercise: &mut Option<Exercise>,
    manner: Manner,
) -> anyhow::Result<(Option<Stop>, Option<ExitStatus>)> {
    let (engine, id) = (container.engine, &container.id);
    let begun = Instant::now();
    let mut ask = Instant::now();
    let mut ready = false;
    loop {
        if let Some(status) = client.ended()? {
            return Ok((None, Some(status)));
        }
        if let Some((_, signal)) = signals.arrived() {
            return Ok((Some(Stop::Signal(signal)), None));
        }
        if until.limit.is_some_and(|limit| begun.elapsed() >= limit) {
            return Ok((Some(Stop::Limit), None));
        }
        if !ready && (until.healthy || until.exercise.is_some()) && Instant::now() >= ask {
            ask = Instant::now() + ASK;
            ready = match until.healthy {
                false => engine.runs(id),
                true => match engine.health(id) {
                    Health::Healthy => true,
                    Health::Unhealthy => return Ok((Some(Stop::Unhealthy), None)),
                    Health::Starting => false,
                },
            };
        }
        match (exercise.as_mut(), &until.exercise) {
            _ if !ready => {}
            (None, None) => return Ok((Some(Stop::Healthy), None)),
            (None, Some(line)) => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(line).env("PROFGEN_CONTAINER", id).stdin(Stdio::null());
                if manner.recorded {
                    let tracer = format!("{INSIDE}/profgen inside --out {INSIDE}/out --joined --");
                    command.env("PROFGEN_INSIDE", tracer);
                } else {
                    command.env("PROFGEN_INSIDE", "");
                }
                let manner = Manner { tty: false, ..manner };
                let watched = Watched::start(command, manner, "the exercise")?;
                *exercise = Some(Exercise { watched, status: None });
            }
            (Some(exercise), _) => {
                if let Some(status) = exercise.watched.ended()? {
                    exercise.status = Some(shell_status(status));
                    return Ok((Some(Stop::Exercised), None));
                }
            }
        }
        thread::sleep(TICK);
    }
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Asks a container to end; a tracer in it is told by three signals to make what it records end.
fn end(
    container: &Container<'_>,
    client: &mut Watched,
    recorded: bool,
) -> anyhow::Result<ExitStatus> {
    let (engine, id) = (container.engine, &container.id);
    engine.signal(id, &engine.stop_signal(id));
    if let Some(status) = client.wait(GRACE)? {
        return Ok(status);
    }
    if recorded {
        for _ in 0..3 {
            engine.signal(id, "TERM");
            if let Some(status) = client.wait(Duration::from_millis(300))? {
                return Ok(status);
            }
        }
        if let Some(status) = client.wait(WRITING)? {
            return Ok(status);
        }
    }
    engine.signal(id, "KILL");
    client.wait(WRITING)?.ok_or_else(|| {
        client.kill();
        anyhow!("the container does not end")
    })
}

/// Listens for processes that join a container from outside.
struct Joining {
    child: Child,
    lines: std::path::PathBuf,
}

impl Joining {
    fn listen(container: &Container<'_>, workspace: &Path) -> Option<Joining> {
        let mut command = container.engine.joined(&container.id)?;
        let lines = workspace.join(format!("events-{}", container.id));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        command.args(["--since", &now.as_secs().to_string()]);
        command.stdout(File::create(&lines).ok()?).stderr(Stdio::null()).process_group(0);
        Some(Joining { child: command.spawn().ok()?, lines })
    }

    fn seen(mut self) -> BTreeSet<String> {
        const MOST: usize = 64;
        // What happened a moment ago is still on its way.
        thread::sleep(Duration::from_millis(100));
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = fs::read(&self.lines).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let own = format!("{INSIDE}/profgen");
        let joined = text.lines().filter(|line| !line.contains(&own));
        let commands =
            joined.map(|line| line.split_once(": ").map_or(line, |(_, command)| command));
        commands.take(MOST).map(|command| command.trim().to_owned()).collect()
    }
}
