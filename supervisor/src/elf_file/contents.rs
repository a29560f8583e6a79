//! What profgen asks of an ELF file: its segments, symbols, sections and build id.
//!
//! object decodes the headers; tables are read here, each once, as all that object reads stays in
//! memory.

use super::{ElfError, ElfFile, identity::hex};
use object::{
    Endianness,
    elf::{
        FileHeader32, FileHeader64, NT_GNU_BUILD_ID, PT_INTERP, PT_LOAD, PT_NOTE, SHT_DYNSYM,
        SHT_STRTAB, SHT_SYMTAB, STT_FUNC, STT_GNU_IFUNC,
    },
    pod::slice_from_all_bytes,
    read::{
        FileKind,
        elf::{FileHeader, NoteIterator, ProgramHeader, SectionHeader, SectionTable, Sym},
    },
};
use std::ffi::CStr;

/// Segments past these are not looked at; programs have some ten.
const SEGMENTS_MAX: usize = 256;
/// Sections past these are not looked at.
const SECTIONS_MAX: usize = 1 << 14;
/// Symbols past these are not read.
const SYMBOLS_MAX: u64 = 1 << 21;
/// Notes larger than this are not a build id.
const NOTES_MAX: u64 = 1 << 20;
/// A longer name is none.
const NAME_MAX: usize = 4096;

/// A part of the file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it is loaded, before relocation.
    pub address: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// How many bytes of it the file has.
    pub size: u64,
}

/// The bytes of a section.
#[derive(Debug)]
pub struct Section {
    /// Where it is loaded, before relocation.
    pub address: u64,
    /// Its contents.
    pub data: Vec<u8>,
}

/// The two tables of symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// `.symtab`, which stripping removes.
    Full,
    /// `.dynsym`, for the dynamic linker.
    Dynamic,
}

/// A symbol; its name is asked of the table, [`Symbols::name`].
#[derive(Debug, Clone, Copy)]
pub struct Symbol {
    /// Its value.
    pub address: u64,
    /// Its size, 0 where the table does not say.
    pub size: u64,
    /// Where the name is among the strings.
    pub name: u32,
    /// Whether it is code.
    pub function: bool,
    /// Whether this file defines it, rather than needs it.
    pub defined: bool,
}

/// A table of symbols.
#[derive(Debug, Default)]
pub struct Symbols {
    /// The symbols, in the order of the file.
    pub list: Vec<Symbol>,
    /// Their names, which may overlap.
    pub strings: Vec<u8>,
}

impl Symbols {
    /// The name at a place among the strings, where there is one.
    pub fn name(&self, at: u32) -> Option<&str> {
        let rest = self.strings.get(usize::try_from(at).ok()?..)?;
        let bounded = rest.get(..=NAME_MAX).unwrap_or(rest);
        let name = CStr::from_bytes_until_nul(bounded).ok()?.to_str().ok()?;
        (!name.is_empty()).then_some(name)
    }

    fn is(&self, at: u32, name: &CStr) -> bool {
        let rest = usize::try_from(at).ok().and_then(|at| self.strings.get(at..));
        rest.is_some_and(|rest| rest.starts_with(name.to_bytes_with_nul()))
    }
}

/// Calls one of the functions below for the class of the file.
macro_rules! by_class {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        match $self.kind()? {
            FileKind::Elf32 => $self.$function::<FileHeader32<Endianness>>($($argument),*),
            _ => $self.$function::<FileHeader64<Endianness>>($($argument),*),
        }
    };
}

impl ElfFile<'_> {
    /// Whether addresses have 64 bits.
    ///
    /// # Errors
    /// When it is no ELF file.
    pub fn is_64(&self) -> Result<bool, ElfError> {
        Ok(self.kind()? == FileKind::Elf64)
    }

    /// The loaded segments.
    ///
    /// # Errors
    /// When the headers cannot be read.
    pub fn segments(&self) -> Result<Vec<Segment>, ElfError> {
        by_class!(self.segments_of())
    }

    /// Whether the kernel has a loader run it: not so for a static executable.
    ///
    /// # Errors
    /// When the headers cannot be read.
    pub fn has_interpreter(&self) -> Result<bool, ElfError> {
        by_class!(self.has_interpreter_of())
    }

    /// The symbols of a table; none without one.
    ///
    /// # Errors
    /// When the headers or the table cannot be read.
    pub fn symbols(&self, table: TableKind) -> Result<Symbols, ElfError> {
        by_class!(self.symbols_of(table))
    }

    /// The first section of that name that has bytes.
    ///
    /// # Errors
    /// When the headers or the section cannot be read.
    pub fn section(&self, name: &str) -> Result<Option<Section>, ElfError> {
        by_class!(self.section_of(name))
    }

    /// The linker's build id, in hexadecimal; none without one.
    ///
    /// # Errors
    /// When the headers or a note cannot be read.
    pub fn build_id(&self) -> Result<Option<String>, ElfError> {
        by_class!(self.build_id_of())
    }

    /// Whether a dynamic symbol of one of these names is taken from another file.
    ///
    /// # Errors
    /// When the headers or the table cannot be read.
    pub fn imports(&self, names: &[&CStr]) -> Result<bool, ElfError> {
        let symbols = self.symbols(TableKind::Dynamic)?;
        let named = |at| names.iter().any(|name| symbols.is(at, name));
        Ok(symbols.list.iter().any(|symbol| !symbol.defined && named(symbol.name)))
    }

    fn kind(&self) -> Result<FileKind, ElfError> {
        match FileKind::parse(self).map_err(|error| self.error(error))? {
            kind @ (FileKind::Elf32 | FileKind::Elf64) => Ok(kind),
            _ => Err(ElfError::Io(std::io::ErrorKind::InvalidData.into())),
        }
    }

    fn header<H: FileHeader>(&self) -> Result<(&H, H::Endian), ElfError> {
        let header = H::parse(self).map_err(|error| self.error(error))?;
        Ok((header, header.endian().map_err(|error| self.error(error))?))
    }

    fn program_headers<H: FileHeader>(
        &self,
    ) -> Result<(impl Iterator<Item = &H::ProgramHeader>, H::Endian), ElfError> {
        let (header, endian) = self.header::<H>()?;
        let segments = header.program_headers(endian, self).map_err(|error| self.error(error))?;
        Ok((segments.iter().take(SEGMENTS_MAX), endian))
    }

    fn segments_of<H: FileHeader>(&self) -> Result<Vec<Segment>, ElfError> {
        let (segments, endian) = self.program_headers::<H>()?;
        let loaded = segments.filter(|segment| segment.p_type(endian) == PT_LOAD);
        let segments = loaded.map(|segment| {
            let (offset, size) = segment.file_range(endian);
            Segment { address: segment.p_vaddr(endian).into(), offset, size }
        });
        Ok(segments.collect())
    }

    fn has_interpreter_of<H: FileHeader>(&self) -> Result<bool, ElfError> {
        let (mut segments, endian) = self.program_headers::<H>()?;
        Ok(segments.any(|segment| segment.p_type(endian) == PT_INTERP))
    }

    fn build_id_of<H: FileHeader>(&self) -> Result<Option<String>, ElfError> {
        let (segments, endian) = self.program_headers::<H>()?;
        for segment in segments.filter(|segment| segment.p_type(endian) == PT_NOTE) {
            let (offset, size) = segment.file_range(endian);
            if size > NOTES_MAX {
                continue;
            }
            let data = self.read(offset, size)?;
            let notes = NoteIterator::<H>::new(endian, segment.p_align(endian), &data);
            let mut notes = notes.map_err(|error| self.error(error))?;
            while let Ok(Some(note)) = notes.next() {
                if note.name() == b"GNU" && note.n_type(endian) == NT_GNU_BUILD_ID {
                    return Ok(Some(hex(note.desc())));
                }
            }
        }
        Ok(None)
    }

    fn sections<H: FileHeader>(&self) -> Result<(SectionTable<'_, H, &Self>, H::Endian), ElfError> {
        let (header, endian) = self.header::<H>()?;
        Ok((header.sections(endian, self).map_err(|error| self.error(error))?, endian))
    }

    fn section_of<H: FileHeader>(&self, name: &str) -> Result<Option<Section>, ElfError> {
        let (sections, endian) = self.sections::<H>()?;
        for section in sections.iter().take(SECTIONS_MAX) {
            if let Some((offset, size)) = section.file_range(endian)
                && sections.section_name(endian, section).is_ok_and(|own| own == name.as_bytes())
            {
                let address = section.sh_addr(endian).into();
                return Ok(Some(Section { address, data: self.read(offset, size)? }));
            }
        }
        Ok(None)
    }

    fn symbols_of<H: FileHeader>(&self, table: TableKind) -> Result<Symbols, ElfError> {
        let (sections, endian) = self.sections::<H>()?;
        let kind = match table {
            TableKind::Full => SHT_SYMTAB,
            TableKind::Dynamic => SHT_DYNSYM,
        };
        let found = sections.iter().take(SECTIONS_MAX).find(|one| one.sh_type(endian) == kind);
        let Some((offset, size)) = found.and_then(|found| found.file_range(endian)) else {
            return Ok(Symbols::default());
        };
        let each = size_of::<H::Sym>() as u64;
        let data = self.read(offset, (size - size % each).min(SYMBOLS_MAX * each))?;
        let raw = slice_from_all_bytes::<H::Sym>(&data).unwrap_or_default();
        let list = raw.iter().map(|symbol| Symbol {
            address: symbol.st_value(endian).into(),
            size: symbol.st_size(endian).into(),
            name: symbol.st_name(endian),
            function: matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC),
            defined: !symbol.is_undefined(endian),
        });
        let list = list.collect();
        // Decoded, it need not stay while the names are read.
        drop(data);
        let strings = found
            .and_then(|found| sections.section(found.link(endian)).ok())
            .filter(|strings| strings.sh_type(endian) == SHT_STRTAB)
            .and_then(|strings| strings.file_range(endian));
        let strings = strings.map(|(offset, size)| self.read(offset, size)).transpose()?;
        Ok(Symbols { list, strings: strings.unwrap_or_default() })
    }
}
