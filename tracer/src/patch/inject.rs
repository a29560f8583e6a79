//! Makes a traced thread do a call of ours in place of its own, and its own again afterwards.

use nix::{errno::Errno, sys::ptrace, unistd::Pid};
use supervisor::wait::{Stop, Wait, wait_for};

/// A call that is injected: its number and arguments.
pub type Call = (libc::c_long, [u64; 6]);

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Injected {
    /// The kernel's answer; the thread is about to make its own call again.
    Returned(i64),
    /// The thread is gone, or about to be; what wait said of it is still to be looked at.
    Ended(Option<Wait>),
}

/// Lets the thread, which stands at the entry of a call, do another one. The next stop is the entry
/// of its own call once more. Nothing runs meanwhile but the kernel: no signal is delivered between
/// the entry and the exit of a call that does not wait.
pub fn call(tid: i32, (number, args): Call) -> Injected {
    let pid = Pid::from_raw(tid);
    let Ok(own) = ptrace::getregs(pid) else { return Injected::Ended(None) };
    let mut regs = own;
    regs.orig_rax = number as u64;
    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = args;
    if ptrace::setregs(pid, regs).is_err() {
        return Injected::Ended(None);
    }
    loop {
        if let Err(errno) = ptrace::syscall(pid, None) {
            return Injected::Ended((errno != Errno::ESRCH).then_some(Wait::Stopped(Stop::Trap)));
        }
        match wait_for(tid) {
            Ok(Wait::Stopped(Stop::Event(libc::PTRACE_EVENT_SECCOMP))) => {}
            Ok(Wait::Stopped(Stop::Syscall)) => break,
            Ok(other) => return Injected::Ended(Some(other)),
            Err(_) => return Injected::Ended(None),
        }
    }
    let Ok(after) = ptrace::getregs(pid) else { return Injected::Ended(None) };
    // `syscall` has two bytes; the number is in rax again, and this is no call to be restarted.
    regs = own;
    regs.rip -= 2;
    regs.rax = own.orig_rax;
    regs.orig_rax = u64::MAX;
    match ptrace::setregs(pid, regs) {
        Ok(()) => Injected::Returned(after.rax as i64),
        Err(_) => Injected::Ended(None),
    }
}
