//! From a path argument to the file that the kernel would find: absolute as named, where symbolic
//! links led, and what was there.
//!
//! Files are only looked at with O_PATH, which opens no device, wakes no pipe and follows no
//! automount of the last component.

use crate::{
    bases::{Base, Bases, Led, Start},
    checks::{Credentials, Owner},
    observe::{Since, Stat},
};
use libc::{
    AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_DIRECTORY,
    O_NOFOLLOW, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
};
use model::{Text, capability::Check, trace::FileKind};
use nix::{
    errno::Errno,
    sys::stat::{FileStat, SFlag},
};
use std::{
    collections::BTreeSet,
    ffi::CString,
    fs,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{Arc, LazyLock},
};
use supervisor::procfs;

/// Below these a path may mean another file in each process.
const OF_PROCESS: [&[u8]; 2] = [b"/proc/", b"/dev/"];

/// Whether an absolute path lies where it may mean another file in each process.
pub fn is_of_process(path: &[u8]) -> bool {
    let below = |prefix: &&[u8]| path.starts_with(prefix) || path == &prefix[..prefix.len() - 1];
    OF_PROCESS.iter().any(below)
}

/// A file as a call named it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Absolute, as named.
    pub named: Text,
    /// Where symbolic links led, when that differs.
    pub resolved: Option<Text>,
    /// What was there, when it could be seen.
    pub found: Option<FileKind>,
    /// Why nothing was.
    pub absent: Option<Errno>,
    /// Whose it is, when it was there.
    pub owner: Option<Owner>,
    /// The directory from which the kernel went: those above it did not matter.
    pub start: Text,
    /// What the call did there that only a capability let it do.
    pub checks: BTreeSet<Check>,
    /// The descriptor that it is relative to, or that it is: then it is no global name.
    pub base: Option<i32>,
}

impl Place {
    /// Where it lies.
    pub fn at(&self) -> &Text {
        self.resolved.as_ref().unwrap_or(&self.named)
    }
}

/// How a process sees the file system.
#[derive(Debug, Default)]
pub struct View {
    /// The process's root, when it is not profgen's.
    root: Option<Root>,
}

/// A root that is not profgen's.
#[derive(Debug)]
struct Root {
    fd: OwnedFd,
    /// As the kernel prints it for profgen.
    path: Text,
    /// The number that the process has in its own /proc.
    inner: i32,
}

impl View {
    /// The view of a process: a root or a mount namespace of its own is noticed here.
    pub fn of(process: i32) -> View {
        static OWN: LazyLock<Option<Text>> = LazyLock::new(own_mounts);
        let same_mounts = procfs::link(process, "ns/mnt").ok() == *OWN;
        let root = match procfs::link(process, "root") {
            Ok(root) if root.as_bytes() != b"/" || !same_mounts => root,
            _ => return View::default(),
        };
        let opened = open(AT_FDCWD, format!("/proc/{process}/root").as_bytes(), 0, 0);
        let inner = procfs::family(process).map_or(process, |family| family.inner);
        View { root: opened.ok().map(|fd| Root { fd, path: root, inner }) }
    }

    /// Whether it is profgen's.
    pub fn is_own(&self) -> bool {
        self.root.is_none()
    }
}

fn own_mounts() -> Option<Text> {
    procfs::link(std::process::id() as i32, "ns/mnt").ok()
}

/// How a file is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether a link in the last place is followed.
    pub follow: bool,
    /// Whether it matters what its mode lets whom do.
    pub asks: bool,
    /// What is known of it already.
    pub stat: Option<Stat>,
}

impl Look {
    /// Follows links and asks all.
    pub fn following() -> Look {
        Look { follow: true, asks: true, stat: None }
    }

    fn stat(self, seen: Seen<'_>) -> nix::Result<Stat> {
        self.stat.map_or_else(|| seen.stat(), Ok)
    }
}

/// The thread whose path it is.
#[derive(Debug, Clone, Copy)]
pub struct Namer<'a> {
    /// The thread.
    pub tid: i32,
    /// Its process.
    pub process: i32,
    /// How it sees the file system.
    pub view: &'a View,
    /// Who it is, where that matters: without capabilities the kernel's answers say it all.
    pub credentials: Option<&'a Credentials>,
    /// Directories that paths started from before.
    pub bases: &'a Bases,
}

impl Namer<'_> {
    /// Finds the file that `path`, relative to `base`, names.
    ///
    /// # Errors
    /// When the base is gone or no directory that has a path.
    pub fn place(&self, base: Base, path: &Text, look: Look) -> nix::Result<Place> {
        let start = self.start(base, path.as_bytes())?;
        let named = absolute(&start.path, path);
        let (found_at, stat) = self.look(&start, base, path, &named, look);
        let resolved = found_at.filter(|at| *at != named);
        let (found, owner, absent) = match stat {
            Looked::There(kind, owner) => (kind, owner, None),
            Looked::Absent(errno) => (Some(FileKind::Absent), None, Some(errno)),
            Looked::Unknown => (None, None, None),
        };
        let base = match base {
            Base::Descriptor(fd) if path.as_bytes().first() != Some(&b'/') => Some(fd),
            _ => None,
        };
        let start = start.path.clone();
        let checks = BTreeSet::new();
        Ok(Place { named, resolved, found, absent, owner, start, checks, base })
    }

    /// The same for a path relative to a descriptor `fd` that may be closed by now, or to nothing: then the
    /// file behind it. It was opened as `opened`, and that has not moved since.
    ///
    /// # Errors
    /// When `opened` lies outside of the process's root.
    pub fn below(&self, opened: &Text, fd: i32, path: &Text, look: Look) -> nix::Result<Place> {
        let own = match &self.view.root {
            Some(root) if root.path.as_bytes() != b"/" => {
                let own = opened.as_bytes().strip_prefix(root.path.as_bytes());
                own.filter(|own| own.first() == Some(&b'/')).ok_or(Errno::ENOENT)?
            }
            _ => opened.as_bytes(),
        };
        let whole = match path.as_bytes() {
            b"" => Text::from(own),
            path => Text::from([own, b"/", path].concat()),
        };
        let follow = look.follow && !path.is_empty();
        let place = self.place(Base::Current, &whole, Look { follow, ..look })?;
        // What is open needs no search.
        Ok(Place { start: opened.clone(), base: Some(fd), ..place })
    }

    /// Whose a directory is, by its absolute path.
    pub fn owner_of(&self, directory: &Text) -> Option<Owner> {
        let fd = self.open(Base::Current, directory.as_bytes(), directory, true).ok()?;
        self.facts(Seen::Open(&fd), Look::following()).1
    }

    /// The file behind a descriptor, which may have been removed since.
    ///
    /// # Errors
    /// When it is not open, or has no path.
    pub fn descriptor(&self, fd: i32, since: Option<&dyn Since>, look: Look) -> nix::Result<Place> {
        let known = self.bases.known(self.process, fd);
        let (named, (found, owner)) = match known.as_deref().and_then(|at| Some((at, at.fd()?))) {
            Some((at, fd)) => (at.path.clone(), self.facts(Seen::At(fd, b""), look)),
            None => {
                let named = self.link(Base::Descriptor(fd), since)?;
                (named, self.facts(Seen::Theirs(self.tid, fd), look))
            }
        };
        // What is open needs no search.
        let start = named.clone();
        let checks = BTreeSet::new();
        let (resolved, absent, base) = (None, None, Some(fd));
        Ok(Place { named, resolved, found, absent, owner, start, checks, base })
    }

    /// Whose the file behind a descriptor is, also one without a name.
    pub fn owner_behind(&self, fd: i32) -> Option<Owner> {
        self.facts(Seen::Theirs(self.tid, fd), Look::following()).1
    }

    /// What a file is, and whose.
    fn facts(&self, seen: Seen<'_>, look: Look) -> (Option<FileKind>, Option<Owner>) {
        match look.stat(seen) {
            Ok(stat) => (Some(kind(stat)), self.owner(stat, seen, look)),
            Err(_) => (None, None),
        }
    }

    fn owner(&self, stat: Stat, seen: Seen<'_>, look: Look) -> Option<Owner> {
        let reader = self.credentials?;
        Some(Owner::new(stat, reader, || seen.path().filter(|_| look.asks)))
    }

    /// The path of a directory or file that is open; one that has no name any more has none.
    fn link(&self, base: Base, since: Option<&dyn Since>) -> nix::Result<Text> {
        let link = procfs::link(self.tid, &base.proc_name())
            .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        if link.as_bytes().first() != Some(&b'/') {
            return Err(Errno::ENOTDIR);
        }
        let Some(named) = link.as_bytes().strip_suffix(b" (deleted)") else { return Ok(link) };
        let name = named.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let was_named = since.is_some_and(|since| since.removes(name));
        was_named.then(|| Text::from(named)).ok_or(Errno::ENOTDIR)
    }

    /// The directory from which a path is followed.
    fn start(&self, base: Base, path: &[u8]) -> nix::Result<Arc<Start>> {
        if path.first() == Some(&b'/') {
            return Ok(match &self.view.root {
                Some(root) => Arc::new(Start::at(root.path.clone(), None)),
                None => self.bases.root(),
            });
        }
        // From another root, paths are followed by that.
        let opens = self.view.root.is_none();
        let opened = || if opens { self.open_base(base).ok() } else { None };
        let read = || Ok(Start::at(self.link(base, None)?, opened()));
        self.bases.start(self.process, base, read)
    }

    /// Where the path leads now, and what is there.
    fn look(
        &self,
        start: &Start,
        base: Base,
        path: &Text,
        named: &Text,
        look: Look,
    ) -> (Option<Text>, Looked) {
        let follow = look.follow;
        if let Some(looked) = self.look_plainly(start, path.as_bytes(), named, look) {
            return looked;
        }
        match self.open(base, path.as_bytes(), named, follow) {
            Ok(fd) => {
                let (kind, owner) = self.facts(Seen::Open(&fd), look);
                (self.path_of(&fd), Looked::There(kind, owner))
            }
            Err(Errno::ENOENT) => {
                let at = self.absent(base, path.as_bytes(), named, follow, 0);
                (at, Looked::Absent(Errno::ENOENT))
            }
            // A component that is no directory: nothing can be there.
            Err(errno @ Errno::ENOTDIR) => (None, Looked::Absent(errno)),
            Err(_) => (None, Looked::Unknown),
        }
    }

    /// The same for a name in a directory of which it is known where it lies: of a name that is no link,
    /// or not followed, the kernel need not be asked. `None` when it may lie elsewhere.
    fn look_plainly(
        &self,
        start: &Start,
        path: &[u8],
        named: &Text,
        look: Look,
    ) -> Option<(Option<Text>, Looked)> {
        if is_of_process(named.as_bytes()) || self.view.root.is_some() {
            return None;
        }
        let directory = start.fd()?;
        let Some((way, name)) = way_to_name(path) else {
            return self.look_by_opening(directory, path, look);
        };
        let holds = self.bases.holds();
        let led = match start.lead(way, holds, || self.lead(directory, way)) {
            Ok(led) => led,
            Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => {
                return Some((None, Looked::Absent(errno)));
            }
            Err(_) => return None,
        };
        let held = start.held(way);
        let seen = match &held {
            Some(held) => Seen::At(held.as_raw_fd(), name),
            None => Seen::At(directory, path),
        };
        let looked = match look.stat(seen) {
            Ok(stat) if look.follow && kind(stat) == FileKind::Symlink => return None,
            Ok(stat) => Looked::There(Some(kind(stat)), self.owner(stat, seen, look)),
            Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => Looked::Absent(errno),
            Err(_) => return None,
        };
        Some((led.map(|directory| join(&directory, name)), looked))
    }

    /// Where a way to a directory leads.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR when there is none and no link on the way; another when it has no path.
    fn lead(&self, from: i32, way: &[u8]) -> nix::Result<Led> {
        if !goes_back(way) {
            match open(from, way, O_DIRECTORY, RESOLVE_NO_SYMLINKS) {
                Err(Errno::ELOOP) => {}
                opened => return Ok(Led { at: None, directory: Some(opened?) }),
            }
        }
        let directory = open(from, way, O_DIRECTORY, RESOLVE_NO_MAGICLINKS).ok();
        let path = directory.as_ref().and_then(|fd| self.path_of(fd));
        let at = path.filter(|path| !is_of_process(path.as_bytes())).ok_or(Errno::ELOOP)?;
        Ok(Led { at: Some(at), directory })
    }

    /// The same for a path that does not end with a name, and goes through no link and never back.
    fn look_by_opening(
        &self,
        from: i32,
        path: &[u8],
        look: Look,
    ) -> Option<(Option<Text>, Looked)> {
        if goes_back(path) {
            return None;
        }
        let flags = if look.follow { 0 } else { O_NOFOLLOW };
        match open(from, path, flags, RESOLVE_NO_SYMLINKS) {
            Ok(fd) => {
                let (kind, owner) = self.facts(Seen::Open(&fd), look);
                Some((None, Looked::There(kind, owner)))
            }
            // A link before what is missing would have been ELOOP.
            Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => Some((None, Looked::Absent(errno))),
            Err(_) => None,
        }
    }

    fn open_base(&self, base: Base) -> nix::Result<OwnedFd> {
        let start = format!("/proc/{}/{}", self.tid, base.proc_name());
        open(AT_FDCWD, start.as_bytes(), 0, 0)
    }

    fn open(&self, base: Base, path: &[u8], named: &Text, follow: bool) -> nix::Result<OwnedFd> {
        let flags = if follow { 0 } else { O_NOFOLLOW };
        if let Some(root) = &self.view.root {
            let inside = named.as_bytes().strip_prefix(root.path.as_bytes());
            let inside = inside.filter(|inside| inside.is_empty() || inside[0] == b'/');
            let inside = inside.unwrap_or(named.as_bytes());
            let inside = if inside.is_empty() { b"/" } else { inside };
            // What /proc/self means is a question of who asks.
            let own = self.own_name(inside, root.inner);
            let theirs = own.as_deref().unwrap_or(inside);
            return match open(root.fd.as_raw_fd(), theirs, flags, RESOLVE_IN_ROOT) {
                // A link that the kernel does not follow by its text, such as /proc/self/exe: it
                // leads from profgen's /proc to the same file.
                Err(Errno::ELOOP | Errno::EXDEV) if own.is_some() => {
                    let ours = self.own_name(inside, self.process);
                    open(AT_FDCWD, ours.as_deref().unwrap_or(inside), flags, 0)
                }
                opened => opened,
            };
        }
        if let Some(own) = self.own_name(named.as_bytes(), self.process) {
            return open(AT_FDCWD, &own, flags, 0);
        }
        if path.first() == Some(&b'/') {
            return open(AT_FDCWD, path, flags, RESOLVE_NO_MAGICLINKS);
        }
        let start = self.open_base(base)?;
        let path = if path.is_empty() { b"." } else { path };
        open(start.as_raw_fd(), path, flags, RESOLVE_NO_MAGICLINKS)
    }

    /// Paths that mean another file in each process, as profgen can open them; `process` is the
    /// number that the process has in the /proc that it sees.
    fn own_name(&self, bytes: &[u8], process: i32) -> Option<Vec<u8>> {
        if !OF_PROCESS.iter().any(|prefix| bytes.starts_with(prefix)) {
            return None;
        }
        let own = format!("/proc/{process}");
        let thread = match process == self.process {
            true => self.tid,
            false => procfs::family(self.tid).map_or(process, |family| family.inner),
        };
        let rows: [(&[u8], String); 6] = [
            (b"/proc/self", own.clone()),
            (b"/proc/thread-self", format!("{own}/task/{thread}")),
            (b"/dev/fd", format!("{own}/fd")),
            (b"/dev/stdin", format!("{own}/fd/0")),
            (b"/dev/stdout", format!("{own}/fd/1")),
            (b"/dev/stderr", format!("{own}/fd/2")),
        ];
        for (prefix, replacement) in rows {
            if let Some(rest) = bytes.strip_prefix(prefix)
                && (rest.is_empty() || rest[0] == b'/')
            {
                return Some([replacement.as_bytes(), rest].concat());
            }
        }
        Some(bytes.to_vec())
    }

    /// Where a file that does not exist would be: its directory exists, or it does not either.
    fn absent(
        &self,
        base: Base,
        path: &[u8],
        named: &Text,
        follow: bool,
        depth: u8,
    ) -> Option<Text> {
        if depth > 8 {
            return None;
        }
        let trimmed = path.trim_ascii_end_slashes();
        let cut = trimmed.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        let (parent, name) = trimmed.split_at(cut);
        if name.is_empty() || name == b".." {
            return None;
        }
        let named_parent = parent_of(named)?;
        let directory = self.open(base, parent, &named_parent, true).ok()?;
        let directory_path = self.path_of(&directory)?;
        if follow
            && let Ok(link) = open(directory.as_raw_fd(), name, O_NOFOLLOW, RESOLVE_NO_MAGICLINKS)
            && let Ok(target) = nix::fcntl::readlinkat(&link, "")
        {
            // A link to nothing: opening it for creation makes its target.
            let target = std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str()).to_vec();
            let named = if target.first() == Some(&b'/') {
                Text::from(target.clone())
            } else {
                join(&directory_path, &target)
            };
            let path = named.as_bytes().to_vec();
            return self.absent(Base::Current, &path, &named, true, depth + 1);
        }
        Some(join(&directory_path, name))
    }

    /// The path of an O_PATH descriptor of ours; profgen's own /proc entry stands for the process's.
    fn path_of(&self, fd: &OwnedFd) -> Option<Text> {
        let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
        let path = Text::from(path.as_os_str());
        let ours = format!("/proc/{}", std::process::id());
        match path.as_bytes().strip_prefix(ours.as_bytes()) {
            Some(rest) if rest.is_empty() || rest[0] == b'/' => {
                let theirs = format!("/proc/{}", self.process);
                Some(Text::from([theirs.as_bytes(), rest].concat()))
            }
            _ => Some(path).filter(|path| path.as_bytes().first() == Some(&b'/')),
        }
    }
}

/// A file that is looked at.
#[derive(Debug, Clone, Copy)]
enum Seen<'a> {
    /// Open as a descriptor of ours.
    Open(&'a OwnedFd),
    /// From a descriptor of ours by a path, which is empty for the descriptor itself.
    At(i32, &'a [u8]),
    /// Open as a descriptor of a thread.
    Theirs(i32, i32),
}

impl Seen<'_> {
    /// What the kernel says of it; a link in the last place is not followed.
    fn stat(self) -> nix::Result<Stat> {
        match self {
            Seen::Open(fd) => stat_at(fd.as_raw_fd(), b"", AT_EMPTY_PATH),
            Seen::At(fd, b"") => stat_at(fd, b"", AT_EMPTY_PATH),
            Seen::At(fd, path) => stat_at(fd, path, AT_SYMLINK_NOFOLLOW),
            // By its link in /proc, which leads to the file itself, also to one that is a link.
            Seen::Theirs(..) => stat_at(AT_FDCWD, &self.path().unwrap_or_default(), 0),
        }
    }

    /// A path that leads to it, by which its access control list is read: there is no call for that
    /// which takes a descriptor that is open with O_PATH.
    fn path(self) -> Option<Vec<u8>> {
        match self {
            Seen::Open(fd) => Some(format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes()),
            Seen::At(AT_FDCWD, path) => Some(path.to_vec()),
            Seen::At(fd, path) => {
                let directory = format!("/proc/self/fd/{fd}/");
                Some([directory.as_bytes(), path].concat())
            }
            Seen::Theirs(tid, fd) => Some(format!("/proc/{tid}/fd/{fd}").into_bytes()),
        }
    }
}

/// What a look at a path gave.
enum Looked {
    There(Option<FileKind>, Option<Owner>),
    /// ENOENT, or ENOTDIR.
    Absent(Errno),
    Unknown,
}

/// The path that starts at the directory `start`.
fn absolute(start: &Text, path: &Text) -> Text {
    let mut named = Vec::with_capacity(path.as_bytes().len() + 32);
    if start.as_bytes() != b"/" {
        named.extend_from_slice(start.as_bytes());
    }
    for part in path.as_bytes().split(|&byte| byte == b'/') {
        if !part.is_empty() && part != b"." {
            if named.last() != Some(&b'/') {
                named.push(b'/');
            }
            named.extend_from_slice(part);
        }
    }
    if named.is_empty() {
        named.push(b'/');
    }
    Text::from(named)
}

trait TrimSlashes {
    fn trim_ascii_end_slashes(&self) -> &[u8];
}

impl TrimSlashes for [u8] {
    fn trim_ascii_end_slashes(&self) -> &[u8] {
        let end = self.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
        &self[..end]
    }
}

fn parent_of(path: &Text) -> Option<Text> {
    let at = path.as_bytes().iter().rposition(|&byte| byte == b'/')?;
    Some(Text::from(&path.as_bytes()[..at.max(1)]))
}

fn join(directory: &Text, name: &[u8]) -> Text {
    let separator: &[u8] = if directory.as_bytes().ends_with(b"/") { b"" } else { b"/" };
    Text::from([directory.as_bytes(), separator, name].concat())
}

/// A path's last component, and the way to the directory that holds it, which is empty where that is
/// where the path starts. `None` when the last component is no name, or a component is not there, which
/// says that what is before it is a directory.
fn way_to_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (way, name) = (&path[..at.saturating_sub(1)], &path[at..]);
    let mut parts = way.strip_prefix(b"/").unwrap_or(way).split(|&byte| byte == b'/');
    let is_part = |part: &[u8]| !part.is_empty() && part != b".";
    let plain = is_part(name) && name != b".." && (way.is_empty() || parts.all(is_part));
    plain.then_some((way, name))
}

fn goes_back(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|part| part == b"..")
}

fn stat_at(directory: i32, path: &[u8], flags: i32) -> nix::Result<Stat> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    let mut stat = std::mem::MaybeUninit::<FileStat>::uninit();
    let flags = flags | AT_NO_AUTOMOUNT;
    // SAFETY: the string is NUL-terminated, and the structure is the one that the call fills.
    let result = unsafe { libc::fstatat(directory, path.as_ptr(), stat.as_mut_ptr(), flags) };
    Errno::result(result)?;
    // SAFETY: the call has filled it.
    Ok(unsafe { stat.assume_init() }.into())
}

/// Opens a file with O_PATH by openat2(2).
///
/// # Errors
/// The kernel's reason.
pub fn open(directory: i32, path: &[u8], flags: i32, resolve: u64) -> nix::Result<OwnedFd> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    // SAFETY: all-zero is a valid open_how.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (O_PATH | O_CLOEXEC | flags) as u64;
    how.resolve = resolve;
    // SAFETY: the string and the structure are valid for the call, whose size argument is its own.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory,
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// What kind of file it is.
fn kind(stat: Stat) -> FileKind {
    match SFlag::from_bits_truncate(stat.mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => FileKind::File,
        SFlag::S_IFDIR => FileKind::Directory,
        SFlag::S_IFLNK => FileKind::Symlink,
        SFlag::S_IFCHR => FileKind::CharDevice,
        SFlag::S_IFBLK => FileKind::BlockDevice,
        SFlag::S_IFIFO => FileKind::Fifo,
        SFlag::S_IFSOCK => FileKind::Socket,
        _ => FileKind::Anonymous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place_from(base: Base, path: &str, follow: bool) -> nix::Result<Place> {
        let (view, bases) = (View::default(), Bases::default());
        let (tid, process) = (nix::unistd::gettid().as_raw(), std::process::id() as i32);
        let namer = Namer { tid, process, view: &view, credentials: None, bases: &bases };
        namer.place(base, &Text::from(path), Look { follow, ..Look::following() })
    }

    fn place(path: &str, follow: bool) -> (String, Option<String>, Option<FileKind>) {
        let place = place_from(Base::Current, path, follow).unwrap();
        (place.named.escaped(), place.resolved.map(|text| text.escaped()), place.found)
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", directory.path().display());
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/file"), "").unwrap();
        symlink("real", at("link")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        let file = Some(at("real/file"));
        assert_eq!(place(&at("real/file"), true), (at("real/file"), None, Some(FileKind::File)));
        assert_eq!(place(&at("link/file"), true), (at("link/file"), file, Some(FileKind::File)));
        assert_eq!(place(&at("link"), false), (at("link"), None, Some(FileKind::Symlink)));
        let made = Some(at("missing"));
        assert_eq!(place(&at("dangling"), true), (at("dangling"), made, Some(FileKind::Absent)));
        let beside = Some(at("real/none"));
        assert_eq!(
            place(&at("link/none"), true),
            (at("link/none"), beside, Some(FileKind::Absent))
        );
        assert_eq!(place(&at("no/where"), true), (at("no/where"), None, Some(FileKind::Absent)));
        let through = Some(at("real"));
        assert_eq!(place(&at("link/"), false), (at("link"), through, Some(FileKind::Directory)));
        assert_eq!(place(&at("real/"), true), (at("real"), None, Some(FileKind::Directory)));
        assert_eq!(place(&at("real/file/x"), true).2, Some(FileKind::Absent));
        let twisted = place(&at("link/../real//./file"), true);
        assert_eq!(twisted.1, Some(at("real/file")));
    }

    #[test]
    fn relative_paths_start_where_the_process_says() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("x"), "").unwrap();
        let handle = fs::File::open(directory.path()).unwrap();
        let base = Base::Descriptor(handle.as_raw_fd());
        let place = place_from(base, "x", true).unwrap();
        assert_eq!(place.named, Text::from(directory.path().join("x").as_path()));
        assert_eq!(place.found, Some(FileKind::File));
        assert!(place_from(Base::Descriptor(9999), "x", true).is_err());
    }

    #[test]
    fn self_means_the_traced_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let (view, bases) = (View::default(), Bases::default());
        let namer = Namer { tid: pid, process: pid, view: &view, credentials: None, bases: &bases };
        let place = namer
            .place(Base::Current, &Text::from("/proc/self/status"), Look::following())
            .unwrap();
        assert_eq!(place.named, Text::from("/proc/self/status"));
        assert_eq!(place.resolved, Some(Text::from(format!("/proc/{pid}/status").as_str())));
        let mounts =
            namer.place(Base::Current, &Text::from("/proc/mounts"), Look::following()).unwrap();
        assert_eq!(mounts.resolved, Some(Text::from(format!("/proc/{pid}/mounts").as_str())));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
