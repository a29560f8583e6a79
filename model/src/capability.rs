//! What the kernel lets a process do only with a Linux capability. The rows are in
//! `data/capabilities.tsv`.

include!(concat!(env!("OUT_DIR"), "/capabilities.rs"));

#[derive(Debug)]
struct Row {
    slug: &'static str,
    capabilities: &'static [&'static str],
    of_files: bool,
    calls: &'static [&'static str],
    tests: &'static [Test],
    looks: bool,
    reason: &'static str,
}

/// A test of an argument.
#[derive(Debug)]
struct Test {
    argument: &'static str,
    how: How,
    mask: u64,
    values: &'static [u64],
}

#[derive(Debug, Clone, Copy)]
enum How {
    Masked,
    OneOf,
    Any,
    None,
}

impl Test {
    fn holds(&self, value: u64) -> bool {
        match self.how {
            How::Masked => self.values.contains(&(value & self.mask)),
            How::OneOf => self.values.contains(&value),
            How::Any => value & self.mask != 0,
            How::None => value & self.mask == 0,
        }
    }
}

/// The capabilities by their numbers: linux/capability.h.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The number of a capability, `CAP_CHOWN`: its bit in the sets of a process.
pub fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|known| *known == name).map(|at| at as u32)
}

impl Check {
    /// As JSON and the table write it: `raw-socket`.
    pub fn slug(self) -> &'static str {
        self.row().slug
    }

    /// The capabilities any of which passes it, the least first.
    pub fn capabilities(self) -> &'static [&'static str] {
        self.row().capabilities
    }

    /// What is done that others may not: `opens a raw socket`.
    pub fn reason(self) -> &'static str {
        self.row().reason
    }

    /// Whether it is noted on the file, where the call names one.
    pub fn of_files(self) -> bool {
        self.row().of_files
    }

    /// Whether more than the arguments decides it: what only the tracer sees, at the time.
    pub fn looks(self) -> bool {
        self.row().looks
    }

    /// The checks that a call may have to pass.
    pub fn of_call(name: &str) -> impl Iterator<Item = Check> {
        Check::ALL.iter().copied().filter(move |check| check.row().calls.contains(&name))
    }

    /// Whether the arguments of a call ask for it; `argument` gives them by the names of the call
    /// table. One that is not known may be any.
    pub fn asked(self, argument: impl Fn(&str) -> Option<u64>) -> bool {
        let mut tests = self.row().tests.iter();
        tests.all(|test| argument(test.argument).is_none_or(|value| test.holds(value)))
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(call: &str, values: &[(&str, u64)]) -> Vec<&'static str> {
        let argument = |name: &str| {
            let known = values.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| *value)
        };
        let asked = Check::of_call(call).filter(|check| check.asked(argument));
        asked.map(|check| check.slug()).collect()
    }

    fn socket(domain: u64, kind: u64, protocol: u64) -> Vec<&'static str> {
        asked("socket", &[("domain", domain), ("type", kind), ("protocol", protocol)])
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(socket(2, 1, 0), [""; 0]);
        assert_eq!(socket(17, 3, 0x300), ["packet-socket"]);
        assert_eq!(socket(10, 0x80003, 58), ["raw-socket"], "with SOCK_CLOEXEC");
        assert_eq!(socket(2, 2, 1), [""; 0], "ping_group_range decides, and no capability");
        assert_eq!(socket(16, 3, 0), [""; 0], "netlink");
        assert_eq!(socket(16, 3, 9), ["audit"]);
        assert_eq!(asked("iopl", &[("level", 0)]), [""; 0]);
    }

    #[test]
    fn namespaces_of_a_user_need_nothing() {
        let unshare = |flags| asked("unshare", &[("flags", flags)]).len();
        assert_eq!([unshare(0x10000000), unshare(0x10020000), unshare(0x20000)], [0, 0, 1]);
    }

    #[test]
    fn pipes_and_whiteouts_are_no_devices() {
        let mknod = |mode, dev| asked("mknodat", &[("mode", mode), ("dev", dev)]).len();
        assert_eq!([mknod(0o010644, 5), mknod(0o020600, 0x103), mknod(0o020000, 0)], [0, 1, 0]);
    }

    #[test]
    fn what_was_not_recorded_may_have_been_anything() {
        assert_eq!(asked("chroot", &[]).len(), 1);
        assert_eq!(asked("socket", &[]).len(), 3);
        assert_eq!(asked("read", &[]), [""; 0]);
    }

    #[test]
    fn every_check_names_capabilities_that_the_kernel_has() {
        for check in Check::ALL {
            for name in check.capabilities() {
                assert!(number(name).is_some(), "{}: {name}", check.slug());
            }
        }
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
    }
}
