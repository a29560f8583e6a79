//! Writes into a traced process, also where it may not write itself.

use super::area;
use nix::{
    sys::uio::{RemoteIoVec, process_vm_writev},
    unistd::Pid,
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    ops::Range,
    os::unix::fs::FileExt,
    rc::Rc,
};

/// `int3`.
const BREAKPOINT: u8 = 0xcc;

thread_local! {
    /// What was opened last, and for which thread.
    static OPEN: RefCell<Option<(i32, Rc<File>)>> = const { RefCell::new(None) };
    /// What is to be written at once, and for which thread.
    static STAGED: RefCell<Option<(i32, Stage)>> = const { RefCell::new(None) };
}

/// Pages of an area that is all zero yet, by where they begin: each with what is to be written to it, and
/// where that lies.
type Stage = BTreeMap<u64, ([u8; PAGE], Range<usize>)>;

const PAGE: usize = 4096;

/// The memory of a process, for writing. A page of code that is written to becomes a private copy; the file
/// behind it, and other processes that map it, keep theirs.
#[derive(Debug)]
pub struct Code(i32, Rc<File>);

impl Code {
    /// Of the process that a traced thread belongs to.
    ///
    /// # Errors
    /// When it is gone, or the kernel does not let us.
    pub fn of(tid: i32) -> io::Result<Code> {
        OPEN.with_borrow_mut(|open| {
            if let Some((_, file)) = open.as_ref().filter(|(of, _)| *of == tid) {
                return Ok(Code(tid, Rc::clone(file)));
            }
            let file = OpenOptions::new().write(true).open(format!("/proc/{tid}/mem"))?;
            let file = Rc::new(file);
            *open = Some((tid, Rc::clone(&file)));
            Ok(Code(tid, file))
        })
    }

    /// Writes what no thread executes meanwhile.
    ///
    /// # Errors
    /// When not all of it could be written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        if keep(self.0, address, bytes) {
            return Ok(());
        }
        self.1.write_all_at(bytes, address)
    }

    /// Writes what was kept back, which is kept where that fails.
    ///
    /// # Errors
    /// When not all of it could be written.
    pub fn flush(&self) -> io::Result<()> {
        STAGED.with_borrow_mut(|staged| {
            let Some((_, stage)) = staged.as_mut().filter(|(of, _)| *of == self.0) else {
                return Ok(());
            };
            for (page, (bytes, used)) in &*stage {
                self.1.write_all_at(&bytes[used.clone()], page + used.start as u64)?;
            }
            stage.clear();
            Ok(())
        })
    }

    /// Replaces one instruction that other threads may be about to execute: a breakpoint first, then
    /// its tail, its first byte last. A thread that runs into the breakpoint stops with SIGTRAP, and
    /// executes the instruction again (Intel's manual, volume 3: 10.1.3, "cross-modifying code").
    ///
    /// # Errors
    /// When it could not be written; the first byte is then what it was where that can be done.
    pub fn replace(&self, address: u64, old: &[u8], new: &[u8]) -> io::Result<()> {
        let written = self
            .write(address, &[BREAKPOINT])
            .and_then(|()| self.write(address + 1, &new[1..]))
            .and_then(|()| self.write(address, &new[..1]));
        if written.is_err() {
            let _ = self.write(address, old);
        }
        written
    }
}

/// A thread is gone, or has executed another image: its number may mean another process by now, or that
/// another memory.
pub fn forget() {
    OPEN.take();
}

/// The area of a process was just mapped: what is written there is kept back until [`Code::flush`] or
/// [`unstage`].
pub fn stage(tid: i32) {
    STAGED.set(Some((tid, Stage::new())));
}

/// Writes what is kept back, and keeps nothing back any more.
///
/// # Errors
/// When not all of it could be written.
pub fn unstage(tid: i32) -> io::Result<()> {
    let written = Code::of(tid).and_then(|code| code.flush());
    STAGED.take();
    written
}

/// Whether something is kept back.
fn keep(tid: i32, address: u64, bytes: &[u8]) -> bool {
    let within = area::AREA.contains(&address);
    STAGED.with_borrow_mut(|staged| {
        let Some((_, stage)) = staged.as_mut().filter(|(of, _)| *of == tid && within) else {
            return false;
        };
        let (mut address, mut bytes) = (address, bytes);
        while !bytes.is_empty() {
            let start = address as usize % PAGE;
            let (now, later) = bytes.split_at(bytes.len().min(PAGE - start));
            let used = start..start + now.len();
            let page = stage.entry(address - start as u64);
            let (page, extent) = page.or_insert_with(|| ([0; PAGE], used.clone()));
            page[used.clone()].copy_from_slice(now);
            *extent = extent.start.min(used.start)..extent.end.max(used.end);
            address += now.len() as u64;
            bytes = later;
        }
        true
    })
}

/// Writes where the process may write itself, which costs less.
///
/// # Errors
/// When not all of it could be written.
pub fn write_data(tid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    if keep(tid, address, bytes) {
        return Ok(());
    }
    let remote = [RemoteIoVec { base: address as usize, len: bytes.len() }];
    match process_vm_writev(Pid::from_raw(tid), &[IoSlice::new(bytes)], &remote) {
        Ok(length) if length == bytes.len() => Ok(()),
        // Where that call is denied, as by Docker's profile without CAP_SYS_PTRACE.
        _ => Code::of(tid)?.write(address, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_back_for_one_page_is_written_at_once() {
        let (tid, page) = (nix::unistd::gettid().as_raw(), area::TAILS);
        stage(tid);
        let code = Code::of(tid).unwrap();
        code.write(page + 8, &[1, 2]).unwrap();
        write_data(tid, page + 4, &[3]).unwrap();
        write_data(tid, page + 0xffe, &[4; 5]).unwrap();
        let staged =
            |then: &dyn Fn(&Stage)| STAGED.with_borrow(|staged| then(&staged.as_ref().unwrap().1));
        staged(&|stage| {
            let [(first, (bytes, used)), (second, (rest, last))] =
                stage.iter().collect::<Vec<_>>()[..]
            else {
                panic!("{} pages", stage.len());
            };
            assert_eq!(
                (*first, used.clone(), *second, last.clone()),
                (page, 4..PAGE, page + 0x1000, 0..3)
            );
            assert_eq!(
                (&bytes[4..10], &bytes[0xffe..], &rest[..3]),
                (&[3, 0, 0, 0, 1, 2][..], &[4; 2][..], &[4; 3][..])
            );
        });
        // Nothing is mapped there: it is still to be written.
        assert!(code.flush().is_err());
        staged(&|stage| assert_eq!(stage.len(), 2));
        // Other memory is written to.
        let there = [0_u8; 2];
        code.write(there.as_ptr() as u64, &[5, 6]).unwrap();
        // SAFETY: it is there; the kernel wrote to it.
        assert_eq!(unsafe { std::ptr::read_volatile(&there) }, [5, 6]);
        assert!(unstage(tid).is_err());
        assert!(write_data(tid, page, &[1]).is_err());
    }
}
