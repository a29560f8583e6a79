//! The capability sets of this process, and the bounds that a command inherits: capabilities(7).
//!
//! What a program may have is decided when it is executed, from the bounding, the inheritable and
//! the ambient set; so profgen keeps its own until then, which it needs to load a filter.

use libc::{c_int, c_ulong};
use model::capability::NAMES;
use nix::errno::Errno;
use std::{fmt, ops};

/// A set of capabilities, by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSet(pub u64);

impl CapSet {
    /// None.
    pub const NONE: CapSet = CapSet(0);
    /// All, also those that profgen does not know.
    pub const ALL: CapSet = CapSet(u64::MAX);

    /// The set of these numbers.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> CapSet {
        CapSet(numbers.into_iter().filter(|number| *number < 64).fold(0, |set, n| set | 1 << n))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is in it.
    pub fn has(self, number: u32) -> bool {
        number < 64 && self.0 >> number & 1 == 1
    }

    /// Those that are not in the other.
    pub fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }

    /// Their numbers.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.has(*number))
    }

    /// Their names, `CAP_NET_RAW`.
    pub fn names(self) -> Vec<String> {
        self.numbers().map(name).collect()
    }
}

impl ops::BitOr for CapSet {
    type Output = CapSet;

    fn bitor(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }
}

impl ops::BitAnd for CapSet {
    type Output = CapSet;

    fn bitand(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }
}

impl fmt::Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

/// A capability's name; one that is newer than profgen has its number only, as libcap writes it.
pub fn name(number: u32) -> String {
    NAMES.get(number as usize).map_or_else(|| format!("cap_{number}"), |name| (*name).to_owned())
}

/// The five sets of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sets {
    /// Those that count when it asks.
    pub effective: CapSet,
    /// Those that it can make count.
    pub permitted: CapSet,
    /// Those that it keeps where the executed file, or being root, grants them.
    pub inheritable: CapSet,
    /// Those that executing a file can give at most.
    pub bounding: CapSet,
    /// Those that it keeps over exec without more.
    pub ambient: CapSet,
}

impl Sets {
    /// Those of the calling thread. Async-signal-safe.
    ///
    /// # Errors
    /// Not on Linux since 2.6.26.
    pub fn own() -> nix::Result<Sets> {
        let [effective, permitted, inheritable] = get()?;
        let (mut bounding, mut ambient) = (0, 0);
        for number in 0..64_u32 {
            match prctl(libc::PR_CAPBSET_READ, number.into(), 0) {
                Ok(set) => bounding |= (set as u64 & 1) << number,
                // Past the last that the kernel knows.
                Err(_) => break,
            }
            let is_set = libc::PR_CAP_AMBIENT_IS_SET as c_ulong;
            let set = prctl(libc::PR_CAP_AMBIENT, is_set, number.into()).unwrap_or(0);
            ambient |= (set as u64 & 1) << number;
        }
        let [bounding, ambient] = [bounding, ambient].map(CapSet);
        Ok(Sets { effective, permitted, inheritable, bounding, ambient })
    }

    /// The most that executing files can give to a process with these sets: what those files grant,
    /// or being root.
    pub fn reachable(&self, no_new_privs: bool) -> CapSet {
        let all = self.bounding | self.inheritable | self.ambient;
        // With no_new_privs exec never adds to the permitted ones: security/commoncap.c.
        if no_new_privs { all & self.permitted } else { all }
    }
}

/// Whether no_new_privs is set for the calling thread.
pub fn no_new_privs() -> bool {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0) == Ok(1)
}

/// Takes from what this process will execute every capability but those of `keep`: the bounding set
/// where CAP_SETPCAP allows that, the inheritable and the ambient one always. With `own`, from
/// the process itself too. Async-signal-safe.
///
/// What could not be taken shows in [`Sets::own`] afterwards.
///
/// # Errors
/// Not on Linux since 2.6.26.
pub fn limit(keep: CapSet, own: bool) -> nix::Result<()> {
    let sets = Sets::own()?;
    for number in sets.bounding.without(keep).numbers() {
        // EPERM without CAP_SETPCAP.
        let _ = prctl(libc::PR_CAPBSET_DROP, number.into(), 0);
    }
    let [mut effective, mut permitted, inheritable] = get()?;
    if own {
        (effective, permitted) = (effective & keep, permitted & keep);
    }
    // The ambient set follows: it never has what is not inheritable and permitted.
    set([effective, permitted, inheritable & keep])
}

/// Version 3 of the interface: 64 capabilities in two halves (linux/capability.h).
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The effective, permitted and inheritable set.
fn get() -> nix::Result<[CapSet; 3]> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: with this version the kernel writes two halves, and its own version into the header.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    Errno::result(result)?;
    let [low, high] = halves;
    let join = |low: u32, high: u32| CapSet(u64::from(low) | u64::from(high) << 32);
    Ok([
        join(low.effective, high.effective),
        join(low.permitted, high.permitted),
        join(low.inheritable, high.inheritable),
    ])
}

fn set(sets: [CapSet; 3]) -> nix::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| {
        let [effective, permitted, inheritable] = sets.map(|set| (set.0 >> shift) as u32);
        Half { effective, permitted, inheritable }
    };
    let halves = [half(0), half(32)];
    // SAFETY: with this version the kernel reads two halves; it only takes rights from this thread.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
    Errno::result(result).map(drop)
}

/// prctl(2) for the operations on capabilities, whose arguments are plain numbers.
fn prctl(operation: c_int, first: c_ulong, second: c_ulong) -> nix::Result<c_int> {
    let zero: c_ulong = 0;
    // SAFETY: none of the operations that are passed here takes a pointer.
    Errno::result(unsafe { libc::prctl(operation, first, second, zero, zero) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_sets_are_those_of_proc() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            CapSet(u64::from_str_radix(line.trim(), 16).unwrap())
        };
        let own = Sets::own().unwrap();
        assert_eq!(own.effective, field("CapEff:"));
        assert_eq!(own.permitted, field("CapPrm:"));
        assert_eq!(own.inheritable, field("CapInh:"));
        assert_eq!(own.bounding, field("CapBnd:"));
        assert_eq!(own.ambient, field("CapAmb:"));
    }

    #[test]
    fn what_is_not_kept_is_gone_for_good() {
        // The sets are those of a thread, and so is the bounding set.
        let limited = std::thread::spawn(|| {
            let before = Sets::own().unwrap();
            let keep = CapSet::of([13]);
            limit(keep, true).unwrap();
            (before, Sets::own().unwrap(), keep)
        });
        let (before, after, keep) = limited.join().unwrap();
        assert_eq!(after.permitted, before.permitted & keep);
        assert_eq!(after.effective, before.effective & keep);
        if before.effective.has(8) {
            assert_eq!(after.bounding, before.bounding & keep, "with CAP_SETPCAP");
        }
        assert!(after.inheritable.without(keep).is_empty());
        assert!(after.reachable(true).without(keep).is_empty());
    }

    #[test]
    fn sets_are_written_by_name() {
        assert_eq!(CapSet::of([13, 0]).to_string(), "CAP_CHOWN, CAP_NET_RAW");
        assert_eq!(name(63), "cap_63");
        assert_eq!(CapSet::ALL.without(CapSet(!1)).names(), ["CAP_CHOWN"]);
    }
}
