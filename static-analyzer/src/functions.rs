//! The functions of one ELF file, by file offset: named by its symbol tables; where those are
//! stripped, bounded by the frame descriptions that unwinding needs.

use crate::frames::{self, Frame};
use std::path::Path;
use supervisor::elf_file::{ElfError, ElfFile, Segment, Symbols, TableKind, open_regular};

/// How much is read of a file: the tables of large debug builds fit.
pub(crate) const BUDGET: u64 = 256 << 20;
/// Bytes of names that are compared, where functions have several.
const COMPARED_MAX: usize = 64 << 20;

/// The functions of a file.
#[derive(Debug)]
pub struct Functions {
    segments: Vec<Segment>,
    /// By address, each address once.
    symbols: Vec<Function>,
    /// The names in `.symtab` and in `.dynsym`.
    tables: [Symbols; 2],
    /// By address.
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Function {
    address: u64,
    /// May be 0 where the table does not say.
    size: u64,
    /// Where the name is among the strings of its table.
    name: u32,
    table: u8,
}

impl Functions {
    /// Reads the functions of an ELF file. A table that cannot be read counts as missing.
    ///
    /// # Errors
    /// When it is no readable regular file, or no ELF file.
    pub fn read(path: &Path) -> Result<Functions, ElfError> {
        Functions::of(&ElfFile::new(&open_regular(path)?, BUDGET)?)
    }

    /// Reads them from a file that is open.
    pub(crate) fn of(elf: &ElfFile<'_>) -> Result<Functions, ElfError> {
        let segments = elf.segments()?;
        let mut tables =
            [TableKind::Full, TableKind::Dynamic].map(|kind| elf.symbols(kind).unwrap_or_default());
        let symbols = merge(&mut tables);
        let frames = match elf.section(".eh_frame") {
            Ok(Some(section)) => frames::read(&section, elf.is_64()?),
            _ => Vec::new(),
        };
        Ok(Functions { segments, symbols, tables, frames })
    }

    /// The function at a file offset: `openat64+0x3b`, or `fn@1a2b0+0x3b` for one without a name.
    pub fn name(&self, offset: u64) -> Option<String> {
        let segment = self.segments.iter().find(|segment| {
            offset.checked_sub(segment.offset).is_some_and(|within| within < segment.size)
        })?;
        let address = segment.address.checked_add(offset - segment.offset)?;
        let past = self.symbols.partition_point(|function| function.address <= address);
        if let Some(function) = self.symbols[..past].last()
            && let within = address - function.address
            && (within < function.size || (function.size == 0 && within < 64))
            && let Some(name) = self.tables[usize::from(function.table)].name(function.name)
        {
            return Some(format!("{name}+{within:#x}"));
        }
        let past = self.frames.partition_point(|frame| frame.address <= address);
        let &Frame { address: start, size, .. } = self.frames[..past].last()?;
        (address - start < size).then(|| format!("fn@{start:x}+{:#x}", address - start))
    }
}

/// The functions of both tables; of the tables the names stay.
fn merge(tables: &mut [Symbols; 2]) -> Vec<Function> {
    let mut all = Vec::new();
    for (table, number) in tables.iter_mut().zip(0_u8..) {
        let list = std::mem::take(&mut table.list);
        let functions = list.iter().filter(|symbol| symbol.function && symbol.defined);
        all.extend(functions.filter(|symbol| symbol.name != 0).map(|symbol| Function {
            address: symbol.address,
            size: symbol.size,
            name: symbol.name,
            table: number,
        }));
    }
    all.sort_by_key(|function| function.address);
    // Names may overlap, so that comparing all of them costs more than the file has bytes.
    let mut left = COMPARED_MAX;
    all.dedup_by(|next, kept| {
        if next.address != kept.address {
            return false;
        }
        kept.size = kept.size.max(next.size);
        if left > 0 {
            let name = |of: &Function| tables[usize::from(of.table)].name(of.name);
            let (own, other) = (name(kept), name(next));
            left = left.saturating_sub(1 + own.map_or(0, str::len) + other.map_or(0, str::len));
            if other.is_some_and(|other| own.is_none_or(|own| plainness(other) < plainness(own))) {
                (kept.name, kept.table) = (next.name, next.table);
            }
        }
        true
    });
    all.shrink_to_fit();
    all
}

/// Of several names for one place the plainest: fewest leading underscores, then shortest.
fn plainness(name: &str) -> (usize, usize, &str) {
    (name.len() - name.trim_start_matches('_').len(), name.len(), name)
}

#[cfg(test)]
mod tests;
