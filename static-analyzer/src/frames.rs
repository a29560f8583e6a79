//! The functions that an `.eh_frame` section describes: where each begins, and how long it is.

use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EhFrame, EhFrameOffset, EndianSlice,
    LittleEndian, Pointer, UnwindSection,
};
use std::collections::BTreeMap;
use supervisor::elf_file::Section;

/// Entries past these are not read.
const ENTRIES_MAX: usize = 1 << 21;
/// A longer common entry is none; real ones have some 30 bytes.
const COMMON_MAX: u32 = 4096;
/// How many common entries are parsed; linkers merge equal ones.
const COMMONS_MAX: usize = 4096;

type Bytes<'data> = EndianSlice<'data, LittleEndian>;

/// A function that the section describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// Where it begins.
    pub address: u64,
    /// How long it is.
    pub size: u64,
    /// Where its table of exception handlers is.
    pub handlers: Option<u64>,
}

/// The functions, by address, each address once.
pub fn read(section: &Section, is_64: bool) -> Vec<Frame> {
    let mut eh_frame = EhFrame::new(&section.data, LittleEndian);
    eh_frame.set_address_size(if is_64 { 8 } else { 4 });
    let bases = BaseAddresses::default().set_eh_frame(section.address);
    let mut commons = Commons::of(&section.data);
    let mut found = Vec::new();
    let mut entries = eh_frame.entries(&bases);
    for _ in 0..ENTRIES_MAX {
        let Ok(Some(entry)) = entries.next() else { break };
        if let CieOrFde::Fde(partial) = entry
            && let Ok(fde) = partial.parse(|frame, bases, at| commons.get(frame, bases, at))
        {
            let handlers = match fde.lsda() {
                Some(Pointer::Direct(address)) => Some(address),
                _ => None,
            };
            found.push(Frame { address: fde.initial_address(), size: fde.len(), handlers });
        }
    }
    found.sort_unstable();
    // Of several the longest.
    found.reverse();
    found.dedup_by_key(|frame| frame.address);
    found.reverse();
    found
}

/// The common entries by offset. Every description names one, and may name it a million times.
struct Commons<'data> {
    section: &'data [u8],
    parsed: BTreeMap<usize, gimli::Result<CommonInformationEntry<Bytes<'data>>>>,
    /// How many bytes were parsed.
    #[cfg(test)]
    cost: u64,
}

impl<'data> Commons<'data> {
    fn of(section: &'data [u8]) -> Commons<'data> {
        Commons {
            section,
            parsed: BTreeMap::new(),
            #[cfg(test)]
            cost: 0,
        }
    }

    fn get(
        &mut self,
        frame: &EhFrame<Bytes<'data>>,
        bases: &BaseAddresses,
        EhFrameOffset(at): EhFrameOffset,
    ) -> gimli::Result<CommonInformationEntry<Bytes<'data>>> {
        if let Some(known) = self.parsed.get(&at) {
            return known.clone();
        }
        let length = length(self.section, at);
        if length > COMMON_MAX || self.parsed.len() >= COMMONS_MAX {
            return Err(gimli::Error::NotCieId(at as u64));
        }
        #[cfg(test)]
        {
            self.cost += u64::from(length);
        }
        let entry = frame.cie_from_offset(bases, EhFrameOffset(at));
        self.parsed.insert(at, entry.clone());
        entry
    }
}

/// The length that an entry gives itself; the escape to 64 bits is a length past every bound.
fn length(section: &[u8], at: usize) -> u32 {
    let bytes = section.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor::testing::eh_frame;

    fn section(augmentation: &[u8], functions: &[(u64, u64)]) -> Section {
        Section { address: 0x3000, data: eh_frame(augmentation, functions) }
    }

    fn pairs(section: &Section) -> Vec<(u64, u64)> {
        read(section, true).iter().map(|frame| (frame.address, frame.size)).collect()
    }

    #[test]
    fn functions_are_sorted_and_of_one_address_the_longest_stays() {
        let section = section(b"zR", &[(0x2000, 16), (0x1000, 8), (0x2000, 32), (0x2000, 4)]);
        assert_eq!(pairs(&section), [(0x1000, 8), (0x2000, 32)]);
    }

    #[test]
    fn a_common_entry_is_parsed_once() {
        let functions: Vec<_> = (0..10_000).map(|number| (0x1000 + 16 * number, 16)).collect();
        let section = section(b"zR", &functions);
        assert_eq!(pairs(&section), functions);
        let frame = EhFrame::new(&section.data, LittleEndian);
        let bases = BaseAddresses::default();
        let mut commons = Commons::of(&section.data);
        for _ in 0..10_000 {
            commons.get(&frame, &bases, EhFrameOffset(0)).unwrap();
        }
        assert_eq!(commons.parsed.len(), 1);
        assert!(commons.cost < 64);
    }

    #[test]
    fn a_huge_common_entry_is_not_parsed_for_each_function() {
        let functions: Vec<_> = (0..10_000).map(|number| (0x1000 + 16 * number, 16)).collect();
        let section = section(&[b'a'; 1 << 20], &functions);
        assert_eq!(read(&section, true), []);
        let frame = EhFrame::new(&section.data, LittleEndian);
        let mut commons = Commons::of(&section.data);
        assert!(commons.get(&frame, &BaseAddresses::default(), EhFrameOffset(0)).is_err());
        assert_eq!(commons.cost, 0);
    }

    #[test]
    fn the_count_of_common_entries_is_bounded() {
        // Each word says that an entry of 14 bytes begins.
        let data: Vec<u8> = [14, 0, 0, 0].repeat(10_000);
        let frame = EhFrame::new(&data, LittleEndian);
        let mut commons = Commons::of(&data);
        for at in 0..10_000 {
            assert!(commons.get(&frame, &BaseAddresses::default(), EhFrameOffset(at * 4)).is_err());
        }
        assert_eq!(commons.parsed.len(), COMMONS_MAX);
    }
}
