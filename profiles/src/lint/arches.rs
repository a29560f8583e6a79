//! Architectures: which are listed, which are missing, and what another one leaves open.

use super::{Finding, Subject, finding, some_of};
use filter::Action;
use model::{Arch, Call, Sysno};

/// The architectures of libseccomp that profgen's tables do not have.
const OTHERS: &[&str] = &[
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_NATIVE",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// Sub-architectures by the one whose kernels run them.
const SUBS: &[(Arch, Arch)] = &[(Arch::X86_64, Arch::I386), (Arch::Aarch64, Arch::Arm)];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let profile = subject.profile;
    let mapped = profile
        .arch_map
        .iter()
        .flat_map(|row| row.sub_architectures.iter().chain([&row.architecture]));
    for name in profile.architectures.iter().chain(mapped) {
        if Arch::from_oci_name(name).is_none() && !OTHERS.contains(&name.as_str()) {
            let message = format!("libseccomp knows no architecture {name}");
            found.extend(finding("unknown-architecture", None, Vec::new(), message));
        }
    }
    if !profile.arch_map.is_empty() && !profile.architectures.is_empty() {
        let message = "Docker takes archMap or architectures, not both";
        found.extend(finding("architectures-twice", None, Vec::new(), message));
    }
    if profile.architectures.is_empty() && profile.arch_map.is_empty() {
        let message = "list those whose programs are to run";
        found.extend(finding("no-architectures", None, Vec::new(), message));
    }
    if profile.architectures.iter().any(|name| name == Arch::Riscv64.oci_name()) {
        let message = "runc 1.1 and older refuse SCMP_ARCH_RISCV64";
        found.extend(finding("old-runc-architecture", None, Vec::new(), message));
    }
    missing(subject, found);
    socketcall(subject, found);
}

/// Calls that only a sub-architecture has, and that are nevertheless allowed.
fn missing(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let Some(lowered) = &subject.lowered else { return };
    for (host, sub) in SUBS {
        if subject.arch != *host || lowered.arches().any(|arch| arch == *sub) {
            continue;
        }
        let mut names: Vec<String> = Vec::new();
        let allowing = |entry: &&&crate::read::Entry| entry.answer.action() == Action::Allow;
        for name in subject.entries.iter().filter(allowing).flat_map(|entry| &entry.names) {
            let Some(call) = Call::by_name(name) else { continue };
            let only_there = call.number(*sub).is_some() && call.number(*host).is_none();
            if only_there && !names.contains(name) {
                names.push(name.clone());
            }
        }
        if !names.is_empty() {
            let message = format!(
                "it allows what only {sub} has ({}), but {} is not listed: such programs are killed",
                some_of(&names),
                sub.oci_name()
            );
            found.extend(finding("missing-architecture", None, names, message));
        }
    }
}

/// socketcall is open where socket is not, or is so only with some arguments.
fn socketcall(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    /// `SYS_SOCKET` of linux/net.h.
    const SOCKET: u64 = 1;
    let Some(lowered) = &subject.lowered else { return };
    for arch in lowered.arches().filter(|arch| *arch != subject.arch) {
        let (Some(through), Some(direct)) =
            (Sysno::from_name(arch, "socketcall"), Sysno::from_name(arch, "socket"))
        else {
            continue;
        };
        let open = lowered.verdict(through, [SOCKET, 0, 0, 0, 0, 0]).action == Action::Allow;
        if open && !lowered.is_always(direct, Action::Allow) {
            let message =
                format!("on {arch} socketcall makes the sockets that the rules of socket deny");
            let names = vec!["socket".to_owned(), "socketcall".to_owned()];
            found.extend(finding("socketcall-hole", None, names, message));
        }
    }
}
