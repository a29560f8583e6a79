//! The recorded set of calls equals what an independent tracer, strace, sees.
//!
//! Two runs of one program need not make the same calls: how long somebody waits decides about futex and the like.
//! So up to three runs of each tracer are united before a difference counts; what then still differs must stand,
//! with its reason, in `differential/allow.tsv`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::bundle::Bundle;
use support::run::{Ran, Scene};
use support::strace::{self, Call};
use support::workload::Workload;
use support::{missing, skip, tests_dir, workload_tests};

const RUNS: usize = 3;

mod ptrace {
    crate::workload_tests!(super::ptrace);
}

mod notify {
    crate::workload_tests!(super::notify);
}

fn ptrace(name: &str) {
    check(name, "ptrace");
}

fn notify(name: &str) {
    check(name, "notify");
}

fn check(name: &str, engine: &str) {
    let workload = Workload::load(name);
    if let Some(why) = missing(strace::TOOLS).or_else(|| workload.obstacle()) {
        return skip(&why);
    }
    if !workload.engines.contains(&engine) {
        return println!("not for this engine, see workloads/{name}.sh");
    }
    let allowed = Allowed::load(name, engine);
    let (mut by_strace, mut by_profgen) = (BTreeSet::new(), BTreeSet::new());
    let bundle = Bundle::new();
    for run in 1..=RUNS {
        let (calls, straced) = strace::record(&Scene::prepare(&workload));
        assert_eq!(
            straced.status, workload.status,
            "status of {name} under strace: {}",
            straced.stderr
        );
        by_strace.extend(calls);
        let traced = bundle.trace(&Scene::prepare(&workload), engine);
        by_profgen.extend(bundle.calls());
        same_behaviour(&workload, &straced, &traced);

        let missed = unexplained(&by_strace, &by_profgen, "strace", &allowed);
        let invented = unexplained(&by_profgen, &by_strace, "profgen", &allowed);
        println!(
            "run {run}: {} calls; strace {:?}, profgen {:?}",
            by_strace.len(),
            straced.took,
            traced.took
        );
        if missed.is_empty() && invented.is_empty() {
            return;
        }
        assert!(
            run < RUNS,
            "{name}, engine {engine}, {RUNS} runs each:\nseen by strace only: {missed:?}\nseen by profgen only: {invented:?}"
        );
    }
}

fn same_behaviour(workload: &Workload, straced: &Ran, traced: &Ran) {
    assert_eq!(
        traced.stdout, straced.stdout,
        "output of {} changes when it is traced; stderr: {}",
        workload.name, traced.stderr
    );
}

/// What one side saw and the other did not, without what is allowed to differ.
fn unexplained(
    seen: &BTreeSet<Call>,
    other: &BTreeSet<Call>,
    side: &str,
    allowed: &Allowed,
) -> Vec<String> {
    let differing = seen.difference(other).map(|(arch, name)| format!("{arch}:{name}"));
    // The kernel makes restart_syscall of a call that a stop interrupted: it tells of the tracer.
    differing
        .filter(|call| {
            !call.ends_with(":restart_syscall")
                && !allowed.0.contains(&(side.to_owned(), call.clone()))
        })
        .collect()
}

/// The rows of `differential/allow.tsv` for one workload and engine, as (side, call).
struct Allowed(BTreeSet<(String, String)>);

impl Allowed {
    fn load(workload: &str, engine: &str) -> Allowed {
        let applies = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let rows =
            rows().into_iter().filter(|row| applies(&row[0], workload) && applies(&row[1], engine));
        Allowed(rows.map(|[_, _, call, side, _]| (side, call)).collect())
    }
}

/// Columns: workload (`*` for all), engine (`*`), architecture:call, side that sees it, reason.
fn rows() -> Vec<[String; 5]> {
    let text =
        fs::read_to_string(tests_dir().join("differential/allow.tsv")).expect("read allow.tsv");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let columns = |line: &str| -> [String; 5] {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        columns.try_into().unwrap_or_else(|_| panic!("allow.tsv: not five columns: {line}"))
    };
    lines.map(columns).collect()
}

#[test]
fn every_allowed_difference_names_what_exists_and_has_a_reason() {
    let workloads = support::workload::names();
    for [workload, engine, call, side, reason] in rows() {
        assert!(
            workload == "*" || workloads.contains(&workload),
            "allow.tsv: no workload {workload}"
        );
        assert!(["*", "ptrace", "notify"].contains(&&*engine), "allow.tsv: no engine {engine}");
        assert!(call.contains(':'), "allow.tsv: {call} is not architecture:call");
        assert!(["strace", "profgen"].contains(&&*side), "allow.tsv: no side {side}");
        assert!(reason.len() > 20, "allow.tsv: no reason for {call}");
    }
}
