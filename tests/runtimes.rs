//! What runc and crun themselves need of a profile (profiles/data/runtimes.tsv): measured anew, and each entry
//! taken away once, to see whether it is there for nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::bundle::Bundle;
use support::plain::Plain;
use support::{PATH, fixtures, is_root, missing, profgen, run, skip};

/// How `bare` ends when it runs at all.
const RAN: i32 = 7;

fn obstacle(tools: &[&str]) -> Option<String> {
    if !is_root() {
        return Some("not root, which runtimes are run as".to_owned());
    }
    missing(tools.iter().copied().chain(["unshare", "mount", "namespaces"]))
}

/// The lines of the table: runtime, versions, no-new-privileges, call, rule, source.
fn table() -> Vec<Vec<&'static str>> {
    let text = include_str!("../profiles/data/runtimes.tsv");
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').collect()).collect()
}

#[test]
fn the_table_has_every_call_that_the_installed_runtimes_are_seen_to_make() {
    if let Some(why) = obstacle(&["runc", "crun", "strace", "busybox"]) {
        return skip(&why);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/measure-runtime.sh");
    let mut command = Command::new(script);
    command.args(["runc", "crun"]).env("PATH", PATH).env("REPEAT", "2");
    let ran = run::run_command(command, Duration::from_secs(120));
    assert_eq!(ran.status, 0, "{}\n{}", ran.stdout, ran.stderr);
    for (runtime, column, call) in [("runc", "yes", "fstatfs"), ("crun", "no", "setresuid")] {
        let seen = ran.stdout.lines().any(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            matches!(fields[..], [r, _, c, name, "in-table"] if (r, c, name) == (runtime, column, call))
        });
        assert!(seen, "{runtime} {call}: {}", ran.stdout);
    }
}

#[test]
fn without_an_entry_of_runc_a_container_does_not_start_or_the_table_says_why_it_stays() {
    each_entry("runc");
}

#[test]
fn without_an_entry_of_crun_a_container_does_not_start_or_the_table_says_why_it_stays() {
    each_entry("crun");
}

fn each_entry(runtime: &str) {
    if let Some(why) = obstacle(&[runtime]) {
        return skip(&why);
    }
    let bare = match fixtures::build("bare") {
        Ok(bare) => bare,
        Err(why) => return skip(&why),
    };
    let profile = profile_of(&bare, runtime);
    let with_and_without = [true, false]
        .map(|no_new_privileges| Plain::new(&[(&bare, "bare")], &["/bin/bare"], no_new_privileges));
    // Whether it starts in every way: its entry is then not needed for starting.
    let starts = |profile: &Value| {
        with_and_without.iter().all(|plain| {
            plain.confine(profile);
            let ran = run::run_command(plain.run(runtime), Duration::from_secs(30));
            ran.status == RAN
        })
    };
    assert!(starts(&profile), "{runtime} does not start under a whole profile");

    let names = support::bundle::allowed(&profile);
    let (mut idle, mut tried) = (BTreeSet::new(), 0);
    for row in table().iter().filter(|row| row[0] == runtime && names.contains(row[3])) {
        let (call, source) = (row[3], row[5]);
        let says_why = ["Go", "source", "reported"].iter().any(|word| source.starts_with(word))
            || source.contains("starts without");
        tried += 1;
        if starts(&without(&profile, call)) {
            assert!(says_why, "{runtime} starts without {call}, and the table says: {source}");
            idle.insert(call);
        }
    }
    println!("{runtime}: {tried} entries, of which it starts without {}: {idle:?}", idle.len());
    assert!(tried > 10 && idle.len() < tried, "{idle:?}");
}

/// The profile of a program that only ends, for this runtime.
fn profile_of(bare: &std::path::Path, runtime: &str) -> Value {
    let bundle = Bundle::new();
    let out = bundle.path("").display().to_string();
    let status = Command::new(profgen())
        .args(["trace", "-q", "--no-static", "-o", &out, "--"])
        .arg(bare)
        .status()
        .expect("run profgen trace");
    assert_eq!(status.code(), Some(RAN));
    bundle.emit_oci(runtime)
}

/// The profile with one name taken out of what it allows.
fn without(profile: &Value, call: &str) -> Value {
    let mut profile = profile.clone();
    let entries = profile["syscalls"].as_array_mut().expect("`syscalls` is an array");
    for entry in entries.iter_mut().filter(|entry| entry["action"] == "SCMP_ACT_ALLOW") {
        let names = entry["names"].as_array_mut().expect("`names` is an array");
        names.retain(|name| name != call);
    }
    entries.retain(|entry| !entry["names"].as_array().expect("`names` is an array").is_empty());
    profile
}
