//! Which file a mapped module was: its build id, or a hash of its bytes.
//!
//! The files are the traced program's and may be hostile: only regular files are opened, sizes are
//! bounded, and what cannot be read is a module without identity.

use model::{Text, trace::Module};
use object::{
    Endianness, Object, ObjectSymbol,
    elf::{FileHeader32, FileHeader64, NT_GNU_BUILD_ID, PT_NOTE},
    read::{
        FileKind, ReadCache, ReadRef,
        elf::{FileHeader, ProgramHeader},
    },
};
use sha2::{Digest, Sha256};
use std::{
    ffi::CStr,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
};

/// Notes larger than this are not a build id.
const NOTES_MAX: u64 = 1 << 20;
/// Larger files are not hashed.
const HASH_MAX: u64 = 1 << 30;
/// More symbols than these are not looked at.
const SYMBOLS_MAX: usize = 1 << 20;

/// Identifies the file behind `opened_as`, a path that profgen can open, and calls it `path`.
pub fn identify(path: Text, opened_as: &str) -> Module {
    let mut module = Module { path, build_id: None, sha256: None };
    if let Ok(file) = open_regular(opened_as) {
        module.build_id = build_id(&file);
        if module.build_id.is_none() {
            module.sha256 = hash(file).ok();
        }
    }
    module
}

fn open_regular(path: &str) -> io::Result<File> {
    // Opening a pipe or a device may block or act: look first.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // O_NONBLOCK: should it have been swapped for a pipe since.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn build_id(file: &File) -> Option<String> {
    let cache = ReadCache::new(file);
    match FileKind::parse(&cache).ok()? {
        FileKind::Elf32 => build_id_of::<FileHeader32<Endianness>, _>(&cache),
        FileKind::Elf64 => build_id_of::<FileHeader64<Endianness>, _>(&cache),
        _ => None,
    }
}

fn build_id_of<'data, H: FileHeader, R: ReadRef<'data>>(data: R) -> Option<String> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    for segment in header.program_headers(endian, data).ok()? {
        let size: u64 = segment.p_filesz(endian).into();
        if segment.p_type(endian) != PT_NOTE || size > NOTES_MAX {
            continue;
        }
        let mut notes = segment.notes(endian, data).ok()??;
        while let Ok(Some(note)) = notes.next() {
            if note.name() == b"GNU" && note.n_type(endian) == NT_GNU_BUILD_ID {
                return Some(hex(note.desc()));
            }
        }
    }
    None
}

/// Whether the program imports libseccomp's calls for a listener of its own. One that asks the
/// kernel directly is not found out this way.
pub fn wants_listener(path: &CStr) -> bool {
    let Ok(path) = path.to_str() else { return false };
    let Ok(file) = open_regular(path) else { return false };
    let cache = ReadCache::new(&file);
    let Ok(elf) = object::File::parse(&cache) else { return false };
    let mut symbols = elf.dynamic_symbols().take(SYMBOLS_MAX);
    symbols.any(|symbol| {
        symbol.is_undefined()
            && matches!(symbol.name(), Ok("seccomp_notify_fd" | "seccomp_notify_alloc"))
    })
}

fn hash(mut file: File) -> io::Result<String> {
    if file.metadata()?.len() > HASH_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes.iter().take(64) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_file_is_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x").display().to_string();
        fs::write(&path, "abc").unwrap();
        let module = identify(Text::from(path.as_str()), &path);
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(module.sha256.as_deref(), Some(expected));
        assert_eq!(module.build_id, None);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let module = identify(Text::from("x"), &path.display().to_string());
        assert_eq!((module.build_id, module.sha256), (None, None));
    }
}
