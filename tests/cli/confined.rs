//! `profgen run`: a program under its policy.

use crate::scene::{ARCH, ENGINES, Scene};
use crate::support::{fixtures, skip};

fn learn(scene: &Scene, bundle: &str, words: &[&str]) {
    let ran = scene.profgen(&[&["trace", "-q", "--no-static", "-o", bundle, "--"], words].concat());
    assert_eq!(ran.stderr, "", "{words:?}: {ran:?}");
}

#[test]
fn a_command_runs_under_its_own_policy_as_without_it() {
    let scene = Scene::new();
    let words = ["sh", "-c", "ls / | sort | head -3; echo error >&2; mkdir -p d; rmdir d; exit 3"];
    let native = scene.run(&words);
    assert_eq!(native.status, 3);
    for engine in ENGINES {
        let (_, _) = scene.trace(engine, &words);
        let bundle = format!("{engine}.profgen");
        for policy in [bundle.clone(), format!("{bundle}/policy.json")] {
            let run =
                scene.profgen(&[&["run", "-q", "--policy", &policy, "--"], &words[..]].concat());
            assert_eq!(
                (run.stdout, run.stderr, run.status),
                (native.stdout.clone(), native.stderr.clone(), 3)
            );
        }
        let audit =
            scene.profgen(&[&["run", "--audit", "--policy", &bundle, "--"], &words[..]].concat());
        assert_eq!(
            (audit.stdout, audit.stderr, audit.status),
            (native.stdout.clone(), native.stderr.clone(), 3)
        );
    }
}

#[test]
fn a_call_that_was_not_observed_is_denied() {
    let scene = Scene::new();
    learn(&scene, "b", &["mkdir", "--help"]);
    let ran = scene.profgen(&["run", "-q", "--policy", "b", "--", "mkdir", "made"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("Operation not permitted"), "{ran:?}");
    assert!(!scene.path("made").exists());
    learn(&scene, "b", &["mkdir", "other"]);
    let ran = scene.profgen(&["run", "-q", "--policy", "b", "--", "mkdir", "made"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "now it was observed");
    assert!(scene.path("made").exists());
}

#[test]
fn audit_reports_each_violation_and_lets_it_pass() {
    let scene = Scene::new();
    learn(&scene, "b", &["mkdir", "--help"]);
    let ran =
        scene.profgen(&["run", "--audit", "--policy", "b", "--", "mkdir", "-m", "711", "made"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(scene.path("made").is_dir(), "it is let through");
    let start = format!("profgen: would deny /usr/bin/mkdir: {ARCH} mkdir(");
    let line = ran
        .stderr
        .lines()
        .find(|line| line.starts_with(&start))
        .unwrap_or_else(|| panic!("{ran:?}"));
    let (_, arguments) = line.split_once("mkdir(0x").expect("arguments in hexadecimal");
    let (arguments, site) = arguments.split_once(") at ").expect("a site");
    assert_eq!(arguments.split(", ").count(), 2, "as many as the call has: {line}");
    assert!(arguments.ends_with(", 0x1c9"), "{line}");
    assert!(site.contains("/libc.so.6+0x"), "{line}");
    assert!(ran.stderr.lines().all(|line| line.starts_with("profgen: would deny ")), "{ran:?}");
}

#[test]
fn audit_counts_what_is_repeated_and_names_each_program() {
    let scene = Scene::new();
    learn(&scene, "b", &["sh", "-c", "mkdir --help; rmdir --help; true"]);
    let script = "for i in 1 2 3; do mkdir d; rmdir d; done";
    let ran = scene.profgen(&["run", "--audit", "--policy", "b", "--", "sh", "-c", script]);
    assert_eq!(ran.status, 1);
    for program in ["mkdir", "rmdir"] {
        let start = format!("profgen: would deny /usr/bin/{program}: {ARCH} {program}(");
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with(&start)).collect();
        assert_eq!(lines.len(), 1, "{ran:?}");
        assert!(lines[0].contains(" 3 times, first at "), "{ran:?}");
    }
}

#[test]
fn audit_without_violations_ends_as_the_command_does() {
    let scene = Scene::new();
    for (script, status) in [
        ("exit 0", 0),
        ("exit 5", 5),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
        ("kill -35 $$", 163),
    ] {
        let words = ["sh", "-c", script];
        let traced =
            scene.profgen(&[&["trace", "-q", "--no-static", "-o", "b", "--"], &words[..]].concat());
        assert_eq!(traced.status, status, "{script}");
        let ran = scene.profgen(&[&["run", "--audit", "--policy", "b", "--"], &words[..]].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (status, ""), "{script}");
    }
}

#[test]
fn audit_waits_for_what_the_command_leaves_behind() {
    let scene = Scene::new();
    learn(&scene, "b", &["sh", "-c", "setsid sh -c 'sleep 0.1; mkdir --help' >/dev/null & :"]);
    let script = "setsid sh -c 'sleep 0.5; mkdir late' >/dev/null & :";
    let ran = scene.profgen(&["run", "--audit", "--policy", "b", "--", "sh", "-c", script]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("would deny /usr/bin/mkdir: {ARCH} mkdir(")), "{ran:?}");
    assert!(scene.path("late").exists());
}

/// Runs a fixture under the policy of another program.
fn killed_under_policy_of(known: &str, program: &str) {
    let (known, program) = match (fixtures::build(known), fixtures::build(program)) {
        (Ok(known), Ok(program)) => (known.display().to_string(), program.display().to_string()),
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let scene = Scene::new();
    learn(&scene, "b", &[&known]);
    let policy = crate::scene::read_json(&scene.path("b/policy.json"));
    let arches: Vec<&String> = policy["calls"].as_object().expect("calls").keys().collect();
    assert_eq!(arches, [ARCH]);
    let native = scene.run(&[&program]);
    assert_eq!(native.status, 0, "{native:?}");
    let ran = scene.profgen(&["run", "-q", "--policy", "b", "--", &program]);
    assert_eq!((ran.status, ran.stdout.as_str()), (128 + 31, ""), "SIGSYS: {ran:?}");
}

#[test]
fn a_32_bit_program_is_killed_under_a_policy_that_has_no_such_calls() {
    killed_under_policy_of("hello-static", "hello-32-static");
}

#[test]
fn calls_by_int_0x80_are_killed_under_a_policy_that_has_no_such_calls() {
    killed_under_policy_of("hello-static", "int80");
}
