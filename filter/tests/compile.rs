//! The compiled filter does what the ruleset says.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{config, large_ruleset, ruleset, shot};
use model::{Arch, ArgCmp, CmpOp, Rule, X32_BIT};
use profgen_filter::{
    Action, ArchRules, CallRule, CompileError, Insn, Program, Ruleset, SeccompData, compile,
    simulate_path, verdict,
};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn a_filter_does_what_its_ruleset_says(
        ruleset in ruleset(),
        shots in vec(shot(), 40),
    ) {
        let program = compile(&ruleset).unwrap();
        for shot in shots {
            let call = shot.at(&ruleset);
            prop_assert_eq!(verdict(&program, &call), ruleset.verdict(&call), "{:x?}", call);
        }
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn so_does_a_large_one(ruleset in large_ruleset(), shots in vec(shot(), 1000)) {
        let program = compile(&ruleset).unwrap();
        prop_assert!(program.insns().len() > 512);
        for shot in shots {
            let call = shot.at(&ruleset);
            prop_assert_eq!(verdict(&program, &call), ruleset.verdict(&call), "{:x?}", call);
        }
        prop_assert_eq!(compile(&ruleset.clone()).unwrap(), program);
    }

    /// What the kernel's seccomp_is_const_allow follows to know an allowed call by its number: loads
    /// of the number and the architecture, jumps, and-masks and returns.
    #[test]
    fn a_constant_verdict_is_reached_without_a_look_at_the_arguments(
        ruleset in large_ruleset(),
        shots in vec(shot(), 200),
    ) {
        let program = compile(&ruleset).unwrap();
        for shot in shots {
            let call = shot.at(&ruleset);
            let rules = ruleset.arches.values().zip(ruleset.arches.keys());
            let conditional = rules
                .filter(|(_, arch)| arch.audit() == call.arch)
                .any(|(rules, _)| matches!(rules.calls.get(&call.nr), Some(CallRule::Arguments { .. })));
            if !conditional {
                let (_, path) = simulate_path(&program, &call);
                for at in path {
                    let Insn { code, k, .. } = program.insns()[at];
                    let known = match code {
                        0x20 => k == 0 || k == 4,
                        0x05 | 0x06 | 0x15 | 0x25 | 0x35 | 0x45 | 0x54 => true,
                        _ => false,
                    };
                    prop_assert!(known, "instruction {} is {:#x}", at, code);
                }
            }
        }
    }
}

fn one_arch(arch: Arch, calls: BTreeMap<u32, CallRule>) -> Ruleset {
    let rules = ArchRules { calls, unknown: Action::Errno(38) };
    Ruleset { arches: BTreeMap::from([(arch, rules)]), foreign: Action::KillProcess }
}

fn call(arch: Arch, nr: u32) -> SeccompData {
    SeccompData { nr, arch: arch.audit(), instruction_pointer: 0, args: [0; 6] }
}

#[test]
fn x32_is_unknown_where_only_x86_64_is_listed() {
    let allow = CallRule::Always(Action::Allow);
    let only = one_arch(Arch::X86_64, BTreeMap::from([(0, allow.clone())]));
    let program = compile(&only).unwrap();
    assert_eq!(verdict(&program, &call(Arch::X86_64, 0)), Action::Allow);
    assert_eq!(verdict(&program, &call(Arch::X32, X32_BIT)), Action::Errno(38));
    assert_eq!(verdict(&program, &call(Arch::I386, 0)), Action::KillProcess);

    let only = one_arch(Arch::X32, BTreeMap::from([(X32_BIT, allow)]));
    let program = compile(&only).unwrap();
    assert_eq!(verdict(&program, &call(Arch::X32, X32_BIT)), Action::Allow);
    assert_eq!(verdict(&program, &call(Arch::X86_64, 0)), Action::KillProcess);
}

#[test]
fn a_number_of_the_wrong_architecture_is_an_error() {
    let allow = CallRule::Always(Action::Allow);
    let ruleset = one_arch(Arch::X86_64, BTreeMap::from([(X32_BIT, allow.clone())]));
    let error = CompileError::Number { arch: Arch::X86_64, number: X32_BIT };
    assert_eq!(compile(&ruleset), Err(error.clone()));
    assert_eq!(error.to_string(), "0x40000000 is not a number of x86_64");
    let ruleset = one_arch(Arch::X32, BTreeMap::from([(0, allow)]));
    assert!(compile(&ruleset).is_err());
}

#[test]
fn a_filter_that_is_too_long_is_an_error() {
    let rule = |value| Rule::new(vec![ArgCmp::new(0, CmpOp::Eq, value).unwrap()]).unwrap();
    let rules = (0..100_000).map(|value| (rule(value * 3), Action::Allow)).collect();
    let rule = CallRule::Arguments { rules, otherwise: Action::Errno(1) };
    match compile(&one_arch(Arch::X86_64, BTreeMap::from([(16, rule)]))) {
        Err(CompileError::TooLong(length)) => assert!(length > 100_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn upper_halves_of_32_bit_arguments_do_not_decide() {
    let rule = Rule::new(vec![ArgCmp::new(0, CmpOp::Ne, 16).unwrap()]).unwrap();
    let rule =
        CallRule::Arguments { rules: vec![(rule, Action::Allow)], otherwise: Action::Errno(1) };
    let program = compile(&one_arch(Arch::I386, BTreeMap::from([(5, rule)]))).unwrap();
    let mut data = call(Arch::I386, 5);
    data.args[0] = 0xdead_0000_0000 + 16;
    assert_eq!(verdict(&program, &data), Action::Errno(1));
}

/// Many values of one argument, as of ioctl: one look at each half, one instruction a value.
#[test]
fn alternatives_on_one_argument_share_what_they_know() {
    let rule = |cmp: ArgCmp| (Rule::new(vec![cmp]).unwrap(), Action::Allow);
    let length = |rules| -> usize {
        let rule = CallRule::Arguments { rules, otherwise: Action::Errno(1) };
        let program: Program =
            compile(&one_arch(Arch::X86_64, BTreeMap::from([(16, rule)]))).unwrap();
        program.insns().len()
    };
    let fixed = length(vec![rule(ArgCmp::new(1, CmpOp::Eq, 0x5400).unwrap())]) - 1;
    let many = (0..50).map(|n| rule(ArgCmp::new(1, CmpOp::Eq, 0x5400 + 2 * n).unwrap()));
    assert_eq!(length(many.collect()), fixed + 50);

    let low = u64::from(u32::MAX);
    let fixed = length(vec![rule(ArgCmp::masked(1, low, 0x5400).unwrap())]) - 1;
    let many = (0..50).map(|n| rule(ArgCmp::masked(1, low, 0x5400 + 2 * n).unwrap()));
    assert_eq!(length(many.collect()), fixed + 50);
}
