//! The directory that a trace leaves: it accumulates, and everything in it can be made again.

use crate::scene::{ENGINES, Scene, names, read_json, valid};
use std::{collections::BTreeSet, fs};

fn allowed(scene: &Scene, policy: &str) -> BTreeSet<String> {
    let policy = read_json(&scene.path(policy));
    valid(&policy, "policy");
    let calls = policy["calls"][crate::scene::ARCH].as_object().expect("calls").clone();
    calls.into_iter().map(|(name, _)| name).collect()
}

fn trace(scene: &Scene, output: &str, words: &[&str]) {
    let ran = scene.profgen(&[&["trace", "-q", "--no-static", "-o", output, "--"], words].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
}

#[test]
fn two_runs_accumulate_and_the_policy_is_their_union() {
    let scene = Scene::new();
    trace(&scene, "true.alone", &["true"]);
    trace(&scene, "ls.alone", &["ls", "-l", "/"]);
    trace(&scene, "both", &["true"]);
    assert_eq!(allowed(&scene, "both/policy.json"), allowed(&scene, "true.alone/policy.json"));
    trace(&scene, "both", &["ls", "-l", "/"]);
    assert_eq!(scene.traces("both").len(), 2);
    assert_eq!(
        names(&scene.path("both")),
        ["landlock.json", "policy.json", "report.md", "seccomp.json", "traces"]
            .map(str::to_owned)
            .into()
    );
    let one = allowed(&scene, "true.alone/policy.json");
    let other = allowed(&scene, "ls.alone/policy.json");
    let both = allowed(&scene, "both/policy.json");
    assert!(other.len() > one.len(), "ls does more than true");
    assert_eq!(both, one.union(&other).cloned().collect());
    let policy = read_json(&scene.path("both/policy.json"));
    assert_eq!(policy["evidence"].as_object().expect("evidence").len(), 2);
}

#[test]
fn merge_and_emit_make_the_files_of_a_bundle_again_byte_by_byte() {
    let scene = Scene::new();
    for engine in ENGINES {
        let (_, _) = scene.trace(engine, &["sh", "-c", "ls / | sort; mkdir -p d"]);
        let bundle = format!("{engine}.profgen");
        let read = |name: &str| fs::read_to_string(scene.path(&bundle).join(name)).expect("read");
        let merged = scene.profgen(&["merge", "-o", "-", &bundle]);
        assert_eq!((merged.status, merged.stderr.as_str()), (0, ""));
        assert_eq!(merged.stdout, read("policy.json"), "{engine}");
        let emitted = scene.profgen(&["emit", "docker", &bundle, "-q"]);
        assert_eq!((emitted.status, emitted.stderr.as_str()), (0, ""));
        assert_eq!(emitted.stdout, read("seccomp.json"), "{engine}");
        // Through a pipe, and into a file that is there already.
        scene.write("policy", "older");
        let piped = scene.sh(&format!(
            r#"cat {bundle}/traces/*.json | "$PROFGEN" merge -o policy - && "$PROFGEN" emit docker - -q <policy"#
        ));
        assert_eq!(piped.stdout, read("seccomp.json"), "{}", piped.stderr);
        assert_eq!(fs::read_to_string(scene.path("policy")).expect("read"), read("policy.json"));
    }
}

#[test]
fn neither_order_nor_repetition_nor_grouping_of_the_evidence_changes_the_bytes() {
    let scene = Scene::new();
    for words in [&["true"][..], &["ls", "/"], &["sh", "-c", "exit 0 | cat"]] {
        trace(&scene, "all", words);
    }
    let traces: Vec<String> =
        scene.traces("all").iter().map(|path| path.display().to_string()).collect();
    let [a, b, c] = [0, 1, 2].map(|at| traces[at].as_str());
    let merge = |inputs: &[&str]| {
        let ran = scene.profgen(&[&["merge", "-o", "-"], inputs].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{inputs:?}");
        ran.stdout
    };
    let whole = fs::read_to_string(scene.path("all/policy.json")).expect("read");
    for order in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        assert_eq!(merge(&order), whole, "{order:?}");
    }
    assert_eq!(merge(&[a, b, c, a, a, "all"]), whole);
    scene.write("half", merge(&[a, b]));
    assert_eq!(merge(&["half", c]), whole);
    assert_eq!(merge(&[c, "half", "half", a]), whole);
    assert_eq!(merge(&["all/policy.json"]), whole);
    assert_ne!(merge(&[a, b]), whole);
}

#[test]
fn the_traced_program_does_not_see_the_bundle_come() {
    for engine in ENGINES {
        let scene = Scene::new();
        let ran =
            scene.profgen(&["trace", "-q", "--no-static", "--engine", engine, "--", "ls", "-A"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), ("", "", 0));
        assert_eq!(scene.names(), ["ls.profgen".to_owned()].into());
        assert!(names(&scene.tmp()).is_empty());
    }
}

#[test]
fn the_bundle_stays_where_it_was_meant_when_the_program_moves_things() {
    let scene = Scene::new();
    fs::create_dir(scene.path("place")).expect("mkdir");
    let script = "mv place moved && mkdir place && cd moved && rm -rf ../place";
    let ran =
        scene.profgen(&["trace", "-q", "--no-static", "-o", "place/b", "--", "sh", "-c", script]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(scene.path("moved/b/policy.json").exists());
    assert!(!scene.path("place").exists());
}

#[test]
fn a_link_that_the_program_plants_in_the_bundles_place_is_not_followed() {
    for (script, kept) in [
        ("ln -s ../elsewhere x.profgen", "x.profgen"),
        ("ln -s /nonexistent/x x.profgen", "x.profgen"),
        (": > x.profgen", "x.profgen"),
        ("mkdir x.profgen; ln -s ../elsewhere x.profgen/traces", "x.profgen/traces"),
        ("mkdir x.profgen; : > x.profgen/traces", "x.profgen/traces"),
    ] {
        let scene = Scene::new();
        fs::create_dir(scene.path("elsewhere")).expect("mkdir");
        let ran = scene.profgen(&[
            "trace",
            "-q",
            "--no-static",
            "-o",
            "x.profgen",
            "--",
            "sh",
            "-c",
            script,
        ]);
        crate::scene::failed(&ran, 125, &["x.profgen"]);
        assert!(names(&scene.path("elsewhere")).is_empty(), "{script}");
        assert!(!scene.path(kept).is_dir() || kept.contains('/'), "{script}");
        let saved = names(&scene.tmp());
        assert_eq!(saved.len(), 1, "{script}: {saved:?}");
        let saved = saved.first().expect("one");
        assert!(ran.stderr.contains(saved.as_str()), "{script}: {ran:?}");
    }
}

#[test]
fn links_that_the_program_plants_at_the_bundles_files_are_replaced() {
    let scene = Scene::new();
    scene.write("precious", "precious");
    let script = "mkdir -p x.profgen/traces; cd x.profgen
        ln -s ../precious policy.json; ln -s ../precious seccomp.json";
    let ran =
        scene.profgen(&["trace", "-q", "--no-static", "-o", "x.profgen", "--", "sh", "-c", script]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(scene.path("precious")).expect("read"), "precious");
    for name in ["policy.json", "seccomp.json"] {
        let path = scene.path("x.profgen").join(name);
        assert!(path.symlink_metadata().expect("there").is_file(), "{name}");
    }
    valid(&read_json(&scene.path("x.profgen/policy.json")), "policy");
}

#[test]
fn runs_at_the_same_time_all_land_in_one_bundle() {
    let scene = Scene::new();
    let ran = scene.sh(r#"for i in 1 2 3 4; do
            for engine in ptrace notify; do
                "$PROFGEN" trace -q --no-static -o b --engine $engine -- sh -c "exit $i" || echo $? &
            done
        done; wait"#);
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1", "1", "2", "2", "3", "3", "4", "4"], "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    assert_eq!(scene.traces("b").len(), 8);
    let policy = read_json(&scene.path("b/policy.json"));
    assert_eq!(policy["evidence"].as_object().expect("evidence").len(), 8);
    let merged = scene.profgen(&["merge", "-o", "-", "b"]);
    let written = fs::read_to_string(scene.path("b/policy.json")).expect("read");
    assert_eq!(merged.stdout, written);
    assert_eq!(names(&scene.path("b")).len(), 5, "policy, profiles, report, traces");
}
