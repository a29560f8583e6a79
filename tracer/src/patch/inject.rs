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
    match ptrace::setregs(pid, before(own)) {
        Ok(()) => Injected::Returned(after.rax as i64),
        Err(_) => Injected::Ended(None),
    }
}

/// What came of a call that is injected before anything else.
#[derive(Debug, PartialEq, Eq)]
pub enum First {
    /// The kernel's answer; the thread's registers are to be set.
    Returned(i64),
    /// It could not be made, and nothing has changed.
    Not,
    /// The thread is gone, or about to be, or stopped for another reason, and nothing has changed; what wait
    /// said of it is still to be looked at.
    Ended(Option<Wait>),
}

/// Lets the thread, which has executed an image and not begun it, do a call with the `syscall` instruction at
/// `at`. What number that makes first does not matter: it stops at the filter, and becomes this one.
pub fn first(tid: i32, at: u64, (number, args): Call) -> First {
    let pid = Pid::from_raw(tid);
    let Ok(own) = ptrace::getregs(pid) else { return First::Ended(None) };
    // It has left execve by then.
    let begins = libc::user_regs_struct { rax: 0, orig_rax: u64::MAX, ..own };
    let unmoved = |ended: First| match ptrace::setregs(pid, begins) {
        Ok(()) => ended,
        Err(_) => First::Ended(None),
    };
    if ptrace::setregs(pid, libc::user_regs_struct { rip: at, ..own }).is_err()
        || ptrace::cont(pid, None).is_err()
    {
        return First::Ended(None);
    }
    match wait_for(tid) {
        Ok(Wait::Stopped(Stop::Event(libc::PTRACE_EVENT_SECCOMP))) => {}
        // No signal can be its own yet: that is the answer to the instruction.
        Ok(Wait::Stopped(Stop::Signal(libc::SIGSEGV | libc::SIGBUS))) => {
            return unmoved(First::Not);
        }
        Ok(other) => return unmoved(First::Ended(Some(other))),
        Err(_) => return First::Ended(None),
    }
    let Ok(mut regs) = ptrace::getregs(pid) else { return First::Ended(None) };
    regs.orig_rax = number as u64;
    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = args;
    if ptrace::setregs(pid, regs).is_err() || ptrace::syscall(pid, None).is_err() {
        return First::Ended(None);
    }
    match wait_for(tid) {
        Ok(Wait::Stopped(Stop::Syscall)) => {}
        Ok(other) => return unmoved(First::Ended(Some(other))),
        Err(_) => return First::Ended(None),
    }
    ptrace::getregs(pid).map_or(First::Ended(None), |after| First::Returned(after.rax as i64))
}

/// Lets the thread, which stands at the entry of a call, make none, and then the same once more: the next
/// stop is its entry again. In between it is on its way back to its own code, where the kernel sees that
/// what it was to be interrupted for is over. Whether it does.
pub fn again(tid: i32) -> bool {
    let pid = Pid::from_raw(tid);
    let Ok(own) = ptrace::getregs(pid) else { return false };
    // Calls of the old page that the kernel answers itself (vsyscall) have no instruction there.
    own.rip < 1 << 63 && ptrace::setregs(pid, before(own)).is_ok()
}

/// Before the call at whose entry or exit `own` was: `syscall` has two bytes, the number is in rax again,
/// and this is no call to be restarted (nor, at the entry, to be made).
fn before(own: libc::user_regs_struct) -> libc::user_regs_struct {
    libc::user_regs_struct { rip: own.rip - 2, rax: own.orig_rax, orig_rax: u64::MAX, ..own }
}

/// The call that the kernel is about to restart in a thread that stopped in it, as it will be seen: the
/// address behind it and its number. arch/x86/kernel/signal.c, arch_do_signal_or_restart; errno.h.
pub fn restarted(tid: i32) -> Option<(u64, u64)> {
    const RESTART: std::ops::RangeInclusive<i64> = -514..=-512;
    const RESTART_BLOCK: i64 = -516;
    let regs = ptrace::getregs(Pid::from_raw(tid)).ok()?;
    match regs.rax as i64 {
        _ if (regs.orig_rax as i64) < 0 => None,
        RESTART_BLOCK => Some((regs.rip, libc::SYS_restart_syscall as u64)),
        result if RESTART.contains(&result) => Some((regs.rip, regs.orig_rax)),
        _ => None,
    }
}
