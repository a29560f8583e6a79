//! The functions of a module as its `.eh_frame_hdr` lists them, read from the memory of the process
//! that mapped it. Where a module has none, nothing is known of it, and its calls go on stopping.
//!
//! What is read is the program's: every step is bounded, and whatever does not fit together means
//! that there is no such function.

use std::{cell::RefCell, ops::Range};
use supervisor::memory;

/// The longest function that is looked at.
const FUNCTION_MAX: u64 = 64 << 10;
/// More program headers no program has.
const HEADERS_MAX: usize = 64;
const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// The sorted table of a module's functions (LSB core, "The .eh_frame_hdr section").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Where the section is: addresses in the table are relative to it.
    header: u64,
    entries: u64,
}

/// Reads the memory of a process: `address`, and the bytes to fill.
pub trait Memory {
    /// Fills `buffer` from `address`; `None` when not all of it can be read.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()>;

    /// Whether these bytes stand at `address`.
    fn holds(&self, address: u64, bytes: &[u8]) -> bool {
        let mut there = vec![0; bytes.len()];
        self.read(address, &mut there).is_some() && there == bytes
    }

    /// A number of four bytes.
    fn word(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Some(u32::from_le_bytes(bytes))
    }

    /// So many bytes.
    fn bytes(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let length = range.end.checked_sub(range.start)?;
        let mut bytes = vec![0; usize::try_from(length).ok().filter(|_| length <= FUNCTION_MAX)?];
        self.read(range.start, &mut bytes)?;
        Some(bytes)
    }
}

/// The memory of the process that a thread belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Of(pub i32);

impl Memory for Of {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        memory::read(self.0, address, buffer).ok()
    }
}

/// How many pages of a module are looked at for one place: a function, its entry, and those around it.
const PAGES_MAX: usize = 128;
/// How many for all places of a program that are known.
const KNOWN_PAGES_MAX: usize = 512;

/// The same, of which many small pieces are read.
#[derive(Debug)]
pub struct Paged(RefCell<memory::Pages>);

impl Paged {
    /// Nothing is read yet.
    pub fn of(tid: i32) -> Paged {
        Paged(RefCell::new(memory::Pages::new(tid, PAGES_MAX)))
    }

    /// The pages with these addresses and those behind them are read at once.
    pub fn around(tid: i32, addresses: impl Iterator<Item = u64>) -> Paged {
        let mut pages = memory::Pages::new(tid, KNOWN_PAGES_MAX);
        pages.fetch(addresses);
        Paged(RefCell::new(pages))
    }
}

impl Memory for Paged {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        self.0.borrow_mut().read(address, buffer)
    }
}

impl Table {
    /// The table of the module whose ELF header is at `base`.
    pub fn of(memory: &impl Memory, base: u64) -> Option<Table> {
        let mut elf = [0; 64];
        memory.read(base, &mut elf)?;
        // ELFCLASS64, little-endian.
        if elf[..6] != *b"\x7fELF\x02\x01" {
            return None;
        }
        let count = usize::from(u16::from_le_bytes([elf[56], elf[57]])).min(HEADERS_MAX);
        let offset = u64_at(&elf, 32)?;
        let mut headers = vec![0; count * 56];
        memory.read(base.checked_add(offset)?, &mut headers)?;
        let segment = |wanted: u32| {
            headers.chunks_exact(56).find(|header| {
                u32_at(header, 0) == Some(wanted)
                    && (wanted != PT_LOAD || u64_at(header, 8) == Some(0))
            })
        };
        let bias = base.wrapping_sub(u64_at(segment(PT_LOAD)?, 16)? & !0xfff);
        let header = bias.wrapping_add(u64_at(segment(PT_GNU_EH_FRAME)?, 16)?);
        let mut start = [0; 12];
        memory.read(header, &mut start)?;
        // Version 1; pcrel sdata4, udata4, and the table datarel sdata4: what every linker writes.
        if start[0] != 1 || start[2] != 0x03 || start[3] != 0x3b || start[1] != 0x1b {
            return None;
        }
        Some(Table { header, entries: u64::from(u32_at(&start, 8)?) })
    }

    /// The function around `address`, and which entry of the table it is.
    pub fn around(&self, memory: &impl Memory, address: u64) -> Option<(u64, Range<u64>)> {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.start(memory, middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let entry = low.checked_sub(1)?;
        let range = self.range(memory, entry)?;
        (range.contains(&address) && range.end - range.start <= FUNCTION_MAX)
            .then_some((entry, range))
    }

    /// The bytes between the functions around entry `near`, nearest first: no function covers them.
    pub fn gaps<'a>(
        &'a self,
        memory: &'a impl Memory,
        near: u64,
        reach: u64,
    ) -> impl Iterator<Item = Range<u64>> + 'a {
        let after = move |entry: u64| {
            let end = self.range(memory, entry)?.end;
            let start = self.start(memory, entry + 1)?;
            (end < start).then_some(end..start)
        };
        (0..reach)
            .flat_map(move |step| [near.checked_add(step), near.checked_sub(step + 1)])
            .flatten()
            .filter(|entry| entry + 1 < self.entries)
            .filter_map(after)
    }

    fn entry(&self, entry: u64) -> u64 {
        self.header + 12 + entry * 8
    }

    fn start(&self, memory: &impl Memory, entry: u64) -> Option<u64> {
        let distance = memory.word(self.entry(entry))? as i32;
        self.header.checked_add_signed(i64::from(distance))
    }

    fn range(&self, memory: &impl Memory, entry: u64) -> Option<Range<u64>> {
        let start = self.start(memory, entry)?;
        let distance = memory.word(self.entry(entry) + 4)? as i32;
        let description = self.header.checked_add_signed(i64::from(distance))?;
        // Its length, its common entry, its start relative to here, its size.
        let mut bytes = [0; 16];
        memory.read(description, &mut bytes)?;
        let relative = u32_at(&bytes, 8)? as i32;
        let says = (description + 8).checked_add_signed(i64::from(relative))?;
        // Another encoding would make other numbers of these bytes.
        (says == start).then_some(())?;
        let end = start.checked_add(u64::from(u32_at(&bytes, 12)?))?;
        Some(start..end)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor::procfs;

    /// Of the C library that this test runs with.
    fn library() -> (Of, Table, u64) {
        let own = std::process::id() as i32;
        let write = libc::write as *const () as u64;
        let mappings = procfs::mappings(own).unwrap();
        let here = mappings.iter().find(|m| m.start <= write && write < m.end).unwrap();
        let base = mappings.iter().find(|m| m.path == here.path && m.offset == 0).unwrap().start;
        (Of(own), Table::of(&Of(own), base).unwrap(), write)
    }

    #[test]
    fn the_function_around_an_address_begins_where_its_symbol_is() {
        let (memory, table, write) = library();
        let (_, range) = table.around(&memory, write + 3).unwrap();
        assert_eq!(range.start, write);
        assert!(range.end - range.start < 0x400);
    }

    #[test]
    fn gaps_are_outside_all_functions() {
        let (memory, table, write) = library();
        let (entry, _) = table.around(&memory, write).unwrap();
        let gaps: Vec<_> = table.gaps(&memory, entry, 20).collect();
        assert!(!gaps.is_empty());
        for gap in gaps {
            assert_eq!(table.around(&memory, gap.start), None);
            assert_eq!(table.around(&memory, gap.end - 1), None);
        }
    }

    #[test]
    fn what_is_no_module_has_no_table() {
        let bytes = [0_u8; 256];
        let own = Of(std::process::id() as i32);
        assert_eq!(Table::of(&own, bytes.as_ptr() as u64), None);
        assert_eq!(Table::of(&own, 8), None);
    }
}
