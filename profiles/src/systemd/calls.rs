//! System calls and what depends on their arguments.

use super::{Lines, Seen};
use model::{Arch, Call, Kind, constants, fallback, policy::Entry, trace::Mark};
use std::collections::BTreeSet;

/// What the policy itself says.
pub(super) fn directives(seen: &Seen<'_>, lines: &mut Lines) {
    architectures(seen, lines);
    filter(seen, lines);
    families(seen, lines);
}

/// What runs never did.
pub(super) fn restrictions(seen: &Seen<'_>, lines: &mut Lines) {
    namespaces(seen, lines);
    memory(seen, lines);
    if let Some(policies) = seen.values("sched_setscheduler", "policy")
        && !policies.iter().any(|policy| matches!(policy & 0xffff, 1 | 2 | 6))
        && !seen.allows("sched_setattr")
    {
        let reason = "no run asked for a real-time schedule";
        lines.set(reason, "RestrictRealtime", "yes");
    }
    if !seen.marked(Mark::SetsIdBit) {
        let reason = "no run asked for a set-user-id or set-group-id bit on a file";
        lines.set(reason, "RestrictSUIDSGID", "yes");
    }
}

/// As systemd names them.
fn arch_name(arch: Arch) -> Option<&'static str> {
    Some(match arch {
        Arch::X86_64 => "x86-64",
        Arch::I386 => "x86",
        Arch::X32 => "x32",
        Arch::Aarch64 => "arm64",
        Arch::Arm => "arm",
        Arch::Riscv64 => "riscv64",
        Arch::Powerpc64 => "ppc64-le",
        Arch::S390x => "s390x",
        Arch::Loongarch64 => "loongarch64",
    })
}

fn architectures(seen: &Seen<'_>, lines: &mut Lines) {
    let names: Vec<&str> = seen.policy.arches().into_iter().filter_map(arch_name).collect();
    let reason = "the architectures whose calls are allowed";
    lines.set(reason, "SystemCallArchitectures", &names.join(" "));
}

fn filter(seen: &Seen<'_>, lines: &mut Lines) {
    let mut reasons: [(&str, BTreeSet<&str>); 3] = [
        ("made by runs", BTreeSet::new()),
        ("not made by a run, but within reach of the code, or decided", BTreeSet::new()),
        (
            "of the same power: another libc makes them instead; or made by no instruction",
            BTreeSet::new(),
        ),
    ];
    let of = |entry: &Entry| {
        let origins = &entry.origins;
        if origins.observed.is_some() {
            0
        } else if origins.predicted.is_some() || origins.decided.is_some() {
            1
        } else {
            2
        }
    };
    let (mut nameless, mut ruled) = (0, BTreeSet::new());
    for (sysno, entry) in
        seen.policy.calls.iter().filter(|(_, entry)| entry.origins.of_the_program())
    {
        match sysno.name() {
            Some(name) => {
                reasons[of(entry)].1.insert(name);
                if !entry.rules.is_empty() {
                    ruled.insert(name);
                }
            }
            None => nameless += 1,
        }
    }
    let allowed: BTreeSet<&str> = reasons.iter().flat_map(|(_, names)| names).copied().collect();
    let mut known = BTreeSet::new();
    for (reason, names) in reasons {
        let names: Vec<&str> = names.into_iter().filter(|name| known.insert(*name)).collect();
        if !names.is_empty() {
            lines.set_list(reason, "SystemCallFilter", names);
        }
    }
    // An allow-list of systemd's has one error for all that is not in it.
    let absent: Vec<&str> = fallback::all()
        .map(|(name, _)| name)
        .filter(|name| !allowed.contains(name) && exists(seen, name))
        .collect();
    let reason = match absent.is_empty() {
        true => "as a kernel that lacks the call".to_owned(),
        false => format!("libc does without only after ENOSYS, as for {}", absent.join(", ")),
    };
    lines.set(&reason, "SystemCallErrorNumber", "ENOSYS");
    if nameless > 0 {
        lines.note(format!("{nameless} allowed calls have no name and stay denied"));
    }
    if !ruled.is_empty() {
        lines.note(format!(
            "systemd filters calls whatever their arguments are: any are allowed to {}",
            Vec::from_iter(ruled).join(", ")
        ));
    }
}

/// Whether one of the architectures has a call.
fn exists(seen: &Seen<'_>, name: &str) -> bool {
    let call = Call::by_name(name);
    call.is_some_and(|call| seen.policy.arches().iter().any(|arch| call.number(*arch).is_some()))
}

fn families(seen: &Seen<'_>, lines: &mut Lines) {
    let mut names = BTreeSet::new();
    for (sysno, entry) in &seen.policy.calls {
        if !matches!(sysno.name(), Some("socket" | "socketpair")) {
            continue;
        }
        if entry.rules.is_empty() {
            return lines.note(
                "RestrictAddressFamilies is left out: sockets of any are allowed".to_owned(),
            );
        }
        for (name, family) in constants::all(Kind::Domain, sysno.arch()) {
            let args = [family, 0, 0, 0, 0, 0];
            let fits = |rule: &model::Rule| {
                rule.comparisons().iter().filter(|c| c.index() == 0).all(|c| c.matches(&args))
            };
            if entry.rules.iter().any(fits) {
                names.insert(name);
            }
        }
    }
    match names.is_empty() {
        true => lines.set("no socket is allowed", "RestrictAddressFamilies", "none"),
        false => {
            lines.set_list("the families of allowed sockets", "RestrictAddressFamilies", names)
        }
    }
}

/// linux/sched.h, in systemd's words; it has none for time.
const NAMESPACES: [(&str, u64); 7] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

fn namespaces(seen: &Seen<'_>, lines: &mut Lines) {
    let mut bits = 0;
    for (call, parameter) in
        [("clone", "flags"), ("clone3", "cl_args"), ("unshare", "flags"), ("setns", "nstype")]
    {
        let values = match (seen.values(call, parameter), call) {
            // Code that may make a thread is not code that makes a name space: such calls are withheld.
            (None, "clone" | "clone3") => seen.observed_values(call, parameter),
            (values, _) => values,
        };
        let Some(values) = values else {
            return lines
                .note(format!("RestrictNamespaces is left out: {call} is allowed with any flags"));
        };
        if call == "setns" && values.contains(&0) {
            return lines
                .note("RestrictNamespaces is left out: a run entered one of any kind".to_owned());
        }
        bits |= values.iter().fold(0, |bits, value| bits | value);
    }
    let names: Vec<&str> =
        NAMESPACES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name).collect();
    match names.is_empty() {
        true => lines.set("no run made or entered a name space", "RestrictNamespaces", "yes"),
        false => lines.set_list("those that runs made or entered", "RestrictNamespaces", names),
    }
}

fn memory(seen: &Seen<'_>, lines: &mut Lines) {
    const PROT_EXEC: u64 = 4;
    const SHM_EXEC: u64 = 0o100_000;
    let ever = seen.policy.programs.values().any(|program| program.write_and_execute);
    let makes_code = ["mprotect", "pkey_mprotect"].iter().any(|call| {
        seen.observed_values(call, "prot")
            .is_none_or(|values| values.iter().any(|value| value & PROT_EXEC != 0))
    });
    let attaches = seen
        .observed_values("shmat", "shmflg")
        .is_none_or(|values| values.iter().any(|value| value & SHM_EXEC != 0));
    if ever || makes_code || attaches {
        lines.note(
            "MemoryDenyWriteExecute is left out: a run made memory executable that was or is writable"
                .to_owned(),
        );
    } else {
        let reason = "no run made memory executable that was or is writable";
        lines.set(reason, "MemoryDenyWriteExecute", "yes");
    }
}
