//! The socket on which runtimes hand containers over: only for its owner, and never in the place of
//! what somebody else needs.

use crate::files::Plain;
use anyhow::{Context, bail};
use nix::sys::stat::{Mode, umask};
use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

/// A socket that is listened on; its file goes when this does.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: whatever else takes its name stays.
    file: (u64, u64),
    /// Who made it: it is not for a copy of the process to remove.
    owner: u32,
}

impl Socket {
    /// Listens at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When something else is there, or another program listens.
    pub fn bind(path: &Path) -> anyhow::Result<Socket> {
        let what = || format!("cannot listen at {}", path.display());
        remove_stale(path).with_context(what)?;
        // From the first moment on: whoever connects decides what is recorded, and as what.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.plain().with_context(what)?;
        let metadata = fs::symlink_metadata(path).plain().with_context(what)?;
        let file = (metadata.dev(), metadata.ino());
        listener.set_nonblocking(true).plain().with_context(what)?;
        Ok(Socket { listener, path: path.to_path_buf(), file, owner: std::process::id() })
    }

    /// The next connection that waits.
    ///
    /// # Errors
    /// The kernel's reason; `WouldBlock` when there is none.
    pub fn accept(&self) -> io::Result<UnixStream> {
        let (connection, _) = self.listener.accept()?;
        connection.set_nonblocking(false)?;
        Ok(connection)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.file;
        if self.owner == std::process::id() && fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.plain()?,
    };
    if !metadata.file_type().is_socket() {
        bail!("something else is there");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another program listens there"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).plain()
        }
        Err(error) => Err(error).plain(),
    }
}
