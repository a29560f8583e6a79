//! A program whose call sites are rewritten does what it does without, and without profgen, and the record
//! says the same: which calls, from where and with which values, checks, marks, errors, endpoints and files
//! there were, and how everything ended. Counts are compared of calls that do not depend on time, and
//! where a program knows its own.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::bundle::Bundle;
use support::run::{Ran, Scene};
use support::workload::{Output, Workload};
use support::{skip, workload_tests};

const RUNS: usize = 3;

/// Of one run: what it printed, and its trace.
fn record(workload: &Workload, options: &[&str]) -> (Ran, Value) {
    let bundle = Bundle::new();
    let ran = bundle.trace_with(&Scene::prepare(workload), "ptrace", options);
    (ran, bundle.traces().remove(0))
}

/// Two runs of one program need not make the same calls; what is in all runs of one way must be in some
/// run of the other.
fn same(name: &str) {
    let workload = Workload::load(name);
    if let Some(why) = workload.obstacle() {
        return skip(&why);
    }
    if !workload.engines.contains(&"ptrace") {
        return println!("not for this engine, see workloads/{name}.sh");
    }
    let native = Scene::prepare(&workload).run_native();
    let counted = !TIMED.contains(&name);
    let (mut patched, mut plain) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let (with, trace) = record(&workload, &[]);
        patched.push(facts(&trace, counted));
        let (without, trace) = record(&workload, &["--no-patch"]);
        plain.push(facts(&trace, counted));
        for (how, ran) in [("with", &with), ("without", &without)] {
            assert_eq!(ran.status, native.status, "status of {name} {how} patching");
            if workload.output != Output::None {
                assert_eq!(ran.stdout, native.stdout, "output of {name} {how} patching");
            }
        }
        let (lost, invented) = (missing(&plain, &patched), missing(&patched, &plain));
        if lost.is_empty() && invented.is_empty() {
            return;
        }
        assert!(
            run < RUNS,
            "{name}, {RUNS} runs each:\nonly without patching: {lost:?}\nonly with it: {invented:?}"
        );
    }
}

/// What all of one way have and none of the other.
fn missing(these: &[BTreeSet<String>], those: &[BTreeSet<String>]) -> Vec<String> {
    let always = these.iter().skip(1).fold(these[0].clone(), |all, one| &all & one);
    always.into_iter().filter(|fact| !those.iter().any(|facts| facts.contains(fact))).collect()
}

/// Workloads that end programs by time, that try until a server answers, that look at how old files are, or at
/// themselves ten times a second as Redis does: how far they come differs.
const TIMED: [&str; 5] = ["git_clone", "git_commit", "nginx", "redis", "timeouts"];

/// The kernel makes the first of a call that a stop interrupted; whether and where threads wait for each other
/// is a matter of time.
const TIMELY: [&str; 2] = ["restart_syscall", "futex"];

/// How often these are called does not depend on how fast the program is.
const COUNTED: [&str; 9] = [
    "access",
    "close",
    "execve",
    "fcntl",
    "getdents64",
    "lseek",
    "newfstatat",
    "openat",
    "readlink",
];

/// What a trace says of each program: one line each. Of files below `/tmp`, only those in `scene`.
fn facts(trace: &Value, counted: bool) -> BTreeSet<String> {
    facts_in(trace, counted, "")
}

fn facts_in(trace: &Value, counted: bool, scene: &str) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    let name_of = |path: &Value| match scene {
        "" => without_numbers(path),
        scene => without_numbers(path)
            .replace(&without_numbers(&Value::from(scene))[1..scene.len() + 1], "."),
    };
    for program in trace["programs"].as_array().unwrap() {
        let path = program["path"].as_str().unwrap();
        for (arch, calls) in program["calls"].as_object().unwrap() {
            for (call, record) in calls.as_object().unwrap() {
                if TIMELY.contains(&call.as_str()) {
                    continue;
                }
                facts.insert(format!("{path} {arch} {call}"));
                for key in ["checks", "marks", "site"] {
                    facts.insert(format!("{path} {call} {key} {}", record[key]));
                }
                for values in record["arguments"]["values"].as_array().into_iter().flatten() {
                    facts.insert(format!("{path} {call} with {values}"));
                }
                for name in record["errors"].as_object().into_iter().flatten() {
                    facts.insert(format!("{path} {call} fails with {}", name.0));
                }
                if counted && COUNTED.contains(&call.as_str()) {
                    facts.insert(format!("{path} {call} {} times", record["count"]));
                }
            }
        }
        for endpoint in program["endpoints"].as_array().into_iter().flatten() {
            let (operation, socket) = (&endpoint["operation"], &endpoint["socket"]);
            let address = without_numbers(&endpoint["address"]);
            for outcome in outcomes(&endpoint["outcomes"]) {
                facts.insert(format!("{path} {operation} {address} {socket} {outcome}"));
            }
        }
        for file in program["files"].as_array().into_iter().flatten() {
            let name = name_of(&file["path"]);
            if name.contains("/tmp/") {
                continue;
            }
            facts.insert(format!("{path} file {name} {}", name_of(&file["resolved"])));
            for found in file["found"].as_array().into_iter().flatten() {
                facts.insert(format!("{path} file {name} is {found}"));
            }
            for (access, results) in file["accesses"].as_object().into_iter().flatten() {
                for outcome in outcomes(results) {
                    facts.insert(format!("{path} file {name} {access} {outcome}"));
                }
            }
        }
    }
    facts
}

/// Names with a process id, a port or a random part are others each time.
fn without_numbers(value: &Value) -> String {
    value.to_string().replace(|c: char| c.is_ascii_digit(), "0")
}

/// How something ended, but how often.
fn outcomes(outcomes: &Value) -> Vec<String> {
    let mut ways: Vec<String> = Vec::new();
    for (way, often) in outcomes.as_object().into_iter().flatten() {
        match often.as_object() {
            Some(errors) => ways.extend(errors.keys().map(|name| format!("{way} {name}"))),
            None => ways.push(way.clone()),
        }
    }
    ways
}

workload_tests!(same);

/// A fixture as a workload.
fn fixture(program: &str, words: &str) -> Option<Workload> {
    let mut workload = Workload::line(program, &[], "");
    workload.fixtures = vec![program.to_owned()];
    workload.exec =
        Some(format!("{program} {words}").split_whitespace().map(str::to_owned).collect());
    if let Some(why) = workload.obstacle() {
        skip(&why);
        return None;
    }
    Some(workload)
}

/// How often a program did what `how` points to, to the file in its scene that ends with `name`.
fn times(trace: &Value, program: &str, name: &str, how: &str) -> u64 {
    let mut programs = trace["programs"].as_array().unwrap().iter();
    let is_it = |one: &&Value| one["path"].as_str().unwrap().ends_with(program);
    let files = programs.find(is_it).unwrap()["files"].as_array().unwrap().iter();
    let mut of = files.filter(|file| file["path"].as_str().unwrap().ends_with(name));
    of.next().unwrap()["accesses"].pointer(how).unwrap().as_u64().unwrap()
}

/// Runs a fixture natively and both ways: what it says and how it ends is the same.
fn alike(program: &str, words: &str) -> Option<[Value; 2]> {
    Some(runs_alike(program, words)?.map(|(_, trace)| trace))
}

/// The same, with what the runs left.
fn runs_alike(program: &str, words: &str) -> Option<[(Ran, Value); 2]> {
    let mut workload = fixture(program, words)?;
    let native = Scene::prepare(&workload).run_native();
    workload.status = native.status;
    Some([&[][..], &["--no-patch"]].map(|options| {
        let (ran, trace) = record(&workload, options);
        assert_eq!(ran.stdout, native.stdout, "output of {program} {words} {options:?}");
        assert_eq!(ran.status, native.status, "status of {program} {words} {options:?}");
        (ran, trace)
    }))
}

/// The same, and the records say the same of all calls and of all files, also where the program runs.
fn looks(case: &str) {
    same_in_all("looks", case);
}

fn same_in_all(program: &str, case: &str) {
    let Some(traces) = alike(program, case) else { return };
    let facts = traces.each_ref().map(|trace| {
        let scene = trace["command"]["directory"].as_str().unwrap();
        facts_in(trace, true, scene)
    });
    let only =
        |these: &BTreeSet<String>, those| these.difference(those).cloned().collect::<Vec<_>>();
    let (with, without) = (only(&facts[0], &facts[1]), only(&facts[1], &facts[0]));
    assert!(
        with.is_empty() && without.is_empty(),
        "{case}: only with {with:?}, without {without:?}"
    );
    let [mut with, mut without] = traces.each_ref().map(counts);
    with.retain(|call, _| !TIMELY.contains(&call.as_str()));
    without.retain(|call, _| !TIMELY.contains(&call.as_str()));
    assert_eq!(with, without, "{case}");
    assert_eq!(counts_by_process(&traces[0]), counts_by_process(&traces[1]), "{case}");
}

/// Of each process how often it made each call, in some order.
fn counts_by_process(trace: &Value) -> Vec<String> {
    let processes = trace["processes"].as_array().unwrap().iter();
    let counts = processes.map(|process| {
        let mut calls = process["calls"]["x86_64"].clone();
        for call in TIMELY {
            calls.as_object_mut().unwrap().remove(call);
        }
        calls.to_string()
    });
    let mut counts: Vec<String> = counts.collect();
    counts.sort();
    counts
}

/// The same, and its own calls are counted the same.
fn exact(program: &str, words: &str, notes: &[&str]) -> BTreeMap<String, u64> {
    let Some([trace, plain]) = alike(program, words) else { return BTreeMap::new() };
    assert_eq!(counts(&trace), counts(&plain), "{program} {words}");
    let noted: Vec<&str> = trace["completeness"]["notes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|note| note.as_str().unwrap())
        .collect();
    assert_eq!(noted, notes, "{program} {words}");
    counts(&trace)
}

fn counts(trace: &Value) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for program in trace["programs"].as_array().unwrap() {
        for (call, record) in program["calls"]["x86_64"].as_object().into_iter().flatten() {
            *counts.entry(call.clone()).or_default() += record["count"].as_u64().unwrap();
        }
    }
    counts
}

const NO_ROOM: &str = "a program has no room where its calls would pass: each stopped twice";
const MAPPED: &str = "a program mapped where its calls would pass: each stopped twice";

#[test]
fn code_that_a_program_makes_or_changes_is_left_to_it() {
    exact("own_code", "made", &[]);
    exact("own_code", "changed", &[]);
    exact("own_code", "dropped", &[]);
}

#[test]
fn a_program_that_maps_the_place_of_the_stubs_gets_it_and_is_seen_whole() {
    exact("own_code", "there 0x7f800000", &[MAPPED]);
    exact("own_code", "there 0x7fd00000", &[MAPPED]);
    exact("own_code", "unmapped 0x7fc00000", &[MAPPED]);
}

#[test]
fn a_program_that_lies_at_the_place_of_the_stubs_is_seen_whole() {
    exact("own_code_there", "made", &[NO_ROOM]);
    exact("own_code_there", "restarted", &[NO_ROOM]);
}

#[test]
fn a_program_without_room_for_stubs_goes_on_without() {
    exact("own_code", "no_room", &[NO_ROOM]);
}

#[test]
fn one_place_may_make_many_calls() {
    let calls = exact("own_code", "numbers", &[]);
    assert!(calls.is_empty() || calls["getuid"] >= 49, "{calls:?}");
}

#[test]
fn sends_to_nobody_named_pass_and_addresses_are_recorded() {
    let Some(traces) = alike("own_code", "sends") else { return };
    let [with, without] = traces.each_ref().map(|trace| {
        let programs = trace["programs"].as_array().unwrap().iter();
        let endpoints = programs.filter_map(|program| program["endpoints"].as_array()).flatten();
        let outcomes = endpoints.map(|one| (&one["operation"], &one["socket"], &one["outcomes"]));
        (counts(trace), outcomes.collect::<Vec<_>>())
    });
    assert_eq!(with, without);
    assert_eq!(with.1.len(), 2, "bound, and sent to: {with:?}");
}

#[test]
fn flags_that_live_through_a_call_are_kept() {
    exact("own_code", "flags", &[]);
}

#[test]
fn calls_that_a_filter_of_the_program_denies_are_counted() {
    let calls = exact("own_code", "filter", &[]);
    assert!(calls.is_empty() || calls["getppid"] == 101, "{calls:?}");
}

#[test]
fn children_that_share_or_copy_memory_are_counted_apart() {
    let calls = exact("own_code", "copied", &[]);
    assert!(calls.is_empty() || calls["getppid"] == 200, "{calls:?}");
}

#[test]
fn calls_that_a_signal_restarts_are_counted_as_without() {
    exact("own_code", "restarted", &[]);
}

#[test]
fn limits_and_kill_lose_no_count() {
    for case in ["limits", "killed"] {
        let calls = exact("own_code", case, &[]);
        assert!(calls.is_empty() || calls["getppid"] == 50, "{case}: {calls:?}");
    }
}

#[test]
fn eight_threads_that_fork_execute_and_unload_lose_no_call() {
    let Some(workload) = fixture("stress", "3") else { return };
    let (ran, trace) = record(&workload, &[]);
    let counts = counts(&trace);
    let said: BTreeMap<&str, u64> = ran
        .stdout
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(what, number)| (what, number.parse().unwrap()))
        .collect();
    assert_eq!(said["wrong"], 0);
    assert_eq!((counts["getppid"], counts["lseek"]), (said["getppid"], said["lseek"]));
}

#[test]
fn a_breakpoint_leaves_no_trace_in_how_a_program_takes_its_signal() {
    for case in ["trap_ignored", "trap_blocked", "trap_handled"] {
        let Some(traces) = alike("interrupted", case) else { return };
        for trace in traces {
            assert_eq!(counts(&trace)["getppid"], 2 * 12_800, "{case}");
        }
    }
}

/// Of a case of `deaf`, with stubs and without: how often the caller waited, which it does at each stop.
fn stops_beside_the_deaf(case: &str) -> Option<[u64; 2]> {
    let runs = runs_alike("deaf", case)?;
    let [with, without] = runs.each_ref().map(|(_, trace)| {
        let mut counts = counts(trace);
        // Whether a thread finds a lock taken, and how much it reads at once, is a matter of time.
        counts.retain(|call, _| call != "futex" && call != "read");
        counts
    });
    assert_eq!(with, without, "{case}");
    assert_eq!(with["getppid"], 200_000, "{case}");
    Some(runs.map(|(ran, _)| ran.stderr.trim().parse().unwrap()))
}

#[test]
fn threads_that_take_no_traps_stand_still_for_a_moment() {
    for case in ["blocked", "ignored"] {
        let Some([with, without]) = stops_beside_the_deaf(case) else { return };
        assert!(with * 4 < without, "{case}: {with} stops, {without} without stubs");
    }
}

#[test]
fn no_waiting_ends_because_places_are_rewritten() {
    for case in ["epoll", "signals", "all"] {
        stops_beside_the_deaf(case);
    }
}

#[test]
fn a_thread_is_cancelled_where_it_waits_in_a_stub() {
    alike("interrupted", "cancelled");
}

#[test]
fn a_thread_that_waits_in_a_stub_goes_on_when_another_maps_over_it() {
    if let Some([trace, _]) = alike("interrupted", "mapped") {
        assert_eq!(trace["completeness"]["notes"], serde_json::json!([MAPPED]));
    }
}

#[test]
fn paths_are_seen_where_they_pass_as_where_they_stop() {
    looks("places");
    looks("pointers");
}

#[test]
fn a_descriptor_means_what_it_meant_at_the_call() {
    looks("descriptors");
    looks("copies");
}

#[test]
fn descriptors_that_stay_open_mean_what_they_meant_while_directories_move() {
    looks("kept");
}

#[test]
fn a_file_is_what_it_was_at_the_call() {
    looks("changes");
}

#[test]
fn paths_of_threads_and_children_are_seen_as_without() {
    looks("threads");
    looks("elsewhere");
}

#[test]
fn a_process_that_is_killed_where_it_opens_a_file_was_seen_doing_so() {
    looks("killed");
}

#[test]
fn a_handler_that_looks_at_files_may_run_amid_the_recording_of_a_look() {
    let Some(workload) = fixture("looks", "signals") else { return };
    let (ran, trace) = record(&workload, &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "0\n"));
    let looks = |name, how| times(&trace, "/looks", name, &format!("/metadata{how}"));
    assert_eq!((looks("/file", "/ok"), looks("/one/x", "/ok")), (60_000, 60_000));
    assert_eq!(looks("/nowhere", "/failed/ENOENT"), 120_000);
    let handled = looks("/two/y", "/ok");
    assert!(handled > 0 && looks("/absent", "/failed/ENOENT") == handled);
}

#[test]
fn files_are_made_and_removed_without_a_stop_as_with_one() {
    for case in ["made", "removed", "nameless", "others", "threads", "early_thread"] {
        same_in_all("names", case);
    }
}

#[test]
fn who_removes_and_gives_away_whose_files_is_seen_as_without() {
    same_in_all("names", "owners");
}

#[test]
fn programs_that_begin_again_and_children_that_borrow_memory_are_counted_as_without() {
    same_in_all("names", "begins");
}

#[test]
fn images_that_begin_without_room_or_amid_signals_are_counted_as_without() {
    for case in ["little", "pelted"] {
        let Some(traces) = alike("again", case) else { return };
        let calls = traces.each_ref().map(|trace| {
            let mut calls = counts(trace);
            // Of the one that sends the signals.
            calls.retain(|call, _| !["kill", "clock_nanosleep"].contains(&call.as_str()));
            calls
        });
        assert_eq!(calls[0], calls[1], "{case}");
        assert_eq!(calls[0]["getppid"], 41 * 20 + u64::from(case == "pelted"), "{case}");
    }
}

#[test]
fn what_only_children_call_stops_in_the_first_of_them() {
    let Some(runs) = runs_alike("again", "children") else { return };
    let [with, without] =
        runs.each_ref().map(|(_, trace)| (counts(trace), counts_by_process(trace)));
    assert_eq!(with, without);
    let [with, without] = runs.map(|(ran, _)| ran.stderr.trim().parse::<u64>().unwrap());
    assert!(with * 2 < without, "{with} stops, {without} without stubs");
}

#[test]
fn a_child_that_nobody_is_to_trace_is_seen_and_can_make_calls() {
    same_in_all("again", "untraced");
}

#[test]
fn a_search_along_path_fails_in_each_directory_as_without() {
    same_in_all("again", "search");
}

#[test]
fn a_handler_may_make_and_remove_files_amid_that() {
    let Some(workload) = fixture("names", "signals") else { return };
    let (ran, trace) = record(&workload, &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "0\n"));
    let times = |name, how| times(&trace, "/names", name, how);
    assert_eq!((times("/file", "/create/ok"), times("/file", "/remove/ok")), (36_000, 18_000));
    let handled = times("/within", "/create/ok");
    assert!(handled > 0 && times("/within", "/remove/ok") == handled);
    assert_eq!(times("/within", "/remove/failed/ENOENT"), handled);
}

#[test]
fn no_program_sees_that_it_is_kept_beside_its_tracer() {
    alike("where", "");
}

#[test]
fn a_program_that_dumps_core_ends_by_the_same_signal_and_is_counted() {
    exact("interrupted", "dumped", &[]);
}
