//! What calls do to the table of descriptors: descriptors.tsv.

use crate::{
    Result,
    calls::{Call, find},
    table::{Table, camel},
};
use std::collections::BTreeSet;

const EFFECTS: &[&str] = &[
    "open",
    "make",
    "socket",
    "socket-pair",
    "accept",
    "pipe",
    "dup",
    "dup-onto",
    "fcntl",
    "ioctl",
    "close",
    "close-range",
    "receive",
    "receive-many",
    "fetch",
    "update",
    "bpf",
    "listener",
    "clone",
    "unshare",
];

/// The names of `descriptor::Object` without parts.
const OBJECTS: &[&str] = &[
    "file",
    "directory",
    "fifo",
    "epoll",
    "event-fd",
    "timer-fd",
    "signal-fd",
    "mem-fd",
    "inotify",
    "fanotify",
    "pid-fd",
    "user-fault-fd",
    "io-uring",
    "perf",
    "bpf",
    "landlock",
    "seccomp-listener",
    "fs-context",
    "message-queue",
    "other",
];

pub fn emit(table: &Table, calls: &[Call]) -> Result<String> {
    let mut seen = BTreeSet::new();
    let mut code = "static RULES: &[Rule] = &[\n".to_owned();
    for row in &table.rows {
        let [name, effect, object, close_on_exec, names] = row.exactly()?;
        row.new_word(name, &mut seen)?;
        let Some(call) = find(calls, name) else {
            return row.error(format!("{name} is not in syscalls.tsv"));
        };
        let word = |word: &str, known: &[&str], of: &str| match word {
            "-" => Ok("None".to_owned()),
            word if known.contains(&word) => Ok(format!("Some({of}::{})", camel(word))),
            word => row.error(format!("{word:?} is not known here")),
        };
        let effect = word(effect, EFFECTS, "Effect")?;
        let object = word(object, OBJECTS, "Object")?;
        let names = word(names, &["child", "ipc", "kernel"], "Naming")?;
        let close_on_exec = match (close_on_exec, close_on_exec.split_once("&0x")) {
            ("always", _) => "CloseOnExec::Always".to_owned(),
            ("never", _) => "CloseOnExec::Never".to_owned(),
            (_, Some((param, bit))) if call.params.iter().any(|known| known.name == param) => {
                match u64::from_str_radix(bit, 16) {
                    Ok(bit) if bit.is_power_of_two() => {
                        format!("CloseOnExec::Flag {{ param: {param:?}, bit: {bit:#x} }}")
                    }
                    _ => return row.error(format!("{bit:?} is not one bit")),
                }
            }
            _ => return row.error(format!("{close_on_exec:?} says nothing of {name}")),
        };
        code += &format!(
            "    Rule {{ call: {name:?}, effect: {effect}, object: {object}, close_on_exec: \
             {close_on_exec}, names: {names} }},\n"
        );
    }
    Ok(code + "];\n")
}
