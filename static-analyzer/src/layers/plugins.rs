//! Libraries that a person names: files, and directories of plugins.

use crate::{closure::Closure, files::Files};
use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Files of a directory past these are not looked at.
const PLUGINS_MAX: usize = 4096;

/// The files, each directory replaced by the shared objects in it, in order of their names.
pub fn of(files: &Files, closure: &mut Closure<'_>, named: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in named {
        let Some(inside) = files.root.resolve(path) else { continue };
        match fs::read_dir(files.root.outside(&inside)) {
            Ok(entries) => {
                let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
                let mut plugins: Vec<PathBuf> = names
                    .filter(|name| is_library(name.as_bytes()))
                    .take(PLUGINS_MAX)
                    .map(|name| inside.join(name))
                    .collect();
                plugins.sort();
                found.append(&mut plugins);
                closure.consulted.insert(inside);
            }
            Err(_) => found.push(inside),
        }
    }
    found
}

/// The first that is not there.
pub fn missing<'a>(files: &Files, named: &'a [PathBuf]) -> Option<&'a Path> {
    named.iter().map(PathBuf::as_path).find(|path| files.root.resolve(path).is_none())
}

fn is_library(name: &[u8]) -> bool {
    name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}
