//! What the mode and the access control list of a file let a process do: path_resolution(7),
//! acl(5), and acl_permission_check() in the kernel's fs/namei.c.

use super::Credentials;
use crate::observe::Stat;
use std::fs;

/// May be read, or listed.
pub const READ: u32 = 4;
/// May be written; names in it may be made and removed.
pub const WRITE: u32 = 2;
/// May be executed, or searched.
pub const EXECUTE: u32 = 1;

/// Whose a file is, and what its mode lets whom do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The type and the permission bits.
    pub mode: u32,
    /// The access control list as the kernel stores it, where it matters and there is one.
    pub list: Option<Vec<u8>>,
}

impl Owner {
    /// What `stat` says, and the list of the file at `path`, which can only matter to others than the
    /// owner; without a path it is left out.
    pub fn new(stat: Stat, reader: &Credentials, path: impl FnOnce() -> Option<Vec<u8>>) -> Owner {
        let mut owner = Owner { user: stat.user, group: stat.group, mode: stat.mode, list: None };
        // With a list the bits of the group are its mask: none means that it grants nothing. A
        // link has no list.
        let link = owner.mode & libc::S_IFMT == libc::S_IFLNK;
        if reader.users.files != owner.user && owner.mode & 0o070 != 0 && !link {
            owner.list = path().and_then(list);
        }
        owner
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// Whether only owners may remove names from it.
    pub fn is_sticky(&self) -> bool {
        self.mode & libc::S_ISVTX != 0
    }

    /// Whether `who` may do all of `wanted` without capabilities.
    pub fn lets(&self, who: &Credentials, wanted: u32) -> bool {
        let granted = if who.users.files == self.user {
            self.mode >> 6
        } else if let Some(list) = &self.list {
            return by_list(list, self.group, who, wanted).unwrap_or(true);
        } else if who.in_group(self.group) {
            self.mode >> 3
        } else {
            self.mode
        };
        granted & wanted == wanted
    }
}

/// linux/posix_acl_xattr.h: a version of 4 bytes, then entries of tag, permissions and id.
fn by_list(list: &[u8], group: u32, who: &Credentials, wanted: u32) -> Option<bool> {
    const USER: u16 = 2;
    const GROUP_OF_FILE: u16 = 4;
    const GROUP: u16 = 8;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    let (head, entries) = list.split_at_checked(4)?;
    if head != [2, 0, 0, 0] {
        return None;
    }
    let entries: Vec<(u16, u32, u32)> = entries
        .chunks_exact(8)
        .map(|entry| {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            let granted = u16::from_le_bytes([entry[2], entry[3]]);
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            (tag, u32::from(granted), id)
        })
        .collect();
    let masked = |granted: u32| {
        let mask = entries.iter().find(|(tag, ..)| *tag == MASK);
        granted & mask.map_or(7, |(_, mask, _)| *mask)
    };
    let user = entries.iter().find(|(tag, _, id)| *tag == USER && *id == who.users.files);
    if let Some((_, granted, _)) = user {
        return Some(masked(*granted) & wanted == wanted);
    }
    let mut groups = entries
        .iter()
        .filter(|(tag, _, id)| match *tag {
            GROUP_OF_FILE => who.in_group(group),
            GROUP => who.in_group(*id),
            _ => false,
        })
        .peekable();
    if groups.peek().is_some() {
        return Some(groups.any(|(_, granted, _)| masked(*granted) & wanted == wanted));
    }
    let (_, granted, _) = entries.iter().find(|(tag, ..)| *tag == OTHER)?;
    Some(granted & wanted == wanted)
}

/// The list of a file. By its path, since fgetxattr(2) takes no descriptor that is open with O_PATH.
fn list(path: Vec<u8>) -> Option<Vec<u8>> {
    let path = std::ffi::CString::new(path).ok()?;
    let mut bytes = vec![0_u8; 4096];
    // SAFETY: the strings are NUL-terminated, and the kernel writes at most the buffer's length.
    let size = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"system.posix_acl_access".as_ptr(),
            bytes.as_mut_ptr().cast(),
            bytes.len(),
        )
    };
    bytes.truncate(usize::try_from(size).ok()?);
    Some(bytes)
}

/// A number in a file of /proc/sys.
pub fn setting(name: &str) -> Option<i64> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(user: u32, groups: &str) -> Credentials {
        Credentials::for_test(user, groups)
    }

    fn file(user: u32, group: u32, mode: u32) -> Owner {
        Owner { user, group, mode: libc::S_IFREG | mode, list: None }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let shadow = file(0, 42, 0o640);
        assert!(shadow.lets(&who(0, "0"), READ | WRITE));
        assert!(shadow.lets(&who(1000, "1000 42"), READ));
        assert!(!shadow.lets(&who(1000, "1000 42"), WRITE));
        assert!(!shadow.lets(&who(1000, "1000"), READ));
        // An owner without rights has none, whatever others have.
        assert!(!file(1000, 1000, 0o077).lets(&who(1000, "1000"), READ));
    }

    #[test]
    fn a_list_goes_before_the_group() {
        let entry = |tag: u16, granted: u16, id: u32| {
            [&tag.to_le_bytes()[..], &granted.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let list = [
            vec![2, 0, 0, 0],
            entry(1, 6, u32::MAX),
            entry(2, 6, 1000),
            entry(4, 0, u32::MAX),
            entry(8, 4, 50),
            entry(0x10, 4, u32::MAX),
            entry(0x20, 0, u32::MAX),
        ]
        .concat();
        let file = Owner { list: Some(list), ..file(0, 0, 0o640) };
        assert!(file.lets(&who(1000, "1000"), READ));
        assert!(!file.lets(&who(1000, "1000"), WRITE), "the mask takes it away");
        assert!(file.lets(&who(1001, "50"), READ));
        assert!(!file.lets(&who(1001, "0"), READ));
        assert!(!file.lets(&who(1001, "1001"), READ));
    }
}
