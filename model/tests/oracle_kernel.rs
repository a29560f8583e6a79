//! The parameters against the running kernel: its trace events name and type those of every call
//! that it has (kernel/trace/trace_syscalls.c).

#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use oracle::{run, skip};
use profgen_model::{Call, Kind};
use std::collections::BTreeMap;

/// Mounts tracefs in a mount namespace of its own and prints the format of every event.
const FORMATS: &str = "cd /sys/kernel/tracing || exit 0
mount -t tracefs tracefs . 2>/dev/null && cd /sys/kernel/tracing
cat events/syscalls/sys_enter_*/format 2>/dev/null || true";

/// What the kernel calls functions whose call has another name.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("newstat", "stat"),
    ("newfstat", "fstat"),
    ("newlstat", "lstat"),
    ("newuname", "uname"),
    ("umount", "umount2"),
    ("sendfile64", "sendfile"),
];

/// Memory that the kernel declares as `const char *`, though it holds bytes, not a string.
const BYTES: &[(&str, &str)] =
    &[("write", "buf"), ("pwrite64", "buf"), ("mq_timedsend", "msg_ptr")];

/// Values of which the kernel looks at less than their type.
#[rustfmt::skip]
const NARROWER: &[(&str, &str)] = &[
    ("clone", "takes lower_32_bits() of its flags: kernel/fork.c"),
    ("unshare", "refuses flags above bit 31: check_unshare_flags() in kernel/fork.c"),
];

/// Type and name of the parameters, by call.
fn prototypes(formats: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut prototypes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut call = String::new();
    for line in formats.lines() {
        if let Some(name) = line.strip_prefix("name: sys_enter_") {
            let other = OTHER_NAMES.iter().find(|other| other.0 == name);
            call = other.map_or(name, |other| other.1).to_owned();
            prototypes.insert(call.clone(), Vec::new());
        } else if let Some(field) = line.strip_prefix("\tfield:") {
            let declaration = field.split(';').next().unwrap();
            let (of_type, name) = declaration.rsplit_once(' ').unwrap();
            if !name.starts_with("common_") && name != "__syscall_nr" {
                let parameter = (of_type.trim().to_owned(), name.to_owned());
                prototypes.get_mut(&call).unwrap().push(parameter);
            }
        }
    }
    prototypes
}

#[test]
fn the_running_kernel_agrees() {
    let Some(formats) = run("sh", &["-c", "unshare --mount sh -c \"$0\" || true", FORMATS], "")
        .filter(|all| !all.is_empty())
    else {
        return skip("no trace events of system calls, or no right to mount tracefs");
    };
    let prototypes = prototypes(&formats);
    assert!(prototypes.len() > 250, "only {} calls", prototypes.len());
    for (name, theirs) in &prototypes {
        let Some(call) = Call::by_name(name) else { continue };
        assert_eq!(call.params.len(), theirs.len(), "{name}: {theirs:?}");
        for (ours, (of_type, their_name)) in call.params.iter().zip(theirs) {
            let place = format!("{name}: {} is {of_type} {their_name}", ours.name);
            let is_text =
                matches!(ours.kind, Kind::Path | Kind::AtPath | Kind::Text | Kind::LinkTarget);
            let bytes = BYTES.contains(&(&**name, ours.name));
            match &**of_type {
                "const char *" => assert!(is_text != bytes, "{place}"),
                pointer if pointer.ends_with('*') => {
                    let memory = is_text
                        || ours.kind.is_value_in_memory()
                        || matches!(ours.kind, Kind::Pointer | Kind::Sockaddr | Kind::Word);
                    assert!(memory, "{place}");
                }
                number => {
                    assert!(!is_text, "{place}");
                    let wide =
                        ["long", "unsigned long", "size_t", "u64", "__u64"].contains(&number);
                    let narrower = NARROWER.iter().any(|row| row.0 == name);
                    let agree = !ours.kind.is_value() || (ours.kind.bits() == 64) == wide;
                    assert!(agree != (narrower && ours.kind.is_value()), "{place}");
                }
            }
        }
    }
}
