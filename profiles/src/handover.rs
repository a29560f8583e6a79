//! The profile under which a container is recorded from outside: what Docker's own profile allows is
//! announced to a seccomp agent, except for the calls of data/handover.tsv, which the runtime makes
//! before the agent has the listener.

use crate::{
    Error, Rendered,
    lower::Machine,
    read::{Entry, Kind, docker_default},
    runtime::{Runtime, Target, Version},
    seccomp::{Arg, Syscalls, written},
};
use model::{Arch, Call, CmpOp, errno::EPERM};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

const FORMAT: &str = "the recording profile";

/// A call that must not be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The runtime that makes it.
    pub runtime: Runtime,
    /// The first release that does; none for all releases.
    pub since: Option<Version>,
    /// The call's name.
    pub call: &'static str,
    /// How that is known.
    pub source: &'static str,
}

impl Row {
    fn parse(line: &'static str) -> Option<Row> {
        let [runtime, versions, call, source] =
            <[&str; 4]>::try_from(Vec::from_iter(line.split('\t'))).ok()?;
        let since = match versions {
            "any" => None,
            other => Some(other.strip_suffix('+')?.parse().ok()?),
        };
        let runtime = Runtime::ALL.into_iter().find(|known| known.name() == runtime)?;
        Some(Row { runtime, since, call, source })
    }

    fn applies(&self, target: &Target) -> bool {
        let newer = match (self.since, target.version) {
            (Some(since), Some(version)) => version >= since,
            _ => true,
        };
        self.runtime == target.runtime && newer
    }
}

const TABLE: &str = include_str!("../data/handover.tsv");

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1)
}

/// The table.
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| lines().filter_map(Row::parse).collect());
    &ROWS
}

/// The calls that these runtimes make before they hand over, by name.
pub fn unannounced(runtimes: &BTreeSet<Target>) -> BTreeSet<&'static str> {
    let made = |row: &&Row| runtimes.iter().any(|target| row.applies(target));
    rows().iter().filter(made).map(|row| row.call).collect()
}

/// What a recording profile depends on.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The architecture of the machine.
    pub arch: Arch,
    /// The socket of the agent.
    pub listener: String,
    /// What the runtime passes on to the agent: the name under which evidence is kept.
    pub metadata: Option<String>,
    /// The capabilities of the container that Docker does not give by itself.
    pub capabilities: BTreeSet<String>,
    /// The runtimes that will load it.
    pub runtimes: BTreeSet<Target>,
}

/// `linux.seccomp` of the runtime-spec, with its fields for agents.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp<'a> {
    default_action: &'static str,
    default_errno_ret: u16,
    architectures: Vec<&'static str>,
    listener_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener_metadata: Option<&'a str>,
    syscalls: Vec<Syscalls>,
}

/// The profile, for runc, crun, Podman and Docker from 23.
///
/// # Errors
/// When the text cannot be built.
pub fn recording(recording: &Recording) -> Result<Rendered, Error> {
    let mut machine = Machine::for_arch(recording.arch);
    machine.capabilities.extend(recording.capabilities.iter().cloned());
    let default = docker_default();
    let quiet = unannounced(&recording.runtimes);
    let mut groups = BTreeMap::<Group, Vec<&'static str>>::new();
    for entry in default.entries.iter().filter(|entry| machine.applies(entry)) {
        for call in entry.names.iter().filter_map(|name| Call::by_name(name)) {
            let (action, errno) = match entry.answer.kind {
                Kind::Allow if quiet.contains(call.name) => ("SCMP_ACT_ALLOW", None),
                Kind::Allow => ("SCMP_ACT_NOTIFY", None),
                _ => ("SCMP_ACT_ERRNO", entry.answer.errno.and_then(|errno| errno.try_into().ok())),
            };
            groups.entry((action, errno, comparisons(entry))).or_default().push(call.name);
        }
    }
    let syscalls = groups.into_iter().map(|((action, errno_ret, args), mut names)| {
        // One call may stand there once for each of two capabilities.
        names.dedup();
        Syscalls {
            comment: None,
            names,
            action,
            errno_ret,
            args: args.iter().map(argument).collect(),
        }
    });
    let seccomp = Seccomp {
        default_action: "SCMP_ACT_ERRNO",
        default_errno_ret: EPERM,
        architectures: machine.listed(&default).iter().map(|arch| arch.oci_name()).collect(),
        listener_path: &recording.listener,
        listener_metadata: recording.metadata.as_deref(),
        syscalls: syscalls.collect(),
    };
    let mut text = serde_json::to_string_pretty(&seccomp)
        .map_err(|source| Error::Json { format: FORMAT, source })?;
    text.push('\n');
    let mut notes = Vec::new();
    if !quiet.is_empty() {
        let names = Vec::from_iter(quiet).join(", ");
        notes.push(format!("let through unrecorded, for the runtime's sake: {names}"));
    }
    Ok(Rendered { text, notes })
}

/// What entries have in common that become one: the action, its error, the comparisons.
type Group = (&'static str, Option<u16>, Vec<Comparison>);
/// Index, operator, value and second value.
type Comparison = (u8, CmpOp, u64, u64);

fn comparisons(entry: &Entry) -> Vec<Comparison> {
    let arguments = entry.args.iter();
    // The table has no other indices, as its test shows.
    let index = |index: u64| u8::try_from(index).unwrap_or(u8::MAX);
    arguments.map(|one| (index(one.index), one.op, one.value, one.value_two)).collect()
}

fn argument(&(index, op, value, value_two): &Comparison) -> Arg {
    // The mask stands first, and the wanted bits second; nothing else has a second value.
    let value_two = (op == CmpOp::MaskedEq).then_some(value_two);
    Arg { index, value, value_two, op: written(op) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Input, Profile, read};
    use filter::Action;

    fn profile(runtimes: &str, capabilities: &[&str]) -> Profile {
        let recording = Recording {
            arch: Arch::X86_64,
            listener: "/run/agent.sock".to_owned(),
            metadata: Some("web".to_owned()),
            capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
            runtimes: crate::runtime::targets(runtimes).unwrap(),
        };
        match read(super::recording(&recording).unwrap().text.as_bytes()).unwrap() {
            Input::Seccomp(profile) => profile,
            Input::Policy(_) => panic!("it is a policy"),
        }
    }

    fn announced(profile: &Profile) -> BTreeSet<&str> {
        let announced = profile.entries.iter().filter(|entry| entry.answer.kind == Kind::Notify);
        announced.flat_map(|entry| entry.names.iter().map(String::as_str)).collect()
    }

    #[test]
    fn every_row_is_read_and_names_a_call_that_docker_allows() {
        let default = docker_default();
        for line in lines() {
            let row = Row::parse(line).unwrap_or_else(|| panic!("{line}"));
            let entries = &default.by_name()[row.call];
            assert!(
                entries
                    .iter()
                    .all(|entry| entry.answer.kind == Kind::Allow && entry.args.is_empty()),
                "{line}"
            );
        }
    }

    #[test]
    fn it_allows_what_docker_allows_and_announces_all_that_it_can() {
        let (runc, crun) = (profile("runc", &[]), profile("crun", &[]));
        assert!(!announced(&runc).contains("write") && announced(&runc).contains("execve"));
        assert!(announced(&crun).is_superset(&announced(&runc)));
        let passed = unannounced(&crate::runtime::targets("crun").unwrap());
        assert_eq!(passed, BTreeSet::from(["exit", "exit_group"]));
        assert_eq!(runc.listener_path.as_deref(), Some("/run/agent.sock"));
        let machine = Machine::for_arch(Arch::X86_64);
        let [ours, theirs] = [runc, docker_default()]
            .map(|profile| Input::Seccomp(profile).lower(&machine).unwrap());
        for call in Call::all() {
            let Some(sysno) = model::Sysno::from_name(Arch::X86_64, call.name) else { continue };
            let [ours, theirs] = [&ours, &theirs].map(|of| of.verdict(sysno, [0; 6]).action);
            let passes = matches!(ours, Action::UserNotif | Action::Allow);
            assert_eq!(passes, theirs == Action::Allow, "{}", call.name);
        }
    }

    #[test]
    fn a_capability_adds_what_docker_adds_for_it() {
        let (without, with) = (profile("crun", &[]), profile("crun", &["CAP_SYS_ADMIN"]));
        assert!(!announced(&without).contains("mount") && announced(&with).contains("mount"));
    }
}
