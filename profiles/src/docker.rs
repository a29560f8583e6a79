//! Docker's dialect: the file of `docker run --security-opt seccomp=FILE`. Podman takes it too.
//!
//! It is the OCI object with a `comment` where one helps. Nothing else of the dialect is used:
//! `includes`, `excludes` and `archMap` make a profile depend on the machine that loads it, and
//! Docker 20.10 drops `flags` and `listenerPath` silently, and `defaultErrnoRet` too, for which
//! the explicit ENOSYS entries stand in.

use crate::{Error, Format, Options, Rendered, runtime::Runtime, seccomp::Profile};
use model::Policy;

/// `docker`.
pub(crate) struct Docker;

impl Format for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn description(&self) -> &'static str {
        "the file for docker run --security-opt seccomp=FILE, with comments; also for podman"
    }

    fn options(&self) -> Options {
        Options { runtimes: [Runtime::Runc.into()].into() }
    }

    fn render(&self, policy: &Policy, options: &Options) -> Result<Rendered, Error> {
        Profile::of(policy, options).rendered(self.name())
    }
}
