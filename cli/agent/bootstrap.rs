//! `profgen agent --bootstrap`: the profile with which containers are started to be recorded.

use crate::{arguments::AgentArguments, exit::say, files, profile_input::this_machine};
use anyhow::Context;
use profiles::{
    handover::{Recording, recording},
    runtime::{Runtime, targets},
};
use std::path::{Path, absolute};

pub fn write(arguments: &AgentArguments) -> anyhow::Result<()> {
    let what = || format!("cannot name {} in a profile", arguments.socket.display());
    let socket = absolute(&arguments.socket).with_context(what)?;
    let listener = socket.to_str().context("it is not UTF-8").with_context(what)?;
    let runtimes = match &arguments.runtime {
        Some(list) => targets(list)?,
        None => Runtime::ALL.into_iter().map(Into::into).collect(),
    };
    let profile = recording(&Recording {
        arch: this_machine().native,
        listener: listener.to_owned(),
        metadata: arguments.metadata.clone(),
        capabilities: arguments.cap_add.iter().cloned().collect(),
        runtimes,
    })?;
    let output = arguments.output.as_deref().unwrap_or(Path::new("-"));
    files::write(output, profile.text.as_bytes())?;
    for note in profile.notes.iter().filter(|_| !arguments.quiet) {
        say(note);
    }
    Ok(())
}
