//! What /proc says of a process: its mappings, links and family. A process that is gone gives
//! `None` or an error, never a guess.

use model::{Text, trace::Site};
use std::{
    fs,
    io::{self, Read},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
};

/// One line of /proc/PID/maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Where in the file it starts.
    pub offset: u64,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether it may be executed.
    pub executable: bool,
    /// Whether what is written to it goes to a copy of the process's own.
    pub private: bool,
    /// The inode of the file.
    pub inode: u64,
    /// The file as the kernel names it, or a name in brackets; empty for anonymous memory.
    pub path: Text,
}

impl Mapping {
    /// Whether a file is behind it.
    pub fn is_file(&self) -> bool {
        self.path.as_bytes().first() == Some(&b'/')
    }

    /// Whether it is a file's code.
    pub fn is_code(&self) -> bool {
        self.is_file() && self.executable
    }
}

/// Reads a file of /proc, of which nobody knows the size before: in few large pieces.
///
/// # Errors
/// Those of opening and reading it.
pub fn read(path: &str) -> io::Result<Vec<u8>> {
    /// The kernel mostly gives a page at once.
    const PIECE: usize = 16 << 10;
    let mut file = fs::File::open(path)?;
    let (mut bytes, mut length) = (vec![0; PIECE], 0);
    loop {
        match file.read(&mut bytes[length..])? {
            0 => break,
            read => length += read,
        }
        if bytes.len() - length < PIECE / 2 {
            bytes.resize(bytes.len() * 2, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The mappings of a process, by address.
///
/// # Errors
/// When the process is gone or not ours to read.
pub fn mappings(tid: i32) -> io::Result<Vec<Mapping>> {
    let text = read(&format!("/proc/{tid}/maps"))?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(mapping).collect())
}

/// The mappings of a process with the code of files, by address.
///
/// # Errors
/// When the process is gone or not ours to read.
pub fn code(tid: i32) -> io::Result<Vec<Mapping>> {
    match query_code(tid) {
        Ok(code) => Ok(code),
        // Before Linux 6.11.
        Err(_) => Ok(mappings(tid)?.into_iter().filter(|mapping| mapping.is_code()).collect()),
    }
}

/// `struct procmap_query` (linux/fs.h).
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    permissions: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    device: [u32; 2],
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

/// Asks for these mappings alone: most of a process's are others, and to print and to read them costs more.
fn query_code(tid: i32) -> io::Result<Vec<Mapping>> {
    /// `_IOWR('f', 17, struct procmap_query)`.
    const PROCMAP_QUERY: u64 = 3 << 30 | (size_of::<Query>() as u64) << 16 | 0x66 << 8 | 17;
    const WRITABLE: u64 = 2;
    const EXECUTABLE: u64 = 4;
    const SHARED: u64 = 8;
    const COVERING_OR_NEXT: u64 = 16;
    const FILE_BACKED: u64 = 32;
    let file = fs::File::open(format!("/proc/{tid}/maps"))?;
    let mut name = [0_u8; libc::PATH_MAX as usize];
    let (mut code, mut address) = (Vec::new(), 0);
    loop {
        let mut query = Query {
            size: size_of::<Query>() as u64,
            flags: EXECUTABLE | COVERING_OR_NEXT | FILE_BACKED,
            address,
            name_size: name.len() as u32,
            name: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        // SAFETY: the kernel reads and fills the structure, of which it is told the size, and the name.
        if unsafe { libc::ioctl(file.as_raw_fd(), PROCMAP_QUERY as _, &raw mut query) } != 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ENOENT) { Ok(code) } else { Err(error) };
        }
        let path =
            name.get(..query.name_size as usize).and_then(|name| name.split(|&b| b == 0).next());
        code.push(Mapping {
            start: query.start,
            end: query.end,
            offset: query.offset,
            writable: query.permissions & WRITABLE != 0,
            executable: query.permissions & EXECUTABLE != 0,
            private: query.permissions & SHARED == 0,
            inode: query.inode,
            path: Text::from(path.unwrap_or_default()),
        });
        address = query.end.max(address + 1);
    }
}

/// `7f1000-7f2000 r-xp 00001000 fe:00 1234    /usr/lib/libc.so.6`, see proc_pid_maps(5).
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let range = std::str::from_utf8(fields.next()?).ok()?;
    let permissions = fields.next()?;
    let offset = std::str::from_utf8(fields.next()?).ok()?;
    let inode = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let (start, end) = range.split_once('-')?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        writable: permissions.get(1) == Some(&b'w'),
        executable: permissions.get(2) == Some(&b'x'),
        private: permissions.get(3) == Some(&b'p'),
        inode,
        path: unescape(path),
    })
}

/// The kernel writes a newline in a path as `\012`, and nothing else so.
fn unescape(path: &[u8]) -> Text {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(byte);
            rest = after;
        }
    }
    Text::from(out)
}

/// The mapping that holds `address`, of a list by address.
pub fn mapping_of(mappings: &[Mapping], address: u64) -> Option<&Mapping> {
    let at = mappings.partition_point(|mapping| mapping.end <= address);
    mappings.get(at).filter(|mapping| mapping.start <= address)
}

/// The place of the instruction at `address`. `None` when nothing is mapped there.
pub fn site(mappings: &[Mapping], address: u64) -> Option<Site> {
    let mapping = mapping_of(mappings, address)?;
    let within = address - mapping.start;
    let offset = if mapping.is_file() { mapping.offset.saturating_add(within) } else { within };
    let module =
        if mapping.path.is_empty() { Text::from("[anonymous]") } else { mapping.path.clone() };
    Some(Site { module, offset, symbol: None })
}

/// The place of the system-call instruction before `instruction_pointer`.
pub fn call_site(mappings: &[Mapping], instruction_pointer: u64) -> Option<Site> {
    // Every system-call instruction of x86 has two bytes, of the others four.
    let length = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) { 2 } else { 4 };
    site(mappings, instruction_pointer.checked_sub(length)?)
}

/// Where the link `/proc/TID/NAME` leads, as the kernel prints it.
///
/// # Errors
/// When the process is gone or not ours to read.
pub fn link(tid: i32, name: &str) -> io::Result<Text> {
    fs::read_link(format!("/proc/{tid}/{name}")).map(|path| Text::from(path.as_os_str()))
}

/// Where descriptor `fd` leads: a path, or `socket:[123]` and the like.
///
/// # Errors
/// When the process is gone or has no such descriptor.
pub fn descriptor(tid: i32, fd: i32) -> io::Result<Text> {
    link(tid, &format!("fd/{fd}"))
}

/// A process's place in its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The process that the thread belongs to.
    pub process: i32,
    /// Its parent.
    pub parent: i32,
    /// The thread's own number in the innermost pid namespace that it is in.
    pub inner: i32,
    /// The effective user id.
    pub user: u32,
    /// The effective group id.
    pub group: u32,
}

/// The family of a thread; `None` when it is gone.
pub fn family(tid: i32) -> Option<Family> {
    let status = read(&format!("/proc/{tid}/status")).ok()?;
    // Only the first line can hold bytes of the process's making: its name.
    let status = String::from_utf8_lossy(&status);
    let field = |name: &str, column: usize| {
        let line = status.lines().skip(1).find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(column)
    };
    let last = |name: &str| {
        let line = status.lines().skip(1).find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().last()
    };
    Some(Family {
        process: field("Tgid:", 0)?.parse().ok()?,
        parent: field("PPid:", 0)?.parse().ok()?,
        // A kernel without pid namespaces has no such line.
        inner: last("NSpid:").and_then(|inner| inner.parse().ok()).unwrap_or(tid),
        user: field("Uid:", 1)?.parse().ok()?,
        group: field("Gid:", 1)?.parse().ok()?,
    })
}

/// Whether there is a process of which this is the first thread. `false` also where that may not be asked.
pub fn is_process(tid: i32) -> bool {
    // SAFETY: three numbers; signal 0 is sent to nobody (tgkill(2)).
    unsafe { libc::syscall(libc::SYS_tgkill, tid, tid, 0) == 0 }
}

/// Whether no_new_privs is set for a thread; `None` when it is gone.
pub fn no_new_privs(tid: i32) -> Option<bool> {
    let status = read(&format!("/proc/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().skip(1).find_map(|line| line.strip_prefix("NoNewPrivs:"))?;
    Some(line.trim() == "1")
}

/// profgen's own effective capabilities, as a bit set.
pub fn own_capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The children of a process, also of its other threads.
pub fn children(process: i32) -> Vec<i32> {
    let of = |tid: &i32| fs::read_to_string(format!("/proc/{process}/task/{tid}/children")).ok();
    let lists: Vec<String> = threads(process).unwrap_or_default().iter().filter_map(of).collect();
    lists
        .iter()
        .flat_map(|list| list.split_whitespace())
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// What a process runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Image {
    /// The executable as the kernel names it.
    pub path: Text,
    /// Where its stack began: another one after each exec, but for address-space randomisation
    /// that is turned off.
    pub stack: u64,
}

/// The image of a process; `None` when it is gone, or has no memory of its own any more.
pub fn image(process: i32) -> Option<Image> {
    let path = link(process, "exe").ok()?;
    Some(Image { path, stack: stat_field(process, 28)? })
}

/// A field of /proc/PID/stat, counted from 1 as proc_pid_stat(5) does.
fn stat_field(process: i32, number: usize) -> Option<u64> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in parentheses, which may contain anything.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    rest.split(' ').nth(number - 3)?.parse().ok()
}

/// The threads of a process.
///
/// # Errors
/// When the process is gone.
pub fn threads(process: i32) -> io::Result<Vec<i32>> {
    let mut tids = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = entry?.file_name();
        tids.extend(
            std::str::from_utf8(name.as_bytes()).ok().and_then(|name| name.parse::<i32>().ok()),
        );
    }
    Ok(tids)
}

/// The first parameter of the inode behind a descriptor's text: 123 for `socket:[123]`.
pub fn socket_inode(descriptor: &Text) -> Option<u64> {
    let text = std::str::from_utf8(descriptor.as_bytes()).ok()?;
    text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maps_line_is_read_whole() {
        let line = b"7f10-7f20 r-xp 00001000 fe:00 12                        /a b/\\012(deleted)";
        let read = mapping(line).unwrap();
        assert_eq!((read.start, read.end, read.offset), (0x7f10, 0x7f20, 0x1000));
        assert!(read.executable && read.is_file() && read.private && !read.writable);
        assert_eq!(read.inode, 12);
        assert_eq!(read.path, Text::from("/a b/\n(deleted)"));
        let anonymous = mapping(b"10-20 rw-p 00000000 00:00 0 ").unwrap();
        assert!(anonymous.path.is_empty() && !anonymous.is_file());
        assert_eq!(mapping(b""), None);
        assert_eq!(mapping(b"zz"), None);
    }

    #[test]
    fn a_site_is_an_offset_in_the_file() {
        let file = mapping(b"1000-3000 r-xp 00005000 fe:00 12 /lib/x").unwrap();
        let anonymous = mapping(b"4000-5000 rwxp 00000000 00:00 0 ").unwrap();
        let maps = [file, anonymous];
        let found = site(&maps, 0x1010).unwrap();
        assert_eq!((found.module, found.offset), (Text::from("/lib/x"), 0x5010));
        let found = site(&maps, 0x4004).unwrap();
        assert_eq!((found.module, found.offset), (Text::from("[anonymous]"), 4));
        assert_eq!(site(&maps, 0x3000), None);
        assert_eq!(site(&maps, 0xfff), None);
    }

    #[test]
    fn own_process_is_found() {
        let own = std::process::id() as i32;
        assert_eq!(family(own).unwrap().process, own);
        let other = std::thread::spawn(|| is_process(nix::unistd::gettid().as_raw()));
        assert!(is_process(own) && !other.join().unwrap());
        assert!(image(own).unwrap().stack > 0);
        assert!(threads(own).unwrap().contains(&own));
        let here = own_process_is_found as *const () as u64;
        let maps = mappings(own).unwrap();
        assert_eq!(site(&maps, here).unwrap().module, image(own).unwrap().path);
        let of_files: Vec<Mapping> = maps.into_iter().filter(Mapping::is_code).collect();
        assert_eq!(code(own).unwrap(), of_files);
        assert!(of_files.len() > 1 && code(0).is_err());
        // Linux before 6.11 says that there is no such query.
        let query = query_code(own).map_err(|error| error.raw_os_error());
        assert!([Ok(of_files), Err(Some(libc::ENOTTY))].contains(&query));
    }
}
