//! What to look at in each system call, worked out once per call from the call table.

use model::{FileOp, Kind, Sysno, capability::Check};
use std::collections::HashMap;

/// An argument whose value is evidence.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// Which argument.
    pub index: usize,
    /// Its name in the call table.
    pub name: &'static str,
    /// How its value is had.
    pub read: ReadValue,
}

/// How the value of an argument is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadValue {
    /// These bits of the register.
    Register(u64),
    /// The first eight bytes of the structure that it points to: `flags` of clone_args and open_how.
    FirstWord,
    /// Whom a signal goes to, as [`model::KillTarget`].
    KillTarget,
}

/// Calls that need more than their table row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Nothing more.
    None,
    /// execve: a new image may follow.
    Execute,
    /// Maps a file: with PROT_EXEC it becomes a module. Protection and descriptor by argument.
    Map,
    /// i386's mmap: its arguments are in memory.
    OldMap,
    /// Changes a mapping's protection.
    Protect,
    /// bind, connect: an address at argument 1, its length at 2.
    Address(model::trace::EndpointOperation),
    /// listen: the address that the socket has.
    Listen,
    /// sendto: an address at argument 4, its length at 5.
    SendTo,
    /// sendmsg.
    SendMessage,
    /// sendmmsg.
    SendMessages,
    /// i386's socketcall: the number of the call, and its arguments in memory.
    Socketcall,
    /// The process may see another file system afterwards.
    ChangesView,
    /// seccomp(2) or prctl(2), by which a program can filter itself.
    Filter,
    /// The ids or capabilities of the process change.
    ChangesCredentials,
    /// The process ends, with the status of argument 0.
    ExitProcess,
}

/// What to look at in one system call.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The call.
    pub sysno: Sysno,
    /// Arguments that are evidence.
    pub values: Vec<Value>,
    /// Files that it names.
    pub files: &'static [FileOp],
    /// The argument that holds the flags of an open, when it is one.
    pub open_flags: Option<Value>,
    /// The argument that holds AT_ flags, when there is one.
    pub at_flags: Option<usize>,
    /// What it may do only with a capability.
    pub checks: Vec<Check>,
    /// What else.
    pub special: Special,
    /// Whether its result is evidence.
    pub wants_result: bool,
}

impl Plan {
    /// The plan of a call.
    fn new(sysno: Sysno) -> Plan {
        let call = sysno.call();
        let params = call.map_or(&[][..], |call| call.params);
        let mut values = Vec::new();
        let mut at_flags = None;
        for (index, param) in params.iter().enumerate() {
            let read = match param.kind {
                Kind::OpenHow | Kind::CloneArgs => ReadValue::FirstWord,
                kind if kind.is_value() => ReadValue::Register(mask(kind.bits())),
                _ => continue,
            };
            if param.kind == Kind::AtFlags {
                at_flags = Some(index);
            }
            values.push(Value { index, name: param.name, read });
        }
        let name = sysno.name().unwrap_or_default();
        if matches!(name, "kill" | "tgkill" | "tkill" | "rt_sigqueueinfo" | "rt_tgsigqueueinfo") {
            values.insert(0, Value { index: 0, name: "target", read: ReadValue::KillTarget });
        }
        let files = call.map_or(&[][..], FileOp::of);
        let special = special(sysno, name);
        let addressed = matches!(
            special,
            Special::Address(_)
                | Special::Listen
                | Special::SendTo
                | Special::SendMessage
                | Special::SendMessages
        );
        let is_open =
            |value: &&Value| matches!(params[value.index].kind, Kind::OpenFlags | Kind::OpenHow);
        Plan {
            sysno,
            open_flags: values.iter().find(is_open).copied(),
            values,
            files,
            at_flags,
            checks: Check::of_call(name).collect(),
            special,
            wants_result: !files.is_empty() || addressed || special == Special::Socketcall,
        }
    }

    /// Whether counting is all there is to do after the first time.
    pub fn only_counts(&self) -> bool {
        self.values.is_empty()
            && self.files.is_empty()
            && self.checks.is_empty()
            && self.special == Special::None
    }
}

fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

fn special(sysno: Sysno, name: &str) -> Special {
    use model::{Arch, trace::EndpointOperation};
    match name {
        "execve" | "execveat" => Special::Execute,
        "mmap" if sysno.arch() == Arch::I386 => Special::OldMap,
        "mmap" | "mmap2" => Special::Map,
        "mprotect" | "pkey_mprotect" => Special::Protect,
        "bind" => Special::Address(EndpointOperation::Bind),
        "connect" => Special::Address(EndpointOperation::Connect),
        "listen" => Special::Listen,
        "sendto" => Special::SendTo,
        "sendmsg" => Special::SendMessage,
        "sendmmsg" => Special::SendMessages,
        "socketcall" => Special::Socketcall,
        "chroot" | "pivot_root" | "unshare" | "setns" => Special::ChangesView,
        "seccomp" | "prctl" => Special::Filter,
        "setgroups" | "setgroups32" | "capset" => Special::ChangesCredentials,
        name if name.starts_with("set") && name.trim_end_matches("32").ends_with("id") => {
            Special::ChangesCredentials
        }
        "exit_group" => Special::ExitProcess,
        _ => Special::None,
    }
}

/// A small number for each call that occurred: an index into per-process tables.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    plans: Vec<Plan>,
    by_sysno: HashMap<Sysno, usize>,
    /// The last call found, for runs of one call.
    last: Option<(Sysno, usize)>,
}

impl Slots {
    /// The slot of a call, made when it occurs first.
    pub fn of(&mut self, sysno: Sysno) -> usize {
        if let Some((last, slot)) = self.last
            && last == sysno
        {
            return slot;
        }
        let slot = *self.by_sysno.entry(sysno).or_insert_with(|| {
            self.plans.push(Plan::new(sysno));
            self.plans.len() - 1
        });
        self.last = Some((sysno, slot));
        slot
    }

    /// The plan of a slot.
    pub fn plan(&self, slot: usize) -> &Plan {
        &self.plans[slot]
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.plans.len()
    }
}
