//! `profgen diff`: what changed.

use crate::{
    arguments::{DiffArguments, DiffFormat, FailOnArgument},
    bundle,
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
        DiffFormat::Sarif => sarif(&diff, &arguments.new)?,
    };
    files::write(Path::new("-"), text.as_bytes())?;
    let fails = arguments.fail_on.is_some_and(|on| diff.fails(on.into()));
    Ok(Status::Code(i32::from(fails)))
}

/// For a code-scanning service: the changes stand in the policy's file.
///
/// # Errors
/// Those of serde_json, which a diff does not give.
pub fn sarif(diff: &merger::diff::Diff, path: &Path) -> anyhow::Result<String> {
    diff.sarif(&bundle::policy_file(path).display().to_string(), env!("CARGO_PKG_VERSION"))
        .context("cannot write the diff")
}

impl From<FailOnArgument> for FailOn {
    fn from(on: FailOnArgument) -> FailOn {
        match on {
            FailOnArgument::Widened => FailOn::Widened,
            FailOnArgument::Changed => FailOn::Changed,
            FailOnArgument::Risky => FailOn::Risky,
        }
    }
}

/// What was named, and what it does.
pub struct Loaded {
    input: ProfileInput,
    ruleset: Ruleset,
}

impl Loaded {
    /// A policy that stands in no file.
    ///
    /// # Errors
    /// When no runtime would load what it says.
    pub fn of_policy(name: String, policy: Policy) -> anyhow::Result<Loaded> {
        loaded(ProfileInput { name, file: None, input: Input::Policy(Box::new(policy)) })
    }

    /// As one side of a comparison.
    pub fn side(&self) -> Side<'_> {
        let policy: Option<&Policy> = match &self.input.input {
            Input::Policy(policy) => Some(policy),
            Input::Seccomp(_) => None,
        };
        Side { name: &self.input.name, ruleset: &self.ruleset, policy }
    }
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    loaded(profile_input::load(path)?)
}

fn loaded(input: ProfileInput) -> anyhow::Result<Loaded> {
    let lowered = input
        .input
        .lower(&profile_input::this_machine())
        .with_context(|| format!("no runtime would load {}", input.name))?;
    Ok(Loaded { ruleset: lowered.ruleset(), input })
}
