//! `profgen container`: from an image to a profile that was tried. The container is run with profgen as
//! its first process, its files are analysed, and it is run again under the profile.

mod client;
mod engine;
mod health;
mod inside;
mod joining;
mod options;
mod output;
mod plain;
mod records;
mod session;
mod tracer;
mod unpack;
mod verify;
mod watched;
mod workspace;

pub use inside::inside;

use crate::{
    arguments::{ContainerArguments, ContainerEngine},
    bundle::{self, Place, Profile},
    exit::{Failure, Status, say},
    runtime, summary,
    trace::{Derivation, Written, derive},
};
use anyhow::{Context, anyhow, bail};
use client::Client;
use engine::{Container, Dress, Engine, INSIDE, Recording};
use model::{Trace, trace::Ended};
use options::Asked;
use plain::Plain;
use session::{Run, Stop, Until};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};
use supervisor::signals::Signals;
use verify::{Verdict, judge};
use watched::Manner;
use workspace::{Interruptible, Workspace};

pub fn container(arguments: &ContainerArguments) -> Result<Status, Failure> {
    let kind = chosen(arguments.engine)?;
    let is_plain = matches!(kind, ContainerEngine::Runc | ContainerEngine::Crun);
    let asked = Asked::read(&arguments.words, is_plain)?;
    let place = Place::find(&output(arguments, &asked.image))?;
    let tracer = tracer::find(arguments.tracer.as_deref())?;
    let (tty, input) = (asked.tty, asked.interactive);
    let workspace = Workspace::new()?;
    let engine: Box<dyn Engine> = match kind {
        ContainerEngine::Runc => Box::new(Plain::new("runc", asked, workspace.path())?),
        ContainerEngine::Crun => Box::new(Plain::new("crun", asked, workspace.path())?),
        ContainerEngine::Docker => Box::new(Client::new("docker", asked, arguments.quiet)?),
        ContainerEngine::Podman => Box::new(Client::new("podman", asked, arguments.quiet)?),
    };
    let until = Until {
        limit: arguments.limit,
        healthy: arguments.until_healthy,
        exercise: arguments.exercise.clone(),
    };
    if until.healthy && engine.check().is_none() {
        return Err(anyhow!("--until-healthy: {} has no health check", engine.subject()).into());
    }
    // Before anything has run: whether the engine tells what the profile has to allow it.
    let target = engine.target()?;
    let (signals, _) = Signals::take().context("cannot take signals")?;
    let job = Job { arguments, engine: &*engine, until, tty, input, signals, workspace };

    let (recorded, traces, written) = job.record(&tracer, &place, target)?;
    if !arguments.quiet {
        job.summary(&place.path, &traces, &written);
    }
    let profile = place.path.join(bundle::SECCOMP);
    let verified = match (arguments.no_verify, recorded.stop) {
        (true, _) => Ok(()),
        (false, Some(Stop::Signal(_))) => {
            say("not verified, as profgen was interrupted");
            Ok(())
        }
        (false, _) => job.verify(&recorded, &profile),
    };
    if !arguments.quiet {
        say(&format!("next: {}", engine.advice(&profile)));
    }
    verified?;
    if let (true, Some(gap)) = (arguments.strict, gaps(&traces).first()) {
        return Err(anyhow!("the record is incomplete: {gap}").into());
    }
    undone(arguments, &recorded)?;
    Ok(match recorded.stop {
        // It did not end by itself: how it did says nothing.
        Some(Stop::Exercised) => Status::Code(recorded.exercise.map_or(125, |ran| ran.status)),
        Some(Stop::Unhealthy) => return Err(anyhow!("the container became unhealthy").into()),
        Some(_) => Status::Code(0),
        None => Status::Like(Ended::Exit(recorded.container.status)),
    })
}

/// Fails when what was to happen to the container did not: the record lacks it.
fn undone(arguments: &ContainerArguments, run: &Run) -> anyhow::Result<()> {
    let why = match run.stop {
        Some(Stop::Limit) => "before the time was over",
        None => "before the container ended",
        _ => return Ok(()),
    };
    if arguments.exercise.is_some() && run.exercise.is_none() {
        bail!("the exercise was not done {why}");
    }
    if arguments.until_healthy && run.exercise.is_none() {
        bail!("the container was not healthy {why}");
    }
    Ok(())
}

/// The engine that was named, or the first that is there.
fn chosen(asked: Option<ContainerEngine>) -> anyhow::Result<ContainerEngine> {
    if let Some(engine) = asked {
        return Ok(engine);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|at| at.join(name).is_file());
    match runtime::ENGINES.iter().find(|name| is_there(name)) {
        Some(&"docker") => Ok(ContainerEngine::Docker),
        Some(_) => Ok(ContainerEngine::Podman),
        None => bail!("neither docker nor podman is in the path: name one with --engine"),
    }
}

/// `nginx.profgen` for registry.example/nginx:1.27.
fn output(arguments: &ContainerArguments, image: &OsString) -> PathBuf {
    if let Some(path) = &arguments.output {
        return path.clone();
    }
    let name = image.to_string_lossy();
    let name = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = name.split(['@', ':']).next().unwrap_or_default();
    bundle::default_path(name.as_ref())
}

struct Job<'a> {
    arguments: &'a ContainerArguments,
    engine: &'a dyn Engine,
    until: Until,
    tty: bool,
    /// Whether the container reads profgen's standard input.
    input: bool,
    signals: Signals,
    workspace: Workspace,
}

impl Job<'_> {
    /// Runs the container with the tracer, analyses its files, and writes the bundle.
    fn record(
        &self,
        tracer: &Path,
        place: &Place,
        target: profiles::runtime::Target,
    ) -> Result<(Run, Vec<Trace>, Written), Failure> {
        let recording = Recording {
            tracer: tracer.to_path_buf(),
            out: self.workspace.make("out", 0o777)?,
            arguments: self.inside(),
        };
        let container = Container::create(self.engine, Dress::Recorded(&recording))?;
        let run = self.run(&container, true)?;
        let traces = records::read(&recording.out, &run)?;
        let Some(traces) = traces else {
            let status = run.container.status;
            let error = anyhow!("the container left no record; it ended with status {status}");
            // The tracer has said why: as a shell does for a command that cannot be executed.
            let status = if matches!(status, 126 | 127) { status } else { 125 };
            return Err(Failure::with(status, error));
        };
        let bundle = place.open()?;
        for trace in &traces {
            bundle.add_trace(trace)?;
        }
        let root = match self.arguments.no_static {
            true => None,
            false => Some(self.engine.root(&container.id, &self.workspace.make("root", 0o700)?)?),
        };
        drop(container);
        // From here on, whoever interrupts wants no more of it: the records are in the bundle.
        let interruptible = Interruptible::new(&self.signals, &self.workspace);
        let subject = self.engine.subject();
        let written = derive(
            &bundle,
            None,
            &Derivation {
                root: root.as_deref().map(|root| (root, &*subject)),
                no_static: self.arguments.no_static,
                settings: &self.arguments.settings,
                quiet: self.arguments.quiet,
                profile: Profile { format: self.engine.format(), targets: Some([target].into()) },
            },
        )?;
        drop(interruptible);
        Ok((run, traces, written))
    }

    /// The arguments of the profgen inside, up to the command.
    fn inside(&self) -> Vec<OsString> {
        let engine = self.arguments.tracing_engine.name();
        let out = format!("{INSIDE}/out");
        let mut words = vec!["inside", "--out", &out, "--tracing-engine", engine];
        if self.arguments.no_static {
            words.push("--no-static");
        }
        words.into_iter().map(OsString::from).collect()
    }

    fn run(&self, container: &Container<'_>, recorded: bool) -> anyhow::Result<Run> {
        let manner = Manner { echo: recorded, tty: self.tty, recorded, input: self.input };
        session::run(container, &self.until, &self.signals, manner, self.workspace.path())
    }

    /// Runs the container under its profile, and says whether it did the same.
    fn verify(&self, recorded: &Run, profile: &Path) -> anyhow::Result<()> {
        let profile = profile.canonicalize().context("there is no profile to verify")?;
        let again = |dress| self.run(&Container::create(self.engine, dress)?, false);
        let confined = again(Dress::Confined(&profile)).context("under its profile")?;
        if let Some(Stop::Signal(signal)) = confined.stop {
            bail!("not verified: profgen was interrupted by {signal}");
        }
        match judge(recorded, &confined, || again(Dress::Plain))? {
            Verdict::Same(_) | Verdict::Varies if self.arguments.quiet => {}
            Verdict::Same(what) => say(&format!("verified: under its profile {what}")),
            Verdict::Varies => say(
                "verified: under its profile the exit status was the same; the output differs from \
                 run to run, with or without the profile",
            ),
            Verdict::Different(how) => {
                bail!("not verified: under its profile {}", how.join("; "))
            }
        }
        Ok(())
    }

    fn summary(&self, bundle: &Path, traces: &[Trace], written: &Written) {
        summary::recorded(&self.engine.subject(), traces);
        for gap in gaps(traces) {
            say(&format!("incomplete: {gap}"));
        }
        for note in written.notes.iter().filter(|_| self.arguments.verbose) {
            say(&format!("seccomp.json: {note}"));
        }
        say(&format!(
            "{}: policy.json allows {}, seccomp.json is for {}, report.md for reviewers",
            bundle.display(),
            summary::allowed(&written.policy),
            self.engine.format(),
        ));
    }
}

fn gaps(traces: &[Trace]) -> Vec<String> {
    let mut gaps: Vec<String> = traces.iter().flat_map(|trace| trace.completeness.gaps()).collect();
    gaps.sort();
    gaps.dedup();
    gaps
}
