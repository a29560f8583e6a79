//! Which calls ask for a Linux capability, and when. The rows are in `data/capabilities.tsv`.

use crate::Arguments;

include!(concat!(env!("OUT_DIR"), "/capabilities.rs"));

/// Calls that ask for a capability.
#[derive(Debug)]
struct Row {
    name: &'static str,
    calls: &'static [&'static str],
    tests: &'static [Test],
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

/// The capabilities that a call may ask for, each with why. Arguments that were not recorded may
/// have been any.
pub fn asked(call: &str, arguments: Option<&Arguments>) -> Vec<(&'static str, &'static str)> {
    let rows = ROWS.iter().filter(|row| row.calls.contains(&call));
    let asks = rows.filter(|row| match arguments {
        Some(arguments) if !arguments.many => {
            arguments.values.iter().any(|values| meets(row, &arguments.names, values))
        }
        _ => true,
    });
    asks.map(|row| (row.name, row.reason)).collect()
}

fn meets(row: &Row, names: &[String], values: &[u64]) -> bool {
    row.tests.iter().all(|test| {
        let at = names.iter().position(|name| name == test.argument);
        at.and_then(|at| values.get(at)).is_none_or(|value| test.holds(*value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(values: [u64; 3]) -> Vec<&'static str> {
        let names = ["domain", "type", "protocol"].map(str::to_owned).to_vec();
        let mut arguments = Arguments::new(names);
        arguments.insert(&values);
        asked("socket", Some(&arguments)).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(socket([2, 1, 0]), [""; 0]);
        assert_eq!(socket([17, 3, 0x300]), ["CAP_NET_RAW"]);
        assert_eq!(socket([10, 0x80003, 58]), ["CAP_NET_RAW"], "with SOCK_CLOEXEC");
        assert_eq!(socket([16, 3, 0]), [""; 0], "netlink");
        assert_eq!(socket([16, 3, 9]), ["CAP_AUDIT_WRITE"]);
    }

    #[test]
    fn namespaces_of_a_user_need_nothing() {
        let unshare = |flags| {
            let mut arguments = Arguments::new(vec!["flags".to_owned()]);
            arguments.insert(&[flags]);
            asked("unshare", Some(&arguments)).len()
        };
        assert_eq!([unshare(0x10000000), unshare(0x10020000), unshare(0x20000)], [0, 0, 1]);
    }

    #[test]
    fn what_was_not_recorded_may_have_been_anything() {
        assert_eq!(asked("chroot", None).len(), 1);
        assert_eq!(asked("socket", None).len(), 3);
        assert_eq!(asked("read", None), []);
    }
}
