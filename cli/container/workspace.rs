//! The temporary directory of a job, and what becomes of it when profgen is interrupted.

use crate::exit::say;
use anyhow::Context;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use supervisor::signals::Signals;
use tempfile::TempDir;

/// A directory that nobody else may enter, for what is mounted and unpacked.
pub struct Workspace(TempDir);

impl Workspace {
    /// Makes it.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> anyhow::Result<Workspace> {
        let directory = tempfile::Builder::new().prefix("profgen-container-").tempdir();
        Ok(Workspace(directory.context("cannot make a temporary directory")?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A directory in it. The one for records is open to whatever user the container runs as, who sees
    /// only it.
    ///
    /// # Errors
    /// When it is there already.
    pub fn make(&self, name: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.path().join(name);
        let made = fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)));
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

/// While files are analysed no loop looks at signals: one that arrives ends profgen, without leaving
/// files behind.
pub struct Interruptible(Arc<AtomicBool>);

impl Interruptible {
    /// Looks at signals until it is dropped.
    pub fn new(signals: &Signals, workspace: &Workspace) -> Interruptible {
        let ended = Arc::new(AtomicBool::new(false));
        let (signals, path) = (signals.clone(), workspace.path().to_path_buf());
        let seen = Arc::clone(&ended);
        thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                if let Some((_, signal)) = signals.arrived() {
                    let _ = fs::remove_dir_all(&path);
                    say(&format!("interrupted by {signal}"));
                    std::process::exit(128 + signal as i32);
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
        Interruptible(ended)
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
