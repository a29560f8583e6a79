//! Writes into a traced process, also where it may not write itself.

use nix::{
    sys::uio::{RemoteIoVec, process_vm_writev},
    unistd::Pid,
};
use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::FileExt,
    rc::Rc,
};

/// `int3`.
const BREAKPOINT: u8 = 0xcc;

thread_local! {
    /// What was opened last, and for which thread.
    static OPEN: RefCell<Option<(i32, Rc<File>)>> = const { RefCell::new(None) };
}

/// The memory of a process, for writing. A page of code that is written to becomes a private copy; the file behind it, and other processes that map it, keep theirs.
#[derive(Debug)]
pub struct Code(Rc<File>);

impl Code {
    /// Of the process that a traced thread belongs to.
    ///
    /// # Errors
    /// When it is gone, or the kernel does not let us.
    pub fn of(tid: i32) -> io::Result<Code> {
        OPEN.with_borrow_mut(|open| {
            if let Some((_, file)) = open.as_ref().filter(|(of, _)| *of == tid) {
                return Ok(Code(Rc::clone(file)));
            }
            let file = OpenOptions::new().write(true).open(format!("/proc/{tid}/mem"))?;
            let file = Rc::new(file);
            *open = Some((tid, Rc::clone(&file)));
            Ok(Code(file))
        })
    }

    /// Writes what no thread executes meanwhile.
    ///
    /// # Errors
    /// When not all of it could be written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, address)
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

/// A thread stops: its number may mean another process by now, or that another memory.
pub fn forget() {
    OPEN.take();
}

/// Writes where the process may write itself, which costs less.
///
/// # Errors
/// When not all of it could be written.
pub fn write_data(tid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let remote = [RemoteIoVec { base: address as usize, len: bytes.len() }];
    match process_vm_writev(Pid::from_raw(tid), &[IoSlice::new(bytes)], &remote) {
        Ok(length) if length == bytes.len() => Ok(()),
        // Where that call is denied, as by Docker's profile without CAP_SYS_PTRACE.
        _ => Code::of(tid)?.write(address, bytes),
    }
}
