//! What system calls do to the files that they name. The rows are in `data/file-ops.tsv`.

use crate::{Call, Word};

include!(concat!(env!("OUT_DIR"), "/accesses.rs"));

/// What a call does to the file that one of its parameters names.
#[derive(Debug, PartialEq)]
pub struct FileOp {
    /// The name of the call.
    pub call: &'static str,
    /// Which argument holds the path, 0 to 5.
    pub param: usize,
    pub(crate) access: AccessRule,
    pub(crate) follow: Follow,
}

/// What decides the accesses.
#[derive(Debug, PartialEq)]
pub(crate) enum AccessRule {
    Always(&'static [Access]),
    /// O_ flags, in an argument or in memory. `directory` is O_DIRECTORY's bit.
    Open {
        flags: Option<usize>,
        directory: u64,
    },
    /// The file type in the mode of mknod(2).
    Node {
        mode: usize,
    },
    Flag {
        flag: Flag,
        set: Access,
        clear: Access,
    },
}

/// When a symbolic link in the last place is followed.
#[derive(Debug, PartialEq)]
pub(crate) enum Follow {
    Always,
    Never,
    Unless(Flag),
    Only(Flag),
    /// By O_ flags. `nofollow` is O_NOFOLLOW's bit.
    Open {
        flags: Option<usize>,
        nofollow: u64,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) struct Flag {
    pub param: usize,
    pub bits: u64,
}

impl Flag {
    fn is_set(&self, args: &[u64; 6]) -> bool {
        args[self.param] & self.bits != 0
    }
}

// asm-generic/fcntl.h; these are the same on all architectures of the table.
const O_ACCMODE: u64 = 0o3;
const O_WRONLY: u64 = 0o1;
const O_RDWR: u64 = 0o2;
const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10000000;
/// `__O_TMPFILE`: O_TMPFILE is this with O_DIRECTORY.
const O_TMPFILE: u64 = 0o20000000;

// linux/stat.h
const S_IFMT: u64 = 0o170000;
const S_IFSOCK: u64 = 0o140000;
const S_IFBLK: u64 = 0o060000;
const S_IFCHR: u64 = 0o020000;
const S_IFIFO: u64 = 0o010000;

impl Word for Access {
    const ALL: &'static [Access] = Access::ALL;

    fn place(self) -> usize {
        self as usize
    }
}

impl Access {
    /// As JSON and the tables write it: `make-directory`.
    pub fn slug(self) -> &'static str {
        SLUGS[self as usize]
    }

    /// The access of that name.
    pub fn from_slug(slug: &str) -> Option<Access> {
        Access::ALL.iter().copied().find(|access| access.slug() == slug)
    }

    /// Whether directories, and what lies below them, may have other paths then, or none.
    pub fn moves_paths(self) -> bool {
        matches!(
            self,
            Access::RenameFrom
                | Access::RenameTo
                | Access::Exchange
                | Access::RemoveDirectory
                | Access::Mount
                | Access::Root
        )
    }

    /// Whether there need not be anything of that name before.
    pub fn makes_the_name(self) -> bool {
        matches!(
            self,
            Access::Create
                | Access::RenameTo
                | Access::LinkTo
                | Access::MakeDirectory
                | Access::MakeFile
                | Access::MakeFifo
                | Access::MakeSocket
                | Access::MakeCharDevice
                | Access::MakeBlockDevice
                | Access::MakeSymlink
        )
    }
}

impl Access {
    /// Whether the mode of the file itself may decide: not where its attributes or a link are only read,
    /// which asks for the search of directories alone.
    pub fn asks_the_mode(self) -> bool {
        !matches!(self, Access::Metadata | Access::ReadLink | Access::Locate)
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.slug())
    }
}

impl FileOp {
    /// What a call does to files, one for each path among its parameters.
    pub fn of(call: &'static Call) -> &'static [FileOp] {
        call.files
    }

    /// The accesses that a call with `args` asks for, in the order of [`Access`].
    ///
    /// `open_flags` are the O_ flags where memory holds them, as for openat2; without them that
    /// call has no accesses. Where an argument holds the flags, it decides.
    ///
    /// Opening a directory for reading is [`Access::Read`] unless O_DIRECTORY says so: whether the
    /// name is a directory is not in the arguments.
    pub fn accesses(&self, args: &[u64; 6], open_flags: Option<u64>) -> Vec<Access> {
        match &self.access {
            AccessRule::Always(accesses) => accesses.to_vec(),
            AccessRule::Open { flags, directory } => {
                match flags.map(|at| args[at]).or(open_flags) {
                    Some(flags) => by_open_flags(flags, *directory),
                    None => Vec::new(),
                }
            }
            AccessRule::Node { mode } => vec![by_node_type(args[*mode])],
            AccessRule::Flag { flag, set, clear } => {
                vec![if flag.is_set(args) { *set } else { *clear }]
            }
        }
    }

    /// Whether a symbolic link is followed when the path itself, and not a directory on the way,
    /// leads to one. `open_flags` as for [`accesses`](FileOp::accesses); without them openat2
    /// counts as following.
    pub fn follows(&self, args: &[u64; 6], open_flags: Option<u64>) -> bool {
        match &self.follow {
            Follow::Always => true,
            Follow::Never => false,
            Follow::Unless(flag) => !flag.is_set(args),
            Follow::Only(flag) => flag.is_set(args),
            Follow::Open { flags, nofollow } => {
                let flags = flags.map(|at| args[at]).or(open_flags).unwrap_or(0);
                flags & nofollow == 0 && flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL
            }
        }
    }
}

/// open(2), and build_open_flags() in the kernel's fs/open.c.
fn by_open_flags(flags: u64, directory: u64) -> Vec<Access> {
    if flags & O_PATH != 0 {
        return vec![Access::Locate];
    }
    if flags & O_TMPFILE != 0 {
        return vec![Access::MakeFile];
    }
    let mut accesses = Vec::new();
    let read = if flags & directory != 0 { Access::List } else { Access::Read };
    match flags & O_ACCMODE {
        O_WRONLY => accesses.push(Access::Write),
        // 3 opens for ioctl(2) alone, but asks for both permissions.
        O_RDWR | O_ACCMODE => accesses.extend([read, Access::Write]),
        _ => accesses.push(read),
    }
    if flags & O_CREAT != 0 {
        accesses.push(Access::Create);
    }
    if flags & O_TRUNC != 0 {
        accesses.push(Access::Truncate);
    }
    accesses.sort();
    accesses
}

/// mknod(2): no type is a regular file.
fn by_node_type(mode: u64) -> Access {
    match mode & S_IFMT {
        S_IFSOCK => Access::MakeSocket,
        S_IFBLK => Access::MakeBlockDevice,
        S_IFCHR => Access::MakeCharDevice,
        S_IFIFO => Access::MakeFifo,
        _ => Access::MakeFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, Sysno};
    use Access::*;

    fn ops(arch: Arch, name: &str) -> &'static [FileOp] {
        FileOp::of(Sysno::from_name(arch, name).unwrap().call().unwrap())
    }

    /// What `open` asks for with these flags, and whether it follows.
    fn open(arch: Arch, flags: u64) -> (Vec<Access>, bool) {
        let op = &ops(arch, "openat")[0];
        let args = [0, 0, flags, 0, 0, 0];
        (op.accesses(&args, None), op.follows(&args, None))
    }

    #[test]
    fn open_flags_decide() {
        for (flags, accesses, follows) in [
            (0, vec![Read], true),
            (0o1, vec![Write], true),
            (0o2, vec![Read, Write], true),
            (0o3, vec![Read, Write], true),
            (0o101, vec![Write, Create], true),
            (0o301, vec![Write, Create], false),
            (0o200, vec![Read], true),
            (0o1000, vec![Read, Truncate], true),
            (0o1102, vec![Read, Write, Create, Truncate], true),
            (0o200000, vec![List], true),
            (0o400000, vec![Read], false),
            (0o12400000, vec![Locate], false),
            (0o20200002, vec![MakeFile], true),
        ] {
            assert_eq!(open(Arch::X86_64, flags), (accesses, follows), "{flags:#o}");
        }
    }

    #[test]
    fn o_directory_and_o_nofollow_are_other_bits_on_arm() {
        for arch in [Arch::Arm, Arch::Aarch64, Arch::Powerpc64] {
            assert_eq!(open(arch, 0o40000), (vec![List], true), "{arch}");
            assert_eq!(open(arch, 0o100000), (vec![Read], false), "{arch}");
        }
        // O_LARGEFILE, which i386's libc always sets.
        assert_eq!(open(Arch::I386, 0o100000), (vec![Read], true));
        assert_eq!(open(Arch::Riscv64, 0o200000), (vec![List], true));
    }

    #[test]
    fn openat2_needs_its_flags_from_memory() {
        let op = &ops(Arch::X86_64, "openat2")[0];
        assert_eq!(op.accesses(&[7; 6], None), []);
        assert_eq!(op.accesses(&[7; 6], Some(0o101)), [Write, Create]);
        assert!(!op.follows(&[7; 6], Some(0o400000)) && op.follows(&[7; 6], None));
    }

    #[test]
    fn flags_choose_between_accesses() {
        let both = |name: &str, flags: u64| -> Vec<Access> {
            let args = [0, 0, if name == "unlinkat" { flags } else { 0 }, 0, flags, 0];
            ops(Arch::X86_64, name).iter().flat_map(|op| op.accesses(&args, None)).collect()
        };
        assert_eq!(both("unlinkat", 0), [Remove]);
        assert_eq!(both("unlinkat", 0x200), [RemoveDirectory]);
        assert_eq!(both("renameat2", 1), [RenameFrom, RenameTo]);
        assert_eq!(both("renameat2", 2), [Exchange, Exchange]);
    }

    #[test]
    fn the_type_of_a_node_decides() {
        let op = &ops(Arch::X86_64, "mknod")[0];
        for (mode, access) in [
            (0o644, MakeFile),
            (0o100644, MakeFile),
            (0o010644, MakeFifo),
            (0o020600, MakeCharDevice),
            (0o060600, MakeBlockDevice),
            (0o140755, MakeSocket),
        ] {
            assert_eq!(op.accesses(&[0, mode, 0, 0, 0, 0], None), [access], "{mode:#o}");
        }
    }

    #[test]
    fn links_are_followed_as_the_flags_say() {
        let follows = |name: &str, args: [u64; 6]| -> Vec<bool> {
            ops(Arch::X86_64, name).iter().map(|op| op.follows(&args, None)).collect()
        };
        assert_eq!(follows("lstat", [0; 6]), [false]);
        assert_eq!(follows("newfstatat", [0, 0, 0, 0, 0, 0]), [true]);
        assert_eq!(follows("newfstatat", [0, 0, 0, 0x100, 0, 0]), [false]);
        assert_eq!(follows("linkat", [0; 6]), [false, false]);
        assert_eq!(follows("linkat", [0, 0, 0, 0, 0x400, 0]), [true, false]);
        assert_eq!(follows("rename", [0; 6]), [false, false]);
        assert_eq!(follows("umount2", [0, 8, 0, 0, 0, 0]), [false]);
    }

    #[test]
    fn fanotify_names_its_path_where_the_architecture_has_it() {
        assert_eq!(ops(Arch::X86_64, "fanotify_mark")[0].param, 4);
        assert_eq!(ops(Arch::Arm, "fanotify_mark")[0].param, 5);
    }
}
