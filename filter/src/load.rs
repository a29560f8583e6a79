//! Loads a filter into the kernel: seccomp(2) and prctl(2), without a library.
//!
//! What is named raw, and [`no_new_privs`], is async-signal-safe: it neither allocates nor locks,
//! so a child may call it between fork and exec.

use crate::{Action, Insn, Program};
use libc::{c_int, c_long, c_uint, c_ulong, c_void};
use std::{
    fmt, io,
    ops::BitOr,
    os::fd::{FromRawFd as _, OwnedFd},
};

// linux/seccomp.h
const SET_MODE_FILTER: c_uint = 1;
const GET_ACTION_AVAIL: c_uint = 2;
const GET_NOTIF_SIZES: c_uint = 3;

/// How a filter is loaded: `SECCOMP_FILTER_FLAG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(c_uint);

impl Flags {
    /// The calling thread only, and nothing else.
    pub const NONE: Flags = Flags(0);
    /// All threads of the process.
    pub const TSYNC: Flags = Flags(1 << 0);
    /// Log every action but [`Action::Allow`] (4.14).
    pub const LOG: Flags = Flags(1 << 1);
    /// Leave speculative store bypass as it is (4.17).
    pub const SPEC_ALLOW: Flags = Flags(1 << 2);
    /// Make a descriptor for the supervisor (5.0).
    pub const NEW_LISTENER: Flags = Flags(1 << 3);
    /// Answer ESRCH, not a thread, when a thread cannot follow: needed for both of
    /// [`Flags::TSYNC`] and [`Flags::NEW_LISTENER`] (5.7).
    pub const TSYNC_ESRCH: Flags = Flags(1 << 4);
    /// Once the supervisor has received a notification, only fatal signals interrupt it (5.19).
    pub const WAIT_KILLABLE_RECV: Flags = Flags(1 << 5);

    /// The bits, as seccomp(2) takes them.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// An error number of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub c_int);

impl Errno {
    fn last() -> Errno {
        // Reads errno; no allocation.
        Errno(io::Error::last_os_error().raw_os_error().unwrap_or_default())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

/// Why a filter could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The kernel refused it.
    #[error("cannot load the seccomp filter: {0}{hint}", hint = hint(*.0))]
    Refused(Errno),
    /// With [`Flags::TSYNC`]: a thread has a filter of its own.
    #[error("cannot load the seccomp filter into thread {0}: it has another filter")]
    Thread(c_long),
}

fn hint(errno: Errno) -> &'static str {
    match errno.0 {
        libc::EACCES => " (set no_new_privs first)",
        libc::EBUSY => " (the thread already has a filter with a listener)",
        libc::EINVAL => " (this kernel does not know one of the flags)",
        libc::ENOMEM => " (the filters of a thread have 32768 instructions at most)",
        _ => "",
    }
}

/// Gives up, for this thread and what it executes, privileges by set-user-id and file capabilities;
/// without CAP_SYS_ADMIN a filter needs it. Async-signal-safe.
///
/// # Errors
/// The kernel's.
pub fn no_new_privs() -> Result<(), Errno> {
    let (set, unused): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: this prctl takes numbers only.
    match unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, set, unused, unused, unused) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

/// Loads a filter into the calling thread, and gives the descriptor of the supervisor when
/// [`Flags::NEW_LISTENER`] asks for it. It stays when the descriptor is closed.
///
/// # Errors
/// The kernel's; a program that is a [`Program`] is not the reason.
pub fn install(program: &Program, flags: Flags) -> Result<Option<OwnedFd>, LoadError> {
    let listener = flags.contains(Flags::NEW_LISTENER);
    let both = listener && flags.contains(Flags::TSYNC);
    let flags = if both { flags | Flags::TSYNC_ESRCH } else { flags };
    match install_raw(program.insns(), flags).map_err(LoadError::Refused)? {
        0 if !listener => Ok(None),
        // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
        fd if listener => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        thread => Err(LoadError::Thread(thread.into())),
    }
}

/// Loads a filter into the calling thread. Async-signal-safe.
///
/// The result is the descriptor of the supervisor with [`Flags::NEW_LISTENER`], which the caller
/// owns; with [`Flags::TSYNC`] and not `TSYNC_ESRCH` a thread that could not follow; else 0.
///
/// # Errors
/// The kernel's; EINVAL also for more than 65535 instructions.
pub fn install_raw(insns: &[Insn], flags: Flags) -> Result<c_int, Errno> {
    let Ok(len) = u16::try_from(insns.len()) else {
        return Err(Errno(libc::EINVAL));
    };
    let filter = insns.as_ptr().cast::<libc::sock_filter>().cast_mut();
    let mut program = libc::sock_fprog { len, filter };
    // SAFETY: the operation reads a `sock_fprog`, and through it that many `sock_filter`s, as which
    // an `Insn` is laid out; both live.
    unsafe { seccomp(SET_MODE_FILTER, flags, (&raw mut program).cast()) }
}

/// Whether the kernel knows an action (4.14). Async-signal-safe.
///
/// # Errors
/// The kernel's, ENOSYS where it has no seccomp.
pub fn available(action: Action) -> Result<bool, Errno> {
    let mut value = action.value() & 0xffff_0000;
    // SAFETY: the operation reads a 32-bit number.
    match unsafe { seccomp(GET_ACTION_AVAIL, Flags::NONE, (&raw mut value).cast()) } {
        Ok(_) => Ok(true),
        Err(Errno(libc::EOPNOTSUPP)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// How large the kernel's structures for notifications are, in bytes (5.0). Async-signal-safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotifSizes {
    /// `struct seccomp_notif`.
    pub notif: u16,
    /// `struct seccomp_notif_resp`.
    pub response: u16,
    /// `struct seccomp_data`.
    pub data: u16,
}

/// Asks for the sizes of the structures for notifications: a supervisor must give the kernel at
/// least as much memory. Async-signal-safe.
///
/// # Errors
/// The kernel's, EINVAL where it has no notifications.
pub fn notif_sizes() -> Result<NotifSizes, Errno> {
    let mut sizes = [0u16; 3];
    // SAFETY: the operation writes a `seccomp_notif_sizes`, which is three 16-bit numbers.
    unsafe { seccomp(GET_NOTIF_SIZES, Flags::NONE, (&raw mut sizes).cast())? };
    let [notif, response, data] = sizes;
    Ok(NotifSizes { notif, response, data })
}

/// seccomp(2).
///
/// # Safety
/// `argument` points to what the operation reads or writes.
unsafe fn seccomp(operation: c_uint, flags: Flags, argument: *mut c_void) -> Result<c_int, Errno> {
    // SAFETY: the caller's promise is the kernel's requirement.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags.0, argument) };
    match c_int::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(Errno::last()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_laid_out_as_the_kernels() {
        assert_eq!(size_of::<Insn>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Insn>(), align_of::<libc::sock_filter>());
        assert_eq!(std::mem::offset_of!(Insn, k), std::mem::offset_of!(libc::sock_filter, k));
    }

    #[test]
    fn flags_are_those_of_the_kernel() {
        for (flag, value) in [
            (Flags::TSYNC, libc::SECCOMP_FILTER_FLAG_TSYNC),
            (Flags::LOG, libc::SECCOMP_FILTER_FLAG_LOG),
            (Flags::SPEC_ALLOW, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
            (Flags::NEW_LISTENER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
            (Flags::TSYNC_ESRCH, libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH),
            (Flags::WAIT_KILLABLE_RECV, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
        ] {
            assert_eq!(c_ulong::from(flag.bits()), value);
        }
    }
}
