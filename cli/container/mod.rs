//! `profgen container`: from an image to a profile that was tried. The container is run with profgen as
//! its first process, its files are analysed, and it is run again under the profile.

mod client;
mod engine;
mod inside;
mod options;
mod output;
mod plain;
mod records;
mod session;
mod tracer;
mod unpack;
mod verify;

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
use nix::sys::signal::Signal;
use options::Asked;
use plain::Plain;
use session::{Manner, Run, Stop, Until};
use std::{
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use supervisor::signals::Signals;
use tempfile::TempDir;
use verify::{Verdict, judge};

pub fn container(arguments: &ContainerArguments) -> Result<Status, Failure> {
    let kind = chosen(arguments.engine)?;
    let is_plain = matches!(kind, ContainerEngine::Runc | ContainerEngine::Crun);
    let asked = Asked::read(&arguments.words, is_plain)?;
    let place = Place::find(&output(arguments, &asked.image))?;
    let tracer = tracer::find(arguments.tracer.as_deref())?;
    let tty = asked.tty;
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
    let job = Job { arguments, engine: &*engine, until, tty, signals, workspace };

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
    Ok(match recorded.stop {
        // It did not end by itself: how it did says nothing.
        Some(Stop::Exercised) => Status::Code(recorded.exercise.map_or(125, |ran| ran.status)),
        Some(Stop::Unhealthy) => return Err(anyhow!("the container became unhealthy").into()),
        Some(_) => Status::Code(0),
        None => Status::Like(Ended::Exit(recorded.container.status)),
    })
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
        // From here on, whoever interrupts wants no more of it.
        let interruptible = Interruptible::new(&self.signals, &self.workspace);
        let traces = records::read(&recording.out, &run)?;
        let Some(traces) = traces else {
            let status = run.container.status;
            let error = anyhow!("the container left no record; it ended with status {status}");
            // The tracer has said why: as a shell does for a command that cannot be executed.
            let status = if matches!(status, 126 | 127) { status } else { 125 };
            return Err(Failure::with(status, error));
        };
        let root = match self.arguments.no_static {
            true => None,
            false => Some(self.engine.root(&container.id, &self.workspace.make("root", 0o700)?)?),
        };
        drop(container);
        let subject = self.engine.subject();
        let bundle = place.open()?;
        for trace in &traces {
            bundle.add_trace(trace)?;
        }
        let written = derive(
            &bundle,
            &Derivation {
                root: root.as_deref().map(|root| (root, &*subject)),
                no_static: self.arguments.no_static,
                settings: &self.arguments.settings,
                quiet: self.arguments.quiet,
                profile: Profile { format: self.engine.format(), targets: Some([target].into()) },
            },
        )?;
        interruptible.end();
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
        let manner = Manner { echo: recorded, tty: self.tty, recorded };
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

/// A directory that nobody else may enter, for what is mounted and unpacked.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> anyhow::Result<Workspace> {
        let directory = tempfile::Builder::new().prefix("profgen-container-").tempdir();
        Ok(Workspace(directory.context("cannot make a temporary directory")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A directory in it. The one for records is open to whatever user the container runs as, who sees
    /// only it.
    fn make(&self, name: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        let made = fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)));
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

/// While files are analysed no loop looks at signals: one that arrives ends profgen, without leaving
/// files behind.
struct Interruptible(Arc<AtomicBool>);

impl Interruptible {
    fn new(signals: &Signals, workspace: &Workspace) -> Interruptible {
        let ended = Arc::new(AtomicBool::new(false));
        let (signals, path) = (signals.clone(), workspace.path().to_path_buf());
        let seen = Arc::clone(&ended);
        thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                if let Some((_, signal)) = signals.arrived() {
                    let _ = fs::remove_dir_all(&path);
                    say(&format!("interrupted by {signal}"));
                    std::process::exit(128 + signal as i32);
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        Interruptible(ended)
    }

    fn end(self) {}
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The name of a signal that ended a recording which was not to end so.
fn interrupted(stop: Option<Stop>, seen: Option<String>) -> Option<String> {
    match stop {
        Some(Stop::Signal(signal)) => Some(Signal::as_str(signal).to_owned()),
        Some(_) => None,
        None => seen,
    }
}
