//! The independent tracer: which calls `strace -f` saw, as pairs of architecture and libseccomp's name.
//!
//! strace's own names are not used: it prints i386's `socketcall` as `socket` and old numbers by other names. It
//! prints the number too (`-n`), which `scmp_sys_resolver` names for the architecture of the call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::run::{Ran, Scene};

/// A call: architecture (`x86_64`, `i386`, `x32`, `aarch64`) and name, or number where there is no name.
pub type Call = (String, String);

/// What [`record`] needs.
pub const TOOLS: [&str; 2] = ["strace", "scmp_sys_resolver"];

/// Runs a workload under strace.
pub fn record(scene: &Scene<'_>) -> (BTreeSet<Call>, Ran) {
    let log = tempfile::NamedTempFile::new().expect("make a file for strace");
    let path = log.path().display().to_string();
    // -qq would also silence the lines that say which of the architectures a process is in.
    let ran = scene.run(&["/usr/bin/strace", "-f", "-n", "--quiet=attach,exit", "-o", &path, "--"]);
    (read_log(log.path()), ran)
}

fn read_log(path: &Path) -> BTreeSet<Call> {
    let text = String::from_utf8_lossy(&fs::read(path).expect("read strace's log")).into_owned();
    let mut reader = Reader::default();
    let seen: BTreeSet<(String, u64)> = text.lines().filter_map(|line| reader.line(line)).collect();
    seen.into_iter().map(|(arch, number)| reader.names.call(&arch, number)).collect()
}

/// Marks the numbers of x32 among those of x86-64.
const X32_BIT: u64 = 0x4000_0000;

/// The number -1, which strace prints as `???`: the kernel answers it with ENOSYS, filters and tracers see it.
const NO_NUMBER: u64 = 0xffff_ffff;

fn parse_number(text: &str) -> Option<u64> {
    if text == "???" {
        return Some(NO_NUMBER);
    }
    // Of a call that a stop interrupted, strace may read the kernel's own word for that (-512 to -516: ERESTARTSYS and
    // its like) where the number was.
    text.parse().ok().filter(|number: &u64| !(-516..=-512).contains(&(*number as i64)))
}

/// Follows which architecture each task is in.
#[derive(Default)]
struct Reader {
    names: Names,
    mode: BTreeMap<String, String>,
    /// That of the task of the last line: a new task starts with it, as strace sees it.
    last: String,
}

impl Reader {
    /// The call that a line shows: `PID [NUMBER] NAME(...`, when it is not a signal, an end or a resumption.
    fn line(&mut self, line: &str) -> Option<(String, u64)> {
        let (pid, rest) = line.split_once(' ')?;
        let rest = rest.trim_start().strip_prefix('[')?;
        let (number, rest) = rest.split_once(']')?;
        let number = parse_number(number.trim())?;
        let rest = rest.trim_start();
        if let Some((_, mode)) =
            rest.strip_prefix("[ Process PID=").and_then(|rest| rest.split_once(" runs in "))
        {
            let arch = match mode.split(' ').next()? {
                "32" => "i386",
                "x32" => "x32",
                _ => std::env::consts::ARCH,
            };
            self.mode.insert(pid.to_owned(), arch.to_owned());
            return None;
        }
        let name = &rest[..rest.find('(')?];
        if name.starts_with('<') {
            return None;
        }
        let arch = self.arch(pid, number, name);
        self.mode.insert(pid.to_owned(), arch.clone());
        self.last.clone_from(&arch);
        Some((arch, number))
    }

    fn arch(&mut self, pid: &str, number: u64, name: &str) -> String {
        let native = std::env::consts::ARCH;
        if native != "x86_64" {
            return native.to_owned();
        }
        if number & X32_BIT != 0 && number != NO_NUMBER {
            return "x32".to_owned();
        }
        // Name and number together mostly fit one architecture only.
        let fits = |names: &mut Names, arch: &str| names.call(arch, number).1 == name;
        match (fits(&mut self.names, "x86_64"), fits(&mut self.names, "i386")) {
            (true, false) => "x86_64".to_owned(),
            (false, true) => "i386".to_owned(),
            _ => {
                let mode = self.mode.get(pid).unwrap_or(&self.last);
                if mode.is_empty() { native.to_owned() } else { mode.clone() }
            }
        }
    }
}

/// libseccomp's names, asked for once each.
#[derive(Default)]
struct Names(BTreeMap<(String, u64), String>);

impl Names {
    fn call(&mut self, arch: &str, number: u64) -> Call {
        let key = (arch.to_owned(), number);
        let name = self.0.entry(key).or_insert_with(|| resolve(arch, number)).clone();
        (arch.to_owned(), name)
    }
}

fn resolve(arch: &str, number: u64) -> String {
    let library_arch = if arch == "i386" { "x86" } else { arch };
    let output = Command::new("scmp_sys_resolver")
        .args(["-a", library_arch, "--", &number.to_string()])
        .output()
        .expect("run scmp_sys_resolver");
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if name.is_empty() || name == "UNKNOWN" { number.to_string() } else { name }
}
