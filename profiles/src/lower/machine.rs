//! The machine and the container that a profile is loaded for, and what of it applies there.

use crate::{
    read::{Condition, Entry, Profile},
    runtime::{Runtime, Target},
};
use filter::Action;
use model::Arch;
use std::collections::BTreeSet;

/// What Docker leaves to a container that asks for nothing.
pub const DOCKER_CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Where a profile is loaded, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The architecture of the runtime.
    pub native: Arch,
    /// The capabilities of the container.
    pub capabilities: BTreeSet<String>,
    /// The kernel.
    pub kernel: (u32, u32),
    /// The runtime.
    pub runtime: Target,
}

impl Machine {
    /// A current one that runs programs of `arch`, with runc and Docker's capabilities.
    pub fn for_arch(arch: Arch) -> Machine {
        Machine {
            native: match arch {
                Arch::I386 | Arch::X32 => Arch::X86_64,
                Arch::Arm => Arch::Aarch64,
                other => other,
            },
            capabilities: DOCKER_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
            kernel: (6, 12),
            runtime: Runtime::Runc.into(),
        }
    }

    /// Whether an entry is for this machine.
    pub(crate) fn applies(&self, entry: &Entry) -> bool {
        let Condition { caps, arches, min_kernel } = &entry.includes;
        let included = caps.iter().all(|name| self.capabilities.contains(name))
            && (arches.is_empty() || self.is_one_of(arches))
            && min_kernel.is_none_or(|release| self.kernel >= release);
        let Condition { caps, arches, min_kernel } = &entry.excludes;
        let excluded = caps.iter().any(|name| self.capabilities.contains(name))
            || self.is_one_of(arches)
            || min_kernel.is_some_and(|release| self.kernel >= release);
        included && !excluded
    }

    fn is_one_of(&self, names: &[String]) -> bool {
        let own = match self.native {
            Arch::X86_64 => "amd64",
            Arch::I386 => "x86",
            Arch::X32 => "x32",
            Arch::Aarch64 => "arm64",
            Arch::Arm => "arm",
            Arch::Riscv64 => "riscv64",
            Arch::Powerpc64 => "ppc64le",
            Arch::S390x => "s390x",
            Arch::Loongarch64 => "loong64",
        };
        names.iter().any(|name| name == own)
    }

    /// The architectures that the profile lists, of those that the tables know.
    pub(crate) fn listed(&self, profile: &Profile) -> BTreeSet<Arch> {
        let own = |name: &str| name == "SCMP_ARCH_NATIVE" || name == self.native.oci_name();
        let row = profile.arch_map.iter().find(|row| own(&row.architecture));
        let mapped = row.into_iter().flat_map(|row| {
            row.sub_architectures.iter().chain([&row.architecture]).map(String::as_str)
        });
        profile
            .architectures
            .iter()
            .map(String::as_str)
            .chain(mapped)
            .filter_map(
                |name| if own(name) { Some(self.native) } else { Arch::from_oci_name(name) },
            )
            .collect()
    }

    /// Whether the runtime answers ENOSYS for numbers above those that the profile names.
    pub(super) fn has_stub(&self, default: Action, listed: bool) -> bool {
        let allows = matches!(default, Action::Allow | Action::Log | Action::Trace(_));
        self.runtime.runtime == Runtime::Runc
            && !allows
            && (listed || self.runtime.stubs_unlisted())
    }
}

impl Target {
    /// runc since 1.1.15 does so for its own architecture also where the profile does not list it.
    fn stubs_unlisted(&self) -> bool {
        let since = "1.1.15".parse().ok();
        self.version.is_none() || self.version >= since
    }
}
