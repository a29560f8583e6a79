//! The listener of seccomp user notifications (seccomp_unotify(2)).

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    ffi::c_ulong,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

/// Linux 6.6: the kernel then runs supervisor and tracee on one processor in turns.
const FD_SYNC_WAKE_UP: u64 = 1;
/// `SECCOMP_IOW(4, __u64)` of linux/seccomp.h; libc does not have it.
const IOCTL_SET_FLAGS: c_ulong = 0x4008_2104;

/// One call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    /// Names the call until it is answered.
    pub id: u64,
    /// The thread, in profgen's pid namespace; 0 when it is not visible there.
    pub tid: i32,
    /// The AUDIT_ARCH of the call.
    pub arch: u32,
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// The instruction after the one that made it.
    pub instruction_pointer: u64,
}

/// What came of waiting for a notification.
#[derive(Debug, Clone, Copy)]
pub enum Received {
    /// A call.
    Call(Notification),
    /// A signal took the thread from its call before that could be taken; or, since Linux 6.11,
    /// no task is left that could call.
    Gone,
    /// A signal came for profgen.
    Woken,
}

/// Receives notifications.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
}

impl Listener {
    /// Takes over a listener; asks for synchronous wake-ups where the kernel has them.
    pub fn new(fd: OwnedFd) -> Listener {
        // SAFETY: the argument is a plain number; an older kernel answers EINVAL, which is fine.
        unsafe { libc::ioctl(fd.as_raw_fd(), IOCTL_SET_FLAGS as _, FD_SYNC_WAKE_UP) };
        Listener { fd }
    }

    /// Takes the next notification; blocks when there is none.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn receive(&self) -> nix::Result<Received> {
        // SAFETY: all-zero is what the kernel asks for.
        let mut raw: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the structure has the size that this libc's ioctl number states.
        let result = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut raw)
        };
        if result == 0 {
            return Ok(Received::Call(Notification {
                id: raw.id,
                tid: raw.pid as i32,
                arch: raw.data.arch,
                number: raw.data.nr as u32,
                args: raw.data.args,
                instruction_pointer: raw.data.instruction_pointer,
            }));
        }
        match Errno::last() {
            Errno::ENOENT => Ok(Received::Gone),
            Errno::EINTR => Ok(Received::Woken),
            errno => Err(errno),
        }
    }

    /// Whether the call still waits: what was read of the process before is then its own.
    pub fn is_valid(&self, id: u64) -> bool {
        // SAFETY: the pointer is valid for the call.
        let result = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _, &raw const id)
        };
        result == 0
    }

    /// Whether no task is left that has the filter.
    pub fn hung_up(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Lets the call go on as if nothing had watched it. Whether it still waited; a thread that is gone
    /// meanwhile is no error.
    ///
    /// # Errors
    /// EINVAL before Linux 5.5, which cannot do that.
    pub fn proceed(&self, id: u64) -> nix::Result<bool> {
        let mut answer = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the structure is valid for the call.
        let result = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw mut answer)
        };
        match Errno::result(result) {
            Err(Errno::EINVAL) => Err(Errno::EINVAL),
            answered => Ok(answered.is_ok()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
