//! `profgen trace --confirm-capabilities`: which of the capabilities that a run may have needed it
//! needs.

use crate::{
    exit::{Failure, say},
    progress::Progress,
};
use merger::{Input, capabilities::capabilities, merge};
use model::{CapabilityRecord, Need, Trace, capability, policy::Settings};
use supervisor::{CapSet, Command, signals::Signals};

/// Runs the command again without each suspect, and adds to the trace what came of that.
pub fn confirm(
    trace: &mut Trace,
    command: &Command,
    signals: &Signals,
    quiet: bool,
) -> Result<(), Failure> {
    let suspects = suspects(trace);
    let progress = Progress::alone(quiet);
    let confirmed = confine::confirm(command, suspects, signals, &mut |how| {
        progress.line(&format!("running the command {how}"));
    });
    drop(progress);
    let confirmed = confirmed
        .map_err(|error| anyhow::Error::from(error).context("cannot confirm capabilities"))?;
    for (name, finding) in confirmed.iter().filter(|_| !quiet) {
        let need = match finding.need {
            Need::Needed => "needed",
            Need::NotNeeded => "not needed",
            Need::Unknown => "cannot be confirmed",
        };
        say(&format!("{name}: {need}: {}", finding.reason));
    }
    trace.capabilities.get_or_insert_default().confirmed = confirmed;
    Ok(())
}

/// What calls asked for, and what the kernel granted.
fn suspects(trace: &Trace) -> CapSet {
    let policy = merge([Input::Trace(trace.clone())], Settings::default());
    let asked = capabilities(&policy);
    let granted = trace.capabilities.iter().flat_map(|CapabilityRecord { checked, .. }| {
        checked.iter().filter(|(_, checked)| checked.granted > 0).map(|(name, _)| name)
    });
    CapSet::of(asked.keys().chain(granted).filter_map(|name| capability::number(name)))
}
