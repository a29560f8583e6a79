//! One container, in a process of its own: received, recorded, kept. Whatever goes wrong with it,
//! others do not notice.

use super::unseen::unseen;
use crate::{
    arguments::AgentArguments,
    bundle::{Place, Profile},
    exit::say,
    trace::{self, Derivation},
};
use anyhow::{Context, anyhow};
use model::{
    Trace,
    trace::{Container, Ended},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use profiles::runtime::Runtime;
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    time::Duration,
};
use supervisor::{
    handover::{Handover, receive},
    procfs,
    signals::Signals,
};
use tracer::Contained;

/// How long a runtime may take to say what it hands over.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a bundle.
const NAME_MAX: usize = 100;

/// How a worker ends, as its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A container was recorded.
    Recorded = 0,
    /// A container was handed over, and something went wrong; that was said.
    Failed = 1,
    /// It was no runtime that connected.
    Refused = 3,
}

/// Receives a container from a connection and records it until it ends.
pub fn work(connection: UnixStream, arguments: &AgentArguments) -> Outcome {
    // Before anything is received: an end that is asked for must not lose it.
    let signals = match Signals::take() {
        Ok((signals, _)) => signals,
        Err(error) => {
            say(&format!("cannot record a container: {error}"));
            return Outcome::Failed;
        }
    };
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // A descriptor for each process that is watched.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let connection = OwnedFd::from(connection);
    let handover = match receive(&connection, PATIENCE) {
        Ok(handover) => handover,
        Err(error) => {
            say(&format!("refused a connection: {error}"));
            return Outcome::Refused;
        }
    };
    drop(connection);
    let id = handover.id.clone();
    match record(handover, arguments, &signals) {
        Ok(()) => Outcome::Recorded,
        Err(error) => {
            say(&format!("cannot record container {id}: {error:#}"));
            Outcome::Failed
        }
    }
}

fn record(handover: Handover, arguments: &AgentArguments, signals: &Signals) -> anyhow::Result<()> {
    let Handover { listener, process, metadata, id, status, bundle, annotations } = handover;
    if procfs::family(process).is_none_or(|family| family.process != process) {
        return Err(anyhow!(
            "its process {process} is not to be seen from here: the agent must run in the pid \
             namespace of the runtime"
        ));
    }
    let name = [&metadata, &id].into_iter().map(|name| plain(name)).find(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "container".to_owned());
    let place = Place::find(&path_of(arguments, &name))?;
    let (unseen, notes) = unseen(&bundle);
    if !arguments.quiet {
        say(&format!("recording {name} (container {id}, pid {process})"));
    }
    let contained = Contained {
        container: Container { id: id.clone(), metadata, annotations },
        process,
        listener,
        joins: status == "running",
        unseen,
        notes,
    };
    let kept = Place::find(&place.path)?;
    let of_snapshot = id.clone();
    let snapshot = move |trace: Trace| {
        if let Err(error) = kept.open().and_then(|bundle| bundle.add_trace(&trace)) {
            say(&format!("cannot save what container {of_snapshot} did so far: {error:#}"));
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    let trace = tracer::contained(contained, signals, version, snapshot)
        .context("its calls cannot be served")?;
    signals.finish();
    let how = Derivation {
        root: None,
        no_static: true,
        settings: &arguments.settings,
        quiet: true,
        // Which of them handed over is not said.
        profile: Profile { format: "docker", targets: Some(Runtime::ALL.map(Into::into).into()) },
    };
    trace::keep(&place, &trace, &how).map_err(|failure| failure.error)?;
    if !arguments.quiet {
        say(&summary(&name, &id, &trace, &place));
    }
    Ok(())
}

/// Where the evidence of that name is.
fn path_of(arguments: &AgentArguments, name: &str) -> PathBuf {
    arguments.output.clone().unwrap_or_else(|| PathBuf::from(".")).join(format!("{name}.profgen"))
}

/// What of a name can be one of a file: it is a stranger's.
fn plain(name: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String =
        name.chars().take(NAME_MAX).map(|c| if known(c) { c } else { '_' }).collect();
    plain.trim_start_matches('.').to_owned()
}

fn summary(name: &str, id: &str, trace: &Trace, place: &Place) -> String {
    let how = match (&trace.completeness.ended, &trace.completeness.interrupted) {
        (Some(Ended::Exit(status)), _) => format!("ended with status {status}"),
        (Some(Ended::Signal(name)), _) => format!("was killed by {name}"),
        (None, Some(_)) => "is still running and no longer recorded; the calls that its profile \
                            announces now fail with ENOSYS"
            .to_owned(),
        (None, None) => "ended".to_owned(),
    };
    let (calls, processes) = (trace.calls().len(), trace.processes.len());
    let path = place.path.display();
    format!(
        "{name} (container {id}) {how}: {calls} distinct calls of {processes} processes, in {path}"
    )
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_stays_in_its_directory() {
        for (name, expected) in [
            ("web", "web"),
            ("../../etc/cron.d/x", "_.._etc_cron.d_x"),
            ("..", ""),
            ("", ""),
            ("a b\n/c", "a_b__c"),
            ("é", "_"),
        ] {
            assert_eq!(plain(name), expected);
        }
        assert_eq!(plain(&"x".repeat(1000)).len(), 100);
    }
}
