//! What a trace says of the arguments that decide what a call may do.

use crate::record::fixture;
use crate::scene::{ARCH, ENGINES, Scene, arguments, built, file, outcomes};
use crate::support::skip;
use serde_json::Value;
use std::collections::BTreeSet;

/// The rows that must be there, whatever the C library added.
fn has(engine: &str, program: &Value, call: &str, names: &[&str], wanted: &[&[u64]]) {
    let found = arguments(program, ARCH, call, names);
    for row in wanted {
        assert!(found.contains(*row), "{engine}: {call} {row:?} is not in {found:?}");
    }
}

#[test]
fn the_arguments_that_decide_what_a_call_may_do_are_recorded() {
    let Some(args) = fixture("args") else { return };
    const SHARED: u64 = 0x100 | 0x4000 | 17;
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &[&args]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let program = record.program("/args");
        let has = |call: &str, names: &[&str], wanted: &[&[u64]]| {
            has(engine, program, call, names, wanted);
        };
        let sockets: &[&[u64]] = &[
            &[1, 1, 0],
            &[1, 0o2004002, 0],
            &[1, 5, 0],
            &[2, 1, 6],
            &[2, 2, 17],
            &[10, 1, 0],
            &[16, 3, 0],
            &[99, 1, 0],
        ];
        has("socket", &["domain", "type", "protocol"], sockets);
        let found = arguments(program, ARCH, "socket", &["domain", "type", "protocol"]);
        assert_eq!(found.len(), sockets.len(), "no rubbish from the upper half: {found:x?}");
        has("socketpair", &["domain", "type", "protocol"], &[&[1, 1, 0], &[1, 2, 0]]);
        has("setsockopt", &["level", "optname"], &[&[1, 2], &[1, 8], &[6, 1]]);
        has("getsockopt", &["level", "optname"], &[&[1, 3], &[1, 8], &[6, 1]]);
        let commands: &[&[u64]] =
            &[&[0x541b], &[0x5421], &[0x5451], &[0x5450], &[0x5401], &[0xdead_beef]];
        has("ioctl", &["cmd"], commands);
        has(
            "fcntl",
            &["cmd"],
            &[&[0], &[1], &[2], &[3], &[4], &[1030], &[1032], &[6], &[37], &[9999]],
        );
        has("prctl", &["option"], &[&[15], &[16], &[1], &[3], &[9999]]);
        has("personality", &["persona"], &[&[0xffff_ffff], &[0x0004_0000]]);
        has("mmap", &["prot"], &[&[3], &[5], &[7]]);
        has("mprotect", &["prot"], &[&[1], &[3], &[5], &[7]]);
        has("pkey_mprotect", &["prot"], &[&[3]]);
        has("clone", &["flags"], &[&[17], &[SHARED]]);
        has("clone3", &["cl_args"], &[&[0x1000]]);
        has("unshare", &["flags"], &[&[0x600]]);
        assert_eq!(program["write_and_execute"], true);
        assert!(
            outcomes(file(program, &scene.text("args.txt")), "create").values().sum::<u64>() >= 2
        );
    }
}

#[test]
fn open_flags_and_whom_a_signal_was_sent_to_are_recorded() {
    let Some(args) = fixture("args") else { return };
    for engine in ENGINES {
        let scene = Scene::new();
        let (_, record) = scene.trace(engine, &[&args]);
        let program = record.program("/args");
        let flags: &[&[u64]] = &[
            &[0],
            &[0o1101],
            &[0o2001],
            &[0o302],
            &[0o2200000],
            &[0o10000000],
            &[0o400000],
            &[0o20200002],
        ];
        has(engine, program, "openat", &["flags"], flags);
        // Own, group, traced: the parent and the child are of this run.
        let targets = arguments(program, ARCH, "kill", &["target"]);
        assert_eq!(targets, BTreeSet::from([vec![0], vec![1], vec![2]]), "{engine}");
        let targets = arguments(program, ARCH, "tgkill", &["target"]);
        assert_eq!(targets, BTreeSet::from([vec![0]]), "{engine}");
    }
}

#[test]
fn a_signal_to_a_process_outside_the_run_is_recorded_as_such() {
    for engine in ENGINES {
        let scene = Scene::new();
        let outside = std::process::id().to_string();
        let script = format!("kill -0 {outside}; sleep 0 & kill -0 $!; kill -0 $$; kill -0 0");
        let (_, record) = scene.trace(engine, &["sh", "-c", &script]);
        let targets = arguments(record.program("/dash"), ARCH, "kill", &["target"]);
        assert_eq!(targets, [vec![0], vec![1], vec![2], vec![3]].into(), "{engine}");
    }
}

#[test]
fn memory_that_is_writable_and_executable_is_flagged_in_its_program_alone() {
    let Some(wx) = built("wx") else { return skip("no gcc") };
    for engine in ENGINES {
        for (how, flagged) in
            [("none", false), ("mmap", true), ("mprotect", true), ("turns", false)]
        {
            let scene = Scene::new();
            let (ran, record) = scene.trace(engine, &["sh", "-c", &format!("{wx} {how}; true")]);
            assert_eq!(ran.status, 0, "{ran:?}");
            let wx = wx.rsplit('/').next().expect("a name");
            assert_eq!(record.program(wx)["write_and_execute"], flagged, "{engine} {how}");
            assert_eq!(record.program("/dash")["write_and_execute"], false);
        }
    }
}
