//! When a call is made was predicted: what a program was seen to do before its `main` begins has the phase
//! `before-main` or `both`, and what it did from then on `after-main` or `both`.
//!
//! The programs are those of `tests/programs`, built with `begin.h`: the first call of `main` is one that is made
//! nowhere else. That calls are predicted at all is for recall.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use model::analysis::Phase;
use model::{Arch, Sysno};
use support::analysis::{analyse, label};
use support::{PATH, fixtures, missing, skip};

/// The call that `begin.h` makes.
const BEGIN: &str = "ioprio_get";

/// One test per program: its name, how it is built, and what it is started with.
macro_rules! phase_tests {
    ($($name:ident: $build:literal $($argument:literal)*;)*) => {
        $(#[test] fn $name() { check($build, &[$($argument),*]); })*
    };
}

phase_tests! {
    arguments: "args-begin";
    children: "children-begin";
    daemonise: "daemonise-begin" "result";
    hello: "hello-begin" "one" "two";
    hello_musl: "hello-begin-musl" "one" "two";
    hello_musl_dynamic: "musl-dynamic-begin";
    hello_no_pie: "hello-begin-no-pie" "one" "two";
    hello_static: "hello-begin-static" "one" "two";
    hello_static_pie: "hello-begin-static-pie" "one" "two";
    jobs: "jobs-begin";
    own_filter: "own_filter-begin";
    paths: "paths-begin";
    paths_static_pie: "paths-begin-static-pie";
    signals: "signals-begin";
    thread_that_crashes: "crash-begin" "thread";
    threads: "threads-begin";
    threads_musl: "threads-begin-musl";
    threads_static: "threads-begin-static";
}

fn check(build: &str, arguments: &[&str]) {
    if std::env::consts::ARCH != "x86_64" {
        return skip("the analyzer reads x86_64 only");
    }
    if let Some(why) = missing(["strace"]) {
        return skip(&why);
    }
    let executable = match fixtures::build(build) {
        Ok(executable) => executable,
        Err(why) => return skip(&why),
    };
    let directory = tempfile::tempdir().expect("make a directory");
    let log = tempfile::NamedTempFile::new().expect("make a file for strace");
    Command::new("/usr/bin/strace")
        .args(["-f", "-n", "--quiet=attach,exit", "-o"])
        .arg(log.path())
        .arg("--")
        .arg(&executable)
        .args(arguments)
        .current_dir(&directory)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("run strace");
    let text =
        String::from_utf8_lossy(&fs::read(log.path()).expect("read strace's log")).into_owned();
    let seen = Seen::read(&text);
    let predicted = analyse(&executable, &[]).expect("an analysis");
    let phases: BTreeMap<Sysno, Phase> =
        predicted.calls.iter().map(|(&call, predicted)| (call, predicted.phase)).collect();
    for phase in [Phase::BeforeMain, Phase::AfterMain] {
        let count = phases.values().filter(|&&known| known == phase).count();
        println!("{phase:?}: {count} of {} calls", phases.len());
        assert!(count > 0, "no call of {build} is said to be {phase:?}");
    }
    let wrong = |calls: &BTreeSet<Sysno>, not: Phase| -> Vec<String> {
        assert!(calls.len() > 1, "too little was seen of {build}");
        calls
            .iter()
            .filter(|call| phases.get(call) == Some(&not))
            .map(|&call| label(call))
            .collect()
    };
    let (early, late) =
        (wrong(&seen.before, Phase::AfterMain), wrong(&seen.after, Phase::BeforeMain));
    assert!(
        early.is_empty(),
        "{build} calls before main, against its analysis: {}",
        early.join(" ")
    );
    assert!(
        late.is_empty(),
        "{build} calls after main began, against its analysis: {}",
        late.join(" ")
    );
}

/// What a program did in the two parts of its life.
#[derive(Default)]
struct Seen {
    before: BTreeSet<Sysno>,
    after: BTreeSet<Sysno>,
}

impl Seen {
    /// Reads strace's log: until `main` begins there is one process.
    fn read(text: &str) -> Seen {
        let mut seen = Seen::default();
        let (mut begun, mut gone) = (false, BTreeSet::new());
        let calls = text.lines().filter_map(call);
        // The first is the launcher's execve.
        for (process, call) in calls.skip(1) {
            begun |= call.name() == Some(BEGIN);
            if gone.contains(process) {
                continue;
            }
            if begun {
                seen.after.insert(call)
            } else {
                seen.before.insert(call)
            };
            // What is executed is another program.
            if matches!(call.name(), Some("execve" | "execveat")) {
                gone.insert(process);
            }
        }
        assert!(begun, "main was not seen to begin");
        seen
    }
}

/// The process and the call that a line shows: `PID [NUMBER] NAME(...`, when it is no signal, end or resumption.
fn call(line: &str) -> Option<(&str, Sysno)> {
    let (process, rest) = line.split_once(' ')?;
    let (number, rest) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
    let name = rest.trim_start();
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let number = number.trim().parse().ok().filter(|_| begins)?;
    Some((process, Sysno::new(Arch::X86_64, number)))
}
