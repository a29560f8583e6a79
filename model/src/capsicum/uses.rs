//! What a use of a descriptor takes: rights, and a place in the list of fcntl or ioctl commands.

use super::Rights;
use crate::descriptor::{Detail, Object};

include!(concat!(env!("OUT_DIR"), "/capsicum_rights.rs"));

struct UseRow {
    calls: &'static [&'static str],
    argument: Option<u8>,
    condition: Condition,
    rights: Rights,
    mode: Mode,
    freebsd: Option<&'static str>,
    inferred: bool,
}

struct FcntlRow {
    number: u32,
    linux: &'static str,
    freebsd: Option<&'static str>,
    rights: Rights,
    listed: bool,
    mode: Mode,
}

struct IoctlRow {
    number: u32,
    linux: &'static str,
    freebsd: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Any,
    Tell,
    Seek,
    Map,
    MapRead,
    MapWrite,
    MapExec,
    Address,
    NoAddress,
    Passed,
    Directory,
    Itself,
    Path,
    Open,
    OpenRead,
    OpenWrite,
    OpenWriteSeek,
    OpenCreat,
    OpenTrunc,
    OpenSync,
}

/// What capability mode says of a use, beside the rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Allowed.
    #[default]
    Yes,
    /// Only kernels after FreeBSD 13.
    Newer,
    /// There is no such operation: the rights are those of the nearest.
    Linux,
    /// ECAPMODE, whatever the rights.
    No,
}

/// What a use takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The rights.
    pub rights: Rights,
    /// The command for cap_fcntls_limit(2).
    pub fcntl: Option<u32>,
    /// The command for cap_ioctls_limit(2).
    pub ioctl: Option<u32>,
    /// What capability mode says.
    pub mode: Mode,
    /// The operation there, where it has one.
    pub freebsd: Option<&'static str>,
    /// It is a conclusion and no fact that was read.
    pub inferred: bool,
}

// open(2): asm-generic/fcntl.h; the same on x86, arm64, riscv and s390 for these.
const O_ACCMODE: u64 = 3;
const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_APPEND: u64 = 0o2000;
const O_DSYNC: u64 = 0o10000;
const O_SYNC: u64 = 0o4_000_000;
const O_PATH: u64 = 0o10_000_000;
// mmap(2)
const PROT_READ: u32 = 1;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;

/// What the call `name` takes of the descriptor in its argument `argument`, of which `object` says
/// what it refers to. `None` when the table says nothing of such a use.
pub fn needs(name: &str, argument: u8, detail: Option<Detail>, object: Object) -> Option<Needs> {
    let of_call = |row: &&UseRow| {
        row.calls.contains(&name) && row.argument.is_none_or(|wanted| wanted == argument)
    };
    let mut needs: Option<Needs> = None;
    for row in USES.iter().filter(of_call).filter(|row| row.condition.holds(detail, object)) {
        let all = needs.get_or_insert_with(Needs::default);
        all.rights |= row.rights;
        all.mode = all.mode.max(row.mode);
        all.freebsd = all.freebsd.or(row.freebsd);
        all.inferred |= row.inferred;
    }
    if let (None, Some(Detail::Fcntl(command)), "fcntl" | "fcntl64") = (&needs, detail, name) {
        needs = Some(fcntl(command));
    }
    if let (Some(needs), Some(Detail::Ioctl(command))) = (&mut needs, detail) {
        needs.ioctl = Some(command);
    }
    needs
}

/// A command that no row has takes FCNTL: there is nothing safer to say.
fn fcntl(command: u32) -> Needs {
    let Some(row) = FCNTLS.iter().find(|row| row.number == command) else {
        let rights = Rights::named("FCNTL").unwrap_or_default();
        return Needs { rights, mode: Mode::Linux, inferred: true, ..Needs::default() };
    };
    Needs {
        rights: row.rights,
        fcntl: row.listed.then_some(command),
        mode: row.mode,
        freebsd: Some("fcntl"),
        ..Needs::default()
    }
}

impl Condition {
    fn holds(self, detail: Option<Detail>, object: Object) -> bool {
        match (self, detail) {
            // A descriptor that goes along in a message is not the one written to.
            (Condition::Passed, detail) => detail == Some(Detail::Passed),
            (_, Some(Detail::Passed)) => false,
            (Condition::Any, _) => true,
            (Condition::Itself, detail) => detail == Some(Detail::Itself),
            (Condition::Path, detail) => detail != Some(Detail::Itself),
            (Condition::Directory, Some(Detail::Itself)) => false,
            (Condition::Directory, _) => object == Object::Directory,
            (Condition::Tell, Some(Detail::Seek { tell })) => tell,
            (Condition::Seek, Some(Detail::Seek { tell })) => !tell,
            (Condition::Seek, None) => true,
            (Condition::Address, Some(Detail::Addressed(addressed))) => addressed,
            (Condition::NoAddress, Some(Detail::Addressed(addressed))) => !addressed,
            (Condition::NoAddress, None) => true,
            (Condition::Map, _) => true,
            (Condition::MapRead, Some(Detail::Map { prot, .. })) => prot & PROT_READ != 0,
            (Condition::MapWrite, Some(Detail::Map { prot, shared })) => {
                prot & PROT_WRITE != 0 && shared
            }
            (Condition::MapExec, Some(Detail::Map { prot, .. })) => prot & PROT_EXEC != 0,
            (Condition::Open, _) => true,
            (open, Some(Detail::Open(flags))) => open.opens(flags),
            _ => false,
        }
    }

    /// As flags_to_rights of vfs_syscalls.c reads the flags.
    fn opens(self, flags: u64) -> bool {
        if flags & O_PATH != 0 {
            return false;
        }
        let mode = flags & O_ACCMODE;
        let writes = matches!(mode, O_WRONLY | O_RDWR);
        match self {
            Condition::OpenRead => mode != O_WRONLY,
            Condition::OpenWrite => writes,
            Condition::OpenWriteSeek => writes && flags & (O_APPEND | O_TRUNC) == 0,
            Condition::OpenCreat => flags & O_CREAT != 0,
            Condition::OpenTrunc => flags & O_TRUNC != 0,
            Condition::OpenSync => flags & (O_SYNC | O_DSYNC) != 0,
            _ => false,
        }
    }
}

/// The command of fcntl(2) by its names, on Linux and on FreeBSD where that has it.
pub fn fcntl_name(command: u32) -> (Option<&'static str>, Option<&'static str>) {
    let row = FCNTLS.iter().find(|row| row.number == command);
    (row.map(|row| row.linux), row.and_then(|row| row.freebsd))
}

/// The command of ioctl(2) by its names, on Linux and on FreeBSD where that has it.
pub fn ioctl_name(command: u32) -> (Option<&'static str>, Option<&'static str>) {
    let row = IOCTLS.iter().find(|row| row.number == command);
    (row.map(|row| row.linux), row.and_then(|row| row.freebsd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, argument: u8, detail: Option<Detail>, object: Object) -> String {
        needs(name, argument, detail, object).unwrap().rights.to_string()
    }

    #[test]
    fn what_a_use_takes_depends_on_its_arguments() {
        let file = Object::File;
        let map = |prot, shared| Some(Detail::Map { prot, shared });
        assert_eq!(of("read", 0, None, file), "CAP_READ");
        assert_eq!(of("pread64", 0, None, file), "CAP_PREAD");
        assert_eq!(of("mmap", 4, map(1, false), file), "CAP_MMAP_R");
        assert_eq!(of("mmap", 4, map(3, false), file), "CAP_MMAP_R");
        assert_eq!(of("mmap", 4, map(3, true), file), "CAP_MMAP_RW");
        assert_eq!(of("mmap", 4, map(0, false), file), "CAP_MMAP");
        assert_eq!(of("lseek", 0, Some(Detail::Seek { tell: true }), file), "CAP_SEEK_TELL");
        assert_eq!(of("newfstatat", 0, None, file), "CAP_FSTAT");
        assert_eq!(of("newfstatat", 0, None, Object::Directory), "CAP_FSTATAT");
        let itself = |call, argument| of(call, argument, Some(Detail::Itself), Object::Directory);
        assert_eq!(itself("newfstatat", 0), "CAP_FSTAT");
        assert_eq!(itself("statx", 0), "CAP_FSTAT");
        assert_eq!(itself("fchownat", 0), "CAP_FCHOWN");
        assert_eq!(itself("fchmodat2", 0), "CAP_FCHMOD");
        assert_eq!(itself("utimensat", 0), "CAP_FUTIMES");
        assert_eq!(itself("linkat", 0), "CAP_LINKAT_SOURCE");
        assert_eq!(itself("execveat", 0), "CAP_READ, CAP_FEXECVE");
        assert_eq!(of("fchownat", 0, None, Object::Directory), "CAP_FCHOWNAT");
        assert_eq!(of("sendto", 0, Some(Detail::Addressed(true)), file), "CAP_WRITE, CAP_CONNECT");
        assert_eq!(of("sendmsg", 0, Some(Detail::Passed), file), "");
        assert_eq!(of("epoll_ctl", 2, Some(Detail::EpollOp(1)), file), "CAP_EVENT");
        assert_eq!(of("fcntl", 0, Some(Detail::Fcntl(6)), file), "CAP_FLOCK");
        assert_eq!(of("fcntl", 0, Some(Detail::Fcntl(1)), file), "");
        let getfl = needs("fcntl", 0, Some(Detail::Fcntl(3)), file).unwrap();
        assert_eq!((getfl.rights.to_string(), getfl.fcntl), ("CAP_FCNTL".to_owned(), Some(3)));
    }

    #[test]
    fn openat_takes_what_the_new_descriptor_may_do() {
        let open = |flags| of("openat", 0, Some(Detail::Open(flags)), Object::Directory);
        assert_eq!(open(0), "CAP_READ, CAP_LOOKUP");
        assert_eq!(
            open(O_WRONLY | O_CREAT | O_TRUNC),
            "CAP_WRITE, CAP_CREATE, CAP_FTRUNCATE, CAP_LOOKUP"
        );
        assert_eq!(open(O_WRONLY | O_APPEND), "CAP_WRITE, CAP_LOOKUP");
        assert_eq!(open(O_RDWR), "CAP_READ, CAP_PWRITE, CAP_LOOKUP");
        assert_eq!(open(O_PATH), "CAP_LOOKUP");
    }
}
