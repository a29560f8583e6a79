//! Writes small ELF files, honest and hostile, for the tests of this crate and of those above it.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// A section; its number is its place in the list, from 1.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// The name.
    pub name: &'static str,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_link`.
    pub link: u32,
    /// `sh_addr`.
    pub address: u64,
    /// The bytes.
    pub data: Vec<u8>,
    /// This many bytes of hole after them.
    pub hole: u64,
}

/// A segment: all of a section, or but its end.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// `p_type`.
    pub kind: u32,
    /// The place of the section in the list, from 0.
    pub section: usize,
    /// How many bytes at the section's start are left out.
    pub skip: u64,
}

/// A symbol's entry in its table; `function` gives STT_FUNC, and section 0 is an undefined symbol.
pub fn symbol(name: u32, function: bool, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut entry = Vec::from(name.to_le_bytes());
    entry.extend([0x10 | if function { 2 } else { 0 }, 0]);
    entry.extend(section.to_le_bytes());
    entry.extend(value.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry
}

/// A note that carries a build id.
pub fn build_id_note(id: &[u8]) -> Vec<u8> {
    let mut note = Vec::from(4_u32.to_le_bytes());
    note.extend((id.len() as u32).to_le_bytes());
    note.extend(3_u32.to_le_bytes());
    note.extend(b"GNU\0");
    note.extend(id);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// A small program as a linker makes it: `work` at 0x1010 in a table of symbols, `helper` at 0x1040
/// only in a frame description, a build id, and an imported `seccomp_notify_fd`.
pub fn sample() -> (Vec<Segment>, Vec<Section>) {
    let section = |name, kind, link, address, data| Section {
        name,
        kind,
        link,
        address,
        data,
        ..Default::default()
    };
    let work = [symbol(0, false, 0, 0, 0), symbol(1, true, 1, 0x1010, 0x20)].concat();
    let imports = [symbol(0, false, 0, 0, 0), symbol(1, true, 0, 0, 0)].concat();
    let sections = vec![
        section(".text", 1, 0, 0x1000, vec![0x90; 0x100]),
        section(".symtab", 2, 3, 0, work),
        section(".strtab", 3, 0, 0, b"\0work\0".into()),
        section(".dynsym", 11, 5, 0, imports),
        section(".dynstr", 3, 0, 0, b"\0seccomp_notify_fd\0".into()),
        section(".eh_frame", 1, 0, 0x3000, eh_frame(b"zR", &[(0x1040, 0x10)])),
        section(".note.gnu.build-id", 7, 0, 0x4000, build_id_note(&[0xab; 20])),
    ];
    let segments =
        vec![Segment { kind: 1, section: 0, skip: 0 }, Segment { kind: 4, section: 6, skip: 0 }];
    (segments, sections)
}

/// Frame descriptions for functions, given as address and size, with one common entry of this
/// augmentation before them.
pub fn eh_frame(augmentation: &[u8], functions: &[(u64, u64)]) -> Vec<u8> {
    let mut common = vec![0; 4]; // the id of a common entry
    common.push(1);
    common.extend(augmentation);
    // The end of the augmentation, alignments, the return address, one byte of augmentation: the
    // encoding of pointers, absolute.
    common.extend([0, 1, 0x78, 16, 1, 0]);
    common.resize(common.len().next_multiple_of(8) + 4, 0);
    let mut bytes = Vec::from((common.len() as u32).to_le_bytes());
    bytes.extend(common);
    for (address, size) in functions {
        bytes.extend(24_u32.to_le_bytes());
        // How far back the common entry is.
        bytes.extend((bytes.len() as u32).to_le_bytes());
        bytes.extend([address.to_le_bytes(), size.to_le_bytes()].concat());
        // No augmentation, and padding.
        bytes.extend([0; 4]);
    }
    bytes.extend([0; 4]);
    bytes
}

/// Writes an executable for x86-64 with these parts.
///
/// # Errors
/// When the file cannot be written.
pub fn write_elf(path: &Path, segments: &[Segment], sections: &[Section]) -> io::Result<()> {
    let file = File::create(path)?;
    let mut names = vec![0_u8];
    let mut headers = vec![0_u8; 64];
    let segments_at = 64;
    let sections_at = segments_at + 56 * segments.len() as u64;
    let mut offset = sections_at + 64 * (sections.len() as u64 + 2);
    let mut offsets = Vec::new();
    let mut add = |name: u32, kind: u32, link: u32, address: u64, offset: u64, size: u64| {
        headers.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        headers.extend([0, address, offset, size].map(u64::to_le_bytes).concat());
        headers.extend([link.to_le_bytes(), 0_u32.to_le_bytes()].concat());
        headers.extend([1_u64, 0].map(u64::to_le_bytes).concat());
    };
    for section in sections {
        let name = names.len() as u32;
        names.extend([section.name.as_bytes(), b"\0"].concat());
        let size = section.data.len() as u64 + section.hole;
        add(name, section.kind, section.link, section.address, offset, size);
        file.write_all_at(&section.data, offset)?;
        offsets.push(offset);
        offset += size;
    }
    add(0, 3, 0, 0, offset, names.len() as u64);
    file.write_all_at(&names, offset)?;
    file.write_all_at(&headers, sections_at)?;
    let mut programs = Vec::new();
    for segment in segments {
        let section = &sections[segment.section];
        let size = section.data.len() as u64 + section.hole - segment.skip;
        let address = section.address + segment.skip;
        programs.extend([segment.kind.to_le_bytes(), 5_u32.to_le_bytes()].concat());
        let offset = offsets[segment.section] + segment.skip;
        programs.extend([offset, address, address, size, size, 4].map(u64::to_le_bytes).concat());
    }
    file.write_all_at(&programs, segments_at)?;
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    header.extend([0x1000, segments_at, sections_at].map(u64::to_le_bytes).concat());
    header.extend(0_u32.to_le_bytes());
    let counts = [64, 56, segments.len() as u16, 64, sections.len() as u16 + 2];
    header.extend(counts.map(u16::to_le_bytes).concat());
    header.extend((sections.len() as u16 + 1).to_le_bytes());
    file.write_all_at(&header, 0)
}
