//! Who a process is to the kernel: its ids and capabilities, as /proc has them.

use model::{
    Text,
    capability::{self, Check},
};
use supervisor::procfs;

/// The ids and capabilities of a thread at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its user ids.
    pub users: Ids,
    /// Its group ids.
    pub groups: Ids,
    supplementary: Vec<u32>,
    /// The capabilities that count when it asks.
    effective: u64,
    /// Those that it could make count.
    pub permitted: u64,
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// Memory that it has locked, in bytes.
    pub locked: u64,
    /// All its memory, in bytes.
    pub memory: u64,
}

/// The four ids of a kind: credentials(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// Who it acts as.
    pub effective: u32,
    /// Who it may act as again.
    pub saved: u32,
    /// Who it is to the file system.
    pub files: u32,
}

impl Ids {
    /// Whether an id is among the real, the effective and the saved one.
    pub fn include(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }
}

impl Credentials {
    /// Whether the kernel answers both alike where files are concerned.
    pub fn are_like(&self, other: &Credentials) -> bool {
        self.users == other.users
            && self.groups == other.groups
            && self.supplementary == other.supplementary
            && self.effective == other.effective
            && self.permitted == other.permitted
    }

    /// The credentials of a thread; `None` when it is gone.
    pub fn of(tid: i32) -> Option<Credentials> {
        let status = procfs::read(&format!("/proc/{tid}/status")).ok()?;
        // Only the first line can hold bytes of the process's making: its name.
        Credentials::parse(&String::from_utf8_lossy(&status))
    }

    fn parse(status: &str) -> Option<Credentials> {
        let numbers = |value: &str| -> Vec<u32> {
            value.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
        };
        let ids = |value: &str| match numbers(value)[..] {
            [real, effective, saved, files] => Some(Ids { real, effective, saved, files }),
            _ => None,
        };
        let bits = |value: &str| u64::from_str_radix(value.trim(), 16).ok();
        let kilobytes = |value: &str| {
            value.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        let (mut users, mut groups, mut effective, mut permitted) = (None, None, None, None);
        let (mut supplementary, mut no_new_privs) = (Vec::new(), false);
        let (mut locked, mut memory) = (None, None);
        for line in status.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else { continue };
            match name {
                "Uid" => users = ids(value),
                "Gid" => groups = ids(value),
                "Groups" => supplementary = numbers(value),
                "CapEff" => effective = bits(value),
                "CapPrm" => permitted = bits(value),
                "NoNewPrivs" => no_new_privs = value.trim() == "1",
                "VmLck" => locked = kilobytes(value),
                "VmSize" => memory = kilobytes(value),
                _ => {}
            }
        }
        Some(Credentials {
            users: users?,
            groups: groups?,
            supplementary,
            effective: effective?,
            permitted: permitted?,
            no_new_privs,
            locked: locked.unwrap_or_default(),
            memory: memory.unwrap_or_default(),
        })
    }

    /// The same without the capabilities: they are worth nothing outside of its own name space.
    pub fn powerless(mut self) -> Credentials {
        self.effective = 0;
        self
    }

    /// Whether it has any capability.
    pub fn is_privileged(&self) -> bool {
        self.effective != 0
    }

    /// Whether it has a capability that passes the check. Without one it did not pass.
    pub fn passes(&self, check: Check) -> bool {
        let mut bits = check.capabilities().iter().filter_map(|name| capability::number(name));
        bits.any(|bit| self.effective & 1 << bit != 0)
    }

    /// Whether a group is its own, to the file system.
    pub fn in_group(&self, group: u32) -> bool {
        self.groups.files == group || self.supplementary.contains(&group)
    }
}

#[cfg(test)]
impl Credentials {
    /// Somebody with all capabilities.
    pub fn for_test(user: u32, groups: &str) -> Credentials {
        let group = groups.split(' ').next().unwrap();
        let status = format!(
            "\nUid:\t{user} {user} {user} {user}\nGid:\t{group} {group} {group} {group}\n\
             Groups:\t{groups}\nCapPrm:\tffffffffff\nCapEff:\tffffffffff\n"
        );
        Credentials::parse(&status).unwrap()
    }
}

/// The name space for users that a process is in.
pub fn user_namespace(process: i32) -> Option<Text> {
    procfs::link(process, "ns/user").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_is_read_and_its_first_line_is_not() {
        let status = "Name:\tUid: 9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \n\
                      VmSize:\t    8 kB\nCapPrm:\t0000000000000003\nCapEff:\t0000000000000001\n\
                      NoNewPrivs:\t1\n";
        let read = Credentials::parse(status).unwrap();
        assert_eq!(read.users, Ids { real: 1, effective: 2, saved: 3, files: 4 });
        assert!(read.in_group(20) && read.in_group(8) && !read.in_group(5));
        assert!(read.passes(Check::Give) && !read.passes(Check::Write) && read.no_new_privs);
        assert_eq!((read.memory, read.locked), (8192, 0));
        assert_eq!(Credentials::parse("Name:\tx\n"), None);
    }

    #[test]
    fn own_credentials_are_those_the_kernel_tells() {
        let own = Credentials::of(nix::unistd::gettid().as_raw()).unwrap();
        assert_eq!(own.users.effective, nix::unistd::geteuid().as_raw());
        assert_eq!(own.groups.real, nix::unistd::getgid().as_raw());
    }
}
