//! Where the functions of a file begin and end, as far as its tables tell.

use crate::{
    elf::{Elf, Symbol, SymbolKind},
    frames::{self, Frame},
    gopclntab, sweep,
};
use rustc_hash::FxHashMap;
use supervisor::elf_file::Section;

/// The functions that the tables know, and where exceptions land in them.
#[derive(Debug, Default)]
pub struct Ranges {
    /// Start and end, by start, apart from one another.
    list: Vec<(u64, u64)>,
    /// Inside one of the ranges: other entries.
    inner: Vec<u64>,
    /// The tables of landing pads, by function.
    handlers: FxHashMap<u64, u64>,
    /// Whether Go's linker made the file.
    pub go: bool,
}

/// The function that holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Its first address.
    pub start: u64,
    /// Behind its last.
    pub end: u64,
    /// Whether a table says so.
    pub known: bool,
}

impl Ranges {
    /// Reads the tables of a file.
    pub fn of(elf: &Elf) -> Ranges {
        let frames = frames(elf);
        let handlers =
            frames.iter().filter_map(|frame| Some((frame.address, frame.handlers?))).collect();
        let mut list: Vec<(u64, u64)> = frames
            .iter()
            .map(|frame| (frame.address, frame.address.saturating_add(frame.size)))
            .collect();
        let mut inner = Vec::new();
        let go = elf.gopclntab.is_some();
        let mut others = gopclntab::functions(elf);
        let functions = elf.symbols.iter().chain(&elf.full).filter(|symbol| is_function(symbol));
        others.extend(
            functions.map(|symbol| (symbol.address, symbol.address.saturating_add(symbol.size))),
        );
        others.sort_unstable();
        list.sort_unstable();
        let mut added = Vec::new();
        for (start, end) in others {
            let past = list.partition_point(|range| range.0 <= start);
            match list[..past].last() {
                Some(range) if range.0 == start => {}
                Some(range) if start < range.1 => inner.push(start),
                _ => added.push((start, end)),
            }
        }
        list.extend(added);
        list.sort_unstable();
        let found = sweep::targets(elf, &list);
        list.extend(found);
        list.retain(|&(start, _)| elf.is_code(start));
        // Of several ends the farthest, but none reaches into the next function.
        list.sort_unstable_by_key(|&(start, end)| (start, std::cmp::Reverse(end)));
        list.dedup_by_key(|range| range.0);
        let starts: Vec<u64> = list.iter().map(|range| range.0).collect();
        for (range, next) in list.iter_mut().zip(starts.into_iter().skip(1)) {
            if range.1 > next || range.1 <= range.0 {
                range.1 = next;
            }
        }
        inner.sort_unstable();
        inner.dedup();
        Ranges { list, inner, handlers, go }
    }

    /// The function that holds an address, or else the room between two of them.
    pub fn holding(&self, elf: &Elf, address: u64) -> Option<Range> {
        let past = self.list.partition_point(|range| range.0 <= address);
        if let Some(&(start, end)) = self.list[..past].last()
            && address < end
        {
            return Some(Range { start, end, known: true });
        }
        let part = elf.code.iter().find(|code| code.contains(&address))?;
        let end = self.list.get(past).map_or(part.end, |next| next.0.min(part.end));
        Some(Range { start: address, end, known: false })
    }

    /// Whether a function begins there.
    pub fn begins(&self, address: u64) -> bool {
        self.list.binary_search_by_key(&address, |range| range.0).is_ok()
            || self.inner.binary_search(&address).is_ok()
    }

    /// All starts.
    pub fn starts(&self) -> impl Iterator<Item = u64> + '_ {
        self.list.iter().map(|range| range.0).chain(self.inner.iter().copied())
    }

    /// The table of landing pads of the function that begins there.
    pub fn handlers(&self, start: u64) -> Option<u64> {
        self.handlers.get(&start).copied()
    }
}

fn is_function(symbol: &Symbol) -> bool {
    symbol.defined && matches!(symbol.kind, SymbolKind::Function | SymbolKind::Indirect)
}

fn frames(elf: &Elf) -> Vec<Frame> {
    let Some(range) = &elf.frames else { return Vec::new() };
    let Some(bytes) = elf.from(range.start) else { return Vec::new() };
    let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(bytes.len());
    let section = Section { address: range.start, data: bytes[..size].to_vec() };
    frames::read(&section, true)
}
