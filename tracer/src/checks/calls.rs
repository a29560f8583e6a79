//! Checks that calls make on more than their arguments: on ids, limits, other processes, settings
//! of the kernel, and files behind descriptors.

use super::{Credentials, Looker, Owner, mode};
use crate::observe::Observation;
use model::{
    KillTarget,
    capability::Check,
    trace::{Address, EndpointOperation},
};
use std::fs;
use supervisor::{memory, procfs};

impl Looker<'_> {
    /// The value of an argument by its name in the call table, as far as the kernel looks at it.
    pub(super) fn argument(&self, name: &str, observation: &Observation) -> Option<u64> {
        if let Some(at) = self.plan.values.iter().position(|value| value.name == name) {
            return observation.values.get(at).copied();
        }
        let params = self.event.sysno.call()?.params;
        let at = params.iter().position(|param| param.name == name)?;
        let bits = params[at].kind.bits();
        let mask = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        Some(self.event.args[at] & mask)
    }

    /// Whether what only shows at the time of the call makes it ask for a capability.
    pub(super) fn decides(&self, check: Check, observation: &Observation) -> bool {
        let args = &self.event.args;
        let name = self.event.sysno.name().unwrap_or_default();
        let number = |name: &str| self.argument(name, observation).map(|value| value as i32);
        match check {
            Check::Owner | Check::FileCapabilities | Check::SystemAttribute => {
                self.attribute(name, observation) == Some(check)
            }
            Check::Give => self.gives(name, observation),
            Check::SetGroupId => self.owner(observation).is_some_and(|owner| {
                let mode = number("mode").unwrap_or_default() as u32;
                mode & libc::S_ISGID != 0 && !self.who.in_group(owner.group)
            }),
            Check::Immutable => self.changes_immutable(args[0] as i32, args[2]),
            Check::Lease => {
                let owner = self.namer.owner_behind(args[0] as i32);
                owner.is_some_and(|owner| owner.user != self.who.users.files)
            }
            Check::Route => self.changes_network(name, observation),
            Check::Port => observation.endpoints.iter().any(|(operation, address, _)| {
                matches!(address, Address::Inet { port, .. } if *port > 0 && *port < self.first_port())
                    && *operation == EndpointOperation::Bind
            }),
            Check::User => changes_ids(name, args, &self.who.users, self.is_narrow(name)),
            Check::Group => changes_ids(name, args, &self.who.groups, self.is_narrow(name)),
            Check::Signal => {
                self.other(name, observation).is_some_and(|target| !self.may_signal(target))
            }
            Check::Inspect => {
                self.others(name, observation).into_iter().any(|target| self.inspects(target))
            }
            Check::Trace => number("pid").is_some_and(|target| {
                let related = (self.target)(target) != KillTarget::Other;
                let yama = mode::setting("kernel/yama/ptrace_scope").unwrap_or_default();
                self.inspects(target) || !related && yama > 0
            }),
            Check::PageFaults => mode::setting("vm/unprivileged_userfaultfd") != Some(1),
            Check::Filter => !self.who.no_new_privs,
            // SECCOMP_MODE_FILTER
            Check::FilterPrctl => args[1] == 2 && !self.who.no_new_privs,
            Check::AdjustClock => {
                // ADJ_OFFSET_SS_READ only reads.
                let at = if name == "adjtimex" { args[0] } else { args[1] };
                self.word32(at).is_some_and(|modes| modes != 0 && modes != 0xa001)
            }
            Check::KernelMessages => mode::setting("kernel/dmesg_restrict") != Some(0),
            Check::Measure => self.measures(args[0], args[1] as i32),
            Check::RealTime => self.schedules(name, args),
            Check::Nice => self.raises_priority(name, args),
            Check::ScheduleOthers => self.is_of_another(args[0] as i32),
            Check::Limit => self.raises_limit(name, args),
            Check::LockMemory => self.locks(name, args),
            _ => false,
        }
    }

    /// Whether looking into a process takes more than being the same user: ptrace(2), and
    /// cap_ptrace_access_check() in the kernel's security/commoncap.c.
    pub(super) fn inspects(&self, target: i32) -> bool {
        let relation = (self.target)(target);
        if target <= 0 || relation == KillTarget::Own {
            return false;
        }
        let Some(theirs) = Credentials::of(target) else { return false };
        let own = self.who;
        let same = [theirs.users.real, theirs.users.effective, theirs.users.saved]
            == [own.users.files; 3]
            && [theirs.groups.real, theirs.groups.effective, theirs.groups.saved]
                == [own.groups.files; 3];
        // What this run started loses what it does.
        !same || relation == KillTarget::Other && theirs.permitted != 0
    }

    /// kill_ok_by_cred() in the kernel's kernel/signal.c.
    fn may_signal(&self, target: i32) -> bool {
        let Some(theirs) = Credentials::of(target) else { return true };
        let own = self.who.users;
        [own.effective, own.real]
            .iter()
            .any(|id| [theirs.users.saved, theirs.users.real].contains(id))
    }

    /// Whether a process acts as another user.
    fn is_of_another(&self, target: i32) -> bool {
        if target <= 0 || (self.target)(target) == KillTarget::Own {
            return false;
        }
        let own = self.who.users.effective;
        Credentials::of(target)
            .is_some_and(|theirs| ![theirs.users.effective, theirs.users.real].contains(&own))
    }

    /// The one other process that a call is about.
    fn other(&self, name: &str, observation: &Observation) -> Option<i32> {
        let others = self.others(name, observation);
        others.into_iter().find(|target| *target > 0 && (self.target)(*target) != KillTarget::Own)
    }

    fn others(&self, name: &str, observation: &Observation) -> Vec<i32> {
        match name {
            "pidfd_send_signal" | "pidfd_getfd" => self.behind(self.event.args[0] as i32),
            _ => ["pid", "tgid", "pid1", "pid2", "tid"]
                .iter()
                .filter_map(|name| self.argument(name, observation))
                .map(|value| value as i32)
                .collect(),
        }
    }

    /// The process behind a pidfd.
    fn behind(&self, fd: i32) -> Vec<i32> {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.event.tid));
        let info = info.unwrap_or_default();
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"));
        pid.and_then(|pid| pid.trim().parse().ok()).into_iter().collect()
    }

    /// Whose the file is that the call names, by path or descriptor.
    fn owner(&self, observation: &Observation) -> Option<Owner> {
        match observation.files.first() {
            Some((place, _)) => place.owner.clone(),
            None => self.namer.owner_behind(self.event.args[0] as i32),
        }
    }

    /// chown_ok() and chgrp_ok() in the kernel's fs/attr.c.
    fn gives(&self, name: &str, observation: &Observation) -> bool {
        let Some(owner) = self.owner(observation) else { return false };
        let id = |name: &str| {
            let value = self.argument(name, observation)? as u32;
            (value != u32::MAX).then_some(value)
        };
        let narrow = |id: &u32| !(self.is_narrow(name) && *id == 0xffff);
        let (user, group) = (id("owner").filter(narrow), id("group").filter(narrow));
        let own = owner.user == self.who.users.files;
        user.is_some_and(|user| !own || user != owner.user)
            || group.is_some_and(|group| !own || group != owner.group && !self.who.in_group(group))
    }

    /// Which check a call that changes the attributes of a file makes.
    fn attribute(&self, name: &str, observation: &Observation) -> Option<Check> {
        let owner = self.owner(observation)?;
        let own = owner.user == self.who.users.files;
        if !name.contains("xattr") {
            // To set the time to now it is enough to be able to write.
            let now = name.contains("utime") && self.argument("times", observation) == Some(0);
            let lets = now && owner.lets(self.who, mode::WRITE);
            return (!own && !lets).then_some(Check::Owner);
        }
        let at = self.argument("name", observation)?;
        let attribute = memory::read_string(self.event.tid, at, 256).ok()?;
        let attribute = attribute.as_bytes();
        if attribute == b"security.capability" {
            Some(Check::FileCapabilities)
        } else if attribute.starts_with(b"security.") || attribute.starts_with(b"trusted.") {
            Some(Check::SystemAttribute)
        } else if attribute.starts_with(b"system.") && !own {
            Some(Check::Owner)
        } else {
            None
        }
    }

    /// FS_IMMUTABLE_FL and FS_APPEND_FL, which statx(2) shows by the same bits.
    fn changes_immutable(&self, fd: i32, pointer: u64) -> bool {
        const BITS: u64 = 0x30;
        let path = std::ffi::CString::new(format!("/proc/{}/fd/{fd}", self.event.tid));
        let (Ok(path), Some(wanted)) = (path, self.word32(pointer)) else { return false };
        // SAFETY: all-zero is a valid statx.
        let mut known: libc::statx = unsafe { std::mem::zeroed() };
        // SAFETY: the path is NUL-terminated, and the kernel fills the structure.
        let result = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, 0, &raw mut known) };
        result == 0 && (u64::from(wanted) ^ known.stx_attributes) & BITS != 0
    }

    /// Messages that change something: of NETLINK_ROUTE all but those that get, of netfilter and
    /// of the transformation of packets all.
    fn changes_network(&self, name: &str, observation: &Observation) -> bool {
        let netlink = |(operation, address, _): &(EndpointOperation, Address, Option<String>)| {
            *operation == EndpointOperation::Send && matches!(address, Address::Netlink { .. })
        };
        if !observation.endpoints.iter().any(netlink) {
            return false;
        }
        let event = self.event;
        let message = match (name, event.is_wide()) {
            ("sendto", _) => Some(event.args[1]),
            // msg_iov, and its first iov_base
            (_, true) => memory::read_u64(event.tid, event.args[1].wrapping_add(16))
                .and_then(|vector| memory::read_u64(event.tid, vector))
                .ok(),
            (_, false) => self
                .word32(event.args[1].wrapping_add(8))
                .and_then(|vector| self.word32(u64::from(vector)))
                .map(u64::from),
        };
        let kind =
            message.and_then(|at| self.word32(at.wrapping_add(4))).unwrap_or_default() & 0xffff;
        match crate::sockets::protocol(self.namer.process, event.args[0] as i32) {
            // linux/rtnetlink.h: from RTM_NEWLINK (16) on new, delete, get, set.
            Some(libc::NETLINK_ROUTE) => kind >= 16 && kind % 4 != 2,
            Some(libc::NETLINK_NETFILTER | libc::NETLINK_XFRM) => true,
            _ => false,
        }
    }

    /// The first port that everybody may take, in the process's name space.
    fn first_port(&self) -> u16 {
        let own = std::process::id() as i32;
        let same =
            procfs::link(self.namer.process, "ns/net").ok() == procfs::link(own, "ns/net").ok();
        let here = mode::setting("net/ipv4/ip_unprivileged_port_start");
        here.filter(|_| same).and_then(|port| port.try_into().ok()).unwrap_or(1024)
    }

    /// perf_event_open(2) and its kernel.perf_event_paranoid.
    fn measures(&self, attributes: u64, target: i32) -> bool {
        const EXCLUDE_KERNEL: u64 = 1 << 5;
        let paranoid = mode::setting("kernel/perf_event_paranoid").unwrap_or(2);
        let flags = memory::read_u64(self.event.tid, attributes.wrapping_add(40));
        let of_kernel = flags.is_ok_and(|flags| flags & EXCLUDE_KERNEL == 0);
        target == -1 && paranoid > 0 || of_kernel && paranoid > 1 || paranoid > 2
    }

    fn schedules(&self, name: &str, args: &[u64; 6]) -> bool {
        const RESET_ON_FORK: u32 = 0x4000_0000;
        let (policy, priority) = match name {
            "sched_setattr" => (self.word32(args[1] + 4), self.word32(args[1] + 20)),
            _ => (Some(args[1] as u32), self.word32(args[2])),
        };
        let limit = self.limit(args[0] as i32, libc::RLIMIT_RTPRIO).0;
        let beyond = match policy.map(|policy| policy & !RESET_ON_FORK) {
            Some(1 | 2) => priority.is_none_or(|priority| u64::from(priority) > limit),
            // SCHED_DEADLINE
            Some(6) => true,
            _ => false,
        };
        beyond || self.is_of_another(args[0] as i32)
    }

    fn raises_priority(&self, name: &str, args: &[u64; 6]) -> bool {
        let own = self.namer.process;
        // The three kinds of target: a process, a group, a user.
        let (target, wanted) = match (name, args[0] as i32, args[1] as i32) {
            ("nice", increment, _) => (own, nice(own).saturating_add(increment)),
            (_, 0, 0) => (own, args[2] as i32),
            (_, 0, target) => (target, args[2] as i32),
            _ => (own, args[2] as i32),
        };
        let wanted = wanted.clamp(-20, 19);
        let limit = self.limit(target, libc::RLIMIT_NICE).0;
        wanted < nice(target) && u64::from((20 - wanted).unsigned_abs()) > limit
            || self.is_of_another(target)
    }

    fn raises_limit(&self, name: &str, args: &[u64; 6]) -> bool {
        let (target, resource, pointer) = match name {
            "setrlimit" => (0, args[0], args[1]),
            _ => (args[0] as i32, args[1], args[2]),
        };
        if pointer == 0 {
            return self.is_of_another(target);
        }
        let hard = if name == "prlimit64" || self.event.is_wide() {
            memory::read_u64(self.event.tid, pointer.wrapping_add(8)).ok()
        } else {
            let narrow = self.word32(pointer.wrapping_add(4));
            narrow.map(|hard| if hard == u32::MAX { u64::MAX } else { u64::from(hard) })
        };
        let resource = resource as libc::__rlimit_resource_t;
        hard.is_some_and(|hard| hard > self.limit(target, resource).1) || self.is_of_another(target)
    }

    fn locks(&self, name: &str, args: &[u64; 6]) -> bool {
        const MCL_CURRENT: u64 = 1;
        // What it has locked changes without its credentials doing so.
        let Some(now) = Credentials::of(self.event.tid) else { return false };
        let limit = self.limit(self.namer.process, libc::RLIMIT_MEMLOCK).0;
        let wanted = match name {
            "mlockall" if args[0] & MCL_CURRENT == 0 => 0,
            "mlockall" => now.memory,
            _ => now.locked.saturating_add(args[1]),
        };
        wanted > limit || limit == 0
    }

    /// The soft and the hard limit of a process; 0 is the one that asks.
    fn limit(&self, target: i32, resource: libc::__rlimit_resource_t) -> (u64, u64) {
        let target = if target == 0 { self.namer.process } else { target };
        let mut limit = libc::rlimit { rlim_cur: u64::MAX, rlim_max: u64::MAX };
        // SAFETY: nothing is set, and the kernel fills the structure, which is valid for it.
        unsafe { libc::prlimit(target, resource, std::ptr::null(), &raw mut limit) };
        (limit.rlim_cur, limit.rlim_max)
    }

    fn word32(&self, at: u64) -> Option<u32> {
        let mut bytes = [0_u8; 4];
        memory::read(self.event.tid, at, &mut bytes).ok()?;
        Some(u32::from_ne_bytes(bytes))
    }

    /// Whether the ids of a call have 16 bits: those of i386 and arm without "32" in their names.
    fn is_narrow(&self, name: &str) -> bool {
        use model::Arch;
        let old = matches!(self.event.sysno.arch(), Arch::I386 | Arch::Arm);
        old && !name.ends_with("32") && !matches!(name, "fchownat")
    }
}

fn nice(process: i32) -> i32 {
    // SAFETY: plain numbers.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, process.unsigned_abs()) }
}

/// Whether a process without CAP_SETUID or CAP_SETGID would have other ids afterwards: setuid(2),
/// setreuid(2), setresuid(2), setfsuid(2) and their likes for groups.
fn changes_ids(name: &str, args: &[u64; 6], own: &super::credentials::Ids, narrow: bool) -> bool {
    let id = |at: usize| {
        let value = if narrow { args[at] as u32 & 0xffff } else { args[at] as u32 };
        let none = if narrow { 0xffff } else { u32::MAX };
        (value != none).then_some(value)
    };
    let foreign = |wanted: Option<u32>| wanted.is_some_and(|wanted| !own.include(wanted));
    match name.trim_end_matches("32") {
        // With the capability all three become the same, without it only the effective one.
        "setuid" | "setgid" => {
            id(0).is_some_and(|wanted| wanted != own.real || wanted != own.saved)
        }
        "setreuid" | "setregid" => {
            let real = id(0).is_some_and(|wanted| ![own.real, own.effective].contains(&wanted));
            real || foreign(id(1))
        }
        "setfsuid" | "setfsgid" => {
            id(0).is_some_and(|wanted| !own.include(wanted) && wanted != own.files)
        }
        _ => (0..3).any(|at| foreign(id(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::credentials::Ids;

    fn changes(name: &str, own: Ids, wanted: [u32; 3]) -> bool {
        let mut args = [0; 6];
        for (argument, wanted) in args.iter_mut().zip(wanted) {
            *argument = u64::from(wanted);
        }
        changes_ids(name, &args, &own, false)
    }

    #[test]
    fn only_ids_that_really_change_need_a_capability() {
        const NONE: u32 = u32::MAX;
        let root = Ids { real: 0, effective: 0, saved: 0, files: 0 };
        assert!(!changes("setuid", root, [0, 0, 0]));
        assert!(changes("setuid", root, [33, 0, 0]));
        assert!(!changes("setresuid", root, [NONE, 0, NONE]));
        assert!(changes("setresgid", root, [NONE, 33, NONE]));
        // A set-user-id program that gives its privilege up, and takes it back.
        let set = Ids { real: 1000, effective: 0, saved: 0, files: 0 };
        assert!(!changes("setreuid", set, [0, 1000, 0]), "both are its own");
        assert!(!changes("setresuid", set, [NONE, 1000, NONE]));
        assert!(changes("setuid", set, [1000, 0, 0]), "the saved one stays without");
        assert!(changes("setreuid32", set, [NONE, 33, 0]));
        assert!(!changes("setfsuid", set, [1000, 0, 0]));
    }

    #[test]
    fn ids_of_16_bits_have_their_own_none() {
        let root = Ids::default();
        assert!(!changes_ids("setresuid", &[0xffff, 0, 0xffff, 0, 0, 0], &root, true));
        assert!(changes_ids("setresuid", &[0xffff, 0, 0xffff, 0, 0, 0], &root, false));
    }
}
