//! `profgen trace --measure-capabilities` and `--confirm-capabilities`.

use crate::scene::{ENGINES, Scene, read_json, valid};
use crate::support::{is_root, skip};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
};

fn scene() -> Option<Scene> {
    if !is_root() {
        skip("not root");
        return None;
    }
    let scene = Scene::new();
    let theirs = scene.write("theirs", "x\n");
    chown(&theirs, Some(65534), Some(65534)).expect("chown");
    fs::set_permissions(&theirs, Permissions::from_mode(0o600)).expect("chmod");
    Some(scene)
}

/// What a trace says of capabilities, what was printed, and what is suggested then.
fn trace(scene: &Scene, options: &[&str], script: &str) -> (Value, String, String) {
    let words = ["--no-static", "-o", "b", "--", "sh", "-c", script];
    let ran = scene.profgen(&[&["trace"], options, &words].concat());
    let [path] = &scene.traces("b")[..] else { panic!("{ran:?}") };
    let record = read_json(path);
    valid(&record, "trace");
    valid(&read_json(&scene.path("b").join("policy.json")), "policy");
    let emitted = scene.profgen(&["emit", "-q", "capabilities", "b"]).stdout;
    fs::remove_dir_all(scene.path("b")).expect("remove");
    (record["capabilities"].clone(), ran.stderr, emitted)
}

fn drops(emitted: &str) -> &str {
    emitted.lines().find(|line| line.starts_with("--cap-drop ALL")).expect("a line")
}

#[test]
fn what_is_needed_stays_and_what_is_not_goes() {
    let Some(scene) = scene() else { return };
    for engine in ENGINES {
        let options = ["--engine", engine, "--confirm-capabilities"];
        // The attempt to become somebody else is one that the script can do without.
        let script =
            "cat theirs; chown 0:0 theirs 2>/dev/null; chown 65534:65534 theirs 2>/dev/null; true";
        let (record, said, emitted) = trace(&scene, &options, script);
        let need = |name: &str| record["confirmed"][name]["need"].as_str().map(str::to_owned);
        assert_eq!(need("CAP_DAC_READ_SEARCH").as_deref(), Some("needed"), "{record:#}");
        assert_eq!(need("CAP_CHOWN").as_deref(), Some("not-needed"), "{record:#}");
        assert!(said.contains("profgen: CAP_DAC_READ_SEARCH: needed: without that its"), "{said}");
        assert!(said.contains("profgen: CAP_CHOWN: not needed: "), "{said}");
        assert_eq!(drops(&emitted), "--cap-drop ALL --cap-add DAC_READ_SEARCH");
        assert!(emitted.contains("# CAP_DAC_READ_SEARCH: confirmed: without that"), "{emitted}");
        let (_, _, unconfirmed) = trace(&scene, &["-q"], script);
        assert!(drops(&unconfirmed).contains("--cap-add CHOWN"), "{unconfirmed}");
    }
}

#[test]
fn of_two_that_do_the_same_the_lesser_is_kept() {
    let Some(scene) = scene() else { return };
    let (record, ..) = trace(&scene, &["-q", "--confirm-capabilities"], "cat theirs");
    let confirmed = record["confirmed"].as_object().expect("an object");
    let needed: Vec<&String> = confirmed
        .iter()
        .filter(|(_, finding)| finding["need"] == "needed")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(needed, ["CAP_DAC_READ_SEARCH"], "{record:#}");
}

#[test]
fn a_command_that_differs_each_time_confirms_nothing_and_that_is_said() {
    let Some(scene) = scene() else { return };
    let script = "cat theirs; cat /proc/sys/kernel/random/uuid";
    let (record, said, emitted) = trace(&scene, &["--confirm-capabilities"], script);
    let finding = &record["confirmed"]["CAP_DAC_READ_SEARCH"];
    assert_eq!(finding["need"], "unknown", "{record:#}");
    let reason = "two runs with all capabilities differ: its standard output differs";
    assert_eq!(finding["reason"], reason);
    assert!(
        said.contains(&format!("CAP_DAC_READ_SEARCH: cannot be confirmed: {reason}")),
        "{said}"
    );
    assert_eq!(drops(&emitted), "--cap-drop ALL --cap-add DAC_READ_SEARCH", "it stays");
    assert!(emitted.contains(&format!("not confirmed: {reason}")), "{emitted}");
}

#[test]
fn the_repetitions_print_nothing_and_read_nothing() {
    let Some(scene) = scene() else { return };
    let script = "echo once; cat theirs >/dev/null; wc -c";
    let words = ["trace", "-q", "--no-static", "-o", "b", "--confirm-capabilities", "--"];
    let ran = scene.profgen(&[&words[..], &["sh", "-c", script]].concat());
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("once\n0\n", ""), "{ran:?}");
}

#[test]
fn what_the_kernel_is_asked_is_counted_or_it_is_said_why_not() {
    let Some(scene) = scene() else { return };
    for engine in ENGINES {
        let options = ["-q", "--engine", engine, "--measure-capabilities"];
        let (record, _, emitted) = trace(&scene, &options, "cat theirs");
        if let Some(why) = record["unmeasured"].as_str() {
            return skip(why);
        }
        let granted = |name: &str| record["checked"][name]["granted"].as_u64().unwrap_or(0);
        assert_eq!(granted("CAP_DAC_READ_SEARCH"), 1, "{engine}: {record:#}");
        assert_eq!(granted("CAP_NET_RAW"), 0, "{engine}: {record:#}");
        assert!(
            emitted.contains("# CAP_DAC_READ_SEARCH: checked: the kernel was asked"),
            "{emitted}"
        );
    }
}

#[test]
fn an_ordinary_user_is_told_why_nothing_is_measured() {
    let scene = Scene::new();
    let (user, profgen) = scene.ordinary_user();
    let options = [profgen.as_str(), "trace", "-q", "--no-static", "-o", "b"];
    let options = [&user[..], &options, &["--confirm-capabilities", "--", "true"]].concat();
    let ran = scene.run(&options);
    assert_eq!((ran.stderr.as_str(), ran.status), ("", 0), "{ran:?}");
    let record = read_json(&scene.traces("b")[0]);
    let why = record["capabilities"]["unmeasured"].as_str().expect("a reason");
    assert!(why.contains("tracefs") || why.contains("tracepoint"), "{why}");
}
