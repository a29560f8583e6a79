//! The hash of a file that carries no build id.

use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs::File, io, os::unix::fs::FileExt};

/// The SHA-256 of the whole file, in hexadecimal; the file's position does not matter.
///
/// # Errors
/// When it cannot be read, or has more than `most` bytes.
pub fn sha256(file: &File, most: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 16];
    let mut offset = 0;
    if file.metadata()?.len() > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    loop {
        let length = match file.read_at(&mut buffer, offset)? {
            0 => return Ok(hex(&hasher.finalize())),
            length => length,
        };
        hasher.update(&buffer[..length]);
        offset += length as u64;
        // It may grow while it is read.
        if offset > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// At most 64 bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(128);
    for byte in bytes.iter().take(64) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
