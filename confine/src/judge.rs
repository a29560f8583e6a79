//! What Landlock's rules and dropped capabilities would deny of one call. The kernel has no
//! permissive mode, so its checks are made here: hook_file_open() and the others of
//! security/landlock/fs.c, net.c and task.c. Nothing is denied by this: arguments may change after
//! they were read.

use crate::landlock::{Values, grants};
use model::{
    Access, KillTarget, Text,
    capability::{self, Check},
    landlock::{FsRight, LandlockPolicy, NetRight, Scope, Stands, needs},
    trace::{Address, EndpointOperation, FileKind},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt,
};
use supervisor::{
    CapSet, Command,
    witness::{Act, FileAct},
};

/// What would be denied, and for want of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// `read /etc/shadow`, `bind TCP port 80`, `signal process 12`.
    pub what: String,
    /// The right, scope or capability: `read_file`.
    pub lacks: String,
}

/// What a run is held against.
pub(crate) struct Judge<'a> {
    landlock: Option<&'a LandlockPolicy>,
    keep: Option<CapSet>,
    /// The rights by canonical path.
    granted: BTreeMap<Text, BTreeSet<FsRight>>,
    /// The same by device and inode: one file may be reached by several paths.
    by_inode: HashMap<(u64, u64), BTreeSet<FsRight>>,
    /// Abstract names that the run bound itself.
    bound: BTreeSet<Text>,
}

impl<'a> Judge<'a> {
    /// `process` is the command's, which `/proc/self` in a rule means.
    pub(crate) fn new(
        landlock: Option<&'a LandlockPolicy>,
        keep: Option<CapSet>,
        command: &Command,
        process: i32,
    ) -> Judge<'a> {
        let mut judge = Judge {
            landlock,
            keep,
            granted: BTreeMap::new(),
            by_inode: HashMap::new(),
            bound: BTreeSet::new(),
        };
        if let Some(policy) = landlock {
            for (path, rights) in grants(policy, &Values::of(policy, command), command) {
                judge.grant(&of_process(&path, process), &rights);
            }
        }
        judge
    }

    fn grant(&mut self, path: &Text, rights: &BTreeSet<FsRight>) {
        let Ok(canonical) = fs::canonicalize(path.as_path()) else { return };
        if let Ok(metadata) = fs::metadata(&canonical) {
            let known = self.by_inode.entry((metadata.dev(), metadata.ino())).or_default();
            known.extend(rights);
        }
        self.granted.entry(Text::from(canonical.as_path())).or_default().extend(rights);
    }

    /// What would be denied of a call, and what the run may do from now on because of it.
    pub(crate) fn judge(&mut self, act: &Act) -> BTreeSet<Offence> {
        let mut offences = BTreeSet::new();
        if let Some(policy) = self.landlock {
            self.files(policy, act, &mut offences);
            self.endpoints(policy, act, &mut offences);
            signals(policy, act, &mut offences);
        }
        if let Some(keep) = self.keep {
            capabilities(keep, act, &mut offences);
        }
        offences
    }

    fn files(&self, policy: &LandlockPolicy, act: &Act, offences: &mut BTreeSet<Offence>) {
        let moved = moved(act);
        let directories: BTreeSet<Text> = act
            .files
            .iter()
            .filter(|file| file.accesses.iter().any(|access| moves(*access)))
            .map(|file| place(file).parent())
            .collect();
        for file in act.files.iter().filter(|file| is_reached(file)) {
            for access in &file.accesses {
                let mut rights = required(*access, file, &moved);
                if directories.len() < 2 {
                    rights.retain(|right| *right != FsRight::Refer);
                }
                for right in rights {
                    if policy.handled_fs.contains(&right) && !self.has(file, *access, right) {
                        let what = format!("{access} {}", place(file));
                        offences.insert(Offence { what, lacks: right.name().to_owned() });
                    }
                }
            }
        }
    }

    fn has(&self, file: &FileAct, access: Access, right: FsRight) -> bool {
        let path = place(file);
        // O_TMPFILE names the directory in which it makes a file without a name.
        let inside = access == Access::MakeFile && file.found == Some(FileKind::Directory);
        let mut at = match right.stands_on() {
            Stands::Parent if !inside => path.parent(),
            _ => path.clone(),
        };
        loop {
            if self.granted.get(&at).is_some_and(|rights| rights.contains(&right)) {
                return true;
            }
            let by_inode = || {
                let metadata = fs::metadata(at.as_path()).ok()?;
                self.by_inode.get(&(metadata.dev(), metadata.ino()))
            };
            if by_inode().is_some_and(|rights| rights.contains(&right)) {
                return true;
            }
            if at.as_bytes() == b"/" {
                return false;
            }
            at = at.parent();
        }
    }

    fn endpoints(&mut self, policy: &LandlockPolicy, act: &Act, offences: &mut BTreeSet<Offence>) {
        for (operation, address, socket) in &act.endpoints {
            match (operation, address) {
                (
                    EndpointOperation::Bind | EndpointOperation::Listen,
                    Address::Abstract { name },
                ) => {
                    self.bound.insert(name.clone());
                }
                (_, Address::Abstract { name })
                    if policy.scoped.contains(&Scope::AbstractUnixSocket)
                        && !self.bound.contains(name) =>
                {
                    let what = format!("{} the abstract socket @{name}", word(*operation));
                    let lacks = Scope::AbstractUnixSocket.name().to_owned();
                    offences.insert(Offence { what, lacks });
                }
                (_, Address::Inet { port, .. }) if socket.as_deref() == Some("stream") => {
                    let right = match operation {
                        EndpointOperation::Bind => NetRight::BindTcp,
                        EndpointOperation::Connect => NetRight::ConnectTcp,
                        _ => continue,
                    };
                    let granted = policy.ports.get(port).is_some_and(|all| all.contains(&right));
                    if policy.handled_net.contains(&right) && !granted {
                        let what = format!("{} TCP port {port}", word(*operation));
                        offences.insert(Offence { what, lacks: right.name().to_owned() });
                    }
                }
                _ => {}
            }
        }
    }
}

fn word(operation: EndpointOperation) -> &'static str {
    match operation {
        EndpointOperation::Bind => "bind",
        EndpointOperation::Listen => "listen on",
        EndpointOperation::Connect => "connect to",
        EndpointOperation::Send => "send to",
    }
}

/// To a group the kernel sends what it may: the sender is mostly in it, and is not denied.
fn signals(policy: &LandlockPolicy, act: &Act, offences: &mut BTreeSet<Offence>) {
    if !policy.scoped.contains(&Scope::Signal) {
        return;
    }
    let what = match act.signals {
        Some((KillTarget::Other, process)) => format!("signal process {process}"),
        Some((KillTarget::Everyone, _)) => "signal every process".to_owned(),
        _ => return,
    };
    offences.insert(Offence { what, lacks: Scope::Signal.name().to_owned() });
}

fn capabilities(keep: CapSet, act: &Act, offences: &mut BTreeSet<Offence>) {
    let mut need = |check: &Check, place: Option<&Text>| {
        let either = check.capabilities();
        let kept = |name: &&'static str| capability::number(name).is_some_and(|n| keep.has(n));
        if !either.iter().any(kept) {
            let place = place.map_or_else(String::new, |path| format!(": {path}"));
            let what = format!("{}{place}", check.reason());
            offences.insert(Offence { what, lacks: either.join(" or ") });
        }
    };
    act.checks.iter().for_each(|check| need(check, None));
    for file in &act.files {
        file.checks.iter().for_each(|check| need(check, Some(place(file))));
    }
}

/// What the accesses of one call move or link: the kinds of what is there at their sources.
fn moved(act: &Act) -> Vec<FileKind> {
    let sources = act.files.iter().filter(|file| {
        let from = [Access::RenameFrom, Access::LinkFrom, Access::Exchange];
        file.accesses.iter().any(|access| from.contains(access))
    });
    sources.filter_map(|file| file.found).collect()
}

fn moves(access: Access) -> bool {
    matches!(
        access,
        Access::RenameFrom
            | Access::RenameTo
            | Access::Exchange
            | Access::LinkFrom
            | Access::LinkTo
    )
}

/// Whether Landlock is asked at all: not for what fails before, nor for what no path leads to.
fn is_reached(file: &FileAct) -> bool {
    let bytes = file.named.as_bytes();
    let descriptor = bytes.starts_with(b"/dev/fd/")
        || [&b"/dev/stdin"[..], b"/dev/stdout", b"/dev/stderr"].contains(&bytes)
        || bytes.starts_with(b"/proc/") && bytes.windows(4).any(|part| part == b"/fd/");
    // A pipe or a socket behind a descriptor has no place that a rule could name.
    let nameless = descriptor && file.resolved.is_none();
    !nameless && place(file).as_bytes().starts_with(b"/")
}

/// The rights that an access is asked for, in the state in which the files are.
fn required(access: Access, file: &FileAct, moved: &[FileKind]) -> Vec<FsRight> {
    let found: Vec<FileKind> = file.found.into_iter().collect();
    let absent = file.found == Some(FileKind::Absent);
    let directory = file.found == Some(FileKind::Directory);
    let creates = file.accesses.contains(&Access::Create);
    match access {
        // ENOENT comes first.
        Access::Read | Access::Write if absent && !creates => Vec::new(),
        Access::Read if directory => vec![FsRight::ReadDir],
        // EISDIR.
        Access::Write if directory => Vec::new(),
        // The right to truncate is asked for only by truncating.
        Access::Write => vec![FsRight::WriteFile],
        // A file that is just made is not truncated.
        Access::Truncate | Access::Execute | Access::List if absent => Vec::new(),
        Access::Create if !absent => Vec::new(),
        // EEXIST.
        access if access.makes_the_name() && !moves(access) && !absent && !directory => Vec::new(),
        Access::MakeFile if directory => {
            let mut rights = vec![FsRight::MakeReg, FsRight::WriteFile];
            rights.extend(file.accesses.contains(&Access::Read).then_some(FsRight::ReadFile));
            rights
        }
        access if access.makes_the_name() && !moves(access) && directory => Vec::new(),
        Access::Remove | Access::RemoveDirectory | Access::RenameFrom | Access::LinkFrom
            if absent =>
        {
            Vec::new()
        }
        Access::Remove if directory => Vec::new(),
        Access::RemoveDirectory if !directory => Vec::new(),
        _ => needs(access, moved, &found),
    }
}

fn place(file: &FileAct) -> &Text {
    file.resolved.as_ref().unwrap_or(&file.named)
}

/// A path as this process must write it for it to mean that one.
fn of_process(path: &Text, process: i32) -> Text {
    for own in [&b"/proc/self"[..], b"/proc/thread-self"] {
        if let Some(rest) = path.as_bytes().strip_prefix(own)
            && (rest.is_empty() || rest[0] == b'/')
        {
            return Text::from([format!("/proc/{process}").as_bytes(), rest].concat());
        }
    }
    path.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use FsRight::*;
    use supervisor::command::Inherited;

    fn file(found: FileKind, accesses: &[Access]) -> FileAct {
        FileAct {
            named: Text::from("/d/f"),
            resolved: None,
            found: Some(found),
            accesses: accesses.to_vec(),
            checks: BTreeSet::new(),
        }
    }

    #[test]
    fn what_fails_before_landlock_is_asked_needs_no_right() {
        use FileKind::{Absent, Directory, File};
        for (access, found, rights) in [
            (Access::Read, File, vec![ReadFile]),
            (Access::Read, Absent, vec![]),
            (Access::Read, Directory, vec![ReadDir]),
            (Access::Write, File, vec![WriteFile]),
            (Access::Write, Directory, vec![]),
            (Access::Truncate, File, vec![Truncate]),
            (Access::Truncate, Absent, vec![]),
            (Access::Create, Absent, vec![MakeReg]),
            (Access::Create, File, vec![]),
            (Access::MakeDirectory, Absent, vec![MakeDir]),
            (Access::MakeDirectory, Directory, vec![]),
            (Access::MakeSymlink, File, vec![]),
            (Access::Remove, File, vec![RemoveFile]),
            (Access::Remove, Absent, vec![]),
            (Access::RemoveDirectory, Directory, vec![RemoveDir]),
            (Access::RemoveDirectory, File, vec![]),
            (Access::Execute, File, vec![Execute, ReadFile]),
            (Access::Metadata, File, vec![]),
        ] {
            let asked = required(access, &file(found, &[access]), &[]);
            assert_eq!(asked, rights, "{access} of {found:?}");
        }
        let created = file(Absent, &[Access::Write, Access::Create]);
        assert_eq!(required(Access::Write, &created, &[]), [WriteFile]);
        let nameless = file(Directory, &[Access::MakeFile]);
        assert_eq!(required(Access::MakeFile, &nameless, &[]), [MakeReg, WriteFile]);
    }

    #[test]
    fn a_pipe_behind_a_descriptor_has_no_place() {
        let mut pipe = file(FileKind::Fifo, &[Access::Read]);
        for name in ["/dev/stdin", "/dev/fd/0", "/proc/12/fd/0"] {
            pipe.named = Text::from(name);
            assert!(!is_reached(&pipe), "{name}");
        }
        pipe.resolved = Some(Text::from("/run/pipe"));
        assert!(is_reached(&pipe));
    }

    /// What is judged of one call where reading below `directory` is granted, and nothing else.
    fn judged(directory: &std::path::Path, act: &Act, keep: Option<CapSet>) -> Vec<String> {
        let mut policy = LandlockPolicy {
            handled_fs: FsRight::ALL.iter().copied().collect(),
            scoped: Scope::ALL.iter().copied().collect(),
            ..LandlockPolicy::default()
        };
        let place = model::landlock::Place::absolute(Text::from(directory));
        policy.rules.entry(place).or_default().rights.insert(ReadFile);
        let words = ["/bin/sh".into()];
        let command = Command::new(&words, None, Vec::new(), Inherited::plain()).unwrap();
        let mut judge = Judge::new(Some(&policy), keep, &command, 1);
        judge.judge(act).into_iter().map(|offence| offence.lacks).collect()
    }

    #[test]
    fn what_is_granted_above_is_granted_below() {
        let directory = std::env::temp_dir();
        let mut read = file(FileKind::File, &[Access::Read]);
        let act = |file: &FileAct| Act { files: vec![file.clone()], ..Act::default() };
        assert_eq!(judged(&directory, &act(&read), None), ["read_file"]);
        read.named = Text::from(directory.join("a/b").as_path());
        assert!(judged(&directory, &act(&read), None).is_empty());
        read.accesses.push(Access::Write);
        assert_eq!(judged(&directory, &act(&read), None), ["write_file"]);
        let refused = Act { signals: Some((KillTarget::Other, 1)), ..Act::default() };
        assert_eq!(judged(&directory, &refused, None), ["signal"]);
        let own = Act { signals: Some((KillTarget::Traced, 1)), ..Act::default() };
        assert!(judged(&directory, &own, None).is_empty());
    }

    #[test]
    fn one_of_the_capabilities_that_pass_a_check_is_enough() {
        let check = Check::ALL.iter().find(|check| check.capabilities().len() > 1).unwrap();
        let act = Act { checks: BTreeSet::from([*check]), ..Act::default() };
        let numbers: Vec<u32> =
            check.capabilities().iter().filter_map(|name| capability::number(name)).collect();
        let directory = std::env::temp_dir();
        for number in &numbers {
            let keep = Some(CapSet::of([*number]));
            assert!(judged(&directory, &act, keep).is_empty(), "{number}");
        }
        assert_eq!(
            judged(&directory, &act, Some(CapSet::NONE)),
            [check.capabilities().join(" or ")]
        );
    }
}
