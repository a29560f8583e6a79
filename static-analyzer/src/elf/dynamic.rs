//! The dynamic section: what the loader has to do for a file.

use super::{Elf, table};
use object::{
    LittleEndian as LE,
    elf::{self, Dyn64, SectionHeader64},
};
use std::ops::Range;

/// More entries are not read; libraries have some forty.
const ENTRIES_MAX: u64 = 1 << 14;
/// Longer strings are none.
const STRING_MAX: usize = 4096;

/// The entries that matter.
#[derive(Debug, Default, Clone)]
pub struct Dynamic {
    /// The names of the libraries that it needs.
    pub needed: Vec<Vec<u8>>,
    /// The name under which others need it.
    pub soname: Option<Vec<u8>>,
    /// Directories, for it and what it needs, unless it has a runpath.
    pub rpath: Option<Vec<u8>>,
    /// Directories, for what it needs itself.
    pub runpath: Option<Vec<u8>>,
    /// Whether the default directories are not searched for it.
    pub no_default: bool,
    /// Whether its own definitions come first for it.
    pub symbolic: bool,
    /// The address of its first function.
    pub init: Option<u64>,
    /// The address of its last function.
    pub fini: Option<u64>,
    /// Arrays of functions: address and size.
    pub arrays: Vec<(u64, u64)>,
    /// Which of the arrays run at the end.
    pub fini_array: Option<(u64, u64)>,
    pub(super) symtab: u64,
    pub(super) strtab: u64,
    pub(super) strsz: u64,
    pub(super) hash: u64,
    pub(super) gnu_hash: u64,
    pub(super) versym: u64,
    pub(super) verdef: (u64, u64),
    pub(super) verneed: (u64, u64),
    pub(super) rela: (u64, u64),
    pub(super) plt: (u64, u64),
    pub(super) relr: (u64, u64),
}

impl Dynamic {
    /// A static program at fixed addresses has none: its sections name the arrays of functions.
    pub(super) fn of_sections(sections: &[SectionHeader64<LE>]) -> Dynamic {
        let mut found = Dynamic::default();
        for section in sections.iter().filter(|section| section.sh_size.get(LE) != 0) {
            let array = (section.sh_addr.get(LE), section.sh_size.get(LE));
            match section.sh_type.get(LE) {
                elf::SHT_PREINIT_ARRAY | elf::SHT_INIT_ARRAY => found.arrays.push(array),
                elf::SHT_FINI_ARRAY => found.fini_array = Some(array),
                _ => {}
            }
        }
        found
    }

    /// Where the arrays of functions lie that are called as the process begins and ends.
    pub fn called(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let arrays = self.arrays.iter().chain(&self.fini_array);
        arrays.map(|&(at, size)| at..at.saturating_add(size))
    }

    pub(super) fn read(elf: &Elf, offset: u64, size: u64) -> Dynamic {
        let entry = size_of::<Dyn64<LE>>() as u64;
        let count = (size / entry).min(ENTRIES_MAX) as usize;
        let entries = table::<Dyn64<LE>>(elf.data(), offset, count).unwrap_or_default();
        let mut found = Dynamic::default();
        let (mut needed, mut soname, mut rpath, mut runpath) = (Vec::new(), None, None, None);
        let (mut init, mut fini, mut preinit) = ((0, 0), (0, 0), (0, 0));
        for entry in entries {
            let value = entry.d_val.get(LE);
            match entry.d_tag.get(LE) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => needed.push(value),
                elf::DT_SONAME => soname = Some(value),
                elf::DT_RPATH => rpath = Some(value),
                elf::DT_RUNPATH => runpath = Some(value),
                elf::DT_FLAGS_1 => {
                    found.no_default = value & elf::DF_1_NODEFLIB.0 != 0;
                }
                elf::DT_SYMBOLIC => found.symbolic = true,
                elf::DT_FLAGS if value & elf::DF_SYMBOLIC.0 != 0 => found.symbolic = true,
                elf::DT_INIT => found.init = Some(value).filter(|&value| value != 0),
                elf::DT_FINI => found.fini = Some(value).filter(|&value| value != 0),
                elf::DT_INIT_ARRAY => init.0 = value,
                elf::DT_INIT_ARRAYSZ => init.1 = value,
                elf::DT_FINI_ARRAY => fini.0 = value,
                elf::DT_FINI_ARRAYSZ => fini.1 = value,
                elf::DT_PREINIT_ARRAY => preinit.0 = value,
                elf::DT_PREINIT_ARRAYSZ => preinit.1 = value,
                elf::DT_SYMTAB => found.symtab = value,
                elf::DT_STRTAB => found.strtab = value,
                elf::DT_STRSZ => found.strsz = value,
                elf::DT_HASH => found.hash = value,
                elf::DT_GNU_HASH => found.gnu_hash = value,
                elf::DT_VERSYM => found.versym = value,
                elf::DT_VERDEF => found.verdef.0 = value,
                elf::DT_VERDEFNUM => found.verdef.1 = value,
                elf::DT_VERNEED => found.verneed.0 = value,
                elf::DT_VERNEEDNUM => found.verneed.1 = value,
                elf::DT_RELA => found.rela.0 = value,
                elf::DT_RELASZ => found.rela.1 = value,
                elf::DT_JMPREL => found.plt.0 = value,
                elf::DT_PLTRELSZ => found.plt.1 = value,
                elf::DT_RELR => found.relr.0 = value,
                elf::DT_RELRSZ => found.relr.1 = value,
                _ => {}
            }
        }
        let string = |at: u64| {
            let bytes = elf.from(found.strtab.checked_add(at)?)?;
            let bytes = &bytes[..bytes.len().min(STRING_MAX)];
            let end = bytes.iter().position(|&byte| byte == 0)?;
            Some(bytes[..end].to_vec())
        };
        let lists = (needed.into_iter().filter_map(string).collect(), soname.and_then(string));
        let paths = (rpath.and_then(string), runpath.and_then(string));
        (found.needed, found.soname) = lists;
        (found.rpath, found.runpath) = paths;
        found.arrays =
            [preinit, init].into_iter().filter(|&(at, size)| at != 0 && size != 0).collect();
        found.fini_array = Some(fini).filter(|&(at, size)| at != 0 && size != 0);
        found
    }
}
