//! The flags that file-ops.tsv names.

/// Name and value, by header.
#[rustfmt::skip]
const FLAGS: &[(&str, u64)] = &[
    // linux/fcntl.h
    ("AT_SYMLINK_NOFOLLOW", 0x100),
    ("AT_REMOVEDIR", 0x200),
    ("AT_SYMLINK_FOLLOW", 0x400),
    // linux/fs.h
    ("RENAME_EXCHANGE", 0x2),
    ("UMOUNT_NOFOLLOW", 0x8),
    // linux/mount.h
    ("OPEN_TREE_CLONE", 0x1),
    ("MOVE_MOUNT_F_SYMLINKS", 0x1),
    ("MOVE_MOUNT_T_SYMLINKS", 0x10),
    ("FSPICK_SYMLINK_NOFOLLOW", 0x2),
    // linux/inotify.h
    ("IN_DONT_FOLLOW", 0x0200_0000),
    // linux/fanotify.h
    ("FAN_MARK_DONT_FOLLOW", 0x4),
];

pub fn value(name: &str) -> Option<u64> {
    FLAGS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// O_DIRECTORY and O_NOFOLLOW, which are not the same everywhere: arch/{arm,arm64,powerpc}/include/
/// uapi/asm/fcntl.h, and asm-generic/fcntl.h for the others.
pub fn open_flags(arch: &str) -> (u64, u64) {
    match arch {
        "arm" | "aarch64" | "powerpc64" => (0o40000, 0o100000),
        _ => (0o200000, 0o400000),
    }
}
