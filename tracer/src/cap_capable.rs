//! Counts what the kernel is asked about capabilities during a run: the tracepoint
//! capability:cap_capable (Linux 6.14), in a tracing instance of its own, which changes nothing for
//! other users of tracefs.

use model::{CapabilityRecord, Checked};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::{Mode, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};
use std::{
    collections::BTreeMap,
    ffi::{CStr, c_int, c_long},
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use supervisor::{capset, command::describe};

const EVENT: &str = "events/capability/cap_capable";

/// Counts until it is finished.
pub struct Meter {
    instance: Instance,
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Counts>,
}

impl Meter {
    /// Prepares to count; nothing is counted before [`Meter::follow`].
    ///
    /// # Errors
    /// Why this kernel does not let this user.
    pub fn start() -> Result<Meter, String> {
        let instance = Instance::new()?;
        let pipe = instance
            .open("trace_pipe", OFlag::O_RDONLY | OFlag::O_NONBLOCK)
            .map_err(|errno| format!("cannot read tracefs: {}", describe(errno)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let of_thread = Arc::clone(&stop);
        let reader = thread::Builder::new()
            .name("cap_capable".to_owned())
            .spawn(move || count(pipe, &of_thread))
            .map_err(|error| error.to_string())?;
        Ok(Meter { instance, stop, reader })
    }

    /// Counts the checks on this process and all that it starts, from now on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn follow(&self, process: i32) -> nix::Result<()> {
        self.instance.write("options/event-fork", "1")?;
        self.instance.write("set_event_pid", &process.to_string())?;
        self.instance.write(&format!("{EVENT}/enable"), "1")
    }

    /// What was counted.
    pub fn finish(self) -> CapabilityRecord {
        let _ = self.instance.write(&format!("{EVENT}/enable"), "0");
        self.stop.store(true, Ordering::Release);
        let checked = self.reader.join().map(Counts::by_name).unwrap_or_default();
        CapabilityRecord { checked, lost: self.instance.lost(), ..CapabilityRecord::default() }
    }
}

/// A meter, when one was asked for and the kernel gives it.
pub(crate) struct Measuring(Option<Result<Meter, String>>);

impl Measuring {
    pub(crate) fn start(wanted: bool) -> Measuring {
        Measuring(wanted.then(Meter::start))
    }

    /// Counts from now on. What the kernel refuses here shows as no check at all.
    pub(crate) fn follow(&self, process: i32) {
        if let Some(Ok(meter)) = &self.0 {
            let _ = meter.follow(process);
        }
    }

    /// What was counted, or why nothing was.
    pub(crate) fn finish(self) -> Option<CapabilityRecord> {
        self.0.map(|meter| match meter {
            Ok(meter) => meter.finish(),
            Err(why) => CapabilityRecord { unmeasured: Some(why), ..CapabilityRecord::default() },
        })
    }
}

/// A tracing instance, removed when it is dropped.
struct Instance {
    tracefs: OwnedFd,
    name: String,
}

impl Instance {
    fn new() -> Result<Instance, String> {
        let tracefs = tracefs()?;
        let has = |path: &str| openat(&tracefs, path, OFlag::O_PATH, Mode::empty());
        match has(&format!("{EVENT}/format")) {
            Ok(_) => {}
            Err(Errno::ENOENT) => {
                return Err("the kernel has no tracepoint capability:cap_capable".to_owned());
            }
            Err(errno) => return Err(format!("cannot read tracefs: {}", describe(errno))),
        }
        // Without randomness the name is still ours alone.
        let random = supervisor::random().unwrap_or_default();
        let name = format!("instances/profgen-{}-{random:016x}", std::process::id());
        mkdirat(&tracefs, name.as_str(), Mode::S_IRWXU)
            .map_err(|errno| format!("cannot make a tracing instance: {}", describe(errno)))?;
        Ok(Instance { tracefs, name })
    }

    fn open(&self, file: &str, flags: OFlag) -> nix::Result<File> {
        let path = format!("{}/{file}", self.name);
        openat(&self.tracefs, path.as_str(), flags | OFlag::O_CLOEXEC, Mode::empty())
            .map(File::from)
    }

    fn write(&self, file: &str, text: &str) -> nix::Result<()> {
        let written = self.open(file, OFlag::O_WRONLY)?.write_all(text.as_bytes());
        written.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }

    /// What the buffers of all processors had no room for.
    fn lost(&self) -> u64 {
        let of = |processor: u32| -> Option<u64> {
            let mut text = String::new();
            let file = format!("per_cpu/cpu{processor}/stats");
            self.open(&file, OFlag::O_RDONLY).ok()?.read_to_string(&mut text).ok()?;
            let numbers = text.lines().filter_map(|line| {
                let (name, number) = line.split_once(": ")?;
                matches!(name, "overrun" | "commit overrun" | "dropped events")
                    .then(|| number.parse::<u64>().ok())?
            });
            Some(numbers.sum())
        };
        (0..).map_while(of).sum()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = unlinkat(&self.tracefs, self.name.as_str(), UnlinkatFlags::RemoveDir);
    }
}

/// The file system as it is mounted; where it is not, a mount that nobody else sees.
fn tracefs() -> Result<OwnedFd, String> {
    const MOUNTED: &str = "/sys/kernel/tracing";
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let here = nix::fcntl::open(MOUNTED, flags, Mode::empty());
    match here {
        Ok(here) if openat(&here, "events", flags, Mode::empty()).is_ok() => Ok(here),
        _ => mount().map_err(|errno| format!("cannot mount tracefs: {}", describe(errno))),
    }
}

/// Mounts it without a place in any mount namespace: fsopen(2), fsmount(2), Linux 5.2.
fn mount() -> nix::Result<OwnedFd> {
    const CMD_CREATE: c_int = 6;
    const CLOEXEC: c_int = 1;
    let name: &CStr = c"tracefs";
    // SAFETY: the name is NUL-terminated; the kernel makes a descriptor for us.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), CLOEXEC) })?;
    let (context_fd, none) = (context.as_raw_fd(), ptr::null::<u8>());
    // SAFETY: this command takes neither key nor value.
    let created =
        unsafe { libc::syscall(libc::SYS_fsconfig, context_fd, CMD_CREATE, none, none, 0) };
    Errno::result(created)?;
    // SAFETY: plain numbers; the kernel makes a descriptor for us.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context_fd, CLOEXEC, 0) })
}

fn descriptor(result: c_long) -> nix::Result<OwnedFd> {
    let fd = Errno::result(result)?;
    // SAFETY: the kernel just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads until there is nothing more after `stop` was set.
fn count(mut pipe: File, stop: &AtomicBool) -> Counts {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut counts = Counts::default();
    let mut buffer = vec![0; 1 << 16];
    let mut rest = Vec::new();
    loop {
        let last = stop.load(Ordering::Acquire);
        match pipe.read(&mut buffer) {
            Ok(length) if length > 0 => {
                rest.extend_from_slice(&buffer[..length]);
                if let Some(end) = rest.iter().rposition(|&byte| byte == b'\n') {
                    rest[..end].split(|&byte| byte == b'\n').for_each(|line| counts.line(line));
                    rest.drain(..=end);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ if last => return counts,
            _ => thread::sleep(PAUSE),
        }
    }
}

/// What the lines of trace_pipe came to.
#[derive(Debug, Default)]
struct Counts {
    /// The user namespace of the first check: what is asked in others that the run made gives no
    /// power here. (The kernel prints it as a number that names it until the next boot.)
    home: Option<Vec<u8>>,
    checks: BTreeMap<u32, Checked>,
}

impl Counts {
    /// `sh-12 [001] ..... 1.2: cap_capable: cred 0, target_ns 1, capable_ns 1, cap 21, ret 0`.
    fn line(&mut self, line: &[u8]) {
        const NAME: &[u8] = b" cap_capable: ";
        // The line begins with a name that the program chose.
        let Some(at) = line.windows(NAME.len()).rposition(|part| part == NAME) else { return };
        let fields = &line[at + NAME.len()..];
        let field = |name: &[u8]| {
            fields
                .split(|&byte| byte == b',')
                .find_map(|field| field.trim_ascii().strip_prefix(name))
        };
        let number = |name: &[u8]| std::str::from_utf8(field(name)?).ok()?.parse::<i64>().ok();
        let (Some(target), Some(capability), Some(result)) =
            (field(b"target_ns "), number(b"cap "), number(b"ret "))
        else {
            return;
        };
        if self.home.get_or_insert_with(|| target.to_vec()) != target {
            return;
        }
        let Ok(capability) = u32::try_from(capability) else { return };
        let checked = self.checks.entry(capability).or_default();
        match result {
            0 => checked.granted += 1,
            _ => checked.denied += 1,
        }
    }

    fn by_name(self) -> BTreeMap<String, Checked> {
        let named = self.checks.into_iter();
        named.map(|(number, checked)| (capset::name(number), checked)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_capability_and_outcome() {
        let mut counts = Counts::default();
        for line in [
            "tail-2 [001] ..... 1.3: cap_capable: cred 0, target_ns 6a, capable_ns 6a, cap 21, ret 0",
            "a cap_capable: -2 [001] ..... 1.3: cap_capable: cred 0, target_ns 6a, capable_ns 0, cap 0, ret -1",
            "tail-2 [001] ..... 1.3: cap_capable: cred 0, target_ns 7b, capable_ns 7b, cap 12, ret 0",
            "tail-2 [001] ..... 1.4: cap_capable: cred 0, target_ns 6a, capable_ns 6a, cap 21, ret 0",
            "CPU:1 [LOST 12 EVENTS]",
            "",
        ] {
            counts.line(line.as_bytes());
        }
        let wanted = BTreeMap::from([
            ("CAP_CHOWN".to_owned(), Checked { granted: 0, denied: 1 }),
            ("CAP_SYS_ADMIN".to_owned(), Checked { granted: 2, denied: 0 }),
        ]);
        assert_eq!(counts.by_name(), wanted);
    }
}
