//! `profgen merge`: any evidence into one policy.

use crate::{
    arguments::{MergeArguments, RulesArgument, SettingsArguments, StrategyArgument},
    bundle,
    exit::{Failure, Status, say},
    files,
};
use anyhow::Context;
use merger::{Input, idle_decisions, merge as join};
use model::{
    Policy,
    policy::{ArgumentRules, Settings, Strategy},
};
use std::path::Path;

pub fn merge(arguments: &MergeArguments) -> Result<Status, Failure> {
    let mut inputs = Vec::new();
    for path in &arguments.inputs {
        inputs.extend(read(path)?);
    }
    let settings = settings(&arguments.settings, &inputs);
    let policy = join(inputs, settings);
    files::write_document(&arguments.output, &policy)?;
    if !arguments.quiet {
        say_idle(&policy);
    }
    Ok(Status::Code(0))
}

/// Says which decisions can go.
pub fn say_idle(policy: &Policy) {
    for (subject, why) in idle_decisions(policy) {
        say(&format!("the decision about {subject} changes nothing: {why}"));
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<Input>> {
    if path.is_dir() {
        return bundle::evidence(path);
    }
    let input = files::evidence(&files::read(path)?)
        .with_context(|| format!("cannot use {} as evidence", path.display()))?;
    Ok(vec![input])
}

/// What was asked for, or else what the policies among the inputs agree on.
pub fn settings(asked: &SettingsArguments, inputs: &[Input]) -> Settings {
    let policies = || {
        inputs.iter().filter_map(|input| match input {
            Input::Policy(policy) => Some(policy.settings),
            _ => None,
        })
    };
    let strategy = asked.strategy.map(|strategy| match strategy {
        StrategyArgument::Observed => Strategy::Observed,
        StrategyArgument::Balanced => Strategy::Balanced,
        StrategyArgument::Predicted => Strategy::Predicted,
    });
    let arguments = asked.arguments.map(|rules| match rules {
        RulesArgument::None => ArgumentRules::None,
        RulesArgument::Risky => ArgumentRules::Risky,
        RulesArgument::All => ArgumentRules::All,
    });
    Settings {
        strategy: strategy.unwrap_or_else(|| agreed(policies().map(|settings| settings.strategy))),
        arguments: arguments
            .unwrap_or_else(|| agreed(policies().map(|settings| settings.arguments))),
    }
}

/// What all have; the default where they differ, or are none. Their order does not matter.
fn agreed<T: PartialEq + Default>(mut all: impl Iterator<Item = T>) -> T {
    let Some(first) = all.next() else { return T::default() };
    if all.all(|other| other == first) { first } else { T::default() }
}
