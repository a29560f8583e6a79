//! `/etc/ld.so.cache` (glibc, sysdeps/generic/dl-cache.h): which file a library name means.

use crate::elf::slice;
use std::{collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// The old format stands before the new one in files of the time of transition.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const ENTRY: usize = 24;
/// FLAG_ELF_LIBC6 and FLAG_X8664_LIB64.
const X86_64: u32 = 0x0303;
/// The high bits of `hwcap` that say that an entry is for a subdirectory of glibc-hwcaps.
const EXTENSION: u64 = 1 << 62;

/// The paths by name, plain ones only: those for certain processors are in directories that the
/// loader model searches beside each path.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<Vec<u8>, Vec<PathBuf>>);

impl Cache {
    /// Reads the file; what cannot be understood is left out.
    pub fn parse(data: &[u8]) -> Cache {
        let mut found = Cache::default();
        let start = if data.starts_with(OLD_MAGIC) {
            let count = word(data, 12).unwrap_or(0) as usize;
            (16_usize.saturating_add(count.saturating_mul(12))).next_multiple_of(8)
        } else {
            0
        };
        let Some(data) = data.get(start..).filter(|data| data.starts_with(MAGIC)) else {
            return found;
        };
        let count = word(data, 20).unwrap_or(0) as usize;
        let entries = data.get(48..).unwrap_or_default().chunks_exact(ENTRY).take(count);
        for entry in entries {
            let field = |at| word(entry, at).unwrap_or(0);
            let hwcap = u64::from(field(16)) | u64::from(field(20)) << 32;
            if field(0) != X86_64 || hwcap & EXTENSION != 0 {
                continue;
            }
            if let (Some(name), Some(path)) = (string(data, field(4)), string(data, field(8))) {
                let path = PathBuf::from(OsStr::from_bytes(path));
                found.0.entry(name.to_vec()).or_default().push(path);
            }
        }
        found
    }

    /// The files for a library name, the first that can be loaded counts.
    pub fn paths(&self, name: &[u8]) -> &[PathBuf] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

fn string(data: &[u8], at: u32) -> Option<&[u8]> {
    let rest = slice(data, u64::from(at), (data.len() as u64).checked_sub(u64::from(at))?)?;
    let end = rest.iter().take(4096).position(|&byte| byte == 0)?;
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(u32, u64, &str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut data = MAGIC.to_vec();
        data.extend((entries.len() as u32).to_le_bytes());
        data.resize(48, 0);
        let strings_at = 48 + ENTRY * entries.len();
        for (flags, hwcap, name, path) in entries {
            let at = |strings: &Vec<u8>| (strings_at + strings.len()) as u32;
            let key = at(&strings);
            strings.extend([name.as_bytes(), b"\0"].concat());
            let value = at(&strings);
            strings.extend([path.as_bytes(), b"\0"].concat());
            data.extend([*flags, key, value, 0].map(u32::to_le_bytes).concat());
            data.extend(hwcap.to_le_bytes());
        }
        data.extend(strings);
        data
    }

    #[test]
    fn only_plain_libraries_of_this_machine_are_found() {
        let data = cache(&[
            (X86_64, EXTENSION, "liba.so.1", "/lib/glibc-hwcaps/x86-64-v3/liba.so.1"),
            (X86_64, 0, "liba.so.1", "/lib/liba.so.1"),
            (0x0003, 0, "libb.so.1", "/lib32/libb.so.1"),
        ]);
        let cache = Cache::parse(&data);
        assert_eq!(cache.paths(b"liba.so.1"), [PathBuf::from("/lib/liba.so.1")]);
        assert!(cache.paths(b"libb.so.1").is_empty());
    }

    #[test]
    fn a_cut_file_gives_what_is_whole() {
        let data = cache(&[(X86_64, 0, "liba.so.1", "/lib/liba.so.1")]);
        for length in 0..data.len() {
            assert!(Cache::parse(&data[..length]).paths(b"liba.so.1").is_empty());
        }
        assert_eq!(Cache::parse(&data).paths(b"liba.so.1").len(), 1);
    }
}
