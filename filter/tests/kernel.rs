//! The kernel does with our filters what the simulator says: compiled filters are loaded in a child,
//! which makes calls by `syscall` (also with x32 numbers) and by `int 0x80`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{
    child::{Gate, RawCall, calls_under},
    gate::skipped,
    rule, value,
};
use model::{Arch, Rule, X32_BIT};
use profgen_filter::{
    Action, ArchRules, CallRule, Errno, Flags, Insn, LoadError, NotifSizes, Program, Ruleset,
    SeccompData, available, compile, install, no_new_privs, notif_sizes, verdict,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, subsequence},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use std::{collections::BTreeMap, os::fd::AsRawFd as _, sync::mpsc, thread};

/// Calls that do nothing whatever their arguments: getpid and its kin.
const HARMLESS: &[u32] = &[39, 102, 104, 107, 108, 110, 186];
const HARMLESS_I386: &[u32] = &[20, 64, 199, 200, 201, 202, 224];

/// Whether filters can be loaded here at all.
fn has_filters() -> bool {
    match available(Action::Allow) {
        Ok(true) => true,
        other => {
            skipped(&format!("no seccomp filters: {other:?}"));
            false
        }
    }
}

/// An action by whose result it is known: an error; for a harmless call perhaps none.
fn visible(harmless: bool) -> BoxedStrategy<Action> {
    let errno = (1u16..=133).prop_map(Action::Errno);
    if harmless { prop_oneof![errno, Just(Action::Allow)].boxed() } else { errno.boxed() }
}

fn call_rule(harmless: bool) -> BoxedStrategy<CallRule> {
    let action = move || visible(harmless);
    let rules: BoxedStrategy<Vec<(Rule, Action)>> = vec((rule(u64::MAX), action()), 1..5).boxed();
    prop_oneof![
        1 => action().prop_map(CallRule::Always),
        4 => (rules, action())
            .prop_map(|(rules, otherwise)| CallRule::Arguments { rules, otherwise }),
    ]
    .boxed()
}

fn arch_rules(base: u32, harmless: &'static [u32]) -> impl Strategy<Value = ArchRules> {
    let safe = subsequence(harmless, 0..=harmless.len()).prop_flat_map(|numbers| {
        numbers.into_iter().map(|number| (Just(number), call_rule(true))).collect::<Vec<_>>()
    });
    let other = btree_map(base..base + 20, call_rule(false), 5..15);
    (safe, other, visible(false)).prop_map(move |(safe, mut calls, unknown)| {
        calls.extend(safe);
        ArchRules { calls, unknown }
    })
}

fn ruleset() -> impl Strategy<Value = Ruleset> {
    let x86_64 = arch_rules(0, HARMLESS);
    let i386 = prop::option::of(arch_rules(0, HARMLESS_I386));
    // This kernel may lack x32, so nothing of it is let pass: its errors tell the verdict.
    let x32 = prop::option::of(arch_rules(X32_BIT, &[]));
    (x86_64, i386, x32, visible(false)).prop_map(|(x86_64, i386, x32, foreign)| Ruleset {
        arches: [(Arch::X86_64, Some(x86_64)), (Arch::I386, i386), (Arch::X32, x32)]
            .into_iter()
            .filter_map(|(arch, rules)| Some((arch, rules?)))
            .collect(),
        foreign,
    })
}

fn shot() -> impl Strategy<Value = (Index, i32, bool, Option<u32>, [u64; 6])> {
    let args = [value(), value(), value(), value(), value(), value()];
    let anywhere = prop_oneof![9 => Just(None), 1 => any::<u32>().prop_map(Some)];
    (any::<Index>(), -1i32..=1, any::<bool>(), anywhere, args)
}

fn aim(
    ruleset: &Ruleset,
    (number, offset, int80, anywhere, args): (Index, i32, bool, Option<u32>, [u64; 6]),
) -> RawCall {
    let gate = if int80 { Gate::Int80 } else { Gate::Syscall };
    let mut numbers: Vec<(u32, i32)> = Vec::new();
    for (arch, rules) in &ruleset.arches {
        if (*arch == Arch::I386) == int80 {
            numbers.extend(rules.calls.keys().map(|number| (*number, offset)));
        }
    }
    numbers.extend([0, X32_BIT - 1, X32_BIT, u32::MAX].map(|number| (number, 0)));
    let (aimed, offset) = number.get(&numbers);
    let nr = anywhere.unwrap_or(aimed.wrapping_add_signed(*offset));
    RawCall { gate, nr, args }
}

fn as_seen_by_the_filter(call: &RawCall) -> SeccompData {
    let arch = match call.gate {
        Gate::Syscall => Arch::X86_64,
        Gate::Int80 => Arch::I386,
    };
    SeccompData { nr: call.nr, arch: arch.audit(), instruction_pointer: 0, args: call.args }
}

#[test]
fn the_kernel_agrees_with_the_simulator() {
    const RULESETS: usize = 60;
    const CALLS: usize = 2000;
    if !has_filters() {
        return;
    }
    let no_int80 = RawCall { gate: Gate::Int80, nr: HARMLESS_I386[0], args: [0; 6] };
    let allow_all = [Insn { code: 6, jt: 0, jf: 0, k: Action::Allow.value() }];
    let int80 = calls_under(&allow_all, &[no_int80]).results.first().is_some_and(|pid| *pid > 0);
    if !int80 {
        skipped("int 0x80 does nothing here");
    }
    let mut runner = TestRunner::deterministic();
    let mut compared = BTreeMap::new();
    for _ in 0..RULESETS {
        let ruleset = ruleset().new_tree(&mut runner).unwrap().current();
        let program = compile(&ruleset).unwrap();
        let mut calls: Vec<RawCall> = (0..CALLS)
            .map(|_| aim(&ruleset, shot().new_tree(&mut runner).unwrap().current()))
            .filter(|call| int80 || call.gate == Gate::Syscall)
            .collect();
        // Never make a call for real that the filter was to deny.
        calls.retain(|call| {
            let data = as_seen_by_the_filter(call);
            assert_eq!(verdict(&program, &data), ruleset.verdict(&data), "{call:x?}");
            let harmless = match call.gate {
                Gate::Syscall => HARMLESS,
                Gate::Int80 => HARMLESS_I386,
            };
            let errno = matches!(ruleset.verdict(&data), Action::Errno(_));
            assert!(errno || harmless.contains(&call.nr), "{call:x?}");
            true
        });
        let outcome = calls_under(program.insns(), &calls);
        assert_eq!(outcome.loaded, Ok(()));
        assert_eq!(outcome.results.len(), calls.len(), "killed by {:?}", outcome.killed);
        for (call, result) in calls.iter().zip(outcome.results) {
            match verdict(&program, &as_seen_by_the_filter(call)) {
                Action::Errno(errno) => assert_eq!(result, -i64::from(errno), "{call:x?}"),
                _ => assert!(result >= 0, "{call:x?}: {result}"),
            }
            let x32 = call.gate == Gate::Syscall && call.nr >= X32_BIT;
            *compared.entry((format!("{:?}", call.gate), x32, result >= 0)).or_insert(0) += 1;
        }
    }
    eprintln!("gate, x32, allowed: calls");
    for ((gate, x32, allowed), count) in compared {
        eprintln!("{gate}, {x32}, {allowed}: {count}");
    }
}

fn always(action: Action) -> Program {
    let unknown = CallRule::Always(action);
    let allow = CallRule::Always(Action::Allow);
    let calls = BTreeMap::from([(110, unknown), (231, allow)]);
    let rules = ArchRules { calls, unknown: Action::Errno(1) };
    let arches = BTreeMap::from([(Arch::X86_64, rules)]);
    compile(&Ruleset { arches, foreign: Action::KillProcess }).unwrap()
}

#[test]
fn every_action_has_its_effect() {
    if !has_filters() {
        return;
    }
    let enosys = -i64::from(libc::ENOSYS);
    let getppid = [RawCall { gate: Gate::Syscall, nr: 110, args: [0; 6] }];
    let under = |action| calls_under(always(action).insns(), &getppid);
    for action in [Action::KillProcess, Action::KillThread, Action::Trap(3)] {
        assert_eq!(under(action).killed, Some(libc::SIGSYS), "{action}");
    }
    // Nobody traces, and nobody listens.
    assert_eq!(under(Action::Trace(1)).results, [enosys]);
    assert_eq!(under(Action::UserNotif).results, [enosys]);
    assert_eq!(under(Action::Errno(7)).results, [-7]);
    assert_eq!(under(Action::Errno(5000)).results, [-4095]);
    for action in [Action::Log, Action::Allow] {
        let pid = i64::from(std::process::id());
        assert_eq!(under(action).results, [pid], "{action}");
    }
}

#[test]
fn what_the_kernel_knows_can_be_asked() {
    if !has_filters() {
        return;
    }
    for action in [Action::KillProcess, Action::Errno(3), Action::UserNotif, Action::Log] {
        assert_eq!(available(action), Ok(true), "{action}");
    }
    let NotifSizes { notif, response, data } = notif_sizes().unwrap();
    assert!(notif >= 80 && response >= 24 && data >= 64);
}

/// Runs in a thread of its own, which keeps what it loads to itself.
fn in_thread<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let run = || {
        no_new_privs().unwrap();
        test()
    };
    thread::spawn(run).join().unwrap()
}

fn allow_all() -> Program {
    Program::new(vec![Insn { code: 6, jt: 0, jf: 0, k: Action::Allow.value() }]).unwrap()
}

#[test]
fn a_listener_is_a_descriptor_that_exec_closes() {
    if !has_filters() {
        return;
    }
    in_thread(|| {
        assert!(install(&allow_all(), Flags::LOG).unwrap().is_none());
        let listener = install(&allow_all(), Flags::NEW_LISTENER).unwrap().unwrap();
        // SAFETY: asks for the flags of a descriptor.
        let flags = unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC);
        let error = install(&allow_all(), Flags::NEW_LISTENER).unwrap_err();
        assert_eq!(error, LoadError::Refused(Errno(libc::EBUSY)));
        assert!(error.to_string().contains("already has a filter with a listener"), "{error}");
    });
}

#[test]
fn a_thread_that_cannot_follow_is_named() {
    if !has_filters() {
        return;
    }
    let (told_id, id) = mpsc::channel();
    let (done, wait) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        no_new_privs().unwrap();
        install(&allow_all(), Flags::NONE).unwrap();
        // SAFETY: takes nothing.
        told_id.send(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap();
        wait.recv().unwrap_err();
    });
    let id = id.recv().unwrap();
    in_thread(move || {
        install(&allow_all(), Flags::NONE).unwrap();
        match install(&allow_all(), Flags::TSYNC) {
            // Any thread that has a filter of its own; other tests have some, too.
            Err(LoadError::Thread(thread)) => assert!(thread > 0 && id > 0),
            other => panic!("{other:?}"),
        }
        let error = install(&allow_all(), Flags::TSYNC | Flags::NEW_LISTENER).unwrap_err();
        assert_eq!(error, LoadError::Refused(Errno(libc::ESRCH)));
    });
    drop(done);
    other.join().unwrap();
}
