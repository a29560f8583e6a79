//! The tables as a whole: every row, not samples.

#![allow(clippy::unwrap_used, reason = "a test")]

use profgen_model::{Access, Arch, Call, FileOp, Group, Kind, Param, Sysno, X32_BIT};
use profgen_model::{fallback, implied::implied, variant::variants_of};
use std::collections::{BTreeMap, BTreeSet};

/// Every call of every architecture, in the form that it has there.
fn everywhere() -> impl Iterator<Item = (Sysno, &'static Call)> {
    Arch::ALL.iter().flat_map(|&arch| {
        Call::all().iter().filter_map(move |call| {
            let sysno = Sysno::new(arch, call.number(arch)?);
            Some((sysno, sysno.call().unwrap()))
        })
    })
}

#[test]
fn names_are_unique_and_found() {
    let names: BTreeSet<&str> = Call::all().iter().map(|call| call.name).collect();
    assert_eq!(names.len(), Call::all().len());
    for call in Call::all() {
        assert_eq!(Call::by_name(call.name).unwrap().name, call.name);
        assert!(Arch::ALL.iter().any(|&arch| call.number(arch).is_some()), "{}", call.name);
    }
    assert!(Call::by_name("").is_none() && Call::by_name("zzz").is_none());
}

#[test]
fn no_number_is_there_twice() {
    let mut seen = BTreeMap::new();
    for (sysno, call) in everywhere() {
        assert_eq!(seen.insert(sysno, call.name), None, "{sysno:#}");
    }
}

#[test]
fn every_number_leads_to_its_call_and_back() {
    for (sysno, call) in everywhere() {
        assert_eq!(sysno.name(), Some(call.name));
        assert_eq!(Sysno::from_name(sysno.arch(), call.name), Some(sysno));
        assert_eq!(Sysno::from_audit(sysno.arch().audit(), sysno.number()), Some(sysno));
        assert_eq!(sysno.number() >= X32_BIT, sysno.arch() == Arch::X32);
    }
}

#[test]
fn groups_are_blocks_in_the_order_of_risk() {
    let groups: Vec<Group> = Call::all().iter().map(|call| call.group).collect();
    assert!(groups.is_sorted(), "a call stands outside its group's block");
    assert_eq!(groups.iter().collect::<BTreeSet<_>>().len(), Group::ALL.len(), "an empty group");
    assert!(Group::ALL.iter().map(|group| group.sensitive()).is_sorted());
    for &group in Group::ALL {
        assert!(group.reason().ends_with('.'), "{group}");
        assert_eq!(Group::from_slug(group.slug()), Some(group));
        assert_eq!(serde_json::to_string(&group).unwrap(), format!("\"{group}\""));
    }
}

#[test]
fn what_opens_the_kernel_is_sensitive() {
    for name in [
        "bpf",
        "perf_event_open",
        "ptrace",
        "process_vm_readv",
        "keyctl",
        "add_key",
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_by_handle_at",
        "io_uring_setup",
        "io_uring_enter",
        "userfaultfd",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "clock_settime",
        "settimeofday",
        "adjtimex",
        "swapon",
        "iopl",
        "modify_ldt",
        "syslog",
    ] {
        assert!(Call::by_name(name).unwrap().group.sensitive(), "{name}");
    }
    for name in ["read", "openat", "clone", "execve", "socket", "ioctl", "setuid", "seccomp"] {
        assert!(!Call::by_name(name).unwrap().group.sensitive(), "{name}");
    }
}

#[test]
fn releases_are_after_4_0_and_known() {
    for call in Call::all() {
        if let Some(since) = call.since {
            assert!((4, 0) < since && since <= (7, 2), "{}: {since:?}", call.name);
        }
        // Numbers from 403 on are the same everywhere and came with 5.1 or later; i386 and s390x
        // got theirs for the System V calls, 393 to 402, with 5.1 too.
        let number = call.number(Arch::Riscv64).or(call.number(Arch::Arm)).unwrap_or(0);
        if (403..X32_BIT).contains(&number) && number < 0xf0000 {
            assert!(call.since >= Some((5, 1)), "{}", call.name);
        }
    }
}

#[test]
fn new_calls_have_the_same_number_everywhere() {
    for call in Call::all() {
        let numbers = Arch::ALL.iter().filter_map(|&arch| call.number(arch));
        let numbers: BTreeSet<u32> = numbers.map(|number| number & !X32_BIT).collect();
        if numbers.iter().any(|number| (403..512).contains(number)) {
            assert_eq!(numbers.len(), 1, "{}: {numbers:?}", call.name);
        }
    }
}

#[test]
fn every_path_relative_to_a_descriptor_has_one() {
    for (sysno, call) in everywhere() {
        let mut free = 0;
        for Param { kind, name } in call.params {
            match kind {
                Kind::Dirfd => free += 1,
                Kind::AtPath => {
                    assert_eq!(free, 1, "{sysno:#}: {name} has no directory of its own");
                    free = 0;
                }
                _ => {}
            }
        }
        assert_eq!(free, 0, "{sysno:#}: a directory descriptor without a path");
    }
}

#[test]
fn forms_of_a_call_differ_in_parameters_only() {
    for (sysno, form) in everywhere() {
        let call = Call::by_name(form.name).unwrap();
        assert_eq!((form.group, form.since), (call.group, call.since), "{sysno:#}");
        assert_eq!(form.number(sysno.arch()), Some(sysno.number()), "{sysno:#}");
    }
}

#[test]
fn architectures_get_their_own_parameters() {
    let params = |arch, name| {
        let call = Sysno::from_name(arch, name).unwrap().call().unwrap();
        call.params.iter().map(|param| param.name).collect::<Vec<_>>()
    };
    assert_eq!(params(Arch::X86_64, "clone")[..2], ["flags", "stack"]);
    assert_eq!(params(Arch::S390x, "clone")[..2], ["stack", "flags"]);
    assert_eq!(params(Arch::Aarch64, "clone")[3..], ["tls", "child_tid"]);
    assert_eq!(params(Arch::I386, "mmap"), ["args"]);
    assert_eq!(params(Arch::I386, "fanotify_mark")[4..], ["dirfd", "pathname"]);
}

#[test]
fn every_path_has_an_operation_and_every_operation_a_path() {
    for (sysno, call) in everywhere() {
        let is_path = |index: &usize| matches!(call.params[*index].kind, Kind::Path | Kind::AtPath);
        let paths: BTreeSet<usize> = (0..call.params.len()).filter(is_path).collect();
        let operations = FileOp::of(call);
        assert!(operations.iter().all(|operation| operation.call == call.name));
        assert_eq!(operations.len(), paths.len(), "{sysno:#}");
        let named: BTreeSet<usize> = operations.iter().map(|operation| operation.param).collect();
        assert_eq!(named, paths, "{sysno:#}");
    }
}

#[test]
fn every_kind_is_used_and_has_a_name() {
    let used: BTreeSet<Kind> =
        everywhere().flat_map(|(_, call)| call.params).map(|param| param.kind).collect();
    for &kind in Kind::ALL {
        assert!(used.contains(&kind), "no parameter is {}", kind.slug());
        assert_eq!(Kind::from_slug(kind.slug()), Some(kind));
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.slug()));
        assert!(matches!(kind.bits(), 32 | 64));
        assert!(!(kind.is_value() && kind.is_value_in_memory()));
    }
    assert!(Kind::OpenHow.is_value_in_memory() && Kind::CloneArgs.is_value_in_memory());
}

#[test]
fn every_access_happens_and_has_a_name() {
    // All flags and file types that decide an access.
    let words = [0, 1, 2, 0o101, 0o1000, 0o10000000, 0o20200000, 0o200000, 0x200, 0o010000]
        .into_iter()
        .chain([0o140000, 0o060000, 0o020000]);
    let mut seen = BTreeSet::new();
    for word in words {
        for (_, call) in everywhere() {
            for operation in FileOp::of(call) {
                seen.extend(operation.accesses(&[word; 6], Some(word)));
            }
        }
    }
    assert_eq!(seen, Access::ALL.iter().copied().collect());
    for &access in Access::ALL {
        assert_eq!(Access::from_slug(access.slug()), Some(access));
        assert_eq!(serde_json::to_string(&access).unwrap(), format!("\"{access}\""));
    }
}

#[test]
fn variants_stay_within_reason() {
    for (sysno, call) in everywhere() {
        let mut seen = BTreeSet::new();
        for variant in variants_of(sysno) {
            assert!(variant.sysno != sysno && seen.insert(variant.sysno), "{sysno:#}");
            assert_eq!(variant.sysno.arch(), sysno.arch());
            let other = variant.sysno.call().unwrap();
            // Nothing sensitive comes in as the variant of something ordinary.
            assert!(
                !other.group.sensitive() || call.group.sensitive(),
                "{} for {sysno:#}",
                other.name
            );
        }
    }
}

#[test]
fn twins_of_equal_power_stand_in_for_each_other() {
    // A call with 64-bit time or 32-bit ids and the one that it replaces, wherever both are there.
    for call in Call::all() {
        let stem = call.name.strip_suffix("_time64").or(call.name.strip_suffix("32"));
        let timer = call.name.strip_suffix("64").filter(|_| call.since == Some((5, 1)));
        let Some(old) = stem.or(timer).and_then(Call::by_name) else { continue };
        for &arch in Arch::ALL {
            let (Some(new), Some(old)) = (call.number(arch), old.number(arch)) else { continue };
            let (new, old) = (Sysno::new(arch, new), Sysno::new(arch, old));
            let stands_in = |of: Sysno, other: Sysno| {
                variants_of(of).any(|variant| variant.sysno == other && !variant.wider)
            };
            assert!(stands_in(new, old) && stands_in(old, new), "{new:#} and {old}");
        }
    }
}

#[test]
fn every_64_bit_time_call_falls_back() {
    for call in Call::all().iter().filter(|call| call.name.ends_with("_time64")) {
        // io_pgetevents_time64 is called by no libc.
        let by_libc = call.name != "io_pgetevents_time64";
        assert_eq!(fallback::wants_enosys(call.name), by_libc, "{}", call.name);
    }
}

#[test]
fn nothing_sensitive_is_implied() {
    for &arch in Arch::ALL {
        let calls: Vec<Sysno> = implied(arch).map(|(sysno, _)| sysno).collect();
        for name in ["rt_sigreturn", "restart_syscall", "exit_group", "clock_gettime"] {
            assert!(calls.contains(&Sysno::from_name(arch, name).unwrap()), "{arch} {name}");
        }
        for sysno in calls {
            assert_eq!(sysno.arch(), arch);
            assert!(!sysno.call().unwrap().group.sensitive(), "{sysno:#}");
        }
    }
}
