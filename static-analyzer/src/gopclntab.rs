//! Go's table of functions, `.gopclntab`: where each begins (runtime/symtab.go, `pcHeader`).

use crate::elf::Elf;

/// Functions past these are not read.
const FUNCTIONS_MAX: u64 = 1 << 21;

/// The table, read.
struct Table {
    /// Where functions begin.
    starts: Vec<u64>,
    /// Where the last of them ends.
    end: Option<u64>,
}

/// Start and end of each function; the end is where the next one starts.
pub fn functions(elf: &Elf) -> Vec<(u64, u64)> {
    let Some(Table { starts, .. }) = read(elf) else { return Vec::new() };
    let Some(&last) = starts.last() else { return Vec::new() };
    let end = elf.code.iter().find(|code| code.contains(&last)).map_or(last, |code| code.end);
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts.iter().copied().zip(ends).collect()
}

/// Where Go's text ends, and another language's may begin: the linker has a symbol and pointers there
/// (`runtime.etext`) that no call goes to.
pub fn end(elf: &Elf) -> Option<u64> {
    read(elf)?.end
}

fn read(elf: &Elf) -> Option<Table> {
    let at = elf.gopclntab.as_ref()?.start;
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
    let mut starts: Vec<u64> =
        bytes.chunks_exact(size).take(count as usize + 1).map_while(entry).collect();
    // Behind the functions stands where the last one ends.
    let end = starts.get(count as usize).copied();
    starts.truncate(count as usize);
    Some(Table { starts, end })
}
