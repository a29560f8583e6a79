//! Runs a program under a policy: [`enforce()`] denies what the policy does not allow, [`audit()`] lets
//! it pass and reports it.

mod audit;
mod capabilities;
mod confirm;
mod enforce;
mod judge;
mod landlock;

pub use self::landlock::{Enforced, kernel_abi};
pub use audit::{Audit, Violation, audit};
pub use capabilities::Dropped;
pub use confirm::confirm;
pub use enforce::{Confinement, Level, Report, enforce};
pub use judge::Offence;

use nix::{errno::Errno, sys::signal::Signal};
use supervisor::{LaunchError, command::describe};

impl From<::landlock::RulesetError> for ConfineError {
    fn from(error: ::landlock::RulesetError) -> ConfineError {
        ConfineError::Landlock(error.to_string())
    }
}

/// Why a program could not be run under its policy.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The policy makes no filter.
    #[error("cannot compile the policy")]
    Compile(#[from] filter::CompileError),
    /// The child could not be made.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The kernel refuses the filter.
    #[error("cannot confine: the kernel refuses {}: {}", .0, describe(*.1))]
    Refused(&'static str, Errno),
    /// The kernel refuses the rules on files and ports.
    #[error("cannot confine: the kernel refuses the rules of Landlock: {0}")]
    Landlock(String),
    /// The kernel would not execute the command.
    #[error("{}", describe(*.0))]
    NotExecuted(Errno),
    /// The child was gone before it could run anything.
    #[error("cannot confine: the command's process vanished before it ran")]
    Vanished,
    /// A signal asked profgen to end.
    #[error("interrupted by {}", .0.as_str())]
    Interrupted(Signal),
    /// A call of profgen's own failed.
    #[error("cannot confine: {}", describe(*.0))]
    Call(#[from] Errno),
}
