//! `profgen emit`: a policy in the format of an enforcer.

use crate::{
    arguments::EmitArguments,
    exit::{Failure, Status, say},
    files,
};
use anyhow::Context;
use merger::paths::{PathOptions, landlock};
use model::{Policy, landlock::LandlockPolicy, policy::EvidenceKind};
use profiles::{Rendered, capabilities, landlock::Form, runtime::targets};

pub fn emit(arguments: &EmitArguments) -> Result<Status, Failure> {
    let policy = files::policy(&arguments.policy)?;
    let rendered = match Form::of_name(&arguments.format) {
        Some(form) => {
            let mut options = PathOptions::default();
            options.abi = arguments.landlock_abi.unwrap_or(options.abi);
            options.paths = arguments.paths.unwrap_or(options.paths);
            rules(form, &policy, &landlock(&policy, options))?
        }
        None if arguments.format == capabilities::NAME => {
            let suspected = merger::capabilities::capabilities(&policy);
            capabilities::render(&suspected, merger::capabilities::notes(&policy))
        }
        None => render(&arguments.format, &policy, arguments.runtime.as_deref())?,
    };
    files::write(&arguments.output, rendered.text.as_bytes())?;
    if !arguments.quiet {
        for note in &rendered.notes {
            say(&format!("{}: {note}", arguments.format));
        }
    }
    Ok(Status::Code(0))
}

/// Renders what Landlock can enforce of a policy, `landlock`.
///
/// # Errors
/// When the text could not be built.
pub fn rules(form: Form, policy: &Policy, landlock: &LandlockPolicy) -> anyhow::Result<Rendered> {
    let runs = policy.evidence.values().filter(|piece| piece.kind == EvidenceKind::Trace);
    let command = runs.map(|piece| &piece.command[..]).next().unwrap_or_default();
    Ok(form.render(landlock, command)?)
}

/// Renders a policy for these runtimes, or for those that most users of the format have.
///
/// # Errors
/// When there is no such format or runtime, or the format cannot hold the policy.
pub fn render(format: &str, policy: &Policy, runtimes: Option<&str>) -> anyhow::Result<Rendered> {
    let format = profiles::format(format).context("no such format")?;
    let mut options = format.options();
    if let Some(list) = runtimes {
        options.runtimes = targets(list)?;
    }
    Ok(format.render(policy, &options)?)
}
