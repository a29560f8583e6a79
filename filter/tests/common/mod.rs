//! Random rulesets and calls, made so that they meet: numbers at the bounds of ranges, arguments at
//! the constants of rules.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod child;
pub mod gate;

use model::{Arch, ArgCmp, CmpOp, Rule, X32_BIT};
use profgen_filter::{Action, ArchRules, CallRule, Ruleset, SeccompData};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::{Index, select, subsequence},
};
use std::collections::BTreeMap;

pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Values around the edges of halves and signs; few enough that rules and calls share them.
pub fn value() -> impl Strategy<Value = u64> {
    const EDGES: [u64; 22] = [
        0,
        1,
        2,
        3,
        0x10,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        0xffff_ffff,
        0x1_0000_0000,
        0x1_0000_0001,
        0x1_0000_0002,
        0x1_ffff_ffff,
        0x2_0000_0000,
        0x2_0000_0001,
        0x7fff_ffff_ffff_ffff,
        0x8000_0000_0000_0000,
        0xffff_fffe_ffff_ffff,
        0xffff_ffff_0000_0000,
        0xffff_ffff_0000_0001,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![9 => select(&EDGES), 1 => any::<u64>()]
}

pub fn comparison(index: u8, max: u64) -> impl Strategy<Value = ArgCmp> {
    use CmpOp::{Eq, Ge, Gt, Le, Lt, Ne};
    let value = move || value().prop_map(move |value| value & max);
    prop_oneof![
        6 => (select(&[Eq, Ne, Lt, Le, Ge, Gt]), value())
            .prop_map(move |(op, value)| ArgCmp::new(index, op, value).unwrap()),
        2 => (value(), value())
            .prop_map(move |(mask, value)| ArgCmp::masked(index, mask, value & mask).unwrap()),
    ]
}

/// A rule with constants up to `max`.
pub fn rule(max: u64) -> impl Strategy<Value = Rule> {
    subsequence(vec![0u8, 1, 2, 3, 4, 5], 1..=3)
        .prop_flat_map(move |indexes| {
            indexes.into_iter().map(|index| comparison(index, max)).collect::<Vec<_>>()
        })
        .prop_map(|comparisons| Rule::new(comparisons).unwrap())
}

pub fn action() -> impl Strategy<Value = Action> {
    select(&[
        Action::Allow,
        Action::Allow,
        Action::Errno(1),
        Action::Errno(38),
        Action::UserNotif,
        Action::Trace(7),
        Action::Trap(9),
        Action::Log,
        Action::KillThread,
        Action::KillProcess,
    ])
}

pub fn call_rule() -> impl Strategy<Value = CallRule> {
    prop_oneof![
        2 => action().prop_map(CallRule::Always),
        3 => (vec((rule(u64::MAX), action()), 1..6), action())
            .prop_map(|(rules, otherwise)| CallRule::Arguments { rules, otherwise }),
    ]
}

fn number(arch: Arch) -> BoxedStrategy<u32> {
    match arch {
        Arch::X32 => prop_oneof![
            8 => X32_BIT..X32_BIT + 24,
            1 => Just(u32::MAX),
            1 => X32_BIT..=u32::MAX,
        ]
        .boxed(),
        Arch::X86_64 => prop_oneof![
            8 => 0u32..24,
            1 => Just(X32_BIT - 1),
            1 => 0..X32_BIT,
        ]
        .boxed(),
        _ => prop_oneof![
            8 => 0u32..24,
            1 => select(&[X32_BIT - 1, X32_BIT, u32::MAX]),
            1 => any::<u32>(),
        ]
        .boxed(),
    }
}

pub fn ruleset() -> impl Strategy<Value = Ruleset> {
    let arch_rules = |arch| {
        (btree_map(number(arch), call_rule(), 0..14), action())
            .prop_map(move |(calls, unknown)| (arch, ArchRules { calls, unknown }))
    };
    subsequence(Arch::ALL.to_vec(), 0..=3)
        .prop_flat_map(move |arches| arches.into_iter().map(arch_rules).collect::<Vec<_>>())
        .prop_flat_map(|arches| (Just(arches), action()))
        .prop_map(|(arches, foreign)| Ruleset { arches: arches.into_iter().collect(), foreign })
}

/// One architecture with so many rules that jumps do not reach.
pub fn large_ruleset() -> impl Strategy<Value = Ruleset> {
    let rules = || btree_map(0u32..500, call_rule(), 60..90);
    (rules(), rules(), action(), action()).prop_map(|(one, two, unknown, foreign)| Ruleset {
        arches: BTreeMap::from([
            (Arch::X86_64, ArchRules { calls: one, unknown }),
            (Arch::I386, ArchRules { calls: two, unknown: foreign }),
        ]),
        foreign,
    })
}

/// A call before it is aimed at a ruleset.
#[derive(Debug, Clone)]
pub struct Shot {
    arch: Index,
    number: Index,
    offset: i32,
    anywhere: Option<(u32, u32)>,
    pub args: [u64; 6],
}

pub fn shot() -> impl Strategy<Value = Shot> {
    let anywhere = prop_oneof![9 => Just(None), 1 => any::<(u32, u32)>().prop_map(Some)];
    let args = [value(), value(), value(), value(), value(), value()];
    (any::<Index>(), any::<Index>(), -1..=1, anywhere, args).prop_map(
        |(arch, number, offset, anywhere, args)| Shot { arch, number, offset, anywhere, args },
    )
}

impl Shot {
    /// A call at, or next to, a number of the ruleset; sometimes anywhere.
    pub fn at(&self, ruleset: &Ruleset) -> SeccompData {
        let arch = self.arch.get(Arch::ALL);
        let mut numbers: Vec<u32> = vec![0, X32_BIT - 1, X32_BIT, u32::MAX];
        numbers.extend(ruleset.arches.values().flat_map(|rules| rules.calls.keys()));
        let aimed = self.number.get(&numbers).wrapping_add_signed(self.offset);
        let (audit, nr) = match self.anywhere {
            None => (arch.audit(), aimed),
            Some((nr, audit)) if nr % 2 == 0 => (audit, nr),
            Some((nr, _)) => (arch.audit(), nr),
        };
        SeccompData { nr, arch: audit, instruction_pointer: 0x40_0000, args: self.args }
    }
}
