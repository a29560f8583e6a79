//! Where the data objects of a file begin: by its symbols where it has them, else by the addresses
//! that its code and its data name.

use crate::{
    elf::{Elf, Relocation, RelocationKind, SymbolKind},
    flow::Access,
    scan::Function,
};
use std::collections::BTreeSet;

/// Records of an array that hold nothing but code are no larger, or they are tables of methods.
const METHODS_MIN: u64 = 0x40;
/// Longer records are not compared.
const RECORD_MAX: u64 = 1 << 12;

/// The starts of all objects, by address; where one ends the next one begins.
pub fn find(elf: &Elf, functions: &[Function]) -> Vec<u64> {
    let symbols = symbols(elf);
    let mut starts = named(elf, functions);
    starts.sort_unstable();
    starts.dedup();
    // What a symbol covers is one object.
    let mut covered = 0;
    let mut kept = BTreeSet::new();
    let mut next = symbols.iter().peekable();
    for start in starts {
        while let Some(symbol) = next.next_if(|symbol| symbol.0 < start) {
            covered = covered.max(symbol.1);
        }
        if start >= covered {
            kept.insert(start);
        }
    }
    let mut sure: BTreeSet<u64> = symbols.iter().flat_map(|&(start, end)| [start, end]).collect();
    sure.extend(&elf.borders);
    for relocation in &elf.relocations {
        if let RelocationKind::Import(_) = relocation.kind {
            sure.extend([relocation.at, relocation.at.saturating_add(8)]);
        }
    }
    for segment in &elf.segments {
        sure.extend([segment.address, segment.address.saturating_add(segment.size)]);
    }
    sure.extend(elf.relro.iter().flat_map(|range| [range.start, range.end]));
    sure.extend(elf.code.iter().flat_map(|range| [range.start, range.end]));
    kept.extend(&sure);
    join_arrays(elf, &kept, &sure)
}

/// The objects that symbols describe, as start and end.
fn symbols(elf: &Elf) -> Vec<(u64, u64)> {
    let symbols =
        elf.symbols.iter().chain(&elf.full).filter(|symbol| {
            symbol.defined && symbol.kind == SymbolKind::Object && symbol.size > 0
        });
    let mut found: Vec<(u64, u64)> = symbols
        .map(|symbol| (symbol.address, symbol.address.saturating_add(symbol.size)))
        .collect();
    found.sort_unstable();
    found
}

/// The addresses that code takes or indexes, and that data points to.
fn named(elf: &Elf, functions: &[Function]) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    for function in functions {
        found.extend(&function.facts.named);
        found.extend(function.facts.accesses.iter().filter_map(|access| match access {
            &Access::Take(address) if !elf.is_code(address) => Some(address),
            _ => None,
        }));
    }
    found.extend(elf.relocations.iter().filter_map(|relocation| match relocation.kind {
        RelocationKind::Local(target) if !elf.is_code(target) => Some(target),
        _ => None,
    }));
    found
}

/// Code may name an element in the middle of an array, which is no object of its own: a start is
/// dropped when the pointers on both sides of it lie alike.
fn join_arrays(elf: &Elf, starts: &BTreeSet<u64>, sure: &BTreeSet<u64>) -> Vec<u64> {
    let list: Vec<u64> = starts.iter().copied().collect();
    let mut found: Vec<u64> = Vec::with_capacity(list.len());
    for (number, &start) in list.iter().enumerate() {
        let end = list.get(number + 1).copied().unwrap_or(start);
        let before = number.checked_sub(1).and_then(|number| list.get(number)).copied();
        let joins = before
            .is_some_and(|before| !sure.contains(&start) && are_alike(elf, before, start, end));
        if !joins {
            found.push(start);
        }
    }
    found
}

/// Whether `[start, end)` goes on as `[before, start)` began: the same kinds of pointers at the same
/// distances, null pointers aside, and code among them.
fn are_alike(elf: &Elf, before: u64, start: u64, end: u64) -> bool {
    let length = (start - before).min(end - start);
    if length < 8 || length > RECORD_MAX || start % 8 != 0 || before % 8 != 0 {
        return false;
    }
    let left = elf.relocations_in(before..before + length);
    let right = elf.relocations_in(start..start + length);
    let (mut code, mut data) = (false, false);
    for (own, other, from, to) in [(left, right, before, start), (right, left, start, before)] {
        for relocation in own {
            let place = relocation.at - from + to;
            let is_code = points_to_code(elf, relocation);
            let pair = other.binary_search_by_key(&place, |relocation| relocation.at);
            match pair.ok().and_then(|number| other.get(number)) {
                Some(pair) => {
                    if points_to_code(elf, pair) != is_code {
                        return false;
                    }
                    code |= is_code;
                    data |= !is_code;
                }
                None if elf.word(place) == Some(0) => {}
                None => return false,
            }
        }
    }
    code && (data || length <= METHODS_MIN)
}

fn points_to_code(elf: &Elf, relocation: &Relocation) -> bool {
    match relocation.kind {
        RelocationKind::Local(target) => elf.is_code(target),
        RelocationKind::Symbol(symbol, _) | RelocationKind::Import(symbol) => {
            let symbol = elf.symbols.get(symbol as usize);
            symbol.is_some_and(|symbol| symbol.kind != SymbolKind::Object)
        }
        RelocationKind::Resolver(_) => true,
        RelocationKind::Copy(_) => false,
    }
}
