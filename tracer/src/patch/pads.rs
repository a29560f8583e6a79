//! The bytes between functions, which nothing executes: there a site's short jump finds room for the
//! long one that reaches the stubs.

use super::function::{Memory, Table};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic};
use std::{collections::BTreeMap, ops::Range};

/// `jmp *SLOT`.
pub const FAR: u64 = 7;
/// `jmp rel32`.
pub const NEAR: u64 = 5;
/// In how many functions around a site gaps are looked for.
const REACH: u64 = 48;
/// How many gaps are kept of a site.
const GAPS_MAX: usize = 16;
/// How far `jmp rel8` reaches.
const SHORT_REACH: u64 = 120;

/// The gaps near a site, nearest first.
pub fn near(table: &Table, memory: &impl Memory, entry: u64) -> Vec<Range<u64>> {
    let wide = |gap: &Range<u64>| gap.end - gap.start >= NEAR && gap.end - gap.start <= 64;
    table.gaps(memory, entry, REACH).filter(wide).take(GAPS_MAX).collect()
}

/// Whether there is only padding: `nop` of any length, or `int3`.
fn is_padding(bytes: &[u8]) -> bool {
    let decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    decoder.into_iter().all(|i| {
        matches!(i.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
            && matches!(i.flow_control(), FlowControl::Next | FlowControl::Interrupt)
    })
}

/// A free place of at least `size` bytes in one of the gaps, near enough to `from`, or, where there is none,
/// in one far away: what is near may be all that a short jump reaches. Places in a gap follow one another
/// in steps of [`FAR`], so that two never overlap.
pub fn free(
    gaps: &[Range<u64>],
    memory: &impl Memory,
    used: &BTreeMap<u64, usize>,
    size: u64,
    from: Option<u64>,
) -> Option<u64> {
    let in_gap = |gap: &Range<u64>| {
        let mut places = (gap.start..gap.end).step_by(FAR as usize);
        let place = places.find(|&place| {
            place + size <= gap.end
                && !used.contains_key(&place)
                && from.is_none_or(|from| place.abs_diff(from + 2) <= SHORT_REACH)
        })?;
        // A part of it that is used was padding, or it would not be.
        let is_used = used.range(gap.clone()).next().is_some();
        (is_used || is_padding(&memory.bytes(gap.clone())?)).then_some(place)
    };
    match from {
        Some(_) => gaps.iter().find_map(in_gap),
        None => gaps.iter().rev().find_map(in_gap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl Memory for Bytes {
        fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
            let start = address as usize;
            buffer.copy_from_slice(self.0.get(start..start + buffer.len())?);
            Some(())
        }
    }

    #[test]
    fn padding_is_told_from_code() {
        assert!(is_padding(b"\x66\x2e\x0f\x1f\x84\0\0\0\0\0\x0f\x1f\x44\0\0\x90\xcc"));
        assert!(!is_padding(b"\x90\xc3"));
        assert!(!is_padding(b"\xf3\x0f\x1e\xfa"));
        assert!(!is_padding(b"\0\0\0\0"));
    }

    #[test]
    fn places_are_given_once_and_only_where_they_fit() {
        let memory = Bytes([vec![0xc3; 16], vec![0x90; 16], vec![0xc3; 16]].concat());
        let gaps = [32..48, 16..32];
        let mut used = BTreeMap::new();
        let first = free(&gaps, &memory, &used, FAR, None);
        assert_eq!(first, Some(16));
        used.insert(16, 0);
        assert_eq!(free(&gaps, &memory, &used, FAR, None), Some(23));
        used.insert(23, 0);
        assert_eq!(free(&gaps, &memory, &used, FAR, None), None, "code is no gap");
        assert_eq!(free(&gaps[1..], &memory, &BTreeMap::new(), FAR, Some(500)), None);
    }
}
