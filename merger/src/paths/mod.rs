//! A policy in the terms of Landlock: the least rights for what runs did to files, ports and
//! processes outside.
//!
//! * `grant`: which rights stand on which path
//! * `place`: paths that differ between runs: created and numbered names, directories of the user
//! * `refer`: moves between directories
//! * `border`: ports and scopes

mod border;
mod grant;
mod place;
mod refer;

use model::{
    Policy,
    landlock::{FsRight, LandlockPolicy, NEWEST_ABI, NetRight},
};

/// How a policy is turned into rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathOptions {
    /// The ABI of the kernel that will enforce them.
    pub abi: u32,
}

impl Default for PathOptions {
    fn default() -> PathOptions {
        PathOptions { abi: NEWEST_ABI }
    }
}

/// What Landlock can enforce of a policy. The same policy gives the same rules.
pub fn landlock(policy: &Policy, options: PathOptions) -> LandlockPolicy {
    let abi = options.abi.min(NEWEST_ABI);
    let mut landlock = LandlockPolicy { abi, ..LandlockPolicy::default() };
    let rules = refer::level(grant::rules(policy));
    match unenforceable(policy, &rules, abi) {
        Some(why) => landlock.notes.push(format!("files: not enforced: {why}")),
        None => {
            landlock.handled_fs =
                FsRight::ALL.iter().copied().filter(|right| right.abi() <= abi).collect();
            landlock.variables = place::variables(policy);
            landlock.rules = rules;
            for rule in landlock.rules.values_mut() {
                rule.rights.retain(|right| right.abi() <= abi);
            }
            landlock.rules.retain(|_, rule| !rule.rights.is_empty());
        }
    }
    landlock.handled_net =
        NetRight::ALL.iter().copied().filter(|right| right.abi() <= abi).collect();
    landlock.ports = border::ports(policy);
    if let Some(port) = border::chosen_port(policy) {
        landlock.handled_net.remove(&NetRight::ConnectTcp);
        landlock.notes.push(format!(
            "connect_tcp: not enforced: a run connected to port {port}, which the kernel had chosen, \
             and the next time it chooses another"
        ));
    }
    for rights in landlock.ports.values_mut() {
        rights.retain(|right| landlock.handled_net.contains(right));
    }
    landlock.ports.retain(|_, rights| !rights.is_empty());
    landlock.scoped = border::scopes(policy);
    landlock.scoped.retain(|scope| scope.abi() <= abi);
    landlock
}

/// Why no right of the file system can be denied without breaking what ran.
fn unenforceable(policy: &Policy, rules: &grant::Rules, abi: u32) -> Option<String> {
    const MOUNTS: [&str; 5] = ["mount", "umount", "umount2", "pivot_root", "move_mount"];
    let mounts = |name: &&str| {
        policy
            .calls
            .iter()
            .any(|(sysno, entry)| sysno.name() == Some(name) && entry.origins.observed.is_some())
    };
    if abi == 0 {
        return Some("the kernel has no Landlock".to_owned());
    }
    if let Some(name) = MOUNTS.into_iter().find(mounts) {
        return Some(format!(
            "a run called {name}, which Landlock refuses beside any rule on files"
        ));
    }
    if !policy.programs.values().any(|program| program.executed) {
        return Some(
            "no run saw its program start, so what it needs to start is not known".to_owned(),
        );
    }
    if abi < FsRight::Refer.abi()
        && rules.values().any(|rule| rule.rights.contains(&FsRight::Refer))
    {
        return Some(format!(
            "a run moved files between directories, which ABI {abi} refuses beside any rule on files"
        ));
    }
    None
}
