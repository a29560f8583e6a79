//! Whatever says what a program may call: a policy, a bundle, a seccomp profile of any dialect, or the
//! name of Docker's own.

use crate::{bundle, files};
use anyhow::Context;
use model::Arch;
use profiles::{
    lower::Machine,
    read::{DOCKER_DEFAULT, Input, docker_default, read},
};
use std::path::{Path, PathBuf};

/// What was typed, and what it is.
#[derive(Debug)]
pub struct ProfileInput {
    /// For people: a path, `-` or `docker-default`.
    pub name: String,
    /// The file that was read; none for standard input and for what is built in.
    pub file: Option<PathBuf>,
    /// What it says.
    pub input: Input,
}

/// The machine as which profiles are read: those of other machines are compared as this one would
/// load them.
pub fn this_machine() -> Machine {
    Machine::for_arch(Arch::native().unwrap_or(Arch::X86_64))
}

/// Reads a file, a bundle's policy, standard input (`-`) or `docker-default`.
///
/// # Errors
/// With the name and the reason.
pub fn load(path: &Path) -> anyhow::Result<ProfileInput> {
    from(path, bundle::POLICY)
}

/// As [`load`], but of a bundle the seccomp profile that a runtime would load.
///
/// # Errors
/// With the name and the reason.
pub fn load_rendered(path: &Path) -> anyhow::Result<ProfileInput> {
    from(path, bundle::SECCOMP)
}

fn from(path: &Path, of_bundle: &str) -> anyhow::Result<ProfileInput> {
    let name = path.display().to_string();
    // A file of that name can be meant by ./docker-default.
    if name == DOCKER_DEFAULT {
        return Ok(ProfileInput { name, file: None, input: Input::Seccomp(docker_default()) });
    }
    let file = bundle::file_of(path, of_bundle);
    let input = read(&files::read(&file)?)
        .with_context(|| format!("cannot use {} as a profile", file.display()))?;
    let file = (!files::is_standard(path)).then_some(file);
    Ok(ProfileInput { name, file, input })
}
