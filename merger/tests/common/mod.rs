//! Evidence for the tests of this crate.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Analysis, Arch, Arguments, Decision, Policy, Subject, Sysno, Text, Verdict,
    analysis::{AnalysedProgram, Layer, Options, Phase, PredictedCall},
    capability::Check,
    policy::{ArgumentRules, Entry, Observed, Origins, Settings, Strategy},
    trace::Site,
};
use std::collections::{BTreeMap, BTreeSet};

pub const DEFAULT: Settings =
    Settings { strategy: Strategy::Balanced, arguments: ArgumentRules::Risky };

pub fn sysno(name: &str) -> Sysno {
    Sysno::from_name(Arch::X86_64, name).unwrap()
}

/// A policy of observed calls: `openat`, or `socket domain=2` with a value of an argument.
pub fn observed(calls: &[&str]) -> Policy {
    let mut policy = Policy::default();
    for call in calls {
        let (name, argument) =
            call.split_once(' ').map_or((*call, None), |(name, argument)| (name, Some(argument)));
        let arguments = argument.map(|argument| {
            let (parameter, value) = argument.split_once('=').unwrap();
            let mut arguments = Arguments::new(vec![parameter.to_owned()]);
            arguments.insert(&[value.parse().unwrap()]);
            arguments
        });
        let seen = Observed {
            runs: BTreeSet::from(["1".to_owned()]),
            programs: BTreeMap::from([(Text::from("/bin/a"), Some(place()))]),
            checks: checks(name, arguments.as_ref()),
            arguments,
            ..Observed::default()
        };
        let origins = Origins { observed: Some(seen), ..Origins::default() };
        policy.calls.insert(sysno(name), Entry { origins, ..Entry::default() });
    }
    policy
}

/// An analysis that predicts these calls, with any arguments.
pub fn predicted(calls: &[&str]) -> Analysis {
    let call = |name: &&str| {
        let place = |module: &str, symbol: &str| Site {
            module: Text::from(module),
            offset: 16,
            symbol: Some(symbol.to_owned()),
        };
        let call = PredictedCall {
            layer: Layer::Core,
            phase: Phase::AfterMain,
            chain: vec![place("/bin/a", "main+0x4"), place("/lib/libc.so.6", "syscall+0x19")],
            sites: 1,
            arguments: BTreeMap::new(),
        };
        (sysno(name), call)
    };
    Analysis {
        schema: Default::default(),
        id: "00000000000000aa".to_owned(),
        analyzer: "0".to_owned(),
        options: Options::default(),
        programs: vec![AnalysedProgram {
            path: Text::from("/bin/a"),
            script: None,
            modules: Vec::new(),
            calls: calls.iter().map(call).collect(),
            executes: BTreeSet::new(),
            opens: BTreeSet::new(),
            gaps: Vec::new(),
            assumptions: BTreeSet::new(),
        }],
    }
}

pub fn decided(decisions: &[(&str, Verdict)]) -> Policy {
    let decision = |(subject, verdict): &(&str, Verdict)| {
        let reason = "because".to_owned();
        (Subject::parse(subject).unwrap(), Decision { verdict: *verdict, reason })
    };
    Policy { decisions: decisions.iter().map(decision).collect(), ..Policy::default() }
}

fn place() -> Site {
    Site { module: Text::from("/lib/libc.so.6"), offset: 16, symbol: Some("there+0x4".to_owned()) }
}

/// What a call may ask for that takes a capability.
fn checks(name: &str, arguments: Option<&Arguments>) -> BTreeSet<Check> {
    let value = |name: &str| arguments?.column(name).first().copied();
    Check::of_call(name).filter(|check| check.asked(value)).collect()
}
