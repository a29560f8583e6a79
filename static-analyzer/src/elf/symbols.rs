//! The two tables of symbols, with the versions of the dynamic one.

use super::{Elf, slice, table};
use object::{
    LittleEndian as LE,
    elf::{self, SectionHeader64, Sym64, Verdaux, Verdef, Vernaux, Verneed},
};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Symbols past these are not read.
const SYMBOLS_MAX: usize = 1 << 21;
/// A longer name is none.
const NAME_MAX: usize = 1 << 14;
/// Version records past these are not read.
const VERSIONS_MAX: u64 = 1 << 14;
/// The part of a version index that is not a flag.
const VERSION: u16 = 0x7fff;

/// A symbol.
#[derive(Debug, Clone)]
pub struct Symbol {
    /// Where its name is in the file, see [`Elf::bytes_of`].
    pub name: Range<u32>,
    /// Its address.
    pub address: u64,
    /// Its size, 0 where the table does not say.
    pub size: u64,
    /// What it is.
    pub kind: SymbolKind,
    /// Whether this file defines it.
    pub defined: bool,
    /// Whether only this file sees it.
    pub local: bool,
    /// Whether this file always means its own definition.
    pub own: bool,
    /// The version that it has or needs.
    pub version: Option<Range<u32>>,
    /// Whether a reference without version does not mean it.
    pub hidden: bool,
}

/// What a symbol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Code that says which code is meant.
    Indirect,
    /// Data.
    Object,
    /// A thread-local variable: its address is an offset.
    Tls,
    /// Not said.
    Other,
}

fn kind(symbol: &Sym64<LE>) -> SymbolKind {
    match symbol.st_type() {
        elf::STT_FUNC => SymbolKind::Function,
        elf::STT_GNU_IFUNC => SymbolKind::Indirect,
        elf::STT_OBJECT | elf::STT_COMMON => SymbolKind::Object,
        elf::STT_TLS => SymbolKind::Tls,
        _ => SymbolKind::Other,
    }
}

fn name(data: &[u8], strings: Range<u64>, at: u32) -> Option<Range<u32>> {
    let start = strings.start.checked_add(u64::from(at))?;
    let bytes = slice(data, start, strings.end.checked_sub(start)?)?;
    let end = bytes.iter().take(NAME_MAX).position(|&byte| byte == 0)?;
    let start = u32::try_from(start).ok()?;
    Some(start..start.checked_add(end as u32)?)
}

fn symbol(data: &[u8], strings: Range<u64>, symbol: &Sym64<LE>) -> Symbol {
    let section = symbol.st_shndx.get(LE);
    Symbol {
        name: name(data, strings, symbol.st_name.get(LE)).unwrap_or_default(),
        address: symbol.st_value.get(LE),
        size: symbol.st_size.get(LE),
        kind: kind(symbol),
        defined: section != elf::SHN_UNDEF,
        local: symbol.st_bind() == elf::STB_LOCAL,
        own: matches!(
            symbol.st_visibility(),
            elf::STV_PROTECTED | elf::STV_HIDDEN | elf::STV_INTERNAL
        ),
        version: None,
        hidden: false,
    }
}

/// The functions and objects of `.symtab`.
pub(super) fn full(data: &[u8], sections: &[SectionHeader64<LE>]) -> Vec<Symbol> {
    let Some(section) = sections.iter().find(|section| section.sh_type.get(LE) == elf::SHT_SYMTAB)
    else {
        return Vec::new();
    };
    let Some(strings) = sections.get(section.sh_link.get(LE) as usize) else { return Vec::new() };
    let start = strings.sh_offset.get(LE);
    let strings = start..start.saturating_add(strings.sh_size.get(LE));
    let count = (section.sh_size.get(LE) / size_of::<Sym64<LE>>() as u64) as usize;
    let list = table::<Sym64<LE>>(data, section.sh_offset.get(LE), count.min(SYMBOLS_MAX));
    let list = list.unwrap_or_default().iter().map(|entry| symbol(data, strings.clone(), entry));
    list.filter(|symbol| {
        use SymbolKind::{Function, Indirect, Object};
        symbol.defined && [Function, Indirect, Object].contains(&symbol.kind)
    })
    .collect()
}

/// The dynamic symbols.
pub(super) fn dynamic(elf: &Elf) -> Vec<Symbol> {
    let dynamic = &elf.dynamic;
    let (Some(start), Some(strings)) =
        (elf.offset_of(dynamic.symtab), elf.offset_of(dynamic.strtab))
    else {
        return Vec::new();
    };
    let strings = strings..strings.saturating_add(dynamic.strsz);
    let there = (elf.data.len() as u64).saturating_sub(start) / size_of::<Sym64<LE>>() as u64;
    let count = count(elf).min(there as usize).min(SYMBOLS_MAX);
    let list = table::<Sym64<LE>>(&elf.data, start, count).unwrap_or_default();
    let mut symbols: Vec<Symbol> =
        list.iter().map(|entry| symbol(&elf.data, strings.clone(), entry)).collect();
    let versions = versions(elf, strings);
    for (number, symbol) in (0_u64..).zip(&mut symbols) {
        let Some(at) = dynamic.versym.checked_add(2 * number).filter(|_| dynamic.versym != 0)
        else {
            break;
        };
        let Some(bytes) = elf.at(at, 2) else { break };
        let index = u16::from_le_bytes([bytes[0], bytes[1]]);
        symbol.hidden = index & elf::VERSYM_HIDDEN.0 != 0;
        symbol.version = versions.get(&(index & VERSION)).cloned();
    }
    symbols
}

/// How many dynamic symbols there are: no entry says it, the hash tables show it.
fn count(elf: &Elf) -> usize {
    let dynamic = &elf.dynamic;
    if dynamic.hash != 0
        && let Some(chains) = dynamic.hash.checked_add(4).and_then(|at| elf.half(at))
    {
        return chains as usize;
    }
    if dynamic.gnu_hash != 0
        && let Some(count) = count_by_gnu_hash(elf, dynamic.gnu_hash)
    {
        return count;
    }
    // A file that defines nothing may have an empty table. Linkers put the strings behind the
    // symbols.
    let size = dynamic.strtab.saturating_sub(dynamic.symtab);
    (size / size_of::<Sym64<LE>>() as u64) as usize
}

fn count_by_gnu_hash(elf: &Elf, at: u64) -> Option<usize> {
    let buckets = elf.half(at)?;
    let first = elf.half(at.checked_add(4)?)?;
    let bloom = elf.half(at.checked_add(8)?)?;
    let buckets_at = at.checked_add(16)?.checked_add(8 * u64::from(bloom))?;
    let list = elf.from(buckets_at)?.get(..(buckets as usize).checked_mul(4)?)?;
    let words =
        list.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let last = words.max().unwrap_or(0);
    if last < first {
        return None;
    }
    // The chain of the last bucket ends with a word whose lowest bit is set.
    let chains_at = buckets_at.checked_add(4 * u64::from(buckets))?;
    let mut number = last;
    loop {
        let link = elf.half(chains_at.checked_add(4 * u64::from(number - first))?)?;
        number = number.checked_add(1)?;
        if link & 1 != 0 || number as usize >= SYMBOLS_MAX {
            return Some(number as usize);
        }
    }
}

/// The names of the versions, by index.
fn versions(elf: &Elf, strings: Range<u64>) -> FxHashMap<u16, Range<u32>> {
    let mut found = FxHashMap::default();
    let text = |at: u32| name(&elf.data, strings.clone(), at);
    let record = |at: u64, size: usize| elf.at(at, size);
    let (mut at, count) = elf.dynamic.verdef;
    for _ in 0..count.min(VERSIONS_MAX) {
        let size = size_of::<Verdef<LE>>();
        let Some(definition) = record(at, size).and_then(|bytes| table::<Verdef<LE>>(bytes, 0, 1))
        else {
            break;
        };
        let definition = &definition[0];
        let base = definition.vd_flags.get(LE).0 & elf::VER_FLG_BASE.0 != 0;
        let aux = at.saturating_add(u64::from(definition.vd_aux.get(LE)));
        let aux = record(aux, size_of::<Verdaux<LE>>());
        if !base
            && let Some(aux) = aux.and_then(|bytes| table::<Verdaux<LE>>(bytes, 0, 1))
            && let Some(name) = text(aux[0].vda_name.get(LE))
        {
            found.insert(definition.vd_ndx.get(LE).0 & VERSION, name);
        }
        match definition.vd_next.get(LE) {
            0 => break,
            next => at = at.saturating_add(u64::from(next)),
        }
    }
    let (mut at, count) = elf.dynamic.verneed;
    let mut left = VERSIONS_MAX;
    for _ in 0..count.min(VERSIONS_MAX) {
        let size = size_of::<Verneed<LE>>();
        let Some(need) = record(at, size).and_then(|bytes| table::<Verneed<LE>>(bytes, 0, 1))
        else {
            break;
        };
        let need = &need[0];
        let mut aux_at = at.saturating_add(u64::from(need.vn_aux.get(LE)));
        for _ in 0..need.vn_cnt.get(LE) {
            let size = size_of::<Vernaux<LE>>();
            let Some(aux) =
                record(aux_at, size).and_then(|bytes| table::<Vernaux<LE>>(bytes, 0, 1))
            else {
                break;
            };
            if let Some(name) = text(aux[0].vna_name.get(LE)) {
                found.insert(aux[0].vna_other.get(LE).0 & VERSION, name);
            }
            left = left.saturating_sub(1);
            match aux[0].vna_next.get(LE) {
                0 => break,
                _ if left == 0 => break,
                next => aux_at = aux_at.saturating_add(u64::from(next)),
            }
        }
        match need.vn_next.get(LE) {
            0 => break,
            next => at = at.saturating_add(u64::from(next)),
        }
    }
    found
}
