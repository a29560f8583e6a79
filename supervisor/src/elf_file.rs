//! One ELF file, read within bounds.
//!
//! The files are those that the traced program ran and may be hostile: only regular files are
//! opened, and every byte that is read counts against a budget, so that neither a length in a
//! header nor a million overlapping parts cost more than that.

mod contents;
mod identity;

pub use contents::{Section, Segment, Symbol, Symbols, TableKind};
pub use identity::sha256;

use nix::unistd::{Whence, lseek};
use object::{ReadCache, ReadRef};
use std::{
    cell::Cell,
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// What a read costs besides its bytes: the place in the cache that keeps it.
const OVERHEAD: u64 = 128;
/// A larger read must not meet a hole: no linker leaves one in a table, while a sparse file claims
/// gigabytes at no cost.
const SPARSE_MAX: u64 = 64 << 10;

/// Why an ELF file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// It cannot be opened, read, or is no regular file.
    #[error("cannot read ELF file: {0}")]
    Io(#[from] io::Error),
    /// It is no ELF file, or its parts contradict one another.
    #[error("cannot read ELF file: {0}")]
    Malformed(object::Error),
    /// More would have to be read than is allowed.
    #[error("cannot read ELF file: a part is too large")]
    TooLarge,
    /// A table lies where the file has no data.
    #[error("cannot read ELF file: a part is a hole in the file")]
    Hole,
}

/// Opens a regular file for reading; anything else is an error, and never blocks.
///
/// # Errors
/// When the file cannot be opened or is not regular.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a pipe or a device may block or act: look first.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // O_NONBLOCK: should it have been swapped for a pipe since.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// An ELF file with what may still be read of it.
#[derive(Debug)]
pub struct ElfFile<'file> {
    file: &'file File,
    length: u64,
    headers: ReadCache<&'file File>,
    budget: u64,
    left: Cell<u64>,
    /// Why the last read was refused: object's errors do not say.
    refused: Cell<Option<Refusal>>,
}

#[derive(Debug, Clone, Copy)]
enum Refusal {
    Budget,
    Hole,
}

impl From<Refusal> for ElfError {
    fn from(refusal: Refusal) -> ElfError {
        match refusal {
            Refusal::Budget => ElfError::TooLarge,
            Refusal::Hole => ElfError::Hole,
        }
    }
}

impl<'file> ElfFile<'file> {
    /// Allows `budget` bytes of the file to be read, from now until this value is dropped.
    ///
    /// # Errors
    /// When the length of the file cannot be learnt.
    pub fn new(file: &'file File, budget: u64) -> io::Result<ElfFile<'file>> {
        Ok(ElfFile {
            file,
            length: file.metadata()?.len(),
            headers: ReadCache::new(file),
            budget,
            left: Cell::new(budget),
            refused: Cell::new(None),
        })
    }

    /// How much of the budget is used up.
    pub fn used(&self) -> u64 {
        self.budget - self.left.get()
    }

    /// Reads a part of the file, which is not kept.
    fn read(&self, offset: u64, size: u64) -> Result<Vec<u8>, ElfError> {
        let too_large = |_| ElfError::TooLarge;
        self.charge(offset, size)?;
        let size = usize::try_from(size).map_err(|_| ElfError::TooLarge)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(too_large)?;
        bytes.resize(size, 0);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Takes a read from the budget, before any memory is taken for it.
    fn charge(&self, offset: u64, size: u64) -> Result<(), ElfError> {
        let end = offset.checked_add(size).ok_or(io::ErrorKind::UnexpectedEof);
        if end.map_err(io::Error::from)? > self.length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let refusal = match self.left.get().checked_sub(size.saturating_add(OVERHEAD)) {
            None => Refusal::Budget,
            Some(_) if size > SPARSE_MAX && self.has_hole(offset, size) => Refusal::Hole,
            Some(left) => {
                self.left.set(left);
                return Ok(());
            }
        };
        self.refused.set(Some(refusal));
        Err(refusal.into())
    }

    fn has_hole(&self, offset: u64, size: u64) -> bool {
        let Ok(start) = i64::try_from(offset) else { return true };
        // A file system that knows no holes answers with the end of the file, or not at all.
        lseek(self.file, start, Whence::SeekHole)
            .is_ok_and(|hole| u64::try_from(hole).is_ok_and(|hole| hole < offset + size))
    }

    fn error(&self, error: object::Error) -> ElfError {
        self.refused.take().map_or(ElfError::Malformed(error), ElfError::from)
    }
}

/// The headers, which object keeps references to.
impl<'data> ReadRef<'data> for &'data ElfFile<'_> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'data [u8], ()> {
        self.charge(offset, size).map_err(drop)?;
        (&self.headers).read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'data [u8], ()> {
        // What the cache takes at once; the string that it keeps is no longer.
        let most = range.end.saturating_sub(range.start).min(256);
        self.charge(range.start, most).map_err(drop)?;
        let bytes = (&self.headers).read_bytes_at_until(range.clone(), delimiter)?;
        self.charge(range.start, bytes.len() as u64).map_err(drop)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
