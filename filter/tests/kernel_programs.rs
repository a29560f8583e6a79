//! What a program is, and what its instructions do: the kernel and this library agree on programs
//! that no compiler made.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{
    child::{Gate, RawCall, calls_under},
    config,
    gate::skipped,
    value,
};
use profgen_filter::{
    Action, Insn, Program, SeccompData, available, disassemble, simulate, simulate_path,
};
use proptest::{
    collection::vec, prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner,
};
use std::collections::BTreeMap;

fn has_filters() -> bool {
    let has = available(Action::Allow) == Ok(true);
    if !has {
        skipped("no seccomp filters");
    }
    has
}

/// Every operation of classic BPF, those that seccomp refuses too, and some that are nothing.
fn code() -> impl Strategy<Value = u16> {
    const SECCOMP: &[u16] = &[
        0x00, 0x01, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54,
        0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d,
        0x45, 0x4d, 0x06, 0x16, 0x07, 0x87, 0x20, 0x60, 0x61, 0x80, 0x81,
    ];
    const OTHER: &[u16] =
        &[0x28, 0x30, 0x40, 0x48, 0x50, 0xb1, 0x94, 0x9c, 0x0e, 0x8c, 0x20f, 0x1f];
    prop_oneof![12 => select(SECCOMP), 1 => select(OTHER), 1 => any::<u16>()]
}

fn operand() -> impl Strategy<Value = u32> {
    const EDGES: &[u32] = &[
        0,
        1,
        2,
        3,
        4,
        15,
        16,
        31,
        32,
        33,
        60,
        62,
        63,
        64,
        68,
        0xffff_f000, // SKF_AD_OFF: where the kernel's extensions begin
        0xffff_f004,
        0x7fff_0000,
        u32::MAX,
    ];
    prop_oneof![6 => 0u32..8, 4 => select(EDGES), 1 => any::<u32>()]
}

fn insn() -> impl Strategy<Value = Insn> {
    (code(), 0u8..6, 0u8..6, operand()).prop_map(|(code, jt, jf, k)| Insn { code, jt, jf, k })
}

/// Instructions that are often a program: mostly one that ends.
fn insns() -> impl Strategy<Value = Vec<Insn>> {
    let end = prop_oneof![
        8 => select(&[0x06u16, 0x16]),
        1 => code(),
    ]
    .prop_map(|code| Insn { code, jt: 0, jf: 0, k: Action::Allow.value() });
    (vec(insn(), 0..8), end).prop_map(|(mut insns, end)| {
        insns.push(end);
        insns
    })
}

#[test]
fn the_kernel_accepts_what_a_program_is() {
    const PROGRAMS: usize = 4000;
    if !has_filters() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut counts = BTreeMap::new();
    for _ in 0..PROGRAMS {
        let insns = insns().new_tree(&mut runner).unwrap().current();
        let ours = Program::new(insns.clone());
        let theirs = calls_under(&insns, &[]).loaded;
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?} {insns:x?}");
        *counts.entry(ours.is_ok()).or_insert(0) += 1;
    }
    eprintln!("programs refused, accepted: {counts:?}");
    assert!(counts[&true] > PROGRAMS / 10 && counts[&false] > PROGRAMS / 10);
}

#[test]
fn the_bounds_of_the_length_are_the_kernels() {
    if !has_filters() {
        return;
    }
    let ret = Insn { code: 0x06, jt: 0, jf: 0, k: Action::Allow.value() };
    for length in [0, 1, Program::MAX, Program::MAX + 1, 70_000] {
        let insns = vec![ret; length];
        let ours = Program::new(insns.clone());
        assert_eq!(ours.is_ok(), calls_under(&insns, &[]).loaded.is_ok(), "{length}");
    }
}

/// Instructions that compute something, and an end that shows 12 bits of it as an error number.
fn computation() -> impl Strategy<Value = Vec<Insn>> {
    const CODES: &[u16] = &[
        0x00, 0x01, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54,
        0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d,
        0x45, 0x4d, 0x07, 0x87, 0x20, 0x60, 0x61, 0x80, 0x81,
    ];
    let insn = |code, k| Insn { code, jt: 0, jf: 0, k };
    let load = (0u32..16).prop_map(move |word| insn(0x20, 4 * word));
    let constant = value().prop_map(move |value| insn(0x01, value as u32));
    let step =
        (select(CODES), 0u8..3, 0u8..3, operand()).prop_map(|(code, jt, jf, k)| match code {
            0x05 => Insn { code, jt, jf, k: jt.into() },
            _ => Insn { code, jt, jf, k },
        });
    (load, constant, vec(step, 4..12), select(&[0u32, 10, 20])).prop_map(
        move |(load, constant, steps, shift)| {
            // Both registers hold something, and some memory is written.
            let mut insns = vec![load, constant, insn(0x02, 0), insn(0x03, 1)];
            insns.extend(steps);
            // The last step may skip two.
            insns.extend([insn(0x07, 0), insn(0x07, 0)]);
            insns.extend([
                insn(0x74, shift),
                insn(0x54, 0xfff),
                insn(0x44, 0x5_0000),
                insn(0x16, 0),
            ]);
            insns
        },
    )
}

#[test]
fn the_kernel_computes_what_the_simulator_does() {
    const PROGRAMS: usize = 3000;
    if !has_filters() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let args = [value(), value(), value(), value(), value(), value()];
    let (mut compared, mut killed) = (0, 0);
    while compared < PROGRAMS {
        let insns = computation().new_tree(&mut runner).unwrap().current();
        let Ok(program) = Program::new(insns) else {
            continue;
        };
        // The instruction pointer is not known here.
        if program.insns().iter().any(|insn| insn.code == 0x20 && matches!(insn.k, 8 | 12)) {
            continue;
        }
        let calls: Vec<RawCall> = (0..8)
            .map(|_| args.new_tree(&mut runner).unwrap().current())
            .map(|args| RawCall { gate: Gate::Syscall, nr: 110, args })
            .collect();
        let outcome = calls_under(program.insns(), &calls);
        assert_eq!(outcome.loaded, Ok(()));
        for (at, call) in calls.iter().enumerate() {
            let arch = model::Arch::X86_64.audit();
            let data = SeccompData { nr: 110, arch, instruction_pointer: 0, args: call.args };
            let context = || format!("{call:x?}\n{}", disassemble(&program));
            match Action::of(simulate(&program, &data)) {
                Action::Errno(errno) => {
                    let result = outcome.results.get(at).copied();
                    assert_eq!(result, Some(-i64::from(errno)), "{}", context());
                }
                // A division by zero.
                other => {
                    assert_eq!(other, Action::KillThread);
                    assert_eq!(outcome.results.len(), at, "{}", context());
                    assert_eq!(outcome.killed, Some(libc::SIGSYS), "{}", context());
                    killed += 1;
                    break;
                }
            }
        }
        compared += 1;
    }
    eprintln!("{compared} programs, of which {killed} divided by zero");
    assert!(killed > 0);
}

proptest! {
    #![proptest_config(config(5000))]

    /// Whatever is accepted ends, and can be shown.
    #[test]
    fn any_bytes_are_an_error_or_a_program_that_ends(
        bytes in vec(any::<u8>(), 0..200),
        insns in insns(),
        args in [value(), value(), value(), value(), value(), value()],
    ) {
        let data = SeccompData { nr: 1, arch: 0xc000_003e, instruction_pointer: 7, args };
        for program in [Program::from_bytes(&bytes), Program::new(insns)].into_iter().flatten() {
            let (_, path) = simulate_path(&program, &data);
            prop_assert!(path.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(disassemble(&program).lines().count() == program.insns().len());
            prop_assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program));
        }
    }
}
