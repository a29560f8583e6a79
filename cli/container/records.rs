//! The records that a container leaves: files that it could write to itself, and so hostile ones. What
//! happened outside of it is added to them.

use super::{interrupted, session::Run};
use crate::files::{Plain, open_directory, read_in};
use anyhow::{Context, bail};
use model::{Trace, document::from_json, trace::Untraced};
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
            trace.completeness.untraced.extend(run.joined.iter().map(|command| Untraced {
                program: command.as_str().into(),
                reason: "it joined the container from outside, and not through profgen".to_owned(),
            }));
        }
        traces.push(trace);
    }
    Ok(has_first.then_some(traces))
}

/// Both become part of a file name.
fn is_plain(trace: &Trace) -> bool {
    let time = |byte: u8| byte.is_ascii_digit() || b"-:TZ".contains(&byte);
    trace.id.len() == 16
        && trace.id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && trace.started.len() == 20
        && trace.started.bytes().all(time)
}
