//! What people do with a policy: decide, choose a strategy, ask why.

use crate::scene::{Scene, built, failed, read_json, valid};
use std::fs;

fn policy(scene: &Scene, path: &str) -> serde_json::Value {
    let policy = read_json(&scene.path(path));
    valid(&policy, "policy");
    policy
}

#[test]
fn a_decision_survives_further_runs_and_merges_and_can_be_taken_back() {
    let scene = Scene::new();
    let trace = |words: &[&str]| {
        let ran =
            scene.profgen(&[&["trace", "-q", "--no-static", "-o", "b", "--"], words].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    };
    trace(&["true"]);
    let decide = |words: &[&str]| {
        let ran = scene.profgen(&[&["decide", "b"], words].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{ran:?}");
        ran.stderr
    };
    assert_eq!(decide(&["allow", "mount", "--reason", "the test mounts"]), "");
    assert_eq!(decide(&["deny", "brk", "--reason", "for the test"]), "");
    trace(&["ls"]);
    let of_bundle = policy(&scene, "b/policy.json");
    let native = &of_bundle["calls"][crate::scene::ARCH];
    assert_eq!(native["mount"]["origins"]["decided"], "the test mounts");
    assert!(native["brk"].is_null());
    let withheld = &of_bundle["withheld"][crate::scene::ARCH]["brk"];
    assert_eq!(withheld["reason"], "denied by decision: for the test");
    assert!(!withheld["origins"]["observed"].is_null(), "nothing is forgotten");
    let profile = fs::read_to_string(scene.path("b/seccomp.json")).unwrap();
    assert!(profile.contains("\"mount\""), "the profile follows");
    let report = fs::read_to_string(scene.path("b/report.md")).unwrap();
    assert!(report.contains("`mount` allowed: the test mounts"), "{report}");

    assert_eq!(scene.profgen(&["merge", "-q", "-o", "m", "b"]).status, 0);
    assert_eq!(policy(&scene, "m"), of_bundle);
    assert_eq!(scene.profgen(&["decide", "b", "allow", "mount", "--forget"]).status, 0);
    assert!(policy(&scene, "b/policy.json")["calls"][crate::scene::ARCH]["mount"].is_null());
    failed(
        &scene.profgen(&["decide", "b", "allow", "mount", "--forget"]),
        2,
        &["no such decision", "mount"],
    );

    // One that is not needed says so.
    let said = decide(&["allow", "close", "--reason", "needless"]);
    assert_eq!(
        said,
        "profgen: the decision about close changes nothing: it is allowed without it\n"
    );
    // By hand, too.
    let text = fs::read_to_string(scene.path("m")).unwrap();
    let edited = text.replace("\"reason\": \"the test mounts\"", "\"reason\": \"edited\"");
    scene.write("m", edited);
    assert_eq!(scene.profgen(&["merge", "-q", "-o", "m2", "m"]).status, 0);
    assert_eq!(policy(&scene, "m2")["decisions"]["mount"]["reason"], "edited");
}

#[test]
fn a_decision_names_something_and_has_a_reason() {
    let scene = Scene::new();
    assert_eq!(scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "true"]).status, 0);
    failed(&scene.profgen(&["decide", "b", "allow", "mmount", "--reason", "x"]), 2, &["mmount"]);
    assert_eq!(scene.profgen(&["decide", "b", "allow", "mount"]).status, 2);
    failed(&scene.profgen(&["decide", "none", "allow", "mount", "--reason", "x"]), 2, &["none"]);
}

#[test]
fn a_socket_of_another_family_is_denied_under_the_inferred_rules() {
    let Some(program) = built("sockets") else { return crate::support::skip("no gcc") };
    let scene = Scene::new();
    let ran = scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", &program, "2"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "2: 0\n"), "{ran:?}");
    let run = |policy: &str, family: &str| {
        let ran = scene.profgen(&["run", "-q", "--policy", policy, "--", &program, family]);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.stdout
    };
    assert_eq!(run("b", "2"), "2: 0\n");
    assert_eq!(run("b", "16"), "16: 1\n", "EPERM for AF_NETLINK");
    let merge = |rules: &str| {
        let ran = scene.profgen(&["merge", "-q", "-o", rules, "--arguments", rules, "b"]);
        assert_eq!(ran.status, 0, "{ran:?}");
    };
    merge("none");
    assert_eq!(run("none", "16"), "16: 0\n");
    merge("all");
    assert_eq!((run("all", "2"), run("all", "16")), ("2: 0\n".to_owned(), "16: 1\n".to_owned()));
    // The choice stays with the policy.
    assert_eq!(scene.profgen(&["merge", "-q", "-o", "again", "none"]).status, 0);
    assert_eq!(policy(&scene, "again")["settings"]["arguments"], "none");
}

#[test]
fn explain_says_why_and_why_not() {
    let scene = Scene::new();
    let line = r#"cat /etc/hostname >/dev/null; (exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null; true"#;
    let ran = scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "bash", "-c", line]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let explain = |subject: &str| scene.profgen(&["explain", "b", subject]);
    let openat = explain("openat");
    assert_eq!(openat.status, 0);
    for words in ["openat is allowed on", "observed in 1 of 1 run", "/cat, first from", "O_RDONLY"]
    {
        assert!(openat.stdout.contains(words), "{words}: {}", openat.stdout);
    }
    let file = explain("/etc/hostname");
    assert!(file.stdout.contains("done: read"), "{}", file.stdout);
    let port = explain("tcp:9");
    assert!(port.stdout.contains("tcp:9 was connected to as 127.0.0.1"), "{}", port.stdout);
    let mount = explain("mount");
    assert_eq!((mount.status, mount.stderr.as_str()), (1, ""));
    assert_eq!(mount.stdout, "mount is denied: no run made it, and no code was analysed\n");
    assert_eq!(explain("/nowhere").status, 1);
    failed(&explain("nocall"), 2, &["nocall"]);
    failed(&scene.profgen(&["explain", "none", "openat"]), 2, &["none"]);
}

#[test]
fn the_report_begins_with_completeness_and_says_what_the_profile_is_worth() {
    let scene = Scene::new();
    assert_eq!(scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "ls"]).status, 0);
    let report = fs::read_to_string(scene.path("b/report.md")).unwrap();
    assert!(report.starts_with("**Complete**: nothing was missed in 1 run.\n"), "{report}");
    assert!(report.contains("that Docker's default profile allows"), "{report}");
    for heading in
        ["## System calls by risk", "## Arguments", "## Programs executed: 1", "## Files: "]
    {
        assert!(report.contains(heading), "{heading}: {report}");
    }
    let again = fs::read(scene.path("b/report.md")).unwrap();
    assert_eq!(scene.profgen(&["merge", "-q", "-o", "m", "b"]).status, 0);
    assert_eq!(scene.profgen(&["decide", "b", "deny", "bpf", "--reason", "x"]).status, 0);
    assert_eq!(scene.profgen(&["decide", "b", "deny", "bpf", "--forget"]).status, 0);
    assert_eq!(
        fs::read(scene.path("b/report.md")).unwrap(),
        again,
        "the same evidence, the same bytes"
    );
}

#[test]
fn huge_deep_and_foreign_documents_are_refused_in_a_line_and_in_bounded_memory() {
    let scene = Scene::new();
    let schema = r#"{"schema": "profgen/policy/v1", "#;
    const SIZE: usize = 100 << 20;
    scene.write("text", format!(r#"{schema}"colour": "{}"}}"#, "x".repeat(SIZE)));
    scene.write("deep", format!(r#"{schema}"calls": {}"#, "[".repeat(SIZE)));
    scene.write("list", format!(r#"{schema}"evidence": [{}0]}}"#, "0,".repeat(SIZE / 2)));
    scene.write("zeros", vec![0; SIZE]);
    scene.write("newer", r#"{"schema": "profgen/policy/v2", "colour": "red"}"#);
    scene.write("empty", "");
    for (name, words) in [
        ("text", &["unknown field `colour`"][..]),
        ("deep", &[]),
        ("list", &["invalid type: sequence"]),
        ("zeros", &[]),
        ("newer", &["written by a newer profgen"]),
        ("empty", &[]),
    ] {
        for command in ["merge -o out", "explain", "diff", "decide"] {
            // One reader serves all of them.
            if command != "merge -o out" && !["newer", "empty"].contains(&name) {
                continue;
            }
            let after = match command {
                "explain" => "openat",
                "diff" => "docker-default",
                "decide" => "deny openat --reason x",
                _ => "",
            };
            let line = format!(r#"ulimit -v 1000000; exec "$PROFGEN" {command} {name} {after}"#);
            failed(&scene.sh(&line), 2, &[&[name][..], words].concat());
        }
    }
    assert!(!scene.path("out").exists());
}
