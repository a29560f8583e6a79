//! Go's table of functions, `.gopclntab`: where each begins (runtime/symtab.go, `pcHeader`).

use crate::elf::Elf;

/// Functions past these are not read.
const FUNCTIONS_MAX: u64 = 1 << 21;

/// Start and end of each function; the end is where the next one starts.
pub fn functions(elf: &Elf) -> Vec<(u64, u64)> {
    let Some(table) = &elf.gopclntab else { return Vec::new() };
    read(elf, table.start).unwrap_or_default()
}

fn read(elf: &Elf, at: u64) -> Option<Vec<(u64, u64)>> {
    let header = elf.at(at, 72)?;
    let word =
        |index: usize| header.get(8 + 8 * index..)?.first_chunk().copied().map(u64::from_le_bytes);
    let magic = u32::from_le_bytes(*header.first_chunk()?);
    // Go 1.16 had another magic and whole addresses instead of offsets.
    let (text, functions, wide) = match magic {
        0xffff_fff1 | 0xffff_fff0 => (word(2)?, word(7)?, false),
        0xffff_fffa => (0, word(6)?, true),
        0xffff_fffb => (0, 8, true),
        _ => return None,
    };
    // From Go 1.26 on, or stripped: the text's start is found by the section.
    let text = if !wide && text == 0 { elf.code.first()?.start } else { text };
    let count = word(0)?.min(FUNCTIONS_MAX);
    let start = at.checked_add(if magic == 0xffff_fffb { 16 } else { functions })?;
    let bytes = elf.from(start)?;
    let size = if wide { 16 } else { 8 };
    let entry = |bytes: &[u8]| -> Option<u64> {
        if wide {
            bytes.first_chunk().copied().map(u64::from_le_bytes)
        } else {
            let offset = bytes.first_chunk().copied().map(u32::from_le_bytes)?;
            text.checked_add(u64::from(offset))
        }
    };
    let starts: Vec<u64> = bytes.chunks_exact(size).take(count as usize).map_while(entry).collect();
    let last = starts.last().copied()?;
    let end = elf.code.iter().find(|code| code.contains(&last)).map_or(last, |code| code.end);
    let ends = starts.iter().skip(1).copied().chain([end]);
    Some(starts.iter().copied().zip(ends).collect())
}
