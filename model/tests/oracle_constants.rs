//! The names of argument values against the headers of the machine: each that they have has the same
//! number there.

#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use oracle::{run, skip};
use profgen_model::{Arch, Kind, constants};
use std::fmt::Write as _;

const HEADERS: &[&str] = &[
    "fcntl.h",
    "sched.h",
    "signal.h",
    "stdio.h",
    "netinet/in.h",
    "sys/ioctl.h",
    "sys/mman.h",
    "sys/mount.h",
    "sys/personality.h",
    "sys/prctl.h",
    "sys/ptrace.h",
    "sys/resource.h",
    "sys/shm.h",
    "sys/socket.h",
    "sys/stat.h",
    "asm/prctl.h",
    "linux/bpf.h",
    "linux/futex.h",
    "linux/keyctl.h",
    "linux/memfd.h",
    "linux/net.h",
    "linux/seccomp.h",
    "linux/sockios.h",
    "linux/userfaultfd.h",
];

/// At least so many are macros, which a preprocessor can ask for; the others are enumerators.
const LEAST: usize = 250;

#[test]
fn the_headers_have_the_same_numbers() {
    let arch = match Arch::native() {
        Some(arch @ (Arch::X86_64 | Arch::Aarch64)) => arch,
        _ => return skip("no headers for this architecture"),
    };
    let mut source = "#define _GNU_SOURCE\n".to_owned();
    HEADERS.iter().for_each(|header| writeln!(source, "#include <{header}>").unwrap());
    source += "int main(void) {\n";
    let mut expected = Vec::new();
    for kind in Kind::ALL {
        for (name, value) in constants::all(*kind, arch) {
            writeln!(source, "#ifdef {name}\nprintf(\"{name} %u\\n\", (unsigned){name});\n#endif")
                .unwrap();
            expected.push(format!("{name} {value}"));
        }
    }
    source += "return 0; }\n";
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("constants");
    let path = binary.display().to_string();
    if run("gcc", &["-x", "c", "-o", &path, "-"], &source).is_none() {
        return skip("no gcc");
    }
    let printed = run(&binary, &[], "").unwrap();
    for line in printed.lines() {
        assert!(expected.iter().any(|known| known == line), "the headers say {line}");
    }
    assert!(printed.lines().count() >= LEAST, "{} names", printed.lines().count());
}
