//! A policy in the terms of Landlock: the least rights for what runs did to files, ports and
//! processes outside.
//!
//! * `grant`: which rights stand on which path
//! * `place`: paths that differ between runs: created and numbered names, directories of the user
//! * `siblings`, `guard`: many files of a directory become the directory, and where they must not
//! * `refer`: moves between directories
//! * `border`: ports and scopes
//! * `decided`: what people decided about paths and ports
//! * `suggest`: paths that code holds and no run used

mod border;
mod decided;
mod grant;
mod guard;
mod place;
mod refer;
mod siblings;
mod suggest;

pub use suggest::suggestions;

use crate::words::counted;
use model::{
    Policy, Text,
    landlock::{FsRight, LandlockPolicy, NEWEST_ABI, NetRight, PathRule, Scope},
};

/// How a policy is turned into rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathOptions {
    /// The ABI of the kernel that will enforce them.
    pub abi: u32,
    /// How far the paths are generalised.
    pub paths: Paths,
}

impl Default for PathOptions {
    fn default() -> PathOptions {
        PathOptions { abi: NEWEST_ABI, paths: Paths::Balanced }
    }
}

/// When files that a run named become their directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// Only where a rule cannot stand on them: names that a run made.
    Exact,
    /// Where they are many, or their names are made up.
    Balanced,
    /// Where so many in one directory were used alike.
    Siblings(usize),
}

impl std::str::FromStr for Paths {
    type Err = String;

    /// `exact`, `balanced` or a number.
    fn from_str(text: &str) -> Result<Paths, String> {
        match text {
            "exact" => Ok(Paths::Exact),
            "balanced" => Ok(Paths::Balanced),
            number => match number.parse() {
                Ok(many) if many >= 2 => Ok(Paths::Siblings(many)),
                _ => Err("neither exact nor balanced nor a number from 2".to_owned()),
            },
        }
    }
}

/// What Landlock can enforce of a policy. The same policy gives the same rules.
pub fn landlock(policy: &Policy, options: PathOptions) -> LandlockPolicy {
    let abi = options.abi.min(NEWEST_ABI);
    let mut landlock = LandlockPolicy { abi, ..LandlockPolicy::default() };
    let (rules, moves) = grant::rules(policy);
    let decisions = decided::Decided::of(policy);
    let rules = siblings::collapse(rules, options.paths, |place| decisions.denies_inside(place));
    let rules = refer::level(rules, &moves);
    let (rules, decided_notes) = decisions.apply(rules);
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
            landlock.notes.extend(decided_notes);
            landlock.notes.extend(guarded_notes(&landlock));
        }
    }
    landlock.handled_net =
        NetRight::ALL.iter().copied().filter(|right| right.abi() <= abi).collect();
    landlock.ports = border::ports(policy);
    decisions.ports(&mut landlock);
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
    landlock.notes.extend(unhandled_notes(abi));
    landlock
}

/// Guarded directories that are granted whole all the same: writable ones first.
fn guarded_notes(landlock: &LandlockPolicy) -> Vec<String> {
    let mut notes = Vec::new();
    for (place, rule) in landlock.rules.iter().filter(|(_, rule)| rule.whole) {
        let Some(what) = guard::guarded(place) else { continue };
        // A decision says so itself.
        if rule.decided.is_some() {
            continue;
        }
        let inside: Vec<&FsRight> =
            rule.rights.iter().filter(|right| **right != FsRight::ReadDir).collect();
        // To list a directory grants no file of it.
        if inside.is_empty() {
            continue;
        }
        let writes = inside.iter().any(|right| {
            !matches!(right, FsRight::ReadFile | FsRight::Execute | FsRight::IoctlDev)
        });
        let rights: Vec<&str> = inside.iter().map(|right| right.name()).collect();
        let example = rule.observed.keys().next().map(Text::to_string).unwrap_or_default();
        notes.push((
            !writes,
            format!(
                "{place}: {what} is granted whole ({}), for {} such as {example}",
                rights.join(", "),
                counted(rule.observed.len(), "name"),
            ),
        ));
    }
    notes.sort();
    notes.into_iter().map(|(_, note)| note).collect()
}

/// What the ABI cannot deny, so that it is allowed everywhere.
fn unhandled_notes(abi: u32) -> Vec<String> {
    let mut missing: Vec<&str> = Vec::new();
    missing.extend(FsRight::ALL.iter().filter(|right| right.abi() > abi).map(|right| right.name()));
    missing.extend(NetRight::ALL.iter().filter(|right| right.abi() > abi).map(|r| r.name()));
    missing.extend(Scope::ALL.iter().filter(|scope| scope.abi() > abi).map(|scope| scope.name()));
    match missing.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "not enforced, because ABI {abi} has no word for it: {}",
            missing.join(", ")
        )],
    }
}

/// What is granted next to what was observed, one line for each directory that is granted whole.
/// `count` says how many files there are below a path, where that can be known.
pub fn summary(landlock: &LandlockPolicy, count: impl Fn(&Text) -> Option<usize>) -> Vec<String> {
    let mut lines = landlock.notes.clone();
    // A directory that is only listed grants no file.
    let whole = landlock.rules.iter().filter(|(_, rule)| {
        rule.whole && rule.rights.iter().any(|right| *right != FsRight::ReadDir)
    });
    for (place, PathRule { rights, observed, widened, .. }) in whole {
        let rights: Vec<&str> = rights.iter().map(|right| right.name()).collect();
        let mut line = format!("{place}: {} used", observed.len());
        let reachable: Option<usize> = match &place.variable {
            None => count(&place.path),
            Some(name) => {
                let values = landlock.variables.get(name);
                values.into_iter().flatten().filter_map(|value| count(&place.below(value))).max()
            }
        };
        if let Some(reachable) = reachable {
            line += &format!(", {reachable} reachable by the rule");
        }
        line += &format!(" ({})", rights.join(", "));
        for why in widened {
            line += &format!("; {why}");
        }
        lines.push(line);
    }
    lines
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
