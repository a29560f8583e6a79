//! Becomes the program, with the filter in force.

use crate::{
    ConfineError,
    landlock::{Enforced, restrict},
};
use filter::{Denied, Flags, Ruleset, compile, install_raw, no_new_privs};
use model::{Policy, landlock::LandlockPolicy};
use nix::errno::Errno;
use std::convert::Infallible;
use supervisor::Command;

/// Executes `command` in this process, under the filter of `policy` and the rules of `landlock`, and
/// tells `report` before what came of those. Returns only on failure; what profgen itself can still
/// do is then subject to them.
///
/// # Errors
/// When the filter cannot be made or loaded, or the command cannot be executed.
pub fn enforce(
    policy: &Policy,
    landlock: Option<&LandlockPolicy>,
    command: &Command,
    report: impl FnOnce(&Enforced),
) -> Result<Infallible, ConfineError> {
    let program = compile(&Ruleset::from_policy(policy, Denied::Errno))?;
    if let Some(landlock) = landlock {
        report(&restrict(landlock, command)?);
    }
    command.restore();
    let install = || install_raw(program.insns(), Flags::NONE);
    let installed = match install() {
        Err(errno) if errno.0 == libc::EACCES => no_new_privs().and_then(|()| install()),
        other => other,
    };
    installed
        .map_err(|errno| ConfineError::Refused("a seccomp filter", Errno::from_raw(errno.0)))?;
    Err(ConfineError::NotExecuted(command.execute()))
}
