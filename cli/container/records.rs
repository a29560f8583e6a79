//! The records that a container leaves: files that it could write to itself, and so hostile ones. What
//! happened outside of it is added to them.

use super::{
    inside::JOINED_MAX,
    session::{Run, Stop},
};
use crate::files::{Plain, open_directory, read_in};
use anyhow::{Context, bail};
use model::{
    Trace,
    document::from_json,
    trace::{Cut, Untraced},
};
use std::{fs, os::unix::ffi::OsStrExt, path::Path};

/// More records than this are not read; the tracer itself stops much earlier.
const RECORDS_MAX: usize = 1024;

/// Reads them, that of the container's own command first. `None` when that one is missing.
///
/// # Errors
/// When a file is no record.
pub fn read(out: &Path, run: &Run) -> anyhow::Result<Option<Vec<Trace>>> {
    let directory = open_directory(out)?;
    let mut names: Vec<_> = fs::read_dir(out)
        .plain()
        .context("cannot list the records")?
        .take(RECORDS_MAX)
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| !name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".json"))
        .collect();
    // `first-...` before `joined-...`.
    names.sort();
    let joined = names.iter().filter(|name| name.as_bytes().starts_with(b"joined-")).count();
    let mut traces = Vec::new();
    let mut has_first = false;
    for name in names {
        let what = || format!("cannot use the record {}", name.display());
        let bytes = read_in(&directory, Path::new(&name)).with_context(what)?;
        let mut trace: Trace = from_json(&bytes).with_context(what)?;
        if !is_plain(&trace) {
            return Err(anyhow::anyhow!("its id or its time is malformed")).with_context(what);
        }
        if name.as_bytes().starts_with(b"first-") {
            if has_first {
                bail!("the container left two records of its own command");
            }
            has_first = true;
            let seen = trace.completeness.interrupted.take();
            trace.completeness.interrupted = interrupted(run.stop, seen);
            if joined >= JOINED_MAX {
                let what = "records of what joined the container".to_owned();
                trace.completeness.cut.push(Cut { what, bound: JOINED_MAX as u64 });
            }
            let unrecorded = run.joined.unrecorded(joined);
            trace.completeness.untraced.extend(unrecorded.iter().map(|command| Untraced {
                program: command.as_str().into(),
                reason: "it joined the container from outside, and not through profgen".to_owned(),
            }));
        }
        traces.push(trace);
    }
    Ok(has_first.then_some(traces))
}

/// The name of a signal that ended a recording which was not to end so.
fn interrupted(stop: Option<Stop>, seen: Option<String>) -> Option<String> {
    match stop {
        Some(Stop::Signal(signal)) => Some(signal.as_str().to_owned()),
        Some(_) => None,
        None => seen,
    }
}

/// Both become part of a file name.
fn is_plain(trace: &Trace) -> bool {
    let time = |byte: u8| byte.is_ascii_digit() || b"-:TZ".contains(&byte);
    trace.id.len() == 16
        && trace.id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && trace.started.len() == 20
        && trace.started.bytes().all(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{joining::Joined, session::Stop, watched::Ran};
    use nix::sys::signal::Signal;
    use std::{collections::BTreeSet, path::PathBuf};

    fn run(stop: Option<Stop>) -> Run {
        let container = Ran { status: 0, streams: None };
        let joined = Joined { commands: BTreeSet::from(["sh -c x".to_owned()]), unknown: 1 };
        Run { container, stop, exercise: None, joined }
    }

    fn record(directory: &Path, name: &str, id: &str) -> PathBuf {
        let text = format!(
            r#"{{"schema": "profgen/trace/v1", "id": "{id}", "started": "2026-11-22T05:01:50Z",
            "recorder": "0", "host": {{"kernel": "6", "arch": "x86_64"}},
            "engine": {{"name": "notify", "reason": "", "no_new_privs": true, "results": false}},
            "command": {{"argv": [], "directory": "/"}},
            "completeness": {{"ended": null, "interrupted": "SIGTERM", "lost": 0, "unread": 0,
            "untraced": [], "cut": [], "privileges": [], "notes": []}},
            "programs": [], "processes": []}}"#
        );
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn what_happened_outside_is_added_to_the_record_of_the_command() {
        let out = tempfile::tempdir().unwrap();
        assert!(read(out.path(), &run(None)).unwrap().is_none());
        record(out.path(), "joined-a.json", "00112233445566aa");
        assert!(read(out.path(), &run(None)).unwrap().is_none());
        record(out.path(), "first-b.json", "00112233445566bb");
        let of = |stop| read(out.path(), &run(stop)).unwrap().unwrap();
        let traces = of(Some(Stop::Limit));
        assert_eq!((&*traces[0].id, traces.len()), ("00112233445566bb", 2));
        // It was to end so.
        assert_eq!(traces[0].completeness.interrupted, None);
        assert_eq!(traces[0].completeness.untraced.len(), 1);
        let interrupted = of(Some(Stop::Signal(Signal::SIGINT)));
        assert_eq!(interrupted[0].completeness.interrupted.as_deref(), Some("SIGINT"));
    }

    #[test]
    fn a_record_that_would_be_written_elsewhere_is_refused() {
        let out = tempfile::tempdir().unwrap();
        record(out.path(), "first-a.json", "../../../../tmp/x");
        assert!(read(out.path(), &run(None)).is_err());
        let path = record(out.path(), "first-a.json", "00112233445566aa");
        assert!(read(out.path(), &run(None)).unwrap().is_some());
        // Nor is a link followed to a file that the container could not read.
        let elsewhere = out.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(read(out.path(), &run(None)).is_err());
    }
}
