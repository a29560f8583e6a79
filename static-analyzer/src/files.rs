//! The files of a root, each read and scanned once, however many programs need it.

use crate::{
    elf::{Elf, ElfError},
    functions::Functions,
    precision::Precision,
    root::Root,
    scan::Scan,
};
use rayon::prelude::*;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What was read so far.
#[derive(Debug)]
pub struct Files {
    /// Where the paths are.
    pub root: Root,
    precision: Precision,
    read: Mutex<BTreeMap<PathBuf, Arc<Elf>>>,
    scanned: Mutex<BTreeMap<PathBuf, Arc<Scan>>>,
    named: Mutex<BTreeMap<PathBuf, Option<Arc<Functions>>>>,
}

impl Files {
    /// Nothing yet.
    pub fn new(root: Root, precision: Precision) -> Files {
        Files {
            root,
            precision,
            read: Mutex::default(),
            scanned: Mutex::default(),
            named: Mutex::default(),
        }
    }

    /// The file at a resolved path inside the root.
    ///
    /// # Errors
    /// When it is no ELF file for x86-64.
    pub fn read(&self, inside: &Path) -> Result<Arc<Elf>, ElfError> {
        let lock = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(inside) {
            return Ok(known.clone());
        }
        let elf = Arc::new(Elf::read(&self.root.outside(inside))?);
        lock().insert(inside.to_owned(), elf.clone());
        Ok(elf)
    }

    /// Scans files that are not scanned yet, several at a time.
    pub fn scan(&self, files: &[(PathBuf, Arc<Elf>)]) -> Vec<Arc<Scan>> {
        let lock = || self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        files
            .par_iter()
            .map(|(path, elf)| {
                if let Some(known) = lock().get(path) {
                    return known.clone();
                }
                let scan = Arc::new(Scan::of(elf, self.precision));
                lock().insert(path.clone(), scan.clone());
                scan
            })
            .collect()
    }

    /// The names of the functions of a file.
    pub fn names(&self, inside: &Path) -> Option<Arc<Functions>> {
        let lock = || self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(inside) {
            return known.clone();
        }
        let names = Functions::read(&self.root.outside(inside)).ok().map(Arc::new);
        lock().insert(inside.to_owned(), names.clone());
        names
    }
}
