//! What can run a container: Docker and Podman from an image (client.rs), runc and crun from a bundle
//! (plain.rs). A container lives as long as its value, whatever happens.

use super::health::{Check, Health};
use profiles::runtime::Target;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// Where the tracer is inside: every runtime gives a container a file system of its own for /dev, so
/// that neither its root nor an export of it shows anything.
pub const INSIDE: &str = "/dev/.profgen";

/// How a container is run.
#[derive(Debug, Clone, Copy)]
pub enum Dress<'a> {
    /// As it is.
    Plain,
    /// With the tracer as its first process.
    Recorded(&'a Recording),
    /// Under this profile.
    Confined(&'a Path),
}

/// What a recorded container is given.
#[derive(Debug)]
pub struct Recording {
    /// The static profgen.
    pub tracer: PathBuf,
    /// The directory that records are written to.
    pub out: PathBuf,
    /// The arguments of `profgen inside` up to the command.
    pub arguments: Vec<OsString>,
}

/// One way to run one container.
pub trait Engine {
    /// For people: `image nginx in docker`.
    fn subject(&self) -> String;

    /// The health check that will run, if one does.
    fn check(&self) -> Option<&Check>;

    /// Makes a container that is not started yet, and gives its name.
    ///
    /// # Errors
    /// With what the engine said.
    fn create(&self, dress: Dress<'_>) -> anyhow::Result<String>;

    /// The client's command that starts it and stays until it ends.
    fn start(&self, id: &str) -> Command;

    /// How it ended, given how the client did.
    ///
    /// # Errors
    /// When it was not started at all, with what the engine said.
    fn status(&self, id: &str, client: ExitStatus) -> anyhow::Result<i32>;

    /// Whether it runs.
    fn runs(&self, id: &str) -> bool;

    /// The signal that asks it to end.
    fn stop_signal(&self, id: &str) -> String;

    /// Sends a signal to its first process; one that has ended gets none.
    fn signal(&self, id: &str, signal: &str);

    /// What its health check says.
    fn health(&self, id: &str) -> Health;

    /// A command that prints, until it is killed, a line for each process that joins a container.
    fn joined(&self, id: &str) -> Option<Command>;

    /// The container's files as a directory; `into` is an empty one that may be filled with them.
    ///
    /// # Errors
    /// With what the engine said.
    fn root(&self, id: &str, into: &Path) -> anyhow::Result<PathBuf>;

    /// The format of the profile.
    fn format(&self) -> &'static str;

    /// The runtime that will load the profile.
    ///
    /// # Errors
    /// When the engine does not tell.
    fn target(&self) -> anyhow::Result<Target>;

    /// How the profile is used from now on, for people.
    fn advice(&self, profile: &Path) -> String;

    /// Removes a container, running or not. What fails here cannot be helped.
    fn remove(&self, id: &str);
}

/// A container, removed in every case.
pub struct Container<'a> {
    /// Who runs it.
    pub engine: &'a dyn Engine,
    /// Its name.
    pub id: String,
}

impl<'a> Container<'a> {
    /// Makes one.
    ///
    /// # Errors
    /// With what the engine said.
    pub fn create(engine: &'a dyn Engine, dress: Dress<'_>) -> anyhow::Result<Container<'a>> {
        Ok(Container { engine, id: engine.create(dress)? })
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine.remove(&self.id);
    }
}
