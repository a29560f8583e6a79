//! What a person reads: golden texts, in snapshots/.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::{Arch, ArgCmp, CmpOp, Rule, Sysno};
use profgen_filter::{Action, ArchRules, CallRule, Insn, Program, Ruleset, compile, disassemble};
use std::collections::BTreeMap;

const EPERM: Action = Action::Errno(1);
const ENOSYS: Action = Action::Errno(38);

fn rules(arch: Arch, calls: &[(&str, CallRule)]) -> (Arch, ArchRules) {
    let number = |name| Sysno::from_name(arch, name).unwrap().number();
    let calls = calls.iter().map(|(name, rule)| (number(name), rule.clone())).collect();
    (arch, ArchRules { calls, unknown: ENOSYS })
}

fn text(arches: impl IntoIterator<Item = (Arch, ArchRules)>) -> String {
    let arches: BTreeMap<Arch, ArchRules> = arches.into_iter().collect();
    disassemble(&compile(&Ruleset { arches, foreign: Action::KillProcess }).unwrap())
}

fn if_(comparisons: Vec<ArgCmp>) -> CallRule {
    let rules = vec![(Rule::new(comparisons).unwrap(), Action::Allow)];
    CallRule::Arguments { rules, otherwise: EPERM }
}

const ALLOW: CallRule = CallRule::Always(Action::Allow);
const DENY: CallRule = CallRule::Always(EPERM);

#[test]
fn numbers() {
    insta::assert_snapshot!(text([rules(
        Arch::X86_64,
        &[
            ("read", ALLOW),
            ("write", ALLOW),
            ("open", DENY),
            ("close", ALLOW),
            ("stat", DENY),
            ("fstat", ALLOW),
            ("lstat", DENY),
            ("exit_group", ALLOW),
            ("openat", ALLOW),
        ],
    )]));
}

#[test]
fn arguments() {
    let is = |index, value| ArgCmp::new(index, CmpOp::Eq, value).unwrap();
    let socket = vec![
        (Rule::new(vec![is(0, 1)]).unwrap(), Action::Allow),
        (Rule::new(vec![is(0, 2), is(2, 6)]).unwrap(), Action::Allow),
        (Rule::new(vec![is(0, 16)]).unwrap(), Action::UserNotif),
    ];
    let flags = ArgCmp::masked(0, 0x7e02_0000, 0).unwrap();
    let not_both = ArgCmp::masked(2, 6, 2).unwrap();
    insta::assert_snapshot!(text([rules(
        Arch::X86_64,
        &[
            ("socket", CallRule::Arguments { rules: socket, otherwise: EPERM }),
            ("clone", if_(vec![flags])),
            ("mmap", if_(vec![not_both])),
            ("kill", if_(vec![ArgCmp::new(0, CmpOp::Gt, 0).unwrap()])),
            ("lseek", if_(vec![ArgCmp::new(1, CmpOp::Le, 0x2_0000_0005).unwrap()])),
        ],
    )]));
}

#[test]
fn architectures() {
    let not_16 = if_(vec![ArgCmp::new(0, CmpOp::Ne, 16).unwrap()]);
    insta::assert_snapshot!(text([
        rules(Arch::X86_64, &[("read", ALLOW), ("socket", not_16.clone())]),
        rules(Arch::X32, &[("read", ALLOW)]),
        rules(Arch::I386, &[("read", ALLOW), ("socket", not_16.clone())]),
        rules(Arch::S390x, &[("socket", not_16)]),
    ]));
}

#[test]
fn nothing_to_tell_apart() {
    assert_eq!(text([]), "l0:    ret #0x80000000                  ; kill process\n");
}

/// Instructions that the compiler does not use.
#[test]
fn any_program() {
    let insn = |(code, k): (u16, u32)| Insn { code, jt: 1, jf: 0, k };
    let codes = [
        (0x80, 0),
        (0x81, 0),
        (0x00, 5),
        (0x01, 6),
        (0x02, 3),
        (0x03, 4),
        (0x60, 3),
        (0x61, 4),
        (0x04, 1),
        (0x0c, 0),
        (0x14, 1),
        (0x24, 1),
        (0x34, 1),
        (0x44, 1),
        (0x54, 1),
        (0x64, 1),
        (0x74, 1),
        (0xa4, 1),
        (0x84, 0),
        (0x07, 0),
        (0x87, 0),
        (0x20, 8),
        (0x1d, 0),
        (0x25, 9),
        (0x35, 9),
        (0x45, 9),
        (0x05, 1),
        (0x16, 0),
        (0x06, 0x7ff0_0003),
        (0x06, 0x0003_0001),
        (0x06, 0x7fc0_0000),
        (0x06, 0x1234_5678),
    ];
    let program = Program::new(codes.map(insn).to_vec()).unwrap();
    insta::assert_snapshot!(disassemble(&program));
}
