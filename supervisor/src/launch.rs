//! Starts a command under a seccomp filter that reports its calls, so that the first call seen is
//! the command's own execve and nothing of profgen's.
//!
//! After the filter is installed the child has still to make calls of its own: to hand over the
//! listener, and to say that the exec failed. These carry a random number in an argument that the
//! kernel does not look at, and the filter lets calls with that number pass unreported.

use crate::command::{Command, execute, pointers};
use filter::{Flags, Insn, install_raw, no_new_privs};
use model::Arch;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        socket::{
            AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
        },
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use std::{
    ffi::{c_char, c_int, c_long},
    io::IoSliceMut,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// How the child's calls are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// As notifications, to a listener.
    Notify,
    /// As ptrace stops; the child waits for [`Child::go`] before it installs the filter.
    Trace,
    /// As ptrace stops at each entry and exit, without a filter.
    Unfiltered,
}

/// A child that was started.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: Pid,
    control: OwnedFd,
}

/// What the child told.
#[derive(Debug)]
pub enum Report {
    /// The filter is in place; with the listener for [`Watch::Notify`].
    Filtered {
        /// The listener.
        listener: Option<OwnedFd>,
        /// Whether no_new_privs had to be set.
        no_new_privs: bool,
    },
    /// The kernel refused the filter.
    Refused(Errno),
    /// The kernel refused to execute the command.
    NotExecuted(Errno),
    /// The command was executed, or the child is gone.
    Closed,
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A call of profgen's own failed.
    #[error("cannot start the command: {}: {}", .0, crate::command::describe(*.1))]
    Call(&'static str, Errno),
    /// No architecture table for this machine.
    #[error("cannot start the command: profgen does not know this machine's architecture")]
    Architecture,
}

const FILTERED: u8 = 1;
const FILTERED_NO_NEW_PRIVS: u8 = 2;
const REFUSED: u8 = 3;
const NOT_EXECUTED: u8 = 4;

impl Child {
    /// Forks a child that will execute `command`, and does not wait for it.
    ///
    /// `body` is what the filter answers to all calls but the child's own last ones.
    ///
    /// # Errors
    /// When there is no process, descriptor or randomness to be had.
    pub fn start(command: &Command, watch: Watch, body: &[Insn]) -> Result<Child, LaunchError> {
        let fail = |what| move |errno| LaunchError::Call(what, errno);
        let (parent, child) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(fail("socketpair"))?;
        let cookie = crate::random().map_err(fail("getrandom"))?;
        let mut program = pass_cookie(Arch::native().ok_or(LaunchError::Architecture)?, cookie);
        program.extend_from_slice(body);
        let argv = pointers(&command.argv);
        let shell_argv = command.shell_argv.as_deref().map(pointers);
        let environment = pointers(&command.environment);
        let plan = Plan {
            watch,
            control: child.as_raw_fd(),
            cookie,
            program: &program,
            argv: &argv,
            shell_argv: shell_argv.as_deref(),
            environment: &environment,
            command,
        };
        // SAFETY: the child calls only async-signal-safe functions: `Plan::run` makes raw system
        // calls on memory that was prepared here, and never returns.
        match unsafe { fork() }.map_err(fail("fork"))? {
            ForkResult::Child => plan.run(),
            ForkResult::Parent { child: pid } => Ok(Child { pid, control: parent }),
        }
    }

    /// Lets a child of [`Watch::Trace`] or [`Watch::Unfiltered`] go on.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn go(&self) -> nix::Result<()> {
        nix::unistd::write(&self.control, &[1]).map(drop)
    }

    /// The descriptor that becomes readable when there is a report.
    pub fn control(&self) -> &OwnedFd {
        &self.control
    }

    /// Waits for the next report.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn report(&self) -> nix::Result<Report> {
        let mut bytes = [0_u8; 8];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let mut ancillary = nix::cmsg_space!(RawFd);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = loop {
            match recvmsg::<()>(self.control.as_raw_fd(), &mut parts, Some(&mut ancillary), flags) {
                Err(Errno::EINTR) => {}
                // The child died with bytes of ours unread: it is gone.
                Err(Errno::ECONNRESET) => return Ok(Report::Closed),
                other => break other?,
            }
        };
        let mut listener = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control {
                // SAFETY: the kernel just made these descriptors for this process.
                listener = fds.first().map(|&fd| unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        if message.bytes == 0 {
            return Ok(Report::Closed);
        }
        let errno = Errno::from_raw(i32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
        Ok(match bytes[0] {
            FILTERED => Report::Filtered { listener, no_new_privs: false },
            FILTERED_NO_NEW_PRIVS => Report::Filtered { listener, no_new_privs: true },
            REFUSED => Report::Refused(errno),
            _ => Report::NotExecuted(errno),
        })
    }

    /// Ends and collects a child that is not to run.
    pub fn abandon(&self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        while let Err(Errno::EINTR) = waitpid(self.pid, Some(WaitPidFlag::__WALL)) {}
    }
}

/// Allows sendmsg and exit_group of `arch` when their unused fourth argument is `cookie`.
fn pass_cookie(arch: Arch, cookie: u64) -> Vec<Insn> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // struct seccomp_data: nr at 0, arch at 4, args from 16 (linux/seccomp.h).
    let (low, high) = if cfg!(target_endian = "little") { (40, 44) } else { (44, 40) };
    let insn = |code, k, jt, jf| Insn { code, jt, jf, k };
    vec![
        insn(LOAD, 4, 0, 0),
        insn(JUMP_EQUAL, arch.audit(), 0, 8),
        insn(LOAD, 0, 0, 0),
        insn(JUMP_EQUAL, libc::SYS_sendmsg as u32, 1, 0),
        insn(JUMP_EQUAL, libc::SYS_exit_group as u32, 0, 5),
        insn(LOAD, low, 0, 0),
        insn(JUMP_EQUAL, cookie as u32, 0, 3),
        insn(LOAD, high, 0, 0),
        insn(JUMP_EQUAL, (cookie >> 32) as u32, 0, 1),
        insn(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]
}

/// Everything that the child needs, prepared before the fork.
struct Plan<'a> {
    watch: Watch,
    control: RawFd,
    cookie: u64,
    program: &'a [Insn],
    argv: &'a [*const c_char],
    shell_argv: Option<&'a [*const c_char]>,
    environment: &'a [*const c_char],
    command: &'a Command,
}

impl Plan<'_> {
    /// The child's life: only async-signal-safe calls, no allocation.
    fn run(&self) -> ! {
        self.command.restore();
        if self.watch != Watch::Notify {
            let mut byte = 0_u8;
            // SAFETY: the buffer is one byte; an error or an end means that profgen is gone.
            if unsafe { libc::read(self.control, (&raw mut byte).cast(), 1) } != 1 {
                self.exit(125);
            }
        }
        if self.watch != Watch::Unfiltered {
            match self.install() {
                Ok((listener, kind)) => self.tell(kind, 0, listener),
                Err(errno) => {
                    self.tell(REFUSED, errno as i32, None);
                    self.exit(125);
                }
            }
        }
        let path = &self.command.path;
        let errno = execute(path, self.argv, self.shell_argv, self.environment);
        self.tell(NOT_EXECUTED, errno as i32, None);
        self.exit(125)
    }

    /// Installs the filter, with no_new_privs only when the kernel asks for it.
    fn install(&self) -> Result<(Option<c_int>, u8), Errno> {
        let mut kind = FILTERED;
        let mut flags = match self.watch {
            Watch::Notify => Flags::NEW_LISTENER | Flags::WAIT_KILLABLE_RECV,
            _ => Flags::NONE,
        };
        loop {
            match install_raw(self.program, flags).map_err(|errno| Errno::from_raw(errno.0)) {
                Ok(fd) => return Ok(((self.watch == Watch::Notify).then_some(fd), kind)),
                Err(Errno::EACCES) if kind == FILTERED => {
                    no_new_privs().map_err(|errno| Errno::from_raw(errno.0))?;
                    kind = FILTERED_NO_NEW_PRIVS;
                }
                // Before Linux 5.19.
                Err(Errno::EINVAL) if flags.contains(Flags::WAIT_KILLABLE_RECV) => {
                    flags = Flags::NEW_LISTENER;
                }
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Sends a report, with a descriptor; passes the filter by the cookie.
    fn tell(&self, kind: u8, errno: i32, fd: Option<c_int>) {
        let mut bytes = [kind, 0, 0, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&errno.to_ne_bytes());
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: an all-zero msghdr is valid.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        // Aligned as cmsghdr must be, and larger than one descriptor needs.
        let mut control = [0_u64; 8];
        if let Some(fd) = fd {
            message.msg_control = control.as_mut_ptr().cast();
            // SAFETY: CMSG_SPACE and CMSG_LEN only compute; the header and its data lie in `control`.
            unsafe {
                message.msg_controllen = libc::CMSG_SPACE(4) as _;
                let header = libc::CMSG_FIRSTHDR(&message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(4) as _;
                libc::CMSG_DATA(header).cast::<c_int>().write_unaligned(fd);
            }
        }
        let flags = c_long::from(libc::MSG_NOSIGNAL);
        // SAFETY: the message and what it points to live until the call returns.
        unsafe {
            libc::syscall(libc::SYS_sendmsg, self.control, &raw const message, flags, self.cookie)
        };
    }

    fn exit(&self, status: c_long) -> ! {
        loop {
            // SAFETY: ends the process.
            unsafe { libc::syscall(libc::SYS_exit_group, status, 0_u64, 0_u64, self.cookie) };
        }
    }
}

/// A filter body that answers every call with `answer`.
pub fn every_call(answer: u32) -> [Insn; 1] {
    [Insn { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: answer }]
}
