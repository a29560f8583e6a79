//! Our filters and libseccomp's give the same verdicts: the second opinion on what rules mean.
//!
//! Only rulesets that mean the same to both are made: one action per call beside the default; the
//! default for unknown numbers; for 32-bit architectures constants of 32 bits, since libseccomp cuts
//! longer ones. libseccomp takes x32 for such an architecture, although its arguments have 64 bits,
//! and where only x86-64 is listed it takes x32 for foreign, not for unknown. Where two rules of a
//! call compare the same argument by order or as unequal, libseccomp 2.5 compiles some pairs wrongly
//! (`arg0 < 4 or arg0 >= 0x100000000` matches 5) and hangs on others, so such pairs are left out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{gate::skipped, rule, value};
use model::{Arch, ArgCmp, CmpOp, Rule, Sysno, X32_BIT};
use profgen_filter::{
    Action, ArchRules, CallRule, Program, Ruleset, SeccompData, compile, disassemble, verdict,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select, subsequence},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

const ARCHES: &[(Arch, &str)] = &[
    (Arch::X86_64, "x86_64"),
    (Arch::I386, "x86"),
    (Arch::X32, "x32"),
    (Arch::Aarch64, "aarch64"),
    (Arch::Arm, "arm"),
    (Arch::Riscv64, "riscv64"),
];

/// Calls that all these architectures have under one name, and none of which libseccomp rewrites.
const CALLS: &[&str] = &[
    "read",
    "write",
    "close",
    "getppid",
    "getpid",
    "ioctl",
    "prctl",
    "dup",
    "openat",
    "kill",
    "mprotect",
    "munmap",
    "clone",
    "execve",
    "exit",
    "umask",
    "setns",
    "unshare",
    "personality",
    "getrandom",
    "memfd_create",
    "seccomp",
    "bpf",
    "statx",
    "pidfd_open",
    "close_range",
];

/// By name: an action, and the rules that it is for; none of them, and it is for every call.
type Calls = BTreeMap<&'static str, (Action, Vec<Rule>)>;

/// A filter as libseccomp can have it too.
#[derive(Debug, Clone)]
struct Simple {
    default: Action,
    foreign: Action,
    optimize: u32,
    arches: Vec<((Arch, &'static str), Calls)>,
}

fn simple() -> impl Strategy<Value = Simple> {
    let calls = |arch: (Arch, &'static str)| {
        let max = if libseccomp_has_64bit(arch.0) { u64::MAX } else { u64::from(u32::MAX) };
        let action = select(&[Action::Trace(5), Action::Errno(13), Action::Log, Action::UserNotif]);
        // Sometimes no rules: unconditional.
        let rules = vec(rule(max), 1..4).prop_map(without_pairs_by_order);
        let rules = prop_oneof![1 => Just(Vec::new()), 3 => rules];
        btree_map(select(CALLS), (action, rules), 0..12).prop_map(move |calls| (arch, calls))
    };
    let default = select(&[Action::Allow, Action::Errno(1), Action::KillProcess]);
    let foreign = select(&[Action::KillProcess, Action::KillThread, Action::Errno(77)]);
    let arches = subsequence(ARCHES.to_vec(), 1..=3);
    (default, foreign, 1u32..=2, arches).prop_flat_map(
        move |(default, foreign, optimize, arches)| {
            arches.into_iter().map(calls).collect::<Vec<_>>().prop_map(move |arches| Simple {
                default,
                foreign,
                optimize,
                arches,
            })
        },
    )
}

/// The rules, but none that compares an argument of an earlier one unless both ask for equality.
fn without_pairs_by_order(rules: Vec<Rule>) -> Vec<Rule> {
    let equality = |cmp: &ArgCmp| matches!(cmp.op(), CmpOp::Eq | CmpOp::MaskedEq);
    let mut kept: Vec<Rule> = Vec::new();
    for rule in rules {
        let clash = |one: &ArgCmp, two: &ArgCmp| {
            one.index() == two.index() && !(equality(one) && equality(two))
        };
        let mut earlier = kept.iter().flat_map(|rule| rule.comparisons());
        if !earlier.any(|one| rule.comparisons().iter().any(|two| clash(one, two))) {
            kept.push(rule);
        }
    }
    kept
}

fn libseccomp_has_64bit(arch: Arch) -> bool {
    arch.audit() & 0x8000_0000 != 0 && arch != Arch::X32
}

impl Simple {
    fn ruleset(&self) -> Ruleset {
        let call = |(action, rules): &(Action, Vec<Rule>)| match rules.as_slice() {
            [] => CallRule::Always(*action),
            _ => CallRule::Arguments {
                rules: rules.iter().map(|rule| (rule.clone(), *action)).collect(),
                otherwise: self.default,
            },
        };
        let arches = self.arches.iter().map(|((arch, _), calls)| {
            let number = |name| Sysno::from_name(*arch, name).unwrap().number();
            let calls = calls.iter().map(|(name, rules)| (number(name), call(rules))).collect();
            (*arch, ArchRules { calls, unknown: self.default })
        });
        Ruleset { arches: arches.collect(), foreign: self.foreign }
    }

    /// The lines for libseccomp.c.
    fn lines(&self) -> String {
        let (default, foreign) = (libseccomp(self.default), libseccomp(self.foreign));
        let mut text = format!("filter {default} {foreign} {}\n", self.optimize);
        for ((_, name), calls) in &self.arches {
            writeln!(text, "arch {name}").unwrap();
            for (call, (action, rules)) in calls {
                if rules.is_empty() {
                    writeln!(text, "rule {} {call}", libseccomp(*action)).unwrap();
                }
                for rule in rules {
                    writeln!(text, "rule {} {call} {}", libseccomp(*action), args(rule)).unwrap();
                }
            }
        }
        text + "end\n"
    }
}

/// libseccomp's numbers for actions are the kernel's, but for KILL_PROCESS and ALLOW, which are too.
fn libseccomp(action: Action) -> u32 {
    action.value()
}

fn args(rule: &Rule) -> String {
    let arg = |cmp: &ArgCmp| {
        let (op, a, b) = match cmp.op() {
            CmpOp::Ne => ("ne", cmp.value(), 0),
            CmpOp::Lt => ("lt", cmp.value(), 0),
            CmpOp::Le => ("le", cmp.value(), 0),
            CmpOp::Eq => ("eq", cmp.value(), 0),
            CmpOp::Ge => ("ge", cmp.value(), 0),
            CmpOp::Gt => ("gt", cmp.value(), 0),
            CmpOp::MaskedEq => ("masked-eq", cmp.mask(), cmp.value()),
        };
        format!("{} {op} {a} {b}", cmp.index())
    };
    rule.comparisons().iter().map(arg).collect::<Vec<_>>().join(" ")
}

/// What libseccomp makes of each description; `None` where there is no libseccomp.
fn build(lines: &str) -> Option<Vec<Result<Program, String>>> {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("libseccomp");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/libseccomp.c");
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
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(parse).collect())
}

fn parse(line: &str) -> Result<Program, String> {
    if line.starts_with("error") {
        return Err(line.to_owned());
    }
    let digits = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..line.len()).step_by(2).map(digits).collect();
    Program::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// A call aimed at the numbers and arguments of a filter.
fn shot() -> impl Strategy<Value = (Index, Index, u8, [u64; 6])> {
    let args = [value(), value(), value(), value(), value(), value()];
    (any::<Index>(), any::<Index>(), any::<u8>(), args)
}

fn aim(simple: &Simple, (arch, call, kind, mut args): (Index, Index, u8, [u64; 6])) -> SeccompData {
    let arch = arch.get(ARCHES).0;
    let names: Vec<&str> =
        simple.arches.iter().flat_map(|(_, calls)| calls.keys().copied()).collect();
    let name = if names.is_empty() { "read" } else { call.get(&names) };
    let number = Sysno::from_name(arch, name).unwrap().number();
    let nr = match kind {
        0..=15 => number + 1,
        16..=31 => number.saturating_sub(1),
        _ => number,
    };
    if arch == Arch::X32 {
        args = args.map(|arg| arg & 0xffff_ffff);
    }
    SeccompData { nr, arch: arch.audit(), instruction_pointer: 0, args }
}

/// Whether x32 numbers are told apart, or are the calls of a foreign architecture for libseccomp.
fn differs_by_design(simple: &Simple, call: &SeccompData) -> bool {
    let lists = |wanted| simple.arches.iter().any(|((arch, _), _)| *arch == wanted);
    call.arch == Arch::X86_64.audit()
        && call.nr >= X32_BIT
        && lists(Arch::X86_64)
        && !lists(Arch::X32)
}

#[test]
fn the_verdicts_of_libseccomp_are_ours() {
    const FILTERS: usize = 400;
    const CALLS_EACH: usize = 400;
    let mut runner = TestRunner::deterministic();
    let mut random = |count| -> Vec<Simple> {
        (0..count).map(|_| simple().new_tree(&mut runner).unwrap().current()).collect()
    };
    let filters = random(FILTERS);
    let lines: String = filters.iter().map(Simple::lines).collect();
    let Some(theirs) = build(&lines) else { return };
    assert_eq!(theirs.len(), FILTERS);

    let mut runner = TestRunner::deterministic();
    let (mut compared, mut ours_total, mut theirs_total) = (0, 0, 0);
    for (simple, theirs) in filters.iter().zip(theirs) {
        let theirs = theirs.unwrap_or_else(|error| panic!("{error}\n{}", simple.lines()));
        let ruleset = simple.ruleset();
        let ours = compile(&ruleset).unwrap();
        ours_total += ours.insns().len();
        theirs_total += theirs.insns().len();
        for _ in 0..CALLS_EACH {
            let call = aim(simple, shot().new_tree(&mut runner).unwrap().current());
            if differs_by_design(simple, &call) {
                continue;
            }
            let expected = ruleset.verdict(&call);
            let context = || format!("{call:x?}\n{}\n{}", simple.lines(), disassemble(&theirs));
            assert_eq!(verdict(&ours, &call), expected, "ours: {}", context());
            assert_eq!(verdict(&theirs, &call), expected, "libseccomp's: {}", context());
            compared += 1;
        }
    }
    eprintln!("{compared} verdicts; instructions: {ours_total} ours, {theirs_total} libseccomp's");
    assert!(compared >= 100_000);
    assert!(ours_total <= theirs_total);
}
