//! The parts that read untrusted bytes, one by one, for the fuzz targets and their smoke test.

use crate::{
    decode::{Decode, X86_64},
    elf::Elf,
    frames,
    precision::Precision,
    ranges::Ranges,
    scan::Scan,
};
use supervisor::elf_file::Section;

/// Reads an ELF file and the tables of its functions.
pub fn elf(data: &[u8]) {
    if let Ok(elf) = Elf::parse(data.to_vec()) {
        let ranges = Ranges::of(&elf);
        let _ = ranges.starts().filter_map(|start| ranges.holding(&elf, start)).count();
    }
}

/// Reads an ELF file and interprets all of its functions.
pub fn scan(data: &[u8]) {
    if let Ok(elf) = Elf::parse(data.to_vec()) {
        let scan = Scan::of(&elf, Precision::ALL);
        let _ = scan.function(&elf, elf.entry);
    }
}

/// Reads frame descriptions.
pub fn frames(data: &[u8]) {
    for is_64 in [true, false] {
        let _ = frames::read(&Section { address: 0x1000, data: data.to_vec() }, is_64);
    }
}

/// Decodes instructions, one behind the other.
pub fn instructions(data: &[u8]) {
    let mut decoder = X86_64::default();
    let mut ops = Vec::new();
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        ops.clear();
        at += decoder.decode(rest, at as u64, &mut ops).map_or(1, |(length, _)| length.into());
    }
}
