//! `profgen emit`: a policy in the format of an enforcer.

use crate::{
    arguments::EmitArguments,
    exit::{Failure, Status, say},
    files,
};
use anyhow::Context;
use model::Policy;
use profiles::{Rendered, runtime::targets};

pub fn emit(arguments: &EmitArguments) -> Result<Status, Failure> {
    let policy = files::policy(&arguments.policy)?;
    let rendered = render(&arguments.format, &policy, arguments.runtime.as_deref())?;
    files::write(&arguments.output, rendered.text.as_bytes())?;
    if !arguments.quiet {
        for note in &rendered.notes {
            say(&format!("{}: {note}", arguments.format));
        }
    }
    Ok(Status::Code(0))
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
