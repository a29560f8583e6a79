//! Random numbers from the kernel.

use nix::errno::Errno;

/// 64 random bits.
///
/// # Errors
/// The kernel's reason.
pub fn random() -> nix::Result<u64> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is valid for its length. So few bytes are never given in part: getrandom(2).
    let read = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    Errno::result(read)?;
    Ok(u64::from_ne_bytes(bytes))
}
