//! Becomes the program, with everything in force.

use crate::{
    ConfineError,
    capabilities::{Dropped, drop_all_but},
    landlock::{Enforced, restrict},
};
use filter::{Denied, Flags, Ruleset, compile, install_raw, no_new_privs};
use model::{Policy, landlock::LandlockPolicy};
use nix::errno::Errno;
use std::convert::Infallible;
use supervisor::{CapSet, Command};

/// How far something is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Wholly.
    Fully,
    /// In part.
    Partly,
    /// Not at all.
    Not,
}

impl Level {
    /// `fully`, `partly` or `not`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Fully => "fully",
            Level::Partly => "partly",
            Level::Not => "not",
        }
    }
}

/// What a command is held to.
#[derive(Debug, Clone, Copy)]
pub struct Confinement<'a> {
    /// The system calls.
    pub policy: &'a Policy,
    /// Files, ports and borders; none when they are not to be restricted.
    pub landlock: Option<&'a LandlockPolicy>,
    /// The capabilities that it may have; none when it keeps what it has.
    pub keep: Option<CapSet>,
}

/// What came of it, beside the filter for system calls, which is always in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of Landlock's rules.
    pub landlock: Option<Enforced>,
    /// Of the capabilities.
    pub capabilities: Option<Dropped>,
}

/// Executes `command` in this process, confined, and tells `report` before what came of that.
/// Returns only on failure; what profgen itself can still do is then confined too.
///
/// # Errors
/// When the filter cannot be made or loaded, or the command cannot be executed.
pub fn enforce(
    confinement: &Confinement<'_>,
    command: &Command,
    report: impl FnOnce(&Report),
) -> Result<Infallible, ConfineError> {
    let program = compile(&Ruleset::from_policy(confinement.policy, Denied::Errno))?;
    // In this order: Landlock takes CAP_SYS_ADMIN or no_new_privs, the filter takes the same and may
    // deny the calls of both others.
    let landlock = confinement.landlock.map(|rules| restrict(rules, command)).transpose()?;
    let capabilities = confinement.keep.map(drop_all_but).transpose()?;
    report(&Report { landlock, capabilities });
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
