//! What one run was observed to do.

use crate::{
    Access, Arch, Arguments, CapabilityRecord, Document, Sysno, Text, Word, Words,
    capability::Check,
    descriptor::{Followed, Image, Stack},
    document::Schema,
    serial::{by_access, by_sysno, hex, is_zero, sysno_set},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The record of one run of one command, with everything that it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// `profgen/trace/v1`.
    pub schema: Schema<Trace>,
    /// Names this run among all runs: 16 hexadecimal digits.
    pub id: String,
    /// When the run began, in UTC, `2026-11-22T05:01:50Z`.
    pub started: String,
    /// The version of profgen that recorded it.
    pub recorder: String,
    /// Where it ran.
    pub host: Host,
    /// How it was recorded, and why so.
    pub engine: Engine,
    /// What was run.
    pub command: Command,
    /// The container that it ran in, where a container runtime handed it over to `profgen agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What the record may have missed.
    pub completeness: Completeness,
    /// What was done, by executable, sorted by path.
    pub programs: Vec<Program>,
    /// The processes, in the order in which they were first seen.
    pub processes: Vec<Process>,
    /// What each process held open and named, image by image, in the order in which they began; past
    /// [`Trace::IMAGES_BOUND`] only the sum of each program's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// From where that was done: what the images refer to by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<Stack>,
    /// What was learned of capabilities, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilityRecord>,
}

impl Document for Trace {
    const KIND: &'static str = "trace";
    const VERSION: u32 = 1;
    const LINE_DEPTH: usize = 5;
}

impl Trace {
    /// How many images are listed one by one.
    pub const IMAGES_BOUND: usize = 1000;

    /// Every system call that any program of the run made.
    pub fn calls(&self) -> BTreeSet<Sysno> {
        self.programs.iter().flat_map(|program| program.calls.keys().copied()).collect()
    }
}

/// The machine of a run, as far as the set of calls depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The kernel's release, as uname(2) gives it.
    pub kernel: String,
    /// The native architecture.
    pub arch: Arch,
}

/// The recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Which one.
    pub name: EngineName,
    /// Why this one was taken.
    pub reason: String,
    /// Whether no_new_privs was set for the command: set-user-id and file capabilities had no effect.
    pub no_new_privs: bool,
    /// Whether the results of calls were seen.
    pub results: bool,
}

/// The two ways to observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// ptrace(2), with a seccomp filter that stops each call once.
    Ptrace,
    /// seccomp user notification, see seccomp_unotify(2).
    Notify,
}

impl EngineName {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            EngineName::Ptrace => "ptrace",
            EngineName::Notify => "notify",
        }
    }
}

/// The command of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The arguments as given; past [`Command::ARGV_BOUND`] bytes the rest is left out.
    pub argv: Vec<Text>,
    /// The working directory.
    pub directory: Text,
    /// The directories that its environment named: those of [`Command::PLACES`] that were absolute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, Text>,
}

impl Command {
    /// How many bytes of arguments a trace keeps.
    pub const ARGV_BOUND: usize = 16 << 10;

    /// The variables of the environment that name a directory of the user's.
    pub const PLACES: [&str; 7] = [
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];

    /// Those places that an environment, as `NAME=value`, names.
    pub fn places<'a>(environment: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<String, Text> {
        let mut places = BTreeMap::new();
        for entry in environment {
            let Some(at) = entry.iter().position(|&byte| byte == b'=') else { continue };
            let (name, value) = (&entry[..at], &entry[at + 1..]);
            let known = Command::PLACES.iter().find(|known| known.as_bytes() == name);
            if let (Some(known), Some(b'/')) = (known, value.first()) {
                // As getenv(3) finds it: the first of a name counts.
                places.entry((*known).to_owned()).or_insert_with(|| Text::from(value));
            }
        }
        places
    }
}

/// A container, as its runtime describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// `listenerMetadata` of the seccomp profile: the name under which its evidence is kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// How complete the record is. Nothing is lost silently: it is counted here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completeness {
    /// How the command ended; absent when the recording ended first.
    pub ended: Option<Ended>,
    /// The signal that made profgen stop, when one did.
    pub interrupted: Option<String>,
    /// Calls that a signal interrupted before they could be recorded (notify only). They are
    /// recorded if they were restarted; else they failed with EINTR.
    pub lost: u64,
    /// Calls whose path, address or structure could not be read from the process.
    pub unread: u64,
    /// Processes that were seen, but not traced.
    pub untraced: Vec<Untraced>,
    /// Records that were cut at a bound.
    pub cut: Vec<Cut>,
    /// Programs that would have gained privileges when executed, and did not because of the trace.
    pub privileges: Vec<Privileged>,
    /// Calls that the recording let through without seeing them: a container's runtime needs them
    /// before it can hand the container over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "sysno_set")]
    pub unseen: BTreeSet<Sysno>,
    /// How well the descriptors are known.
    #[serde(default, skip_serializing_if = "Followed::is_no")]
    pub descriptors: Followed,
    /// Anything else that the reader of this record must know.
    pub notes: BTreeSet<String>,
}

impl Completeness {
    /// One sentence for each way in which the record may be incomplete; none when it is complete.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if let Some(signal) = &self.interrupted {
            gaps.push(format!("profgen was interrupted by {signal}"));
        }
        if self.lost > 0 {
            let lost = "signals interrupted calls before they were recorded, and may have made them \
                        fail with EINTR (--engine ptrace has no such gap)";
            gaps.push(lost.to_owned());
        }
        if self.unread > 0 {
            gaps.push(format!("the arguments of {} calls could not be read", self.unread));
        }
        for untraced in &self.untraced {
            gaps.push(format!("{} was not traced: {}", untraced.program, untraced.reason));
        }
        for cut in &self.cut {
            gaps.push(format!("{} were cut at {}", cut.what, cut.bound));
        }
        for program in &self.privileges {
            gaps.push(format!("{} ran without its {}", program.program, program.kind));
        }
        gaps.extend(self.notes.iter().cloned());
        gaps
    }
}

/// A process that was seen and not traced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untraced {
    /// Its executable, or what is known of it.
    pub program: Text,
    /// Why.
    pub reason: String,
}

/// A list that was not kept whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// What was cut, in the plural: "files of /usr/bin/find".
    pub what: String,
    /// How many were kept.
    pub bound: u64,
}

/// A program whose file grants privileges.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privileged {
    /// The executable.
    pub program: Text,
    /// "set-user-id bit", "set-group-id bit" or "file capabilities".
    pub kind: String,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It exited with this status.
    Exit(i32),
    /// A signal ended it: its name, "SIGSEGV".
    Signal(String),
}

/// Everything that one executable did, in all processes that ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The executable as the kernel names it, or `[before exec]`.
    pub path: Text,
    /// How many times it was executed.
    pub executions: u64,
    /// Whether a mapping was ever asked to be writable and executable at once.
    pub write_and_execute: bool,
    /// The system calls.
    #[serde(with = "by_sysno")]
    pub calls: BTreeMap<Sysno, CallRecord>,
    /// The files that it named, sorted by path.
    pub files: Vec<FileRecord>,
    /// The network and local endpoints that it used, sorted.
    pub endpoints: Vec<Endpoint>,
    /// The executable, its interpreter and the libraries that were mapped executable.
    pub modules: Vec<Module>,
}

/// One system call of one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRecord {
    /// How often.
    pub count: u64,
    /// Error names and how often, where results were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// The instruction that made it first.
    pub site: Option<Site>,
    /// The arguments that decide what it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// What it did that only a capability let it do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub checks: BTreeSet<Check>,
    /// What else it did that decides which restrictions a program can live under.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<Mark>,
}

/// Something that a call did, which neither its recorded arguments nor its result show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It executed a file that gives privileges: by set-user-id, set-group-id or capabilities.
    GainsPrivileges,
    /// It asked for a set-user-id or set-group-id bit on a file.
    SetsIdBit,
}

impl Mark {
    /// All of them.
    pub const ALL: [Mark; 2] = [Mark::GainsPrivileges, Mark::SetsIdBit];
}

/// The place of a system-call instruction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The file, or a name in brackets for memory without a file: `[vdso]`, `[anonymous]`.
    pub module: Text,
    /// Offset of the instruction in the file; in the mapping when there is no file.
    #[serde(with = "hex")]
    pub offset: u64,
    /// The function and the distance from its start, `openat64+0x3b`, when it has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

/// One file name that a program used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// The absolute path as named. A last component `*` stands for siblings past a bound.
    pub path: Text,
    /// Where symbolic links led, when that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Text>,
    /// What was there at the time of the calls.
    pub found: Words<FileKind>,
    /// What was done, and how it went, in the order of [`Access`].
    #[serde(with = "by_access")]
    pub accesses: Vec<(Access, Outcomes)>,
    /// What was done that only a capability let the program do: of owner, group, mode and the
    /// program's ids at the time just this is kept, so that the record does not depend on who ran it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub checks: BTreeSet<Check>,
    /// Where it was moved, linked or exchanged to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub moves: BTreeSet<Text>,
    /// It is in /proc, in the entry of the process that named it, and that was the first of the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// What a path led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, which the call did not follow.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A pipe.
    Fifo,
    /// A socket.
    Socket,
    /// Memory, an event counter or the like, reached through a descriptor.
    Anonymous,
    /// Nothing.
    Absent,
}

impl Word for FileKind {
    const ALL: &'static [FileKind] = &[
        FileKind::File,
        FileKind::Directory,
        FileKind::Symlink,
        FileKind::CharDevice,
        FileKind::BlockDevice,
        FileKind::Fifo,
        FileKind::Socket,
        FileKind::Anonymous,
        FileKind::Absent,
    ];

    fn place(self) -> usize {
        self as usize
    }
}

/// How calls went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcomes {
    /// Successes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ok: u64,
    /// Calls whose result the engine does not see.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// Failures by error name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, u64>,
}

/// An address that a program bound, connected or sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What was done.
    pub operation: EndpointOperation,
    /// The address.
    pub address: Address,
    /// The socket's type, "stream", "datagram", when it could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// How it went.
    pub outcomes: Outcomes,
}

/// What was done with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointOperation {
    /// bind(2).
    Bind,
    /// listen(2), with the address that the socket was bound to.
    Listen,
    /// connect(2).
    Connect,
    /// sendto, sendmsg or sendmmsg with an address.
    Send,
}

/// A socket address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Address {
    /// IPv4 and IPv6: the address in its text form, and the port.
    Inet {
        /// `127.0.0.1` or `::1`.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
    /// A unix socket with a path.
    Unix {
        /// The absolute path as named.
        path: Text,
        /// Where symbolic links led, when that differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolved: Option<Text>,
    },
    /// A unix socket in the abstract name space: its name without the leading NUL.
    Abstract {
        /// The name; empty where the kernel chooses one.
        name: Text,
    },
    /// A netlink socket.
    Netlink {
        /// Multicast groups.
        groups: u32,
    },
    /// Any other family, by its number; AF_UNSPEC (0) dissolves a connection.
    Other {
        /// The number of the family.
        family: u16,
    },
}

/// As people read it: `127.0.0.1:80`, `[::1]:80`, `/run/socket`, `@abstract`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Inet { host, port } => write!(f, "{host}:{port}"),
            Address::Unix { path, .. } => write!(f, "{path}"),
            Address::Abstract { name } => write!(f, "@{name}"),
            Address::Netlink { .. } => f.write_str("netlink"),
            Address::Other { family } => write!(f, "family {family}"),
        }
    }
}

/// A file that was mapped executable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// The path as the kernel names it.
    pub path: Text,
    /// The linker's build id, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// SHA-256 of the file, where there is no build id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its place in the list of processes, from 0.
    pub id: u32,
    /// The process that made it; absent for the first, and where that one is not known.
    pub parent: Option<u32>,
    /// What it executed, in order: indices into [`Trace::programs`].
    pub programs: Vec<u32>,
    /// How many threads it had in all.
    pub threads: u64,
    /// How often it made each call.
    #[serde(with = "by_sysno")]
    pub calls: BTreeMap<Sysno, u64>,
    /// How it ended, where that was seen.
    pub ended: Option<Ended>,
}
