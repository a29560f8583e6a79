//! Podman's file: `podman run --security-opt seccomp=FILE`. It is Docker's dialect, and Podman starts
//! containers by crun, or by runc where that is configured: both are allowed what they need.

use crate::{Error, Format, Options, Rendered, runtime::Runtime, seccomp::Profile};
use model::Policy;

/// `podman`.
pub(crate) struct Podman;

impl Format for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn description(&self) -> &'static str {
        "the file for podman run --security-opt seccomp=FILE, with comments"
    }

    fn options(&self) -> Options {
        Options { runtimes: [Runtime::Crun.into(), Runtime::Runc.into()].into() }
    }

    fn render(&self, policy: &Policy, options: &Options) -> Result<Rendered, Error> {
        Profile::of(policy, options).rendered(self.name())
    }
}
