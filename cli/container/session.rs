//! One run of a container, from its start to its end: by itself, after a time, when it is healthy and
//! its test is done, or when profgen is interrupted.

use super::{
    engine::{Container, INSIDE},
    health::Health,
    joining::{Joined, Joining},
    watched::{Manner, Ran, TICK, Watched, pass_input, shell_status},
};
use anyhow::{Context, anyhow};
use nix::sys::signal::Signal;
use std::{
    ffi::OsString,
    fs::File,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use supervisor::signals::Signals;

/// How often an engine is asked for the health of a container.
const ASK: Duration = Duration::from_millis(500);
/// As `docker stop` waits.
const GRACE: Duration = Duration::from_secs(10);
/// For an exercise whose container has ended.
const ENDING: Duration = Duration::from_secs(5);
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

/// One run of a container.
#[derive(Debug)]
pub struct Run {
    /// The container's end.
    pub container: Ran,
    /// Why it was stopped; none when it ended by itself.
    pub stop: Option<Stop>,
    /// The exercise, where it came to its end.
    pub exercise: Option<Ran>,
    /// What joined the container.
    pub joined: Joined,
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
    let mut start = engine.start(id);
    let replay = manner.input && !manner.tty;
    let input = workspace.join("input");
    if replay && !manner.recorded {
        // What the recorded run read: standard input is there only once.
        start.stdin(File::open(&input).context("cannot read the input again")?);
    } else if replay {
        start.stdin(Stdio::piped());
    }
    let mut client = Watched::start(start, manner, "the engine's client")?;
    if let Some(to) = client.child.stdin.take() {
        let copy = File::create(&input).context("cannot keep the input")?;
        thread::spawn(move || pass_input(to, copy));
    }
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
            // Where it is what ended the container, it is about to end, too.
            let patience = if stop.is_none() { ENDING } else { Duration::ZERO };
            let ended = watched.wait(patience)?.map(shell_status);
            if ended.is_none() {
                watched.kill();
            }
            ended.map(|status| watched.finish(status))
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
                let manner = Manner { tty: false, input: false, ..manner };
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
