//! Which checks of the kernel a call passes only because its process has a capability.
//!
//! Both engines look at a call's entry, where the process's ids and the owners of files are what the
//! kernel will go by. A process that has no capability passed no such check, so that nothing is
//! looked at; and one in a name space for users of its own has them there only.
//!
//! * `credentials`: who the process is
//! * `mode`: what a file's mode and list let whom do
//! * `files`: checks on files named by paths
//! * `calls`: checks that calls make on their arguments, ids, limits and other processes

mod calls;
mod credentials;
mod files;
mod mode;

pub use credentials::{Credentials, user_namespace};
pub use files::{Directories, Owners};
pub use mode::Owner;

use crate::{
    observe::{Event, Observation},
    paths::Namer,
    plan::Plan,
};
use model::{KillTarget, capability::Check};

/// What is needed to find the checks of one call.
pub struct Looker<'a> {
    /// The call.
    pub event: &'a Event,
    /// What to look at in it.
    pub plan: &'a Plan,
    /// Who asks.
    pub who: &'a Credentials,
    /// How the process sees files.
    pub namer: &'a Namer<'a>,
    /// Whose directories are.
    pub directories: &'a Directories,
    /// Who a process is to the one that asks.
    pub target: &'a dyn Fn(i32) -> KillTarget,
}

impl Looker<'_> {
    /// Adds to an observation the checks that the call passes.
    pub fn look(&self, observation: &mut Observation) {
        let open_flags = self.plan.open_flags.and_then(|flags| {
            let at = self.plan.values.iter().position(|value| value.index == flags.index)?;
            observation.values.get(at).copied()
        });
        for (place, accesses) in &mut observation.files {
            place.checks = files::checks(self, place, accesses, open_flags);
            place.checks.retain(|check| self.who.passes(*check));
        }
        let sockets = observation.sockets.iter();
        let mut checks: Vec<Check> = sockets
            .flat_map(|(place, access)| files::checks(self, place, &[*access], None))
            .collect();
        for check in &self.plan.checks {
            let asked =
                self.who.passes(*check) && check.asked(|name| self.argument(name, observation));
            if asked && (!check.looks() || self.decides(*check, observation)) {
                match observation.files.first_mut() {
                    Some((place, _)) if check.of_files() => {
                        place.checks.insert(*check);
                    }
                    _ => checks.push(*check),
                }
            }
        }
        checks.retain(|check| self.who.passes(*check));
        observation.checks.extend(checks);
    }
}
