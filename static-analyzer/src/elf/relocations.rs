//! The words of a file that the loader fills in: RELA and RELR.

use super::{Elf, slice, table};
use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64, Rela64, SectionHeader64},
};
use rustc_hash::FxHashSet;
use std::ops::Range;

/// Relocations past these are not read.
const RELOCATIONS_MAX: usize = 1 << 23;

/// A word that the loader fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relocation {
    /// Its address.
    pub at: u64,
    /// With what.
    pub kind: RelocationKind,
}

/// What a word is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationKind {
    /// An address of this file.
    Local(u64),
    /// The address of a dynamic symbol, by number, and an addend.
    Symbol(u32, i64),
    /// The same in a word of the linker's, which instructions use one by one.
    Import(u32),
    /// What the function at this address answers.
    Resolver(u64),
    /// The contents of a symbol that another file defines.
    Copy(u32),
}

fn kind(rela: &Rela64<LE>) -> Option<RelocationKind> {
    let addend = rela.r_addend.get(LE);
    let symbol = rela.r_sym(LE, false);
    match rela.r_type(LE, false) {
        elf::R_X86_64_RELATIVE | elf::R_X86_64_RELATIVE64 => {
            Some(RelocationKind::Local(addend as u64))
        }
        elf::R_X86_64_IRELATIVE => Some(RelocationKind::Resolver(addend as u64)),
        elf::R_X86_64_64 => Some(RelocationKind::Symbol(symbol, addend)),
        elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT => Some(RelocationKind::Import(symbol)),
        elf::R_X86_64_COPY => Some(RelocationKind::Copy(symbol)),
        _ => None,
    }
}

fn push(found: &mut Vec<Relocation>, list: &[Rela64<LE>]) {
    for rela in list.iter().take(RELOCATIONS_MAX.saturating_sub(found.len())) {
        let at = rela.r_offset.get(LE);
        if let Some(kind) = kind(rela) {
            found.push(Relocation { at, kind });
        }
    }
}

/// Those that a static program applies to itself: its sections name them.
pub(super) fn of_sections(data: &[u8], sections: &[SectionHeader64<LE>]) -> Vec<Relocation> {
    let mut found = Vec::new();
    for section in sections {
        let loaded = section.sh_flags.get(LE).0 & elf::SHF_ALLOC.0 != 0;
        if section.sh_type.get(LE) == elf::SHT_RELA && loaded {
            let count = (section.sh_size.get(LE) / size_of::<Rela64<LE>>() as u64) as usize;
            let bytes = slice(data, section.sh_offset.get(LE), section.sh_size.get(LE));
            let list = bytes.and_then(|bytes| table(bytes, 0, count)).unwrap_or_default();
            push(&mut found, list);
        }
    }
    found
}

/// Those of the dynamic section.
pub(super) fn of_dynamic(elf: &Elf) -> Vec<Relocation> {
    let mut found = Vec::new();
    for (address, size) in [elf.dynamic.rela, elf.dynamic.plt] {
        let Some(bytes) = elf.from(address).filter(|_| address != 0) else { continue };
        let count = (size / size_of::<Rela64<LE>>() as u64) as usize;
        let most = bytes.len() / size_of::<Rela64<LE>>();
        push(&mut found, table(bytes, 0, count.min(most)).unwrap_or_default());
    }
    packed(elf, &mut found);
    found
}

/// RELR: an address, then words whose bits say which of the next 63 words are relocated too.
fn packed(elf: &Elf, found: &mut Vec<Relocation>) {
    let (address, size) = elf.dynamic.relr;
    let Some(bytes) = elf.from(address).filter(|_| address != 0) else { return };
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
    let mut next = 0_u64;
    let mut add = |at: u64| {
        if let Some(target) = elf.word(at)
            && found.len() < RELOCATIONS_MAX
        {
            found.push(Relocation { at, kind: RelocationKind::Local(target) });
        }
    };
    for word in bytes[..size].chunks_exact(8) {
        let Some(word) = word.first_chunk().copied().map(u64::from_le_bytes) else { break };
        if word & 1 == 0 {
            add(word);
            next = word.wrapping_add(8);
        } else {
            for bit in (0..63).filter(|bit| word >> (bit + 1) & 1 != 0) {
                add(next.wrapping_add(8 * bit));
            }
            next = next.wrapping_add(8 * 63);
        }
    }
}

/// Where those that a static program applies to itself lie.
pub(super) fn tables(sections: &[SectionHeader64<LE>]) -> Vec<Range<u64>> {
    let tables = sections.iter().filter(|section| {
        let loaded = section.sh_flags.get(LE).0 & elf::SHF_ALLOC.0 != 0;
        section.sh_type.get(LE) == elf::SHT_RELA && loaded
    });
    let range = |section: &SectionHeader64<LE>| {
        let start = section.sh_addr.get(LE);
        start..start.saturating_add(section.sh_size.get(LE))
    };
    tables.map(range).collect()
}

/// The words of a file of fixed addresses that may be addresses: nothing marks them. What tables of
/// relocations hold is in the relocations, and the file's header leads only the loader to the entry.
pub(super) fn of_fixed(elf: &Elf, tables: &[Range<u64>]) -> Vec<Relocation> {
    let marked: FxHashSet<u64> = elf.relocations.iter().map(|relocation| relocation.at).collect();
    let mut found = Vec::new();
    for segment in &elf.segments {
        let start = segment.address.next_multiple_of(8);
        let Some(bytes) = elf.from(start) else { continue };
        let header = if segment.offset == 0 { size_of::<FileHeader64<LE>>() as u64 } else { 0 };
        let header = segment.address..segment.address.saturating_add(header);
        for (number, word) in (0_u64..).zip(bytes.chunks_exact(8)) {
            let Some(target) = word.first_chunk().copied().map(u64::from_le_bytes) else { break };
            let at = start + 8 * number;
            if elf.segment(target).is_some()
                && !elf.is_code(at)
                && !marked.contains(&at)
                && !header.contains(&at)
                && !tables.iter().any(|table| table.contains(&at))
                && found.len() < RELOCATIONS_MAX
            {
                found.push(Relocation { at, kind: RelocationKind::Local(target) });
            }
        }
    }
    found
}
