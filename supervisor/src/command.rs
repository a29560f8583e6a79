//! What to run: a name looked up as a shell would, its arguments and its environment.

use nix::{
    errno::Errno,
    sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask},
    unistd::AccessFlags,
};
use std::{
    env,
    ffi::{CStr, CString, OsStr, OsString, c_char},
    fs,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr,
};

/// A command that is ready to be executed.
#[derive(Debug, Clone)]
pub struct Command {
    /// The file to execute.
    pub path: CString,
    /// The arguments, the command's name first.
    pub argv: Vec<CString>,
    /// The environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// The arguments for `/bin/sh` when the kernel does not know the file's format and it looks
    /// like a script without `#!`, as shells do it.
    pub shell_argv: Option<Vec<CString>>,
    /// The state that the command inherits.
    pub inherited: Inherited,
}

/// Signal state and limits as profgen found them, to be given back before exec.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    /// The blocked signals.
    pub blocked: SigSet,
    /// Whether SIGPIPE, SIGCHLD and SIGURG were ignored: Rust's start-up code ignores the first for
    /// profgen itself, and profgen needs the others.
    pub ignored: [(Signal, bool); 3],
    /// Which of the standard streams were closed: Rust's start-up code opens /dev/null in their place.
    pub closed: [bool; 3],
    /// The soft limit on descriptors, if profgen raised its own.
    pub descriptors: Option<(u64, u64)>,
}

impl Inherited {
    /// What a program starts with that nobody changed.
    pub fn plain() -> Inherited {
        Inherited {
            blocked: SigSet::empty(),
            ignored: [(Signal::SIGPIPE, false), (Signal::SIGCHLD, false), (Signal::SIGURG, false)],
            closed: [false; 3],
            descriptors: None,
        }
    }
}

/// Why a command cannot be run, with the exit status that a shell would give.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {}: {}", name.to_string_lossy(), describe(*errno))]
pub struct CommandError {
    /// The command's name as given.
    pub name: OsString,
    /// The reason.
    pub errno: Errno,
}

impl CommandError {
    /// 127 when there is no such command, else 126.
    pub fn status(&self) -> i32 {
        match self.errno {
            Errno::ENOENT => 127,
            _ => 126,
        }
    }
}

/// The text of an error number, lower case.
pub fn describe(errno: Errno) -> String {
    errno.desc().to_lowercase()
}

impl Command {
    /// Looks up `argv[0]`: as it is when it has a slash, else in `search_path` (the value of PATH);
    /// the first file that may be executed is taken, as execvp(3) does.
    ///
    /// # Errors
    /// ENOENT when there is none, EACCES when what is there cannot be executed (a directory, no
    /// permission), EINVAL when an argument contains a NUL.
    pub fn new(
        argv: &[OsString],
        search_path: Option<&OsStr>,
        environment: Vec<CString>,
        inherited: Inherited,
    ) -> Result<Command, CommandError> {
        let name = argv.first().cloned().unwrap_or_default();
        let fail = |errno| CommandError { name: name.clone(), errno };
        let path = look_up(&name, search_path).map_err(fail)?;
        let c_string =
            |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| fail(Errno::EINVAL));
        let arguments = argv.iter().map(|arg| c_string(arg)).collect::<Result<Vec<_>, _>>()?;
        let path_c = c_string(path.as_os_str())?;
        let shell_argv = looks_like_script(&path).then(|| {
            let mut shell = vec![c"/bin/sh".to_owned(), path_c.clone()];
            shell.extend(arguments.iter().skip(1).cloned());
            shell
        });
        Ok(Command { path: path_c, argv: arguments, environment, shell_argv, inherited })
    }
}

impl Command {
    /// Gives back the signal state and limits that profgen found and changed for itself. Async-signal-safe.
    pub fn restore(&self) {
        for (number, ignored) in self.inherited.ignored {
            let handler = if ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
            // SAFETY: neither runs any code.
            let _ = unsafe { signal(number, handler) };
        }
        for (fd, closed) in self.inherited.closed.into_iter().enumerate() {
            if closed {
                // SAFETY: it is /dev/null, and nothing here uses it.
                unsafe { libc::close(fd as i32) };
            }
        }
        if let Some((soft, hard)) = self.inherited.descriptors {
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
            // SAFETY: the pointer is valid for the call; lowering one's own limit has no other effect.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        }
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.inherited.blocked), None);
    }

    /// Executes the command in this process. Returns only when the kernel refuses.
    pub fn execute(&self) -> Errno {
        self.prepare().execute()
    }
}

impl Command {
    /// What execve(2) takes, made before a fork: after it nothing may be allocated.
    pub fn prepare(&self) -> Prepared<'_> {
        Prepared {
            path: &self.path,
            argv: pointers(&self.argv),
            shell_argv: self.shell_argv.as_deref().map(pointers),
            environment: pointers(&self.environment),
        }
    }
}

/// A command as execve(2) takes it.
#[derive(Debug)]
pub struct Prepared<'a> {
    path: &'a CStr,
    argv: Vec<*const c_char>,
    shell_argv: Option<Vec<*const c_char>>,
    environment: Vec<*const c_char>,
}

impl Prepared<'_> {
    /// Executes it in this process. Returns only when the kernel refuses. Async-signal-safe.
    pub fn execute(&self) -> Errno {
        execute(self.path, &self.argv, self.shell_argv.as_deref(), &self.environment)
    }
}

/// The array that execve(2) takes.
pub(crate) fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Executes, as a shell script when the kernel does not know the format. Returns only when it is
/// refused. Async-signal-safe.
pub(crate) fn execute(
    path: &CStr,
    argv: &[*const c_char],
    shell_argv: Option<&[*const c_char]>,
    environment: &[*const c_char],
) -> Errno {
    // SAFETY: the strings are NUL-terminated, the arrays end with a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    if let (Errno::ENOEXEC, Some(shell_argv)) = (Errno::last(), shell_argv) {
        // SAFETY: as above.
        unsafe { libc::execve(c"/bin/sh".as_ptr(), shell_argv.as_ptr(), environment.as_ptr()) };
    }
    Errno::last()
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn look_up(name: &OsStr, search_path: Option<&OsStr>) -> nix::Result<PathBuf> {
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    if name.as_bytes().contains(&b'/') {
        return executable(Path::new(name)).map(|()| PathBuf::from(name));
    }
    let mut result = Err(Errno::ENOENT);
    // confstr(3)'s default, as execvp takes it when there is no PATH.
    let list = search_path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    for directory in env::split_paths(list) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let candidate = directory.join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::EACCES) => result = Err(Errno::EACCES),
            Err(_) => {}
        }
    }
    result
}

fn executable(path: &Path) -> nix::Result<()> {
    let metadata = fs::metadata(path).map_err(|error| errno_of(&error))?;
    if !metadata.is_file() {
        return Err(Errno::EACCES);
    }
    nix::unistd::access(path, AccessFlags::X_OK)
}

/// A text file: no NUL in its first line, and not an ELF file (bash's test).
fn looks_like_script(path: &Path) -> bool {
    let mut start = [0_u8; 128];
    let read = fs::File::open(path).and_then(|mut file| read_some(&mut file, &mut start));
    let Ok(length) = read else { return false };
    let line = start[..length].split(|&byte| byte == b'\n').next().unwrap_or_default();
    !start.starts_with(b"\x7fELF") && !line.contains(&0)
}

fn read_some(file: &mut fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}
