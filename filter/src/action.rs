//! What a filter answers: the actions of seccomp(2) and their numbers.

use std::fmt;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0x0000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
const ACTION: u32 = 0xffff_0000;
const DATA: u32 = 0x0000_ffff;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The process dies as if by SIGSYS.
    KillProcess,
    /// The thread dies as if by SIGSYS.
    KillThread,
    /// The thread gets SIGSYS, with these 16 bits in `si_errno`.
    Trap(u16),
    /// The call fails with this error; the kernel takes numbers above 4095 for 4095.
    Errno(u16),
    /// A supervisor decides, see seccomp_unotify(2).
    UserNotif,
    /// A tracer is told, with these 16 bits; without a tracer the call fails with ENOSYS.
    Trace(u16),
    /// The call is made and logged.
    Log,
    /// The call is made.
    Allow,
}

impl Action {
    /// The value that a filter returns for it.
    pub fn value(self) -> u32 {
        match self {
            Action::KillProcess => KILL_PROCESS,
            Action::KillThread => KILL_THREAD,
            Action::Trap(data) => TRAP | u32::from(data),
            Action::Errno(data) => ERRNO | u32::from(data),
            Action::UserNotif => USER_NOTIF,
            Action::Trace(data) => TRACE | u32::from(data),
            Action::Log => LOG,
            Action::Allow => ALLOW,
        }
    }

    /// What the kernel does for the value that a filter returned; it kills for one that it does not
    /// know.
    pub fn of(value: u32) -> Action {
        let data = (value & DATA) as u16;
        match value & ACTION {
            KILL_THREAD => Action::KillThread,
            TRAP => Action::Trap(data),
            ERRNO => Action::Errno(data),
            USER_NOTIF => Action::UserNotif,
            TRACE => Action::Trace(data),
            LOG => Action::Log,
            ALLOW => Action::Allow,
            _ => Action::KillProcess,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::KillProcess => write!(f, "kill process"),
            Action::KillThread => write!(f, "kill thread"),
            Action::Trap(data) => write!(f, "trap {data}"),
            Action::Errno(number) => match model::errno::name(i32::from(*number)) {
                Some(name) => write!(f, "errno {name}"),
                None => write!(f, "errno {number}"),
            },
            Action::UserNotif => write!(f, "notify"),
            Action::Trace(data) => write!(f, "trace {data}"),
            Action::Log => write!(f, "log"),
            Action::Allow => write!(f, "allow"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_kernel() {
        for (action, value) in [
            (Action::KillProcess, libc::SECCOMP_RET_KILL_PROCESS),
            (Action::KillThread, libc::SECCOMP_RET_KILL_THREAD),
            (Action::Trap(3), libc::SECCOMP_RET_TRAP | 3),
            (Action::Errno(38), libc::SECCOMP_RET_ERRNO | 38),
            (Action::UserNotif, libc::SECCOMP_RET_USER_NOTIF),
            (Action::Trace(0xffff), libc::SECCOMP_RET_TRACE | 0xffff),
            (Action::Log, libc::SECCOMP_RET_LOG),
            (Action::Allow, libc::SECCOMP_RET_ALLOW),
        ] {
            assert_eq!(action.value(), value, "{action}");
            assert_eq!(Action::of(value), action);
        }
        assert_eq!(Action::of(0x1234_0000), Action::KillProcess);
        assert_eq!(Action::Errno(38).to_string(), "errno ENOSYS");
    }
}
