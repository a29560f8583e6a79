//! Plain OCI: the `linux.seccomp` object of a runtime bundle, as runc, crun and youki take it.

use crate::{Error, Format, Options, Rendered, runtime::Runtime, seccomp::Profile};
use model::Policy;

/// `oci`.
pub(crate) struct Oci;

impl Format for Oci {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn description(&self) -> &'static str {
        "the linux.seccomp object of an OCI bundle's config.json, for runc, crun, youki and containerd"
    }

    fn options(&self) -> Options {
        Options { runtimes: [Runtime::Runc.into(), Runtime::Crun.into()].into() }
    }

    fn render(&self, policy: &Policy, options: &Options) -> Result<Rendered, Error> {
        Profile::of(policy, options).without_comments().rendered(self.name())
    }
}
