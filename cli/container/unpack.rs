//! Unpacks what the analysis reads of a container's file system. The archive is the container's own
//! work, and so hostile: nothing is written outside the directory, no link is followed on the way, and
//! there are bounds.
//!
//! Kept are programs, libraries and scripts, and small files, which loaders and name services read for
//! their configuration. Owners, modes, devices and large data are left out.

use anyhow::{Context, bail};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::{Mode, mkdirat},
    unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat},
};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Component, Path, PathBuf},
};
use tar::{Archive, EntryType};

/// Entries of an archive; a large distribution has some hundred thousand.
const ENTRIES_MAX: usize = 4 << 20;
/// What is written in all.
const TOTAL_MAX: u64 = 16 << 30;
/// A file that is neither program nor script is kept up to this size.
const SMALL: u64 = 1 << 20;
/// Directories below one another.
const DEPTH_MAX: usize = 128;

/// What was left out, for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files, directories and links that were written.
    pub kept: usize,
    /// Entries that could not be written where they want to be.
    pub refused: usize,
}

/// Unpacks an archive into a directory, which should be empty.
///
/// # Errors
/// When it is no archive, or past a bound.
pub fn unpack(archive: impl Read, directory: &OwnedFd) -> anyhow::Result<Unpacked> {
    let mut unpacked = Unpacked::default();
    let mut left = TOTAL_MAX;
    let mut archive = Archive::new(archive);
    let entries = archive.entries().context("cannot read the exported file system")?;
    for (count, entry) in entries.enumerate() {
        if count >= ENTRIES_MAX {
            bail!("the exported file system has more than {ENTRIES_MAX} files");
        }
        let mut entry = entry.context("cannot read the exported file system")?;
        let path = entry.path_bytes().into_owned();
        let Some(path) = inside(Path::new(std::ffi::OsStr::from_bytes(&path))) else {
            unpacked.refused += 1;
            continue;
        };
        let kind = entry.header().entry_type();
        let target = entry.link_name_bytes().map(|name| name.into_owned());
        let target = target.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(&name)));
        let written = match (kind, target) {
            (EntryType::Directory, _) => make_directory(directory, &path).map(drop),
            (EntryType::Symlink, Some(target)) => make_link(directory, &path, &target),
            (EntryType::Link, Some(target)) => make_hard_link(directory, &path, &target),
            (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse, _) => {
                write_file(directory, &path, &mut entry, &mut left)?
            }
            _ => continue,
        };
        match written {
            Ok(()) => unpacked.kept += 1,
            Err(Errno::ENOSPC) => bail!("cannot unpack the file system: no space left on device"),
            Err(_) => unpacked.refused += 1,
        }
    }
    Ok(unpacked)
}

/// A path as components below the root; `None` when it leads out of it.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    let mut depth = 0;
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                clean.push(name);
                depth += 1;
            }
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (depth <= DEPTH_MAX).then_some(clean)
}

/// Opens below the directory, through no link at all.
fn open(directory: &OwnedFd, path: &Path, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .mode(mode)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(directory, path, how)
}

fn make_directory(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY;
    match open(root, path, flags, Mode::empty()) {
        Err(Errno::ENOENT) => {}
        result => return result,
    }
    let (parent, name) = split(path)?;
    let parent = make_directory(root, parent)?;
    match mkdirat(&parent, name, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => open(&parent, name, flags, Mode::empty()),
        Err(errno) => Err(errno),
    }
}

fn split(path: &Path) -> nix::Result<(&Path, &Path)> {
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    Ok((path.parent().unwrap_or(Path::new("")), Path::new(name)))
}

/// The directory of a new entry, whose name is free.
fn place<'a>(root: &OwnedFd, path: &'a Path) -> nix::Result<(OwnedFd, &'a Path)> {
    let (parent, name) = split(path)?;
    let parent = make_directory(root, parent)?;
    match unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok((parent, name)),
        Err(errno) => Err(errno),
    }
}

/// A link is made as it is: who reads the directory resolves links inside it.
fn make_link(root: &OwnedFd, path: &Path, target: &Path) -> nix::Result<()> {
    let (parent, name) = place(root, path)?;
    symlinkat(target, &parent, name)
}

fn make_hard_link(root: &OwnedFd, path: &Path, target: &Path) -> nix::Result<()> {
    let target = inside(target).ok_or(Errno::EXDEV)?;
    let (of_target, target_name) = split(&target)?;
    let of_target = open(root, of_target, OFlag::O_DIRECTORY | OFlag::O_RDONLY, Mode::empty())?;
    let (parent, name) = place(root, path)?;
    match linkat(&of_target, target_name, &parent, name, AtFlags::empty()) {
        // Left out as data, and so is its other name.
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

/// The outer error ends the work, the inner one leaves the entry out.
fn write_file(
    root: &OwnedFd,
    path: &Path,
    entry: &mut (impl Read + Sized),
    left: &mut u64,
) -> anyhow::Result<nix::Result<()>> {
    let mut first = Vec::new();
    let unread = "cannot read the exported file system";
    entry.take(SMALL + 1).read_to_end(&mut first).context(unread)?;
    let is_code = first.starts_with(b"\x7fELF") || first.starts_with(b"#!");
    if first.len() as u64 > SMALL && !is_code {
        return Ok(Ok(()));
    }
    let (parent, name) = match place(root, path) {
        Ok(place) => place,
        Err(errno) => return Ok(Err(errno)),
    };
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
    let mut file = match open(&parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(file) => File::from(file),
        Err(errno) => return Ok(Err(errno)),
    };
    let mut source = first.as_slice().chain(entry).take(*left + 1);
    let size = io::copy(&mut source, &mut file)
        .and_then(|size| file.flush().map(|()| size))
        .with_context(|| format!("cannot unpack /{}", path.display()))?;
    *left = left.checked_sub(size).with_context(|| {
        format!("the programs of the exported file system have more than {TOTAL_MAX} bytes")
    })?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::open_directory;
    use std::fs;
    use tar::{Builder, Header};

    /// An entry as nobody's tar writes it: the name is not looked at.
    fn add(archive: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, target: &str, data: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        archive.append(&header, data).unwrap();
    }

    fn unpacked(entries: &[(EntryType, &str, &str, &[u8])]) -> (tempfile::TempDir, Unpacked) {
        let mut archive = Builder::new(Vec::new());
        for (kind, path, target, data) in entries {
            add(&mut archive, *kind, path, target, data);
        }
        let bytes = archive.into_inner().unwrap();
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(around.path().join("secret"), "secret").unwrap();
        let unpacked = unpack(&*bytes, &open_directory(&root).unwrap()).unwrap();
        (around, unpacked)
    }

    use EntryType::{Directory, Fifo, Link, Regular, Symlink};

    #[test]
    fn files_links_and_directories_are_made_as_they_were() {
        let (around, unpacked) = unpacked(&[
            (Directory, "./", "", b""),
            (Directory, "usr/bin/", "", b""),
            (Regular, "usr/bin/app", "", b"\x7fELF"),
            (Link, "usr/bin/same", "usr/bin/app", b""),
            (Symlink, "bin", "usr/bin", b""),
            (Regular, "etc/deep/without/entry", "", b"text"),
            (Fifo, "pipe", "", b""),
        ]);
        assert_eq!(unpacked, Unpacked { kept: 6, refused: 0 });
        let root = around.path().join("root");
        assert_eq!(fs::read(root.join("usr/bin/same")).unwrap(), b"\x7fELF");
        assert_eq!(fs::read(root.join("etc/deep/without/entry")).unwrap(), b"text");
        assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
        assert!(!root.join("pipe").exists());
    }

    #[test]
    fn nothing_is_written_or_read_outside() {
        let (around, unpacked) = unpacked(&[
            (Regular, "../secret", "", b"overwritten"),
            (Symlink, "up", "..", b""),
            (Regular, "up/secret", "", b"overwritten"),
            (Symlink, "secret", "../secret", b""),
            (Regular, "up/new", "", b"new"),
            (Directory, "up/directory", "", b""),
            (Link, "stolen", "../secret", b""),
            (Link, "stolen-too", "up/secret", b""),
            (Regular, "/absolute", "", b"inside"),
        ]);
        assert_eq!(unpacked, Unpacked { kept: 3, refused: 6 });
        assert_eq!(fs::read(around.path().join("secret")).unwrap(), b"secret");
        let names = |at: &Path| -> Vec<_> {
            let mut names: Vec<_> =
                fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(around.path()), ["root", "secret"]);
        assert_eq!(names(&around.path().join("root")), ["absolute", "secret", "up"]);
    }

    #[test]
    fn a_link_gives_way_to_a_file_of_its_name_and_is_not_written_through() {
        let (around, unpacked) =
            unpacked(&[(Symlink, "file", "../secret", b""), (Regular, "file", "", b"own")]);
        assert_eq!(unpacked.refused, 0);
        assert_eq!(fs::read(around.path().join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read(around.path().join("root/file")).unwrap(), b"own");
    }

    #[test]
    fn large_data_is_left_out_and_large_programs_are_not() {
        let mut program = b"\x7fELF".to_vec();
        program.resize(SMALL as usize + 10, 0);
        let data = vec![b'x'; SMALL as usize + 10];
        let (around, _) = unpacked(&[
            (Regular, "program", "", &program),
            (Regular, "data", "", &data),
            (Link, "same-data", "data", b""),
        ]);
        let root = around.path().join("root");
        assert_eq!(fs::metadata(root.join("program")).unwrap().len(), SMALL + 10);
        assert!(!root.join("data").exists() && !root.join("same-data").exists());
    }

    #[test]
    fn rubbish_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let rubbish = vec![b'?'; 4096];
        assert!(unpack(&*rubbish, &open_directory(root.path()).unwrap()).is_err());
    }
}
