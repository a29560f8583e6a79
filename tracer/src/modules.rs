//! Which file a mapped module was: its build id, or a hash of its bytes.
//!
//! The files are the traced program's and may be hostile: how much is read of each is bounded, and
//! what cannot be read is a module without identity.

use model::{Text, trace::Module};
use std::{ffi::CStr, fs::File, path::Path};
use supervisor::elf_file::{ElfFile, open_regular, sha256};

/// How much is read for a build id.
const BUILD_ID_BUDGET: u64 = 16 << 20;
/// How much is read for the names that a program imports.
const IMPORTS_BUDGET: u64 = 64 << 20;
/// Larger files are not hashed.
const HASH_MAX: u64 = 1 << 30;

/// Identifies the file behind `opened_as`, a path that profgen can open, and calls it `path`.
pub fn identify(path: Text, opened_as: &str) -> Module {
    let mut module = Module { path, build_id: None, sha256: None };
    if let Ok(file) = open_regular(Path::new(opened_as)) {
        module.build_id = build_id(&file);
        if module.build_id.is_none() {
            module.sha256 = sha256(&file, HASH_MAX).ok();
        }
    }
    module
}

fn build_id(file: &File) -> Option<String> {
    ElfFile::new(file, BUILD_ID_BUDGET).ok()?.build_id().ok()?
}

/// Whether the program imports libseccomp's calls for a listener of its own. One that asks the
/// kernel directly is not found out this way.
pub fn wants_listener(path: &CStr) -> bool {
    imports(path, &[c"seccomp_notify_fd", c"seccomp_notify_alloc"])
}

/// Whether the program imports ptrace, or a sanitizer that looks for leaks by it: what they trace could have
/// no second tracer.
pub fn uses_ptrace(path: &CStr) -> bool {
    imports(path, &[c"ptrace", c"__asan_init", c"__lsan_init"])
}

fn imports(path: &CStr, names: &[&CStr]) -> bool {
    let Ok(path) = path.to_str() else { return false };
    let Ok(file) = open_regular(Path::new(path)) else { return false };
    let elf = ElfFile::new(&file, IMPORTS_BUDGET);
    elf.is_ok_and(|elf| elf.imports(names).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{ffi::CString, fs};
    use supervisor::testing::{sample, write_elf};

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

    #[test]
    fn an_elf_file_has_its_build_id_and_no_hash() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("elf");
        let (segments, sections) = sample();
        write_elf(&path, &segments, &sections).unwrap();
        let module = identify(Text::from("x"), &path.display().to_string());
        assert_eq!((module.build_id, module.sha256), (Some("ab".repeat(20)), None));
        assert!(wants_listener(&CString::new(path.display().to_string()).unwrap()));
        assert!(!wants_listener(c"/bin/sh"));
    }

    proptest! {
        #[test]
        fn a_damaged_file_still_has_an_identity(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16),
            length in any::<prop::sample::Index>(),
            whole in any::<bool>(),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("elf");
            let (segments, sections) = sample();
            write_elf(&path, &segments, &sections).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if !whole {
                bytes.truncate(length.index(bytes.len()));
            }
            fs::write(&path, bytes).unwrap();
            let path = path.display().to_string();
            let module = identify(Text::from("x"), &path);
            prop_assert_ne!(module.build_id.is_some(), module.sha256.is_some());
            wants_listener(&CString::new(path).unwrap());
        }
    }
}
