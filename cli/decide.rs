//! `profgen decide`: a person's decision, which every later merge keeps.

use crate::{
    arguments::{DecideArguments, VerdictArgument},
    bundle::{self, Place},
    exit::{Failure, Status},
    files,
    merge::say_idle,
};
use anyhow::{Context, anyhow};
use merger::{Input, merge};
use model::{Decision, Policy, Subject, Verdict};

pub fn decide(arguments: &DecideArguments) -> Result<Status, Failure> {
    let subject = Subject::parse(&arguments.subject).context("cannot decide")?;
    if arguments.policy.is_dir() {
        // Locked: a trace that ends meanwhile writes the same files.
        let bundle = Place::find(&arguments.policy)?.open()?;
        let before = files::policy(&arguments.policy)?;
        let profile = bundle.profile(&before)?;
        let policy = decided(before, arguments, subject)?;
        bundle::render(&bundle, &policy, &profile)?;
        say_idle(&policy);
    } else {
        let policy = decided(files::policy(&arguments.policy)?, arguments, subject)?;
        files::write_document(&arguments.policy, &policy)?;
        say_idle(&policy);
    }
    Ok(Status::Code(0))
}

/// The policy with the decision in it, worked out anew.
fn decided(
    mut policy: Policy,
    arguments: &DecideArguments,
    subject: Subject,
) -> anyhow::Result<Policy> {
    let verdict = match arguments.verdict {
        VerdictArgument::Allow => Verdict::Allow,
        VerdictArgument::Deny => Verdict::Deny,
    };
    if arguments.forget {
        let known = policy.decisions.get(&subject).map(|decision| decision.verdict);
        if known != Some(verdict) {
            return Err(anyhow!("there is no such decision about {subject}"));
        }
        policy.decisions.remove(&subject);
    } else {
        let reason = arguments.reason.clone().unwrap_or_default();
        // The last word counts here: one file has one author at a time.
        policy.decisions.insert(subject, Decision { verdict, reason });
    }
    let settings = policy.settings;
    Ok(merge([Input::Policy(policy)], settings))
}
