//! Which executed files give privileges, and which.

use crate::observe::Observation;
use model::{Access, Text};
use std::{
    ffi::{CString, OsStr},
    os::unix::ffi::OsStrExt,
};
use supervisor::procfs;

/// The files that a call executes and that give privileges, with what gives them.
pub fn privileged(
    process: i32,
    observation: &Observation,
) -> impl Iterator<Item = (&Text, &'static str)> {
    observation.files.iter().filter_map(move |(place, accesses)| {
        let path = place.at();
        let is_there = place.absent.is_none() && accesses.contains(&Access::Execute);
        let kind = is_there.then(|| privilege(process, path))??;
        Some((path, kind))
    })
}

/// What the file at `path` would give to `process`, when that is more than it has.
fn privilege(process: i32, path: &Text) -> Option<&'static str> {
    // As the process sees it, which may be in a container.
    let path = [format!("/proc/{process}/root").as_bytes(), path.as_bytes()].concat();
    let metadata = std::fs::metadata(OsStr::from_bytes(&path)).ok()?;
    let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
    let owner = std::os::unix::fs::MetadataExt::uid(&metadata);
    let group = std::os::unix::fs::MetadataExt::gid(&metadata);
    let sets_user = mode & libc::S_ISUID != 0;
    let sets_group = mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0;
    if sets_user || sets_group {
        let family = procfs::family(process)?;
        if sets_user && owner != family.user {
            return Some("set-user-id bit");
        }
        if sets_group && group != family.group {
            return Some("set-group-id bit");
        }
    }
    let c_path = CString::new(path).ok()?;
    // SAFETY: the strings are NUL-terminated; with size 0 nothing is written.
    let size = unsafe {
        libc::getxattr(c_path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0)
    };
    (size > 0 && procfs::family(process)?.user != 0).then_some("file capabilities")
}
