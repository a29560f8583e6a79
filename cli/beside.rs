//! Two things at once.

use anyhow::anyhow;
use std::thread::{self, Builder};

/// Writes a file on a thread of its own, and does something else meanwhile: what is written takes time
/// to make, and until it is on the disk. Its failure goes first.
///
/// # Errors
/// Those of `write`.
pub fn beside<T>(
    write: impl Fn() -> anyhow::Result<()> + Sync,
    meanwhile: impl FnOnce() -> T,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let writer = Builder::new().spawn_scoped(scope, &write);
        let done = meanwhile();
        match writer {
            Ok(writer) => writer.join().map_err(|_| anyhow!("cannot write the bundle"))??,
            // There may be no room for a thread.
            Err(_) => write()?,
        }
        Ok(done)
    })
}
