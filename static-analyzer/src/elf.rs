//! One ELF file for x86-64, read whole: what is loaded where, its symbols, its relocations, where
//! its functions begin. Following symbols into other files is link.rs.

mod dynamic;
mod relocations;
mod symbols;

pub use dynamic::Dynamic;
pub use relocations::{Relocation, RelocationKind};
pub use symbols::{Symbol, SymbolKind};

use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64, ProgramHeader64, SectionHeader64},
    pod,
    read::elf::NoteIterator,
};
use rustc_hash::FxHashMap;
use std::{
    io::{self, Read},
    ops::Range,
    path::Path,
};
use supervisor::elf_file::open_regular;

/// A larger file is not analysed.
const FILE_MAX: u64 = 512 << 20;
/// More segments or sections than these are not looked at.
const HEADERS_MAX: usize = 1 << 14;

/// Why a file is not analysed.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It cannot be opened or read, or is no regular file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// More than [`FILE_MAX`] bytes.
    #[error("it is larger than {} MiB", FILE_MAX >> 20)]
    TooLarge,
    /// No ELF file.
    #[error("it is no ELF file")]
    NoElf,
    /// For a machine whose instructions are not decoded.
    #[error("it is for another machine: {0}")]
    Machine(String),
    /// Its headers contradict one another or the file's length.
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
}

/// A part of the file that is loaded.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Where, before relocation.
    pub address: u64,
    /// How many bytes come from the file.
    pub filled: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u32,
}

/// An ELF file in memory.
#[derive(Debug)]
pub struct Elf {
    data: Vec<u8>,
    /// Whether its addresses are final: not position-independent.
    pub fixed: bool,
    /// Where it starts.
    pub entry: u64,
    /// What is loaded.
    pub segments: Vec<Segment>,
    /// Becomes read-only after relocation.
    pub relro: Vec<Range<u64>>,
    /// The initial image of thread-local storage.
    pub tls: Option<Range<u64>>,
    /// The program interpreter that it names.
    pub interpreter: Option<Vec<u8>>,
    /// What the dynamic section says.
    pub dynamic: Dynamic,
    /// The dynamic symbols.
    pub symbols: Vec<Symbol>,
    /// Those of `.symtab`, when it is there: functions and objects only.
    pub full: Vec<Symbol>,
    /// By address.
    pub relocations: Vec<Relocation>,
    /// Where instructions are.
    pub code: Vec<Range<u64>>,
    /// Where sections begin and end: no object reaches from one into another.
    pub borders: Vec<u64>,
    /// The frame descriptions.
    pub frames: Option<Range<u64>>,
    /// Go's table of functions.
    pub gopclntab: Option<Range<u64>>,
    /// The linker's build id, in hexadecimal.
    pub build_id: Option<String>,
    by_name: FxHashMap<Vec<u8>, Vec<u32>>,
}

/// A part of a byte string.
pub fn slice(data: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    data.get(start..end)
}

/// A table of `count` records at an offset.
fn table<T: pod::Pod>(data: &[u8], offset: u64, count: usize) -> Option<&[T]> {
    let rest = data.get(usize::try_from(offset).ok()?..)?;
    pod::slice_from_bytes(rest, count).ok().map(|(table, _)| table)
}

impl Elf {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no readable regular ELF file for x86-64.
    pub fn read(path: &Path) -> Result<Elf, ElfError> {
        Elf::parse(contents(path)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When they are no ELF file for x86-64.
    pub fn parse(data: Vec<u8>) -> Result<Elf, ElfError> {
        if !data.starts_with(&elf::ELFMAG) {
            return Err(ElfError::NoElf);
        }
        check_machine(&data)?;
        let header = table::<FileHeader64<LE>>(&data, 0, 1).and_then(|list| list.first());
        let header = header.ok_or(ElfError::Malformed("header"))?;
        let kind = header.e_type.get(LE);
        if ![elf::ET_EXEC, elf::ET_DYN].contains(&kind) {
            return Err(ElfError::Malformed("type (neither program nor library)"));
        }
        let programs = table::<ProgramHeader64<LE>>(
            &data,
            header.e_phoff.get(LE),
            usize::from(header.e_phnum.get(LE)).min(HEADERS_MAX),
        )
        .ok_or(ElfError::Malformed("program headers"))?;
        let sections = table::<SectionHeader64<LE>>(
            &data,
            header.e_shoff.get(LE),
            usize::from(header.e_shnum.get(LE)).min(HEADERS_MAX),
        )
        .filter(|_| header.e_shoff.get(LE) != 0)
        .unwrap_or_default();
        let names = sections
            .get(usize::from(header.e_shstrndx.get(LE).0))
            .and_then(|strings| slice(&data, strings.sh_offset.get(LE), strings.sh_size.get(LE)))
            .unwrap_or_default();

        let mut elf = Elf {
            fixed: kind == elf::ET_EXEC,
            entry: header.e_entry.get(LE),
            segments: Vec::new(),
            relro: Vec::new(),
            tls: None,
            interpreter: None,
            dynamic: Dynamic::default(),
            symbols: Vec::new(),
            full: Vec::new(),
            relocations: Vec::new(),
            code: Vec::new(),
            borders: Vec::new(),
            frames: None,
            gopclntab: None,
            build_id: None,
            by_name: FxHashMap::default(),
            data: Vec::new(),
        };
        let mut dynamic = None;
        for program in programs {
            elf.take_program(program, &data, &mut dynamic);
        }
        elf.segments.sort_by_key(|segment| segment.address);
        elf.take_sections(sections, names);
        elf.full = symbols::full(&data, sections);
        let static_relocations = relocations::of_sections(&data, sections);
        let static_arrays = Dynamic::of_sections(sections);
        let mut tables = relocations::tables(sections);
        elf.data = data;
        if let Some((offset, size)) = dynamic {
            elf.dynamic = Dynamic::read(&elf, offset, size);
            elf.symbols = symbols::dynamic(&elf);
            elf.relocations = relocations::of_dynamic(&elf);
        } else {
            elf.relocations = static_relocations;
            elf.dynamic = static_arrays;
        }
        if elf.fixed {
            if dynamic.is_some() {
                tables = [elf.dynamic.rela, elf.dynamic.plt]
                    .map(|(at, size)| at..at.saturating_add(size))
                    .to_vec();
            }
            let words = relocations::of_fixed(&elf, &tables);
            elf.relocations.extend(words);
        }
        elf.relocations.sort_by_key(|relocation| relocation.at);
        for (number, symbol) in (0_u32..).zip(&elf.symbols) {
            if symbol.defined {
                let name = elf.bytes_of(&symbol.name).to_vec();
                elf.by_name.entry(name).or_default().push(number);
            }
        }
        Ok(elf)
    }

    fn take_program(
        &mut self,
        program: &ProgramHeader64<LE>,
        data: &[u8],
        dynamic: &mut Option<(u64, u64)>,
    ) {
        let (address, offset) = (program.p_vaddr.get(LE), program.p_offset.get(LE));
        let (filled, size) = (program.p_filesz.get(LE), program.p_memsz.get(LE));
        let Some(end) = address.checked_add(size) else { return };
        match program.p_type.get(LE) {
            elf::PT_LOAD => {
                let there = (data.len() as u64).saturating_sub(offset);
                let filled = filled.min(size).min(there);
                let flags = program.p_flags.get(LE).0;
                self.segments.push(Segment { address, filled, size, offset, flags });
            }
            elf::PT_DYNAMIC => *dynamic = Some((offset, filled)),
            elf::PT_GNU_RELRO => self.relro.push(address..end),
            // What has no bytes in the file lies in each thread, and not at these addresses.
            elf::PT_TLS => self.tls = Some(address..address.saturating_add(filled).min(end)),
            elf::PT_INTERP => {
                let path = slice(data, offset, filled.min(4096)).unwrap_or_default();
                let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
                self.interpreter = Some(path.to_vec());
            }
            elf::PT_NOTE if self.build_id.is_none() => {
                let Some(notes) = slice(data, offset, filled.min(1 << 20)) else { return };
                self.build_id = build_id(notes, program.p_align.get(LE));
            }
            elf::PT_GNU_EH_FRAME if self.frames.is_none() => {
                self.frames = frames_by_header(data, offset, address);
            }
            _ => {}
        }
    }

    fn take_sections(&mut self, sections: &[SectionHeader64<LE>], names: &[u8]) {
        for section in sections {
            let (address, size) = (section.sh_addr.get(LE), section.sh_size.get(LE));
            let flags = section.sh_flags.get(LE).0;
            let Some(end) = address.checked_add(size) else { continue };
            let name = names.get(section.sh_name.get(LE) as usize..).unwrap_or_default();
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            let loaded = flags & elf::SHF_ALLOC.0 != 0 && size > 0;
            if loaded && flags & elf::SHF_EXECINSTR.0 != 0 {
                self.code.push(address..end);
            }
            if loaded {
                self.borders.extend([address, end]);
            }
            match name {
                b".eh_frame" if loaded => self.frames = Some(address..end),
                b".gopclntab" | b".data.rel.ro.gopclntab" => self.gopclntab = Some(address..end),
                _ => {}
            }
        }
        let within = |code: &Range<u64>| {
            self.segments.iter().any(|segment| {
                segment.flags & elf::PF_X.0 != 0
                    && segment.address <= code.start
                    && code.end - segment.address <= segment.filled
            })
        };
        // Sections are a claim; segments are what is mapped, and only bytes of the file are code.
        if self.code.is_empty() || !self.code.iter().all(within) {
            let executable =
                self.segments.iter().filter(|segment| segment.flags & elf::PF_X.0 != 0);
            self.code = executable
                .map(|segment| segment.address..segment.address.saturating_add(segment.filled))
                .collect();
        }
        self.code.sort_by_key(|range| range.start);
        // Parts that overlap are one, or each byte would be looked at as often as it is claimed.
        self.code.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
    }

    /// The bytes that the file has for an address and what follows it in the segment.
    pub fn from(&self, address: u64) -> Option<&[u8]> {
        let past = self.segments.partition_point(|segment| segment.address <= address);
        let segment = self.segments[..past]
            .iter()
            .rev()
            .take(4)
            .find(|segment| address - segment.address < segment.filled)?;
        let within = address - segment.address;
        slice(&self.data, segment.offset.checked_add(within)?, segment.filled - within)
    }

    /// `size` bytes at an address.
    pub fn at(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.from(address)?.get(..size)
    }

    /// The little-endian word at an address.
    pub fn word(&self, address: u64) -> Option<u64> {
        Some(u64::from_le_bytes(*self.from(address)?.first_chunk()?))
    }

    /// The little-endian half word at an address.
    pub fn half(&self, address: u64) -> Option<u32> {
        Some(u32::from_le_bytes(*self.from(address)?.first_chunk()?))
    }

    /// Whether instructions are at an address.
    pub fn is_code(&self, address: u64) -> bool {
        let past = self.code.partition_point(|range| range.start <= address);
        self.code[..past].last().is_some_and(|range| address < range.end)
    }

    /// The segment that holds an address.
    pub fn segment(&self, address: u64) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|segment| address >= segment.address && address - segment.address < segment.size)
    }

    /// Whether memory keeps its contents once the program runs.
    pub fn is_constant(&self, address: u64) -> bool {
        self.segment(address).is_some_and(|segment| segment.flags & elf::PF_W.0 == 0)
            || self.relro.iter().any(|range| range.contains(&address))
    }

    /// The offset in the file of an address.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let segment = self.segment(address)?;
        let within = address - segment.address;
        (within < segment.filled).then(|| segment.offset.checked_add(within))?
    }

    /// The whole file.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// A part of the file that was found by its offset.
    pub fn bytes_of(&self, range: &Range<u32>) -> &[u8] {
        self.data.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// The relocations of the words in a part of memory.
    pub fn relocations_in(&self, range: Range<u64>) -> &[Relocation] {
        let from = self.relocations.partition_point(|relocation| relocation.at < range.start);
        let past = self.relocations.partition_point(|relocation| relocation.at < range.end);
        &self.relocations[from..past.max(from)]
    }

    /// The symbols of a name that this file defines, as numbers in [`Elf::symbols`].
    pub fn defined(&self, name: &[u8]) -> &[u32] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The bytes of a regular file, up to a bound.
pub fn contents(path: &Path) -> Result<Vec<u8>, ElfError> {
    let file = open_regular(path)?;
    if file.metadata()?.len() > FILE_MAX {
        return Err(ElfError::TooLarge);
    }
    let mut data = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut data)?;
    if data.len() as u64 > FILE_MAX { Err(ElfError::TooLarge) } else { Ok(data) }
}

fn check_machine(data: &[u8]) -> Result<(), ElfError> {
    const CLASS_32: u8 = elf::ELFCLASS32.0;
    const CLASS_64: u8 = elf::ELFCLASS64.0;
    const LITTLE: u8 = elf::ELFDATA2LSB.0;
    const X86_64: u16 = elf::EM_X86_64.0;
    const I386: u16 = elf::EM_386.0;
    const AARCH64: u16 = elf::EM_AARCH64.0;
    let class = data.get(4).copied();
    let order = data.get(5).copied();
    let machine = data.get(18..20).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    match (class, order, machine) {
        (Some(CLASS_64), Some(LITTLE), Some(X86_64)) => Ok(()),
        (Some(CLASS_32), Some(LITTLE), Some(I386)) => Err(ElfError::Machine("i386".to_owned())),
        (Some(CLASS_32), Some(LITTLE), Some(X86_64)) => Err(ElfError::Machine("x32".to_owned())),
        (Some(_), Some(LITTLE), Some(AARCH64)) => Err(ElfError::Machine("aarch64".to_owned())),
        (Some(_), Some(_), Some(machine)) => {
            Err(ElfError::Machine(format!("number {machine} of the ELF header")))
        }
        _ => Err(ElfError::Malformed("header")),
    }
}

fn build_id(notes: &[u8], align: u64) -> Option<String> {
    let mut notes = NoteIterator::<FileHeader64<LE>>::new(LE, align, notes).ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == elf::ELF_NOTE_GNU && note.n_type(LE) == elf::NT_GNU_BUILD_ID {
            let id = note.desc().iter().take(64);
            return Some(id.map(|byte| format!("{byte:02x}")).collect());
        }
    }
    None
}

/// `.eh_frame` by the header that the segments name, for files without sections: to the end of
/// what is loaded, as the entries end themselves.
fn frames_by_header(data: &[u8], offset: u64, address: u64) -> Option<Range<u64>> {
    let header = slice(data, offset, 8)?;
    // Version 1; the pointer is relative to itself and has four bytes (DW_EH_PE_pcrel|sdata4).
    if header[0] != 1 || header[1] != 0x1b {
        return None;
    }
    let distance = i32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let start = address.checked_add(4)?.checked_add_signed(i64::from(distance))?;
    Some(start..u64::MAX)
}
