//! Runs system calls in a child that has loaded a filter.
//!
//! The child is a fork of a process with threads, so until it ends it does nothing but make system
//! calls and write to memory that it shares with its parent.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use profgen_filter::{Errno, Flags, Insn, install_raw, no_new_privs};
use std::{arch::asm, io, ptr, slice};

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The `syscall` instruction: x86-64 and x32.
    Syscall,
    /// `int 0x80`: i386.
    Int80,
}

/// A call to make.
#[derive(Debug, Clone, Copy)]
pub struct RawCall {
    pub gate: Gate,
    pub nr: u32,
    pub args: [u64; 6],
}

/// What became of the child.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the filter could be loaded.
    pub loaded: Result<(), Errno>,
    /// What the calls returned that came back, as the kernel has it: -1 for EPERM.
    pub results: Vec<i64>,
    /// The signal that ended it before all calls came back.
    pub killed: Option<i32>,
}

/// Makes the calls under the filter.
pub fn calls_under(insns: &[Insn], calls: &[RawCall]) -> Outcome {
    let mut shared = Shared::new(calls.len() + 2);
    // SAFETY: the child of this fork calls only functions that are async-signal-safe.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", io::Error::last_os_error());
    if pid == 0 {
        run(insns, calls, shared.cells());
    }
    let mut status = 0;
    // SAFETY: the child is ours, and `status` is valid for writes.
    let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
    assert_eq!(waited, pid, "waitpid: {}", io::Error::last_os_error());
    let cells = shared.cells();
    let loaded = match cells[0] {
        LOADED => Ok(()),
        error => Err(Errno(error as i32)),
    };
    let done = cells[1] as usize;
    let killed = (done < calls.len() && libc::WIFSIGNALED(status)).then(|| libc::WTERMSIG(status));
    Outcome { loaded, results: cells[2..2 + done].to_vec(), killed }
}

const LOADED: i64 = -1;

fn run(insns: &[Insn], calls: &[RawCall], cells: &mut [i64]) -> ! {
    const NOBODY: u64 = 65534;
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads a valid rlimit. Without it a killed child would leave a core file.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
    // Should a call be made that must not be, it is one of nobody's. Not by libc, which would tell
    // threads that the child does not have.
    raw(libc::SYS_setresuid as u32, [NOBODY, NOBODY, NOBODY, 0, 0, 0]);
    cells[0] = match no_new_privs().and_then(|()| install_raw(insns, Flags::NONE)) {
        Ok(_) => LOADED,
        Err(Errno(number)) => number.into(),
    };
    if cells[0] == LOADED {
        for (at, call) in calls.iter().enumerate() {
            cells[2 + at] = match call.gate {
                Gate::Syscall => raw(call.nr, call.args),
                Gate::Int80 => int80(call.nr, call.args),
            };
            cells[1] = at as i64 + 1;
        }
    }
    raw(libc::SYS_exit_group as u32, [0; 6]);
    // SAFETY: the filter denies to exit, so the child ends by SIGILL.
    unsafe { asm!("ud2", options(noreturn)) }
}

fn raw(nr: u32, args: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the filters of the tests let pass only calls that do not touch memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") u64::from(nr) => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The arguments go into whole registers, also their upper halves, which i386 does not have.
fn int80(nr: u32, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: as `raw`; what the kernel may clear is declared, and rbx and rbp are restored.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov rbx, [r12]",
            "mov rcx, [r12 + 8]",
            "mov rdx, [r12 + 16]",
            "mov rsi, [r12 + 24]",
            "mov rdi, [r12 + 32]",
            "mov rbp, [r12 + 40]",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            inlateout("rax") u64::from(nr) => result,
            in("r12") args.as_ptr(),
            lateout("rcx") _,
            lateout("rdx") _,
            lateout("rsi") _,
            lateout("rdi") _,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    (result as i32).into()
}

/// Memory that a child shares with its parent.
struct Shared {
    cells: *mut i64,
    count: usize,
}

impl Shared {
    fn new(count: usize) -> Shared {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping anywhere.
        let memory = unsafe { libc::mmap(ptr::null_mut(), 8 * count, protection, flags, -1, 0) };
        assert_ne!(memory, libc::MAP_FAILED, "mmap: {}", io::Error::last_os_error());
        Shared { cells: memory.cast(), count }
    }

    fn cells(&mut self) -> &mut [i64] {
        // SAFETY: the mapping has that many, all zero at first, and lives as long as `self`; parent
        // and child use it one after the other.
        unsafe { slice::from_raw_parts_mut(self.cells, self.count) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any more.
        unsafe { libc::munmap(self.cells.cast(), 8 * self.count) };
    }
}
