//! The functions of one ELF file, by file offset: named by its symbol tables; where those are
//! stripped, bounded by the frame descriptions that unwinding needs.

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache, SymbolKind};
use std::{collections::BTreeMap, fs::File, io, path::Path};

/// More symbols or frames than these are not read.
const FUNCTIONS_MAX: usize = 1 << 20;
/// A larger section is not read into memory.
const SECTION_MAX: u64 = 256 << 20;

/// Why a file's functions are not known.
#[derive(Debug)]
pub enum FunctionError {
    /// The file cannot be opened, or is no regular file.
    Io(io::Error),
    /// It is no ELF file that can be read.
    Elf(object::Error),
}

/// The functions of a file.
#[derive(Debug)]
pub struct Functions {
    segments: Vec<Segment>,
    /// By address: the size, which may be 0 where the table does not say, and the name.
    symbols: BTreeMap<u64, (u64, String)>,
    /// By address: the size.
    frames: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

impl Functions {
    /// Reads the functions of an ELF file.
    ///
    /// # Errors
    /// When it is no readable regular file, or no ELF file.
    pub fn read(path: &Path) -> Result<Functions, FunctionError> {
        // Opening a pipe would block: look first.
        if !std::fs::metadata(path).map_err(FunctionError::Io)?.is_file() {
            return Err(FunctionError::Io(io::ErrorKind::InvalidInput.into()));
        }
        let cache = ReadCache::new(File::open(path).map_err(FunctionError::Io)?);
        let elf = object::File::parse(&cache).map_err(FunctionError::Elf)?;
        let segments = elf.segments().map(|segment| {
            let (offset, size) = segment.file_range();
            Segment { address: segment.address(), offset, size }
        });
        Ok(Functions {
            segments: segments.collect(),
            symbols: symbols(&elf),
            frames: frames(&elf).unwrap_or_default(),
        })
    }

    /// The function at a file offset: `openat64+0x3b`, or `fn@1a2b0+0x3b` for one without a name.
    pub fn name(&self, offset: u64) -> Option<String> {
        let segment = self.segments.iter().find(|segment| {
            offset.checked_sub(segment.offset).is_some_and(|within| within < segment.size)
        })?;
        let address = segment.address.checked_add(offset - segment.offset)?;
        if let Some((start, (size, name))) = self.symbols.range(..=address).next_back()
            && (address - start < *size || (*size == 0 && address - start < 64))
        {
            return Some(format!("{name}+{:#x}", address - start));
        }
        let (start, size) = self.frames.range(..=address).next_back()?;
        (address - start < *size).then(|| format!("fn@{start:x}+{:#x}", address - start))
    }
}

fn symbols<'data>(elf: &impl Object<'data>) -> BTreeMap<u64, (u64, String)> {
    let mut found = BTreeMap::<u64, (u64, String)>::new();
    let tables = elf.symbols().chain(elf.dynamic_symbols());
    for symbol in tables.take(FUNCTIONS_MAX) {
        if symbol.kind() != SymbolKind::Text || symbol.is_undefined() {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        let known =
            found.entry(symbol.address()).or_insert_with(|| (symbol.size(), name.to_owned()));
        // Of several names for one place the plainest: fewest leading underscores, then shortest.
        let rank = |name: &str| (name.len() - name.trim_start_matches('_').len(), name.len());
        if (rank(name), name) < (rank(&known.1), known.1.as_str()) {
            known.1 = name.to_owned();
        }
        known.0 = known.0.max(symbol.size());
    }
    found
}

fn frames<'data>(elf: &impl Object<'data>) -> Option<BTreeMap<u64, u64>> {
    let section = elf.section_by_name(".eh_frame")?;
    if section.size() > SECTION_MAX {
        return None;
    }
    let data = section.data().ok()?;
    let mut eh_frame = EhFrame::new(data, LittleEndian);
    eh_frame.set_address_size(if elf.is_64() { 8 } else { 4 });
    let bases = BaseAddresses::default().set_eh_frame(section.address());
    let mut found = BTreeMap::new();
    let mut entries = eh_frame.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if found.len() >= FUNCTIONS_MAX {
            break;
        }
        if let CieOrFde::Fde(partial) = entry
            && let Ok(fde) = partial.parse(EhFrame::cie_from_offset)
        {
            found.insert(fde.initial_address(), fde.len());
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_program_is_found() {
        let functions = Functions::read(&std::env::current_exe().unwrap()).unwrap();
        let (address, (size, name)) =
            functions.symbols.iter().find(|(_, (size, _))| *size > 8).unwrap();
        let segment = functions
            .segments
            .iter()
            .find(|segment| (segment.address..segment.address + segment.size).contains(address))
            .unwrap();
        let offset = address - segment.address + segment.offset;
        assert_eq!(functions.name(offset + 4).unwrap(), format!("{name}+0x4"));
        assert!(*size > 8);
        let (start, _) = functions.frames.iter().next().unwrap();
        assert!(*start > 0);
        assert_eq!(functions.name(u64::MAX), None);
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        assert!(matches!(Functions::read(Path::new("/")), Err(FunctionError::Io(_))));
        assert!(matches!(Functions::read(Path::new("/etc/passwd")), Err(FunctionError::Elf(_))));
    }
}
