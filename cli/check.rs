//! `profgen check`: whether a run stays within a policy that was committed. Trace, merge and diff in
//! one step, and the verdict as the exit status.

use crate::{
    arguments::{CheckArguments, TraceArguments},
    diff::{self, Loaded},
    exit::{Failure, Status, say, tell},
    files, trace,
};
use anyhow::{Context, anyhow};
use merger::{Input, diff::Diff};
use model::{Policy, trace::Ended};

/// The exit status when the command itself failed: what it did then is no measure of it.
const COMMAND_FAILED: i32 = 3;

pub fn check(arguments: &CheckArguments) -> Result<Status, Failure> {
    let committed = files::policy(&arguments.policy)?;
    let run = TraceArguments::of_command(
        arguments.engine,
        arguments.no_static,
        arguments.quiet,
        &arguments.command,
    );
    let trace = trace::observe(&run)?;
    let gaps = trace.completeness.gaps();
    for gap in &gaps {
        say(&format!("incomplete: {gap}"));
    }
    let ended = trace.completeness.ended.clone();
    let merged = join(&committed, trace, arguments)?;
    if let Some(path) = &arguments.output {
        files::write_document(path, &merged)?;
    }
    let name = arguments.policy.display().to_string();
    let old = Loaded::of_policy(name.clone(), committed)?;
    let new = Loaded::of_policy(format!("{name} and this run"), merged)?;
    let diff = merger::diff::diff(&old.side(), &new.side());
    write(&diff, arguments)?;
    if ended != Some(Ended::Exit(0)) {
        let how = ended.map_or_else(|| "did not end".to_owned(), |ended| described(&ended));
        let error = anyhow!("the command {how}: a failed run cannot be checked");
        return Err(Failure::with(COMMAND_FAILED, error));
    }
    if arguments.strict && !gaps.is_empty() {
        return Err(anyhow!("the record is incomplete: {}", gaps.join("; ")).into());
    }
    let fails = diff.fails(arguments.fail_on.into());
    if !arguments.quiet {
        say(&verdict(&diff, &name, fails));
    }
    Ok(Status::Code(i32::from(fails)))
}

/// The policy with what this run adds to it.
fn join(
    committed: &Policy,
    trace: model::Trace,
    arguments: &CheckArguments,
) -> anyhow::Result<Policy> {
    let traces = [trace];
    let analysis = match arguments.no_static {
        true => None,
        false => Some(trace::predict(&traces, None, arguments.quiet)?),
    };
    let settings = committed.settings;
    let mut evidence = vec![Input::Policy(committed.clone())];
    evidence.extend(traces.map(Input::Trace));
    evidence.extend(analysis.map(Input::Analysis));
    Ok(merger::merge(evidence, settings))
}

/// Each form that was asked for, in its file, and the text for people.
fn write(diff: &Diff, arguments: &CheckArguments) -> anyhow::Result<()> {
    let CheckArguments { markdown, json, sarif, .. } = arguments;
    if let Some(path) = markdown {
        files::write(path, diff.markdown().as_bytes())?;
    }
    if let Some(path) = json {
        files::write(path, diff.json().context("cannot write the diff")?.as_bytes())?;
    }
    if let Some(path) = sarif {
        let text = diff::sarif(diff, &arguments.policy)?;
        files::write(path, text.as_bytes())?;
    }
    if !arguments.quiet && !diff.changes.is_empty() {
        tell(&diff.text());
    }
    Ok(())
}

/// `ok: this run stays within policy.json`.
fn verdict(diff: &Diff, name: &str, fails: bool) -> String {
    match (fails, diff.changes.is_empty()) {
        (true, _) => format!(
            "failed: this run does not stay within {name}; to accept it, merge it in (--output \
             writes the merged policy) and commit that"
        ),
        (false, true) => format!("ok: this run stays within {name}"),
        (false, false) => format!("ok: what this run adds to {name} is let pass"),
    }
}

fn described(ended: &Ended) -> String {
    match ended {
        Ended::Exit(status) => format!("ended with status {status}"),
        Ended::Signal(name) => format!("was killed by {name}"),
    }
}
