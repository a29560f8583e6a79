//! Functions in code that no table describes: the targets of calls, found by decoding it from one
//! end to the other. A target that is none, as the decoding was out of step, does no harm: a jump
//! over it is then a call from one half of a function to the other.

use crate::{
    decode::{Decode, Dest, Flow, X86_64},
    elf::{Elf, RelocationKind},
    ranges::Ranges,
};
use std::{collections::BTreeSet, ops::Range};

/// Room between described functions that is smaller is padding, or a stub that calls lead to.
const ROOM_MIN: u64 = 64;

/// Start and end of the functions that are called or pointed to in the code outside of `known`,
/// which is sorted.
pub fn targets(elf: &Elf, known: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let room = room(elf, known);
    if room.is_empty() {
        return Vec::new();
    }
    let outside = |at: u64| {
        let past = room.partition_point(|range| range.start <= at);
        room[..past].last().filter(|range| at < range.end)
    };
    let mut found = BTreeSet::new();
    let mut decoder = X86_64::default();
    let mut ops = Vec::new();
    for range in &room {
        let mut at = range.start;
        while at < range.end {
            ops.clear();
            let decoded = elf.from(at).and_then(|bytes| decoder.decode(bytes, at, &mut ops));
            let Some((length, flow)) = decoded else {
                at += 1;
                continue;
            };
            if let Flow::Call(Dest::Direct(target)) = flow {
                found.insert(target);
            }
            at = at.saturating_add(u64::from(length));
        }
    }
    found.extend(elf.relocations.iter().filter_map(|relocation| match relocation.kind {
        RelocationKind::Local(target) | RelocationKind::Resolver(target) => Some(target),
        _ => None,
    }));
    found.insert(elf.entry);
    found.retain(|&target| outside(target).is_some());
    let starts: Vec<u64> = found.into_iter().collect();
    let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
    let end = |start: u64, next: u64| outside(start).map_or(next, |range| range.end.min(next));
    starts.iter().zip(ends).map(|(&start, next)| (start, end(start, next))).collect()
}

/// Whether an instruction enters the kernel when each function is decoded from its start to its end.
pub fn enters_kernel(elf: &Elf, ranges: &Ranges) -> bool {
    let mut decoder = X86_64::default();
    let mut ops = Vec::new();
    ranges.starts().filter_map(|start| ranges.holding(elf, start)).any(|range| {
        let mut at = range.start;
        while at < range.end {
            ops.clear();
            let decoded = elf.from(at).and_then(|bytes| decoder.decode(bytes, at, &mut ops));
            match decoded {
                Some((_, Flow::Kernel(_))) => return true,
                Some((length, _)) => at = at.saturating_add(u64::from(length)),
                None => at += 1,
            }
        }
        false
    })
}

/// The code outside of all known functions.
fn room(elf: &Elf, known: &[(u64, u64)]) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    for code in &elf.code {
        let mut at = code.start;
        let from = known.partition_point(|range| range.1 <= code.start);
        for &(start, end) in &known[from.min(known.len())..] {
            if start >= code.end {
                break;
            }
            if start > at {
                found.push(at..start);
            }
            at = at.max(end);
        }
        if at < code.end {
            found.push(at..code.end);
        }
    }
    found.retain(|range| range.end - range.start >= ROOM_MIN);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_function_is_not_looked_through() {
        let bytes = std::fs::read("/usr/bin/true").unwrap();
        let elf = Elf::parse(bytes).unwrap();
        let whole: Vec<(u64, u64)> = elf.code.iter().map(|code| (code.start, code.end)).collect();
        assert_eq!(targets(&elf, &whole), []);
        assert!(!targets(&elf, &[]).is_empty());
    }
}
