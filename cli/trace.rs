//! `profgen trace`: run, record, merge, emit.

use crate::{
    analyze::cache_directory,
    arguments::{EngineArgument, SettingsArguments, TraceArguments},
    beside::beside,
    bundle::{self, Bundle, Place, Profile},
    confirm,
    exit::{Failure, Status, say},
    inherited::{command_of_first_process, command_with_signals},
    merge::settings,
    progress::Progress,
    summary,
};
use anyhow::{Context, anyhow};
use merger::{Input, merge};
use model::{Analysis, Policy, Trace, analysis::Layer, document::to_json, trace::EngineName};
use static_analyzer::{AnalyzeOptions, Executed};
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};
use supervisor::{Command, command::CommandError, signals::Signals};
use tracer::{EngineChoice, Options, Subject, TraceError};

pub fn trace(arguments: &TraceArguments) -> Result<Status, Failure> {
    let place = Place::find(&output(arguments))?;
    let trace = observe(arguments)?;
    let how = Derivation {
        root: None,
        no_static: arguments.no_static,
        settings: &arguments.settings,
        quiet: arguments.quiet,
        profile: Profile::default(),
    };
    let written = keep(&place, &trace, &how)?;
    if !arguments.quiet {
        summary::print(&place.path, &trace, &written, arguments);
    }
    let gaps = trace.completeness.gaps();
    if arguments.strict && !gaps.is_empty() {
        return Err(anyhow!("the record is incomplete: {}", gaps.join("; ")).into());
    }
    let ended = trace.completeness.ended.clone();
    // Of many files, taking this apart is a good part of the whole; the process is about to end.
    std::mem::forget((trace, written));
    match ended {
        // An attached process has not been profgen's child: its end is not profgen's.
        _ if arguments.pid.is_some() => Ok(Status::Code(0)),
        Some(ended) => Ok(Status::Like(ended)),
        None => Err(anyhow!("cannot tell how the command ended; its trace is kept").into()),
    }
}

fn output(arguments: &TraceArguments) -> PathBuf {
    match (&arguments.output, arguments.pid, arguments.command.first()) {
        (Some(path), _, _) => path.clone(),
        (None, Some(pid), _) => {
            let executable = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            bundle::default_path(executable.as_os_str())
        }
        (None, None, command) => bundle::default_path(command.map_or("".as_ref(), |name| name)),
    }
}

/// Runs the command, or watches the process, until it ends.
///
/// # Errors
/// When nothing could be recorded.
pub fn observe(arguments: &TraceArguments) -> Result<Trace, Failure> {
    let prepared = match arguments.first_process {
        true => command_of_first_process(&arguments.command),
        false => command_with_signals(&arguments.command),
    };
    let (command, signals) = prepared.context("cannot prepare the command")?;
    let command = match arguments.pid {
        Some(_) => None,
        None => Some(command.map_err(|error| Failure::with(error.status(), error.into()))?),
    };
    let mut trace = record(arguments, command.as_ref(), signals.clone())?;
    signals.finish();
    if !arguments.no_static {
        static_analyzer::name_sites(&mut trace);
    }
    if let (true, Some(command)) = (arguments.confirm_capabilities, &command) {
        confirm::confirm(&mut trace, command, &signals, arguments.quiet)?;
    }
    Ok(trace)
}

fn record(
    arguments: &TraceArguments,
    command: Option<&Command>,
    signals: Signals,
) -> Result<Trace, Failure> {
    let progress = Progress::new(arguments.quiet);
    let options = Options {
        engine: match arguments.engine {
            EngineArgument::Auto => EngineChoice::Auto,
            EngineArgument::Ptrace => EngineChoice::Only(EngineName::Ptrace),
            EngineArgument::Notify => EngineChoice::Only(EngineName::Notify),
        },
        signals,
        progress: Box::new(move |recorder| progress.show(recorder)),
        first_process: arguments.first_process,
        measure: arguments.measure_capabilities || arguments.confirm_capabilities,
        patch: !arguments.no_patch,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let subject = match (command, arguments.pid) {
        (Some(command), _) => Subject::Command { command, argv: &arguments.command },
        (None, pid) => Subject::Process(pid.unwrap_or_default()),
    };
    tracer::trace(&subject, &options).map_err(|error| match error {
        TraceError::NotExecuted(errno) => {
            let name = arguments.command.first().cloned().unwrap_or_default();
            let error = CommandError { name, errno };
            Failure::with(error.status(), error.into())
        }
        other => Failure::usual(other.into()),
    })
}

/// What a bundle holds after a run.
pub struct Written {
    /// The policy made of all runs.
    pub policy: Policy,
    /// What the profile cannot say.
    pub notes: Vec<String>,
}

/// Writes the trace into the bundle, and what follows from it. When there is no room for that, the
/// trace is saved elsewhere: a run may be hard to repeat.
///
/// # Errors
/// When the bundle cannot be written.
pub fn keep(place: &Place, trace: &Trace, how: &Derivation<'_>) -> Result<Written, Failure> {
    let added = place.open().and_then(|bundle| {
        let observed = beside(|| bundle.add_trace(trace), || merger::observed(trace))?;
        Ok((bundle, observed))
    });
    let (bundle, observed) = match added {
        Ok(added) => added,
        Err(error) => {
            place.remove_if_empty();
            return Err(match rescue(trace) {
                Some(path) => {
                    let path = path.display();
                    error.context(format!("the trace was saved as {path} instead"))
                }
                None => error,
            }
            .into());
        }
    };
    Ok(derive(&bundle, Some(Own { trace, observed }), how)?)
}

/// How a bundle's files are made of its traces.
pub struct Derivation<'a> {
    /// Where the files of the runs are, and what that is called; none is where they ran.
    pub root: Option<(&'a Path, &'a str)>,
    /// Whether the analysis is left out.
    pub no_static: bool,
    /// How the policy is made.
    pub settings: &'a SettingsArguments,
    /// Whether nothing is said meanwhile.
    pub quiet: bool,
    /// For whom the seccomp profile is.
    pub profile: Profile,
}

/// One of a bundle's traces that is at hand.
pub struct Own<'a> {
    /// It.
    pub trace: &'a Trace,
    /// What it says.
    pub observed: Policy,
}

/// Analyses, merges and renders. `own` need not be read.
///
/// # Errors
/// With the operation, the file and the reason.
pub fn derive(
    bundle: &Bundle,
    own: Option<Own<'_>>,
    how: &Derivation<'_>,
) -> anyhow::Result<Written> {
    let traces = bundle.traces(own.as_ref().map(|own| own.trace))?;
    let analysis = if how.no_static {
        bundle.analysis()?
    } else {
        let analysis = predict(traces.iter().map(AsRef::as_ref), how.root, how.quiet)?;
        bundle.write(bundle::ANALYSIS, &to_json(&analysis)?)?;
        Some(analysis)
    };
    let others = traces.into_iter().filter_map(|trace| match trace {
        Cow::Owned(trace) => Some(trace),
        Cow::Borrowed(_) => None,
    });
    let evidence = bundle::together(others, analysis, bundle.decided()?);
    let settings = settings(how.settings, &evidence);
    let observed = own.map(|own| Input::Policy(own.observed));
    let policy = merge(observed.into_iter().chain(evidence), settings);
    let notes = bundle::render(bundle, &policy, &how.profile)?;
    Ok(Written { policy, notes })
}

/// What all programs of the runs can do, whose files are in `root`, a directory and what it is called,
/// or else where they ran.
///
/// # Errors
/// When the analysis fails as a whole.
pub fn predict<'a>(
    traces: impl IntoIterator<Item = &'a Trace>,
    root: Option<(&Path, &str)>,
    quiet: bool,
) -> anyhow::Result<Analysis> {
    let Executed { programs, modules, gone } =
        static_analyzer::executed(traces, root.map(|(path, _)| path));
    for path in gone.iter().filter(|_| !quiet) {
        say(&format!("not analysed: the file of {path} is not the one that ran, or is gone"));
    }
    let options = AnalyzeOptions {
        // What is executed under a name that the code holds was executed, or is not needed.
        layers: Layer::ALL.into_iter().filter(|layer| *layer != Layer::Exec).collect(),
        root: root.map(|(path, _)| path.to_path_buf()),
        root_name: root.map(|(_, name)| name.to_owned()),
        extra_modules: modules,
        lenient: true,
        cache: cache_directory(),
        ..AnalyzeOptions::default()
    };
    let progress = Progress::alone(quiet);
    let analysis = static_analyzer::analyze(&programs, &options, &|path| {
        progress.line(&format!("analysing {}", path.display()));
    });
    drop(progress);
    analysis.context("cannot analyse what ran")
}

/// A new file of a name that nobody can have prepared, in the directory for temporary files.
fn rescue(trace: &Trace) -> Option<PathBuf> {
    let path = std::env::temp_dir().join(format!("profgen-{}.json", trace.id));
    let json = to_json(trace).ok()?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&path).ok()?;
    match std::io::Write::write_all(&mut file, &json) {
        Ok(()) => Some(path),
        Err(error) => {
            say(&format!("cannot save the trace as {}: {error}", path.display()));
            let _ = std::fs::remove_file(&path);
            None
        }
    }
}
