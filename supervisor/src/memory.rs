//! Reads the memory of another process. What is read may change at any moment: it is evidence,
//! never a ground for a decision.

use model::Text;
use nix::{
    errno::Errno,
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::IoSliceMut,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering},
};

/// The longest path, with its NUL (linux/limits.h).
pub const PATH_MAX: usize = 4096;

/// Reads exactly `buffer.len()` bytes at `address`.
///
/// # Errors
/// EFAULT when not all of them can be read; EPERM or ESRCH when the process cannot be reached.
pub fn read(tid: i32, address: u64, buffer: &mut [u8]) -> nix::Result<()> {
    let length = buffer.len();
    if read_some(tid, address, buffer)? == length { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Reads two places at once, each whole.
///
/// # Errors
/// Those of [`read`].
pub fn read_both(tid: i32, first: (u64, &mut [u8]), second: (u64, &mut [u8])) -> nix::Result<()> {
    let place = |(address, buffer): &(u64, &mut [u8])| {
        let base = usize::try_from(*address).map_err(|_| Errno::EFAULT)?;
        Ok(RemoteIoVec { base, len: buffer.len() })
    };
    let remote = [place(&first)?, place(&second)?];
    let length = first.1.len() + second.1.len();
    if !BY_FILE.load(Ordering::Relaxed) {
        let mut local = [IoSliceMut::new(first.1), IoSliceMut::new(second.1)];
        if process_vm_readv(Pid::from_raw(tid), &mut local, &remote) == Ok(length) {
            return Ok(());
        }
    }
    read(tid, first.0, first.1)?;
    read(tid, second.0, second.1)
}

fn read_some(tid: i32, address: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    if !BY_FILE.load(Ordering::Relaxed) {
        let remote = [RemoteIoVec { base, len: buffer.len() }];
        match process_vm_readv(Pid::from_raw(tid), &mut [IoSliceMut::new(buffer)], &remote) {
            Err(Errno::EPERM | Errno::ENOSYS) => {}
            result => return result,
        }
    }
    let read = read_file(tid, address, buffer)?;
    BY_FILE.store(true, Ordering::Relaxed);
    Ok(read)
}

/// Docker's default profile denies process_vm_readv without CAP_SYS_PTRACE, though the kernel would
/// let us read: then memory is read as a file, and no more calls are wasted once that has worked.
static BY_FILE: AtomicBool = AtomicBool::new(false);

fn read_file(tid: i32, address: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let file = File::open(format!("/proc/{tid}/mem")).map_err(|error| match errno(error) {
        Errno::ENOENT => Errno::ESRCH,
        Errno::EACCES => Errno::EPERM,
        other => other,
    })?;
    // Where nothing is mapped, the file has EIO for EFAULT (fs/proc/base.c, mem_rw).
    file.read_at(buffer, address).map_err(|error| match errno(error) {
        Errno::EIO => Errno::EFAULT,
        other => other,
    })
}

/// Reads a NUL-terminated string of at most `bound` bytes.
///
/// # Errors
/// ENAMETOOLONG when there is no NUL within the bound; else as [`read`].
pub fn read_string(tid: i32, address: u64, bound: usize) -> nix::Result<Text> {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 256];
    while bytes.len() < bound {
        let at = address.checked_add(bytes.len() as u64).ok_or(Errno::EFAULT)?;
        // Never across a page: the next one may not be mapped. Pages are 4096 bytes or more.
        let in_page = 4096 - (at % 4096) as usize;
        let length = chunk.len().min(in_page).min(bound - bytes.len());
        let read = read_some(tid, at, &mut chunk[..length])?;
        if let Some(end) = chunk[..read].iter().position(|&byte| byte == 0) {
            bytes.extend_from_slice(&chunk[..end]);
            return Ok(Text::from(bytes));
        }
        if read == 0 {
            return Err(Errno::EFAULT);
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    Err(Errno::ENAMETOOLONG)
}

/// Reads a number of 8 bytes.
///
/// # Errors
/// As [`read`].
pub fn read_u64(tid: i32, address: u64) -> nix::Result<u64> {
    let mut bytes = [0_u8; 8];
    read(tid, address, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

const PAGE: u64 = 4096;

/// Memory of which many small pieces are wanted: it is read page by page, each once.
#[derive(Debug)]
pub struct Pages {
    tid: i32,
    bound: usize,
    pages: HashMap<u64, Option<Box<[u8; PAGE as usize]>>>,
}

impl Pages {
    /// Of a process, at most `bound` pages of it.
    pub fn new(tid: i32, bound: usize) -> Pages {
        Pages { tid, bound, pages: HashMap::new() }
    }

    /// Fills `buffer` from `address`; `None` when not all of it can be read.
    pub fn read(&mut self, address: u64, buffer: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = address.checked_add(done as u64)?;
            let there = &self.page(at / PAGE * PAGE)?[(at % PAGE) as usize..];
            let length = there.len().min(buffer.len() - done);
            buffer[done..done + length].copy_from_slice(&there[..length]);
            done += length;
        }
        Some(())
    }

    /// Reads the pages with these addresses at once, where that can be done.
    pub fn fetch(&mut self, addresses: impl Iterator<Item = u64>) {
        /// More pieces one call does not take (UIO_MAXIOV).
        const PIECES: usize = 1024;
        let wanted: BTreeSet<u64> = addresses.map(|address| address / PAGE * PAGE).collect();
        let room = self.bound.saturating_sub(self.pages.len()).min(PIECES);
        let wanted: Vec<u64> = wanted.into_iter().take(room).collect();
        if BY_FILE.load(Ordering::Relaxed) || wanted.is_empty() {
            return;
        }
        let mut bytes: Vec<_> = wanted.iter().map(|_| Box::new([0; PAGE as usize])).collect();
        let remote: Vec<RemoteIoVec> = wanted
            .iter()
            .map(|&start| RemoteIoVec { base: start as usize, len: PAGE as usize })
            .collect();
        let mut local: Vec<IoSliceMut> =
            bytes.iter_mut().map(|page| IoSliceMut::new(&mut page[..])).collect();
        // It stops at the first page that cannot be read.
        let read = process_vm_readv(Pid::from_raw(self.tid), &mut local, &remote).unwrap_or(0);
        let whole = wanted.into_iter().zip(bytes).take(read / PAGE as usize);
        self.pages.extend(whole.map(|(start, page)| (start, Some(page))));
    }

    fn page(&mut self, start: u64) -> Option<&[u8; PAGE as usize]> {
        if !self.pages.contains_key(&start) {
            if self.pages.len() >= self.bound {
                return None;
            }
            let mut bytes = Box::new([0; PAGE as usize]);
            let read = read(self.tid, start, &mut bytes[..]).is_ok();
            self.pages.insert(start, read.then_some(bytes));
        }
        self.pages.get(&start)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_tid() -> i32 {
        nix::unistd::gettid().as_raw()
    }

    #[test]
    fn pages_give_what_is_there_across_their_borders_up_to_their_bound() {
        let bytes: Vec<u8> = (0..4 * PAGE).map(|at| (at * 7 % 251) as u8).collect();
        let start = bytes.as_ptr() as u64;
        let border = start.next_multiple_of(PAGE);
        let mut pages = Pages::new(own_tid(), 2);
        let mut there = [0; 100];
        assert_eq!(pages.read(border - 50, &mut there), Some(()));
        let at = (border - 50 - start) as usize;
        assert_eq!(there, bytes[at..at + 100]);
        assert_eq!(pages.read(border + 2 * PAGE, &mut there), None);
        let mut fetched = Pages::new(own_tid(), 2);
        fetched.fetch([border, border - 50, border + 1, 8 * PAGE].into_iter());
        assert_eq!(fetched.pages.len(), 0, "the lowest cannot be read");
        fetched.fetch([border, border - 50, border + 1].into_iter());
        assert_eq!(fetched.pages.len(), 2);
        assert_eq!(fetched.read(border - 50, &mut there), Some(()));
        assert_eq!(there, bytes[at..at + 100]);
        assert_eq!(Pages::new(own_tid(), 2).read(8, &mut there), None);
        assert_eq!(Pages::new(own_tid(), 2).read(u64::MAX - 8, &mut there), None);
    }

    #[test]
    fn a_string_comes_whole_and_within_its_bound() {
        let long = "x".repeat(1000);
        let text = std::ffi::CString::new(long.clone()).unwrap();
        let address = text.as_ptr() as u64;
        assert_eq!(read_string(own_tid(), address, PATH_MAX), Ok(Text::from(long.as_str())));
        let (mut one, mut other) = ([0; 4], [0; 3]);
        assert_eq!(read_both(own_tid(), (address, &mut one), (address + 1, &mut other)), Ok(()));
        assert_eq!((&one[..], &other[..]), (&long.as_bytes()[..4], &long.as_bytes()[1..4]));
        assert_eq!(read_both(own_tid(), (address, &mut one), (8, &mut other)), Err(Errno::EFAULT));
        assert_eq!(read_string(own_tid(), address, 100), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn what_is_not_mapped_is_an_error() {
        assert_eq!(read_string(own_tid(), 8, PATH_MAX), Err(Errno::EFAULT));
        assert_eq!(read_u64(own_tid(), u64::MAX), Err(Errno::EFAULT));
    }
}
