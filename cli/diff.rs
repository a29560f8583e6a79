//! `profgen diff`: what changed.

use crate::{
    arguments::{DiffArguments, DiffFormat, FailOnArgument},
    exit::{Failure, Status},
    files,
    profile_input::{self, ProfileInput},
};
use anyhow::Context;
use filter::Ruleset;
use merger::diff::{self, FailOn, Side};
use model::Policy;
use profiles::read::Input;
use std::path::Path;

pub fn diff(arguments: &DiffArguments) -> Result<Status, Failure> {
    let (old, new) = (load(&arguments.old)?, load(&arguments.new)?);
    let diff = diff::diff(&old.side(), &new.side());
    let text = match arguments.format {
        _ if arguments.relation => format!("{}\n", diff.relation.name()),
        DiffFormat::Text => diff.text(),
        DiffFormat::Markdown => diff.markdown(),
        DiffFormat::Json => diff.json().context("cannot write the diff")?,
        DiffFormat::Sarif => diff
            .sarif(&new.input.name, env!("CARGO_PKG_VERSION"))
            .context("cannot write the diff")?,
    };
    files::write(Path::new("-"), text.as_bytes())?;
    let on = arguments.fail_on.map(|on| match on {
        FailOnArgument::Widened => FailOn::Widened,
        FailOnArgument::Changed => FailOn::Changed,
        FailOnArgument::Risky => FailOn::Risky,
    });
    Ok(Status::Code(i32::from(on.is_some_and(|on| diff.fails(on)))))
}

/// What was named, and what it does.
struct Loaded {
    input: ProfileInput,
    ruleset: Ruleset,
}

impl Loaded {
    fn side(&self) -> Side<'_> {
        let policy: Option<&Policy> = match &self.input.input {
            Input::Policy(policy) => Some(policy),
            Input::Seccomp(_) => None,
        };
        Side { name: &self.input.name, ruleset: &self.ruleset, policy }
    }
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    let input = profile_input::load(path)?;
    let lowered = input
        .input
        .lower(&profile_input::this_machine())
        .with_context(|| format!("no runtime would load {}", input.name))?;
    Ok(Loaded { ruleset: lowered.ruleset(), input })
}
