//! Indirect calls whose targets are not narrowed: they may lead to any function whose address is
//! taken. No call is missing by that; one gap for each file says how many there are, and where.

use super::report::Report;
use crate::{
    decode::{FOLLOWED, Reg},
    flow::{Given, Target},
    link::{Place, Program},
    reach::{Node, Reach},
};
use model::analysis::{Gap, GapKind};
use rustc_hash::FxHashMap;
use std::{cmp::Reverse, collections::BTreeMap};

/// So many functions are named, those with most of the calls.
const NAMED_MAX: usize = 3;

impl Report<'_> {
    /// One gap for each file with such calls in live code.
    pub(super) fn unnarrowed(&mut self, reach: &Reach<'_>, open: &[u16]) {
        // The calls of each file, by address.
        let mut found = BTreeMap::<usize, BTreeMap<u64, Node>>::new();
        for node in reach.live() {
            let (module, function) = reach.of(node);
            for call in &self.program.scan(module).functions[function].facts.calls {
                let wide = match call.target {
                    Target::Any => true,
                    Target::Entry(reg) => {
                        !FOLLOWED.contains(&reg) || open[node as usize] & 1 << reg != 0
                    }
                    target => !settled(self.program, module, target),
                };
                if wide {
                    found.entry(module).or_default().entry(call.at).or_insert(node);
                }
            }
        }
        let taken = reach.taken();
        for (module, calls) in found {
            let Some((&at, &first)) = calls.first_key_value() else { continue };
            let what = self.counted(reach, &calls, taken);
            let site = Some(self.site(module, at));
            let chain = self.chain(reach, &[(first, at)]);
            self.gaps.insert(Gap { kind: GapKind::AnyTarget, site, what, chain, arch: None });
        }
    }

    /// How many calls there are, and in which functions most of them.
    fn counted(&self, reach: &Reach<'_>, calls: &BTreeMap<u64, Node>, taken: usize) -> String {
        let mut counts = BTreeMap::<Node, usize>::new();
        for &node in calls.values() {
            *counts.entry(node).or_default() += 1;
        }
        let mut most: Vec<(Node, usize)> = counts.into_iter().collect();
        most.sort_by_key(|&(node, count)| (Reverse(count), reach.entry(node)));
        let named = most.iter().take(NAMED_MAX).map(|&(node, count)| {
            let Place { module, address } = reach.entry(node);
            let site = self.site(module, address);
            let name = site.symbol.as_deref().map(|symbol| symbol.trim_end_matches("+0x0"));
            let name = name.map_or_else(|| format!("{:#x}", site.offset), str::to_owned);
            format!("{count} in {name}")
        });
        let mut named: Vec<String> = named.collect();
        let rest = most.iter().skip(NAMED_MAX).map(|most| most.1).sum::<usize>();
        if rest > 0 {
            named.push(format!("{rest} in {} others", most.len() - NAMED_MAX));
        }
        let count = calls.len();
        let calls = if count == 1 { "indirect call" } else { "indirect calls" };
        format!(
            "{count} {calls} may lead to any of the {taken} functions whose address is taken: {}",
            named.join(", ")
        )
    }
}

/// The registers, as bits, in which each function may be given what is not known to be one of a few
/// functions.
pub(super) fn open(program: &Program, reach: &Reach<'_>) -> Vec<u16> {
    let mut open = vec![0_u16; reach.count()];
    // What is given on, from a register of a function to one of another.
    let mut on = FxHashMap::<(Node, Reg), Vec<(Node, Reg)>>::default();
    for node in reach.live() {
        if reach.is_taken(node) || reach.is_root(node) {
            open[node as usize] = u16::MAX;
        }
        let (module, function) = reach.of(node);
        let facts = &program.scan(module).functions[function].facts;
        for call in &facts.calls {
            let Some(called) = reach.receiver(module, call.target) else { continue };
            let given = at(&facts.open, call.at, |given| given.0);
            open[called as usize] |= given.iter().fold(0, |all, given| all | given.1);
            for pass in at(&facts.passes, call.at, |pass| pass.at) {
                if let Given::Entry(from) = pass.given {
                    on.entry((node, from)).or_default().push((called, pass.reg));
                }
            }
        }
    }
    // Those who call what they were given do not say what they hand over.
    for (called, ..) in reach.passing.invocations() {
        open[called as usize] = u16::MAX;
    }
    let mut left: Vec<(Node, Reg)> =
        on.keys().copied().filter(|&(node, reg)| open[node as usize] & 1 << reg != 0).collect();
    while let Some(given) = left.pop() {
        for &(node, reg) in on.get(&given).into_iter().flatten() {
            let known = &mut open[node as usize];
            if *known & 1 << reg == 0 {
                *known |= 1 << reg;
                left.push((node, reg));
            }
        }
    }
    open
}

/// Those of a list, which is in the order of their places, that are at one place.
fn at<T>(list: &[T], place: u64, of: impl Fn(&T) -> u64) -> &[T] {
    let rest = &list[list.partition_point(|one| of(one) < place)..];
    &rest[..rest.partition_point(|one| of(one) == place)]
}

/// Whether a call that is no `Any` leads to what is known: a word that the loader fills in for calls,
/// or one that cannot be written.
fn settled(program: &Program, module: usize, target: Target) -> bool {
    match target {
        Target::Slot(address) => program.is_settled(Place { module, address }),
        Target::Field(slot, distance) => {
            program.is_settled(Place { module, address: slot })
                && program.word(module, slot).is_some_and(|base| {
                    let address = base.address.wrapping_add_signed(i64::from(distance));
                    program.is_settled(Place { address, ..base })
                })
        }
        _ => true,
    }
}
