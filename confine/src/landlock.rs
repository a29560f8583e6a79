//! Puts the rules of Landlock in force. What the kernel is too old for is left out, and said.

use crate::{ConfineError, enforce::Level};
use ::landlock::{
    Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    RestrictSelfError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope as KernelScope,
};
use model::{
    Text,
    landlock::{FsRight, LandlockPolicy, NetRight, Place, Scope},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use supervisor::Command;

/// What came of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforced {
    /// How far they are in force.
    pub level: Level,
    /// How many places were granted something.
    pub granted: usize,
    /// Places of the policy that are not there, and so cannot be granted.
    pub missing: Vec<Text>,
}

/// The newest ABI of this kernel; 0 without Landlock.
pub fn kernel_abi() -> u32 {
    const VERSION: libc::c_ulong = 1;
    // SAFETY: with this flag the call takes no attributes, and only answers.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION)
    };
    u32::try_from(abi).unwrap_or(0)
}

/// Restricts this process for good, and so the command that it becomes. Variables of the policy are
/// looked up in the command's environment; where it has none, in what the runs had.
///
/// # Errors
/// When the kernel refuses the rules.
pub(crate) fn restrict(
    policy: &LandlockPolicy,
    command: &Command,
) -> Result<Enforced, ConfineError> {
    let mut enforced = Enforced { level: Level::Not, granted: 0, missing: Vec::new() };
    if policy.handled_fs.is_empty() && policy.handled_net.is_empty() && policy.scoped.is_empty() {
        return Ok(enforced);
    }
    let mut ruleset = create(policy)?;
    if !policy.handled_fs.is_empty() {
        for (path, rights) in grants(policy, &Values::of(policy, command), command) {
            let Ok(parent) = PathFd::new(path.as_path()) else {
                enforced.missing.push(path);
                continue;
            };
            let directory = fs::metadata(path.as_path()).is_ok_and(|found| found.is_dir());
            let rights = rights.into_iter().filter(|right| directory || right.of_files());
            let rights = flags(rights.map(access));
            if !rights.is_empty() {
                ruleset = ruleset.add_rule(PathBeneath::new(parent, rights))?;
                enforced.granted += 1;
            }
        }
    }
    for (port, rights) in &policy.ports {
        let rights = flags(rights.iter().map(|right| port_access(*right)));
        ruleset = ruleset.add_rule(NetPort::new(*port, rights))?;
    }
    enforced.level = match restrict_self(ruleset)? {
        RulesetStatus::FullyEnforced => Level::Fully,
        RulesetStatus::PartiallyEnforced => Level::Partly,
        RulesetStatus::NotEnforced => Level::Not,
    };
    Ok(enforced)
}

fn create(policy: &LandlockPolicy) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if !policy.handled_fs.is_empty() {
        ruleset = ruleset.handle_access(flags(policy.handled_fs.iter().map(|r| access(*r))))?;
    }
    if !policy.handled_net.is_empty() {
        let rights = policy.handled_net.iter().map(|right| port_access(*right));
        ruleset = ruleset.handle_access(flags(rights))?;
    }
    if !policy.scoped.is_empty() {
        ruleset = ruleset.scope(flags(policy.scoped.iter().map(|scope| border(*scope))))?;
    }
    ruleset.create()
}

/// Without no_new_privs where the kernel allows it: set-user-id programs keep their power.
fn restrict_self(ruleset: RulesetCreated) -> Result<RulesetStatus, ConfineError> {
    let again = ruleset.try_clone().map_err(|error| ConfineError::Landlock(error.to_string()))?;
    match ruleset.no_new_privs(false).restrict_self() {
        Err(RulesetError::RestrictSelf(RestrictSelfError::RestrictSelfCall { source, .. }))
            if source.raw_os_error() == Some(libc::EPERM) =>
        {
            Ok(again.no_new_privs(true).restrict_self()?.ruleset)
        }
        other => Ok(other?.ruleset),
    }
}

/// The rights by path: those of the policy, and what the command itself needs to start, which a
/// person asked for by naming it.
pub(crate) fn grants(
    policy: &LandlockPolicy,
    values: &Values,
    command: &Command,
) -> BTreeMap<Text, BTreeSet<FsRight>> {
    let mut grants = BTreeMap::<Text, BTreeSet<FsRight>>::new();
    for (place, rule) in &policy.rules {
        for path in values.paths(place) {
            grants.entry(path).or_default().extend(&rule.rights);
        }
    }
    for path in starting(command) {
        let path = Text::from(path.as_path());
        grants.entry(path).or_default().extend([FsRight::Execute, FsRight::ReadFile]);
    }
    grants
}

/// What the variables of a policy mean for a command.
pub(crate) struct Values(BTreeMap<String, BTreeSet<Text>>);

impl Values {
    /// From the command's environment; where it has none, from what the runs had.
    pub(crate) fn of(policy: &LandlockPolicy, command: &Command) -> Values {
        let mut values = policy.variables.clone();
        let environment = command.environment.iter().map(|entry| entry.as_bytes());
        for (name, value) in model::trace::Command::places(environment) {
            values.insert(name, BTreeSet::from([value]));
        }
        if let Ok(directory) = std::env::current_dir() {
            values.insert("CWD".to_owned(), BTreeSet::from([Text::from(directory.as_path())]));
        }
        Values(values)
    }

    fn paths(&self, place: &Place) -> Vec<Text> {
        match &place.variable {
            None => vec![place.path.clone()],
            Some(name) => {
                self.0.get(name).into_iter().flatten().map(|value| place.below(value)).collect()
            }
        }
    }
}

/// The file of the command and the interpreters that the kernel runs for it.
fn starting(command: &Command) -> Vec<PathBuf> {
    let mut next = Some(PathBuf::from(std::ffi::OsStr::from_bytes(command.path.as_bytes())));
    let mut files = Vec::new();
    // The kernel follows five: BINPRM_MAX_RECURSION in fs/exec.c.
    while let Some(path) = next.take().filter(|_| files.len() < 6) {
        next = interpreter(&path);
        files.push(path);
    }
    if command.shell_argv.is_some() {
        files.push(PathBuf::from("/bin/sh"));
    }
    files
}

/// What a script names behind `#!`.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    // BINPRM_BUF_SIZE in linux/binfmts.h.
    File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|w| !w.is_empty());
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(words.next()?)))
}

fn flags<A: Access>(rights: impl Iterator<Item = A>) -> BitFlags<A> {
    rights.fold(BitFlags::EMPTY, |all, right| all | right)
}

fn access(right: FsRight) -> AccessFs {
    match right {
        FsRight::Execute => AccessFs::Execute,
        FsRight::WriteFile => AccessFs::WriteFile,
        FsRight::ReadFile => AccessFs::ReadFile,
        FsRight::ReadDir => AccessFs::ReadDir,
        FsRight::RemoveDir => AccessFs::RemoveDir,
        FsRight::RemoveFile => AccessFs::RemoveFile,
        FsRight::MakeChar => AccessFs::MakeChar,
        FsRight::MakeDir => AccessFs::MakeDir,
        FsRight::MakeReg => AccessFs::MakeReg,
        FsRight::MakeSock => AccessFs::MakeSock,
        FsRight::MakeFifo => AccessFs::MakeFifo,
        FsRight::MakeBlock => AccessFs::MakeBlock,
        FsRight::MakeSym => AccessFs::MakeSym,
        FsRight::Refer => AccessFs::Refer,
        FsRight::Truncate => AccessFs::Truncate,
        FsRight::IoctlDev => AccessFs::IoctlDev,
    }
}

fn port_access(right: NetRight) -> AccessNet {
    match right {
        NetRight::BindTcp => AccessNet::BindTcp,
        NetRight::ConnectTcp => AccessNet::ConnectTcp,
    }
}

fn border(scope: Scope) -> KernelScope {
    match scope {
        Scope::AbstractUnixSocket => KernelScope::AbstractUnixSocket,
        Scope::Signal => KernelScope::Signal,
    }
}
