//! What we say that a profile does is what libseccomp, called as runc calls it, makes of it, and what
//! the kernel does under the filter that we compile. Profiles are written as JSON and read back.
//!
//! Left out is what libseccomp 2.5 compiles wrongly or refuses: two rules of a call that compare an
//! argument by order or as unequal, rules of a call that differ in the action and may both match, and
//! rules with arguments for a call that an architecture lacks (it may forget to load the number there).
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

extern crate filter as profgen_filter;

#[path = "../../filter/tests/common/child.rs"]
mod child;
#[path = "../../filter/tests/common/gate.rs"]
mod gate;

use child::{Gate, RawCall, calls_under};
use filter::{
    Action, CompileError, Insn, Program, SeccompData, available, compile, disassemble, verdict,
};
use gate::skipped;
use model::{Arch, Sysno, X32_BIT};
use profgen_profiles::{
    lower::{LowerError, Lowered, Machine},
    read::{Input, Profile, read},
    runtime::{Runtime, Target},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select, subsequence},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

/// A machine, and what it runs besides.
const MACHINES: &[(Arch, &[Arch])] = &[
    (Arch::X86_64, &[Arch::I386, Arch::X32]),
    (Arch::X86_64, &[Arch::I386]),
    (Arch::Aarch64, &[Arch::Arm]),
    (Arch::Riscv64, &[]),
    (Arch::Powerpc64, &[]),
];

const ARCHES: &[(Arch, &str)] = &[
    (Arch::X86_64, "x86_64"),
    (Arch::I386, "x86"),
    (Arch::X32, "x32"),
    (Arch::Aarch64, "aarch64"),
    (Arch::Arm, "arm"),
    (Arch::Riscv64, "riscv64"),
    (Arch::Powerpc64, "ppc64le"),
];

/// Calls of both libraries; some go through socketcall and ipc, and one is nobody's.
const CALLS: &[&str] = &[
    "read",
    "write",
    "close",
    "getppid",
    "ioctl",
    "prctl",
    "dup",
    "openat",
    "kill",
    "mprotect",
    "clone",
    "execve",
    "personality",
    "memfd_create",
    "statx",
    "close_range",
    "socket",
    "accept4",
    "recvmmsg",
    "recv",
    "socketcall",
    "semget",
    "semop",
    "shmat",
    "ipc",
    "arm_fadvise64_64",
    "_llseek",
    "no_such_call",
];

fn value() -> impl Strategy<Value = u64> {
    const EDGES: [u64; 14] = [
        0,
        1,
        2,
        3,
        5,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        0x1_0000_0001,
        0x7fff_ffff_ffff_ffff,
        0xffff_ffff_0000_0001,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![9 => select(&EDGES), 1 => any::<u64>()]
}

fn argument() -> impl Strategy<Value = Value> {
    let op = select(&["EQ", "NE", "LT", "LE", "GE", "GT", "MASKED_EQ", "MASKED_EQ", "EQ"]);
    (0u64..6, op, value(), value()).prop_map(|(index, op, value, two)| {
        let op = format!("SCMP_CMP_{op}");
        json!({"index": index, "op": op, "value": value, "valueTwo": two})
    })
}

fn entry(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let action = select(&["ALLOW", "ERRNO", "ERRNO", "TRACE", "LOG", "KILL", "TRAP"]);
    let errno = prop::option::of(select(&[1u64, 13, 38, 133]));
    let args = prop_oneof![1 => Just(Vec::new()), 2 => vec(argument(), 1..4)];
    (subsequence(names.to_vec(), 1..4), action, errno, args).prop_map(
        |(names, action, errno, args)| {
            let action = format!("SCMP_ACT_{action}");
            json!({"names": names, "action": action, "errnoRet": errno, "args": args})
        },
    )
}

/// A machine and a profile for it.
fn profile() -> impl Strategy<Value = (Arch, Value)> {
    let default = select(&["ERRNO", "ERRNO", "ERRNO", "ALLOW", "KILL_PROCESS", "LOG", "TRACE"]);
    let errno = prop::option::of(select(&[1u64, 38]));
    let listed = any::<[bool; 3]>();
    (select(MACHINES), default, errno, listed, vec(entry(CALLS), 0..12)).prop_map(
        |((native, others), default, errno, listed, entries)| {
            let arches = others.iter().chain([&native]).zip(listed);
            let arches = arches.filter(|(_, listed)| *listed).map(|(arch, _)| arch.oci_name());
            let default = format!("SCMP_ACT_{default}");
            let profile = json!({
                "defaultAction": default, "defaultErrnoRet": errno,
                "architectures": arches.collect::<Vec<&str>>(), "syscalls": without_traps(native, others, entries),
            });
            (native, profile)
        },
    )
}

/// Takes calls out of entries that would meet an earlier one in a way that libseccomp gets wrong.
fn without_traps(native: Arch, others: &[Arch], entries: Vec<Value>) -> Vec<Value> {
    let everywhere = |name: &str| {
        let mut arches = others.iter().chain([&native]);
        arches.all(|arch| Sysno::from_name(*arch, name).is_some())
    };
    let ordered = |arg: &Value| !arg["op"].as_str().unwrap().ends_with("EQ");
    let mut actions: BTreeMap<String, Value> = BTreeMap::new();
    let mut compared: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut kept = Vec::new();
    for mut entry in entries {
        let args = entry["args"].as_array().unwrap().clone();
        let action = json!([entry["action"], entry["errnoRet"]]);
        let clash = |one: &Value, two: &Value| {
            one["index"] == two["index"] && (ordered(one) || ordered(two))
        };
        let own = (0..args.len()).any(|at| args[..at].iter().any(|arg| clash(arg, &args[at])));
        let names = entry["names"].as_array().unwrap().iter().filter(|name| {
            // All that libseccomp joins in one call count as one.
            let group = group(name.as_str().unwrap());
            let before = compared.entry(group.clone()).or_default();
            // An unconditional one of these is a conditional one of the call it goes through.
            let conditional = !args.is_empty() || matches!(group.as_str(), "socketcall" | "ipc");
            let known = actions.get(&group).is_none_or(|known| *known == action || !conditional);
            let fits = known
                && (args.is_empty() || everywhere(name.as_str().unwrap()))
                && !own
                && !args.iter().any(|arg| before.iter().any(|other| clash(arg, other)));
            if fits && conditional {
                actions.insert(group, action.clone());
                before.extend(args.iter().cloned());
            }
            fits
        });
        let names: Vec<Value> = names.cloned().collect();
        if !names.is_empty() {
            entry["names"] = json!(names);
            kept.push(entry);
        }
    }
    kept
}

fn group(name: &str) -> String {
    let group = match name {
        "socket" | "accept4" | "recvmmsg" | "recv" | "socketcall" => "socketcall",
        "semget" | "semop" | "shmat" | "ipc" => "ipc",
        other => other,
    };
    group.to_owned()
}

fn lowered(native: Arch, json: &Value) -> Result<Lowered, LowerError> {
    let machine =
        Machine { runtime: "runc@1.1.5".parse::<Target>().unwrap(), ..Machine::for_arch(native) };
    read(json.to_string().as_bytes()).unwrap().lower(&machine)
}

/// The lines for runc.c, which follow what runc does: what the default does is left out, and two
/// comparisons of one argument become two rules.
fn lines(native: Arch, json: &Value) -> String {
    let action = |name: &Value, errno: &Value| {
        let number = errno.as_u64().unwrap_or(1) as u32;
        match name.as_str().unwrap().strip_prefix("SCMP_ACT_").unwrap() {
            "ALLOW" => 0x7fff_0000,
            "ERRNO" => 0x0005_0000 | number,
            "TRACE" => 0x7ff0_0000 | number,
            "LOG" => 0x7ffc_0000,
            "TRAP" => 0x0003_0000,
            "KILL_PROCESS" => 0x8000_0000u32,
            _ => 0,
        }
    };
    let default = action(&json["defaultAction"], &json["defaultErrnoRet"]);
    let entries = json["syscalls"].as_array().unwrap();
    let name = |arch: Arch| ARCHES.iter().find(|row| row.0 == arch).unwrap().1;
    let mut text = format!("profile {default} {} {}\n", 1 + entries.len() % 2, name(native));
    for listed in json["architectures"].as_array().unwrap() {
        let arch = Arch::from_oci_name(listed.as_str().unwrap()).unwrap();
        writeln!(text, "arch {}", name(arch)).unwrap();
    }
    for entry in entries {
        let own = action(&entry["action"], &entry["errnoRet"]);
        let args: Vec<String> = entry["args"].as_array().unwrap().iter().map(comparison).collect();
        let indexes: BTreeSet<&str> = args.iter().map(|arg| &arg[..1]).collect();
        for name in entry["names"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            writeln!(text, "name {name}").unwrap();
            if own == default {
                continue;
            }
            if indexes.len() == args.len() {
                writeln!(text, "rule {own} {name} {}", args.join(" ")).unwrap();
            } else {
                args.iter().for_each(|arg| writeln!(text, "rule {own} {name} {arg}").unwrap());
            }
        }
    }
    text + "end\n"
}

fn comparison(arg: &Value) -> String {
    let op = arg["op"].as_str().unwrap().strip_prefix("SCMP_CMP_").unwrap();
    let op = op.to_lowercase().replace('_', "-");
    format!("{} {op} {} {}", arg["index"], arg["value"], arg["valueTwo"])
}

/// A filter and, by libseccomp's name, the highest named number of the listed architectures.
type Built = (Program, BTreeMap<String, u32>);

fn build(lines: &str) -> Option<Vec<Result<Built, String>>> {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("runc");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/runc.c");
    let gcc =
        Command::new("gcc").arg("-O1").arg("-o").arg(&binary).args([source, "-lseccomp"]).output();
    match gcc {
        Ok(output) if output.status.success() => {}
        other => {
            skipped(&format!("no gcc with libseccomp: {other:?}"));
            return None;
        }
    }
    let mut child =
        Command::new(binary).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", output.status);
    Some(String::from_utf8(output.stdout).unwrap().lines().map(parse).collect())
}

fn parse(line: &str) -> Result<Built, String> {
    if line.starts_with("error") {
        return Err(line.to_owned());
    }
    let (last, hex) = line.rsplit_once(' ').unwrap_or(("", line));
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
    let last = last.split_whitespace().map(|word| {
        let (name, number) = word.split_once('=').unwrap();
        (name.to_owned(), number.parse::<u32>().unwrap())
    });
    let program = Program::from_bytes(&bytes).map_err(|error| error.to_string())?;
    Ok((program, last.filter(|(_, number)| *number != 0).collect()))
}

fn shot() -> impl Strategy<Value = (Index, Index, u8, [u64; 6])> {
    let args = [value(), value(), value(), value(), value(), value()];
    (any::<Index>(), any::<Index>(), any::<u8>(), args)
}

/// A call aimed at those that the profile names; also codes of socketcall and ipc.
fn aim(
    own: &[Arch],
    json: &Value,
    (arch, call, kind, mut args): (Index, Index, u8, [u64; 6]),
) -> (Sysno, [u64; 6]) {
    // Mostly those of the machine: all others are killed.
    let arch = match arch.index(8) {
        0 => call.get(ARCHES).0,
        _ => *arch.get(own),
    };
    let names = json["syscalls"].as_array().unwrap().iter();
    let mut names: Vec<&str> = names
        .flat_map(|entry| entry["names"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    names.extend(["socketcall", "ipc", "read"]);
    let number = Sysno::from_name(arch, call.get::<&str>(&names)).map_or(0, Sysno::number);
    let number = match kind {
        0..=15 => number + 1,
        16..=23 => number.saturating_sub(1),
        24 => u32::MAX,
        25..=30 => 600 + u32::from(kind) + if arch == Arch::X32 { X32_BIT } else { 0 },
        _ => number,
    };
    if kind % 2 == 0 {
        args[0] = u64::from(kind / 4 % 25);
    }
    // 0xffffffff and x32's first number less one belong to the other of the two.
    let arch = match (arch, number) {
        (Arch::X86_64, X32_BIT..) => Arch::X32,
        (Arch::X32, 0..X32_BIT) => Arch::X86_64,
        _ => arch,
    };
    (Sysno::new(arch, number), args)
}

/// What runc's stub answers before the filter is asked.
fn stub(json: &Value, sysno: Sysno, last: &BTreeMap<String, u32>) -> Option<Action> {
    let default = json["defaultAction"].as_str().unwrap();
    if ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].contains(&default) {
        return None;
    }
    let name = ARCHES.iter().find(|row| row.0 == sysno.arch()).unwrap().1;
    let last = last.get(name)?;
    (sysno.number() > *last).then_some(Action::Errno(38))
}

#[test]
fn a_profile_does_what_libseccomp_makes_of_it() {
    const PROFILES: usize = 400;
    const CALLS_EACH: usize = 400;
    let mut runner = TestRunner::deterministic();
    let profiles: Vec<(Arch, Value)> =
        (0..PROFILES).map(|_| profile().new_tree(&mut runner).unwrap().current()).collect();
    let text: String = profiles.iter().map(|(native, json)| lines(*native, json)).collect();
    let Some(theirs) = build(&text) else { return };
    assert_eq!(theirs.len(), PROFILES);

    let mut runner = TestRunner::deterministic();
    let (mut compared, mut programs) = (BTreeMap::new(), 0);
    for ((native, json), theirs) in profiles.iter().zip(theirs) {
        let (theirs, last) =
            theirs.unwrap_or_else(|error| panic!("{error}\n{}", lines(*native, json)));
        let lowered = match lowered(*native, json) {
            Err(LowerError::X32 { .. }) => continue,
            other => other.unwrap(),
        };
        let ruleset = lowered.ruleset();
        let ours = match compile(&ruleset) {
            // Comparisons by order of lower halves only take many instructions.
            Err(CompileError::TooLong(_)) if json["architectures"].to_string().contains("X32") => {
                None
            }
            other => Some(other.unwrap()),
        };
        let own: Vec<Arch> = lowered.arches().collect();
        programs += usize::from(ours.is_some());
        for _ in 0..CALLS_EACH {
            let (sysno, args) = aim(&own, json, shot().new_tree(&mut runner).unwrap().current());
            let (nr, arch) = (sysno.number(), sysno.arch().audit());
            let data = SeccompData { nr, arch, instruction_pointer: 0, args };
            let found = lowered.verdict(sysno, args);
            let expected = stub(json, sysno, &last).unwrap_or_else(|| verdict(&theirs, &data));
            let context = || {
                let theirs = disassemble(&theirs);
                format!("{sysno:#} {args:x?}: {found:?}\n{}\n{theirs}", lines(*native, json))
            };
            assert_eq!(found.action, expected, "{}", context());
            assert_eq!(ruleset.verdict(&data), expected, "as a ruleset: {}", context());
            if let Some(ours) = &ours {
                assert_eq!(verdict(ours, &data), expected, "compiled: {}", context());
            }
            *compared.entry(format!("{} {}", sysno.arch(), found.action)).or_insert(0) += 1;
        }
    }
    eprintln!("{programs} programs; {compared:#?}");
    assert!(programs > PROFILES * 3 / 4);
    assert!(compared.values().sum::<i32>() >= 100_000);
}

/// Calls that do nothing whatever their arguments.
const HARMLESS: &[&str] =
    &["getpid", "getuid", "getgid", "geteuid", "getegid", "getppid", "gettid"];
const OTHERS: &[&str] = &["read", "write", "openat", "socket", "ioctl", "semget", "recv", "clone3"];

/// A profile under which nothing but harmless calls is made: all else fails with some error.
fn harmless() -> impl Strategy<Value = Value> {
    let denied = |mut entry: Value, errno: u64| {
        entry["action"] = json!("SCMP_ACT_ERRNO");
        entry["errnoRet"] = json!(errno);
        entry
    };
    let allowed = entry(HARMLESS).prop_map(|mut entry| {
        entry["action"] = json!("SCMP_ACT_ALLOW");
        entry["errnoRet"] = Value::Null;
        entry
    });
    let either = prop_oneof![
        2 => allowed,
        1 => (entry(HARMLESS), 40u64..99).prop_map(move |(entry, errno)| denied(entry, errno)),
        2 => (entry(OTHERS), 40u64..99).prop_map(move |(entry, errno)| denied(entry, errno)),
    ];
    (1u64..133, any::<bool>(), vec(either, 3..15)).prop_map(|(errno, i386, entries)| {
        let arches = if i386 { vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] } else { vec![] };
        json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno, "architectures": arches,
            "syscalls": entries,
        })
    })
}

#[test]
fn the_kernel_does_what_a_profile_is_said_to_do() {
    const PROFILES: usize = 60;
    const CALLS_EACH: usize = 2000;
    match available(Action::Allow) {
        Ok(true) => {}
        other => return skipped(&format!("no seccomp filters: {other:?}")),
    }
    let getpid = RawCall { gate: Gate::Int80, nr: 20, args: [0; 6] };
    let allow_all = [Insn { code: 6, jt: 0, jf: 0, k: Action::Allow.value() }];
    let int80 = calls_under(&allow_all, &[getpid]).results.first().is_some_and(|pid| *pid > 0);
    let mut runner = TestRunner::deterministic();
    let (mut compared, mut allowed) = (0, 0);
    for _ in 0..PROFILES {
        let json = harmless().new_tree(&mut runner).unwrap().current();
        let lowered = lowered(Arch::X86_64, &json).unwrap();
        let program = compile(&lowered.ruleset()).unwrap();
        let both = int80 && !json["architectures"].as_array().unwrap().is_empty();
        let mut calls = Vec::new();
        for _ in 0..CALLS_EACH {
            let (call, args, gate) = (
                any::<Index>(),
                [value(), value(), value(), value(), value(), value()],
                any::<bool>(),
            )
                .new_tree(&mut runner)
                .unwrap()
                .current();
            let gate = if both && gate { Gate::Int80 } else { Gate::Syscall };
            let arch = if gate == Gate::Int80 { Arch::I386 } else { Arch::X86_64 };
            let name = call.get(&[HARMLESS, OTHERS].concat()).to_owned();
            let Some(sysno) = Sysno::from_name(arch, name) else { continue };
            calls.push((sysno, RawCall { gate, nr: sysno.number(), args }));
        }
        let raw: Vec<RawCall> = calls.iter().map(|(_, call)| *call).collect();
        for (sysno, call) in &calls {
            let action = lowered.verdict(*sysno, call.args).action;
            let safe = sysno.name().is_some_and(|name| HARMLESS.contains(&name));
            assert!(safe || matches!(action, Action::Errno(_)), "{sysno:#}: {action}");
        }
        let outcome = calls_under(program.insns(), &raw);
        assert_eq!(outcome.loaded, Ok(()));
        assert_eq!(outcome.results.len(), calls.len(), "killed by {:?}", outcome.killed);
        for ((sysno, call), result) in calls.iter().zip(outcome.results) {
            match lowered.verdict(*sysno, call.args).action {
                Action::Errno(errno) => {
                    assert_eq!(result, -i64::from(errno), "{sysno:#}\n{json:#}")
                }
                _ => {
                    assert!(result >= 0, "{sysno:#}: {result}\n{json:#}");
                    allowed += 1;
                }
            }
            compared += 1;
        }
    }
    eprintln!("{compared} calls, {allowed} of them made");
    assert!(compared >= 100_000 && allowed >= 1000);
}

fn as_profile(json: &Value) -> Profile {
    match read(json.to_string().as_bytes()).unwrap() {
        Input::Seccomp(profile) => profile,
        Input::Policy(_) => panic!("a policy"),
    }
}

#[test]
fn docker_s_conditions_depend_on_the_machine() {
    let profile = Input::Seccomp(profgen_profiles::read::docker_default());
    let machine = Machine::for_arch(Arch::X86_64);
    let mut powerful = machine.clone();
    powerful.capabilities.insert("CAP_SYS_ADMIN".to_owned());
    let verdict = |machine: &Machine, arch, name: &str, first| {
        let sysno = Sysno::from_name(arch, name).unwrap();
        profile.lower(machine).unwrap().verdict(sysno, [first, 0, 0, 0, 0, 0]).action
    };
    assert_eq!(verdict(&machine, Arch::X86_64, "mount", 0), Action::Errno(1));
    assert_eq!(verdict(&powerful, Arch::X86_64, "mount", 0), Action::Allow);
    assert_eq!(verdict(&machine, Arch::X86_64, "clone", 0x1000_0000), Action::Errno(1));
    assert_eq!(verdict(&machine, Arch::X86_64, "clone", 17), Action::Allow);
    assert_eq!(verdict(&machine, Arch::X86_64, "clone3", 0), Action::Errno(38));
    assert_eq!(verdict(&machine, Arch::X86_64, "socket", 40), Action::Errno(1));
    assert_eq!(verdict(&machine, Arch::X86_64, "socket", 39), Action::Allow);
    assert_eq!(verdict(&machine, Arch::X86_64, "ptrace", 0), Action::Allow);
    assert_eq!(verdict(&machine, Arch::I386, "socketcall", 1), Action::Allow);
    assert_eq!(verdict(&machine, Arch::Aarch64, "read", 1), Action::KillThread);
    let old = Machine { kernel: (4, 4), ..machine.clone() };
    assert_eq!(verdict(&old, Arch::X86_64, "ptrace", 0), Action::Errno(1));
}

#[test]
fn crun_has_no_stub() {
    let json = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["read", "statx"], "action": "SCMP_ACT_ALLOW"}],
    });
    let profile = Input::Seccomp(as_profile(&json));
    let action = |runtime: Runtime, name: &str| {
        let machine = Machine { runtime: runtime.into(), ..Machine::for_arch(Arch::X86_64) };
        let sysno = Sysno::from_name(Arch::X86_64, name).unwrap();
        profile.lower(&machine).unwrap().verdict(sysno, [0; 6]).action
    };
    assert_eq!(action(Runtime::Runc, "clone3"), Action::Errno(38));
    assert_eq!(action(Runtime::Crun, "clone3"), Action::Errno(1));
    assert_eq!(action(Runtime::Runc, "write"), Action::Errno(1));
}
