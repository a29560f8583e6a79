//! The numbers against the headers of the machine's C library: every name that a header has, and
//! every number that the table gives below the header's last one.

#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use oracle::{run, skip};
use profgen_model::{Arch, Call, X32_BIT};
use std::{collections::BTreeMap, fs};

/// Names in headers that are no calls.
const NOT_CALLS: &[(&str, &str)] = &[
    ("syscalls", "the number of calls"),
    ("arch_specific_syscall", "where private numbers begin"),
];

/// Calls of the table that a header lacks below its last number.
const NOT_IN_HEADERS: &[(&str, &str)] = &[
    ("uretprobe", "Linux 6.11, at a number that older headers skip"),
    ("uprobe", "Linux 6.18, at a number that older headers skip"),
    ("riscv_hwprobe", "private to RISC-V: its own asm/unistd.h"),
    ("riscv_flush_icache", "private to RISC-V: its own asm/unistd.h"),
];

/// Compares a header's names and numbers with the table.
fn compare(arch: Arch, mut header: BTreeMap<String, u32>) {
    header.retain(|name, _| NOT_CALLS.iter().all(|(other, _)| other != name));
    assert!(header.len() > 250, "{arch}: only {} names in the header", header.len());
    for (name, &number) in &header {
        let call =
            Call::by_name(name).unwrap_or_else(|| panic!("{arch}: {name} {number} is missing"));
        assert_eq!(call.number(arch), Some(number), "{arch} {name}");
    }
    // The 512s of x32 are out of line with the rest.
    let usual = |number: &u32| number & !X32_BIT < 512;
    let last = header.values().copied().filter(usual).max().unwrap();
    for call in Call::all() {
        let Some(number) = call.number(arch).filter(|&number| number <= last) else { continue };
        let there = header.get(call.name) == Some(&number);
        assert!(
            there || NOT_IN_HEADERS.iter().any(|row| row.0 == call.name),
            "{arch}: no header has {}",
            call.name
        );
    }
}

/// `#define __NR_read 0`, `#define __NR_read (__X32_SYSCALL_BIT + 0)`.
fn x86(text: &str) -> BTreeMap<String, u32> {
    let define = |line: &str| {
        let (name, value) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        let number = match value.strip_prefix("(__X32_SYSCALL_BIT + ") {
            Some(rest) => rest.trim_end_matches(')').parse::<u32>().ok()? | X32_BIT,
            None => value.trim().parse().ok()?,
        };
        Some((name.to_owned(), number))
    };
    text.lines().filter_map(define).collect()
}

#[test]
fn x86_headers_agree() {
    let folders = ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"];
    for (file, arch) in
        [("unistd_64.h", Arch::X86_64), ("unistd_32.h", Arch::I386), ("unistd_x32.h", Arch::X32)]
    {
        let text = folders.iter().find_map(|dir| fs::read_to_string(format!("{dir}/{file}")).ok());
        match text {
            Some(text) => compare(arch, x86(&text)),
            None => skip(&format!("no <asm/{file}>")),
        }
    }
}

/// asm-generic/unistd.h, with what each architecture chooses in its own asm/unistd.h.
#[test]
fn the_generic_header_agrees() {
    let all = ["NEW_STAT", "SYS_CLONE3", "MEMFD_SECRET"];
    for (arch, more) in [
        (Arch::Aarch64, &["RENAMEAT", "SET_GET_RLIMIT"][..]),
        (Arch::Riscv64, &["SET_GET_RLIMIT"]),
        (Arch::Loongarch64, &[]),
    ] {
        let wants = all.iter().chain(more).map(|name| format!("#define __ARCH_WANT_{name}\n"));
        let source = wants.collect::<String>() + "#include <asm-generic/unistd.h>\n";
        let Some(defines) = run("cc", &["-E", "-dM", "-"], &source) else {
            return skip("no cc");
        };
        compare(arch, generic(&defines));
    }
}

/// `#define __NR_read 63`, `#define __NR_lseek __NR3264_lseek`.
fn generic(defines: &str) -> BTreeMap<String, u32> {
    let words = |line: &str| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let all: BTreeMap<String, String> = defines.lines().filter_map(words).collect();
    let number = |(name, value): (&String, &String)| {
        let name = name.strip_prefix("__NR_")?;
        let value = all.get(value).unwrap_or(value);
        Some((name.to_owned(), value.parse().ok()?))
    };
    all.iter().filter_map(number).collect()
}
