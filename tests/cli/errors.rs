//! What cannot be done is said in one line, with the documented status, and leaves nothing behind.

use crate::scene::{ENGINES, Scene, failed, names, read_json, valid};
use crate::support::{is_root, missing, profgen, skip};
use std::{fs, os::unix::fs::PermissionsExt};

/// A policy to run things under.
fn policy_of(scene: &Scene, words: &[&str]) {
    let traced = scene
        .profgen(&[&["trace", "-q", "--no-static", "-o", "known.profgen", "--"], words].concat());
    assert_eq!(traced.status, 0, "{traced:?}");
}

#[test]
fn a_command_that_does_not_exist_is_127_and_leaves_nothing() {
    let scene = Scene::new();
    for engine in ENGINES {
        for name in ["/nonexistent", "no-such-command", "./x/y", ""] {
            let ran = scene.profgen(&["trace", "--engine", engine, "-o", "b", "--", name]);
            failed(&ran, 127, &[name, "no such file or directory"]);
            assert!(scene.names().is_empty(), "{engine} {name:?}: {:?}", scene.names());
        }
    }
    policy_of(&scene, &["true"]);
    for options in [vec!["run"], vec!["run", "--audit"]] {
        let ran = scene.profgen(
            &[&options[..], &["--policy", "known.profgen", "--", "/nonexistent"]].concat(),
        );
        failed(&ran, 127, &["/nonexistent"]);
    }
}

#[test]
fn a_directory_and_a_file_without_permission_are_126_and_leave_nothing() {
    let scene = Scene::new();
    scene.write("plain", "#!/bin/sh\n");
    fs::create_dir(scene.path("directory")).expect("mkdir");
    let before = scene.names();
    for name in ["./plain", "./directory", "/"] {
        for engine in ENGINES {
            let ran = scene.profgen(&["trace", "--engine", engine, "-o", "b", "--", name]);
            failed(&ran, 126, &[name, "permission denied"]);
            assert_eq!(scene.names(), before, "{engine} {name}");
        }
    }
    policy_of(&scene, &["true"]);
    for name in ["./plain", "./directory"] {
        let ran = scene.profgen(&["run", "-q", "--policy", "known.profgen", "--", name]);
        failed(&ran, 126, &[name]);
        let ran = scene.profgen(&["run", "--audit", "--policy", "known.profgen", "--", name]);
        failed(&ran, 126, &[name]);
    }
}

#[test]
fn a_script_without_an_interpreter_line_runs_by_sh_as_shells_do_it() {
    let scene = Scene::new();
    scene.program("script", "echo \"$0 $1 $#\"\nexit 7\n");
    for engine in ENGINES {
        let (ran, record) = scene.trace(engine, &["./script", "a b", "c"]);
        assert_eq!((ran.stdout.as_str(), ran.status), ("./script a b 2\n", 7), "{ran:?}");
        assert!(record.has_call(crate::scene::ARCH, "execve"));
    }
    let ran =
        scene.profgen(&["run", "-q", "--policy", "ptrace.profgen", "--", "./script", "a b", "c"]);
    assert_eq!((ran.stdout.as_str(), ran.status), ("./script a b 2\n", 7), "{ran:?}");
}

#[test]
fn a_script_whose_interpreter_is_missing_is_127_and_leaves_nothing() {
    let scene = Scene::new();
    scene.program("script", "#!/nonexistent/interpreter\n");
    for engine in ENGINES {
        let ran = scene.profgen(&["trace", "--engine", engine, "-o", "b", "--", "./script"]);
        failed(&ran, 127, &["./script"]);
        assert_eq!(scene.names().len(), 1, "{:?}", scene.names());
    }
}

#[test]
fn what_is_typed_wrongly_is_2() {
    let scene = Scene::new();
    for words in [
        &["trace"][..],
        &["trace", "--"],
        &["trace", "true"],
        &["trace", "--engine", "guess", "--", "true"],
        &["trace", "--pid", "one"],
        &["trace", "--pid", "1", "--", "true"],
        &["trace", "--no-such-option", "--", "true"],
        &["run", "--", "true"],
        &["merge", "-o", "x"],
        &["merge", "x"],
        &["emit", "no-such-format"],
        &["no-such-command"],
        &[],
    ] {
        let ran = scene.profgen(words);
        assert_eq!(ran.status, 2, "{words:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{words:?}: {ran:?}");
        assert!(scene.names().is_empty(), "{words:?}");
    }
}

/// `-o` as given, with a command that would leave a mark; what was there before stays as it was.
fn refused_before_the_command_runs(scene: &Scene, prefix: &[&str], program: &str, output: &str) {
    let before = scene.names();
    let words = [program, "trace", "-o", output, "--", "sh", "-c", "touch marker"];
    let ran = scene.run(&[prefix, &words].concat());
    failed(&ran, 125, &[output]);
    assert_eq!(scene.names(), before, "{output}");
    assert_eq!(names(&scene.tmp()).len(), 0);
}

#[test]
fn an_output_that_cannot_be_is_refused_before_the_command_runs() {
    let scene = Scene::new();
    fs::create_dir(scene.path("elsewhere")).expect("mkdir");
    std::os::unix::fs::symlink("elsewhere", scene.path("link.profgen")).expect("symlink");
    std::os::unix::fs::symlink("nowhere", scene.path("dangling.profgen")).expect("symlink");
    scene.write("file.profgen", "");
    for output in [
        "link.profgen",
        "link.profgen/",
        "dangling.profgen",
        "file.profgen",
        "missing/x.profgen",
        "file.profgen/x",
        "/",
        "..",
        ".",
        "/dev/null",
        "/proc/self/x.profgen",
    ] {
        refused_before_the_command_runs(&scene, &[], profgen(), output);
        assert!(names(&scene.path("elsewhere")).is_empty());
    }
}

#[test]
fn an_output_directory_without_permission_is_refused_before_the_command_runs() {
    let scene = Scene::new();
    let (user, program) = scene.ordinary_user();
    fs::create_dir(scene.path("closed")).expect("mkdir");
    fs::create_dir(scene.path("closed/old.profgen")).expect("mkdir");
    for path in ["closed/old.profgen", "closed"] {
        fs::set_permissions(scene.path(path), fs::Permissions::from_mode(0o555)).expect("chmod");
    }
    refused_before_the_command_runs(&scene, &user, &program, "closed/new.profgen");
    refused_before_the_command_runs(&scene, &user, &program, "closed/old.profgen");
    fs::set_permissions(scene.path("closed"), fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// Traces into a full file system; `before` runs in it first. Says what is then in its bundle.
fn trace_to_full_disk(
    scene: &Scene,
    size: &str,
    before: &str,
) -> (crate::support::run::Ran, String) {
    let script = format!(
        r#"mkdir full && mount -t tmpfs -o size={size} tmpfs full || exit 99
        {before}
        cat /dev/zero > full/filler 2>/dev/null
        "$PROFGEN" trace -q --no-static -o full/b.profgen -- sh -c 'echo ran'
        status=$?
        find full/b.profgen -type f 2>/dev/null | sort | xargs -r sha256sum >after
        exit $status"#
    );
    let ran = scene.run(&["unshare", "-m", "sh", "-c", &script]);
    assert_ne!(ran.status, 99, "{ran:?}");
    (ran, fs::read_to_string(scene.path("after")).expect("after"))
}

fn can_mount() -> bool {
    let missing = if is_root() { missing(["namespaces"]) } else { Some("not root".to_owned()) };
    match missing {
        Some(why) => skip(&why),
        None => return true,
    }
    false
}

#[test]
fn on_a_full_disk_the_trace_is_saved_elsewhere_and_nothing_is_half_written() {
    if !can_mount() {
        return;
    }
    let scene = Scene::new();
    let (ran, after) = trace_to_full_disk(&scene, "64k", "");
    assert_eq!(ran.stdout, "ran\n");
    failed(&ran, 125, &["full/b.profgen", "no space left on device"]);
    assert_eq!(after, "");
    let saved = names(&scene.tmp());
    assert_eq!(saved.len(), 1, "{saved:?}");
    let saved = scene.tmp().join(saved.first().expect("one")).display().to_string();
    assert!(ran.stderr.contains(&saved), "{saved}: {ran:?}");
    valid(&read_json(saved.as_ref()), "trace");
    let merged = scene.profgen(&["merge", "-o", "policy.json", &saved]);
    assert_eq!(merged.status, 0, "{merged:?}");
    valid(&read_json(&scene.path("policy.json")), "policy");
}

#[test]
fn on_a_full_disk_an_older_bundle_stays_as_it_was() {
    if !can_mount() {
        return;
    }
    let scene = Scene::new();
    let before = r#""$PROFGEN" trace -q --no-static -o full/b.profgen -- true || exit 99
        find full/b.profgen -type f | sort | xargs sha256sum >before"#;
    let (ran, after) = trace_to_full_disk(&scene, "256k", before);
    failed(&ran, 125, &["no space left on device"]);
    let before = fs::read_to_string(scene.path("before")).expect("before");
    assert_eq!(before.lines().count(), 5, "policy, profiles, report, trace: {before}");
    assert_eq!(after, before);
    assert_eq!(names(&scene.tmp()).len(), 1);
}

#[test]
fn a_disk_that_is_full_after_the_trace_keeps_it_whole_and_the_older_policy() {
    if !can_mount() {
        return;
    }
    let scene = Scene::new();
    // Room for the trace alone: half of what the first run left is its trace.
    let script = r#"mkdir full && mount -t tmpfs -o size=512k tmpfs full || exit 99
        "$PROFGEN" trace -q --no-static -o full/b.profgen -- sh -c : || exit 99
        sha256sum full/b.profgen/*.json >before
        size=$(cat full/b.profgen/traces/* | wc -c)
        cat /dev/zero >full/filler 2>/dev/null
        truncate -s -$(( (size / 4096 + 2) * 4096 )) full/filler
        "$PROFGEN" trace -q --no-static -o full/b.profgen -- sh -c :
        status=$?
        sha256sum full/b.profgen/*.json >after
        cp -r full/b.profgen/traces copy
        ls -A full/b.profgen full/b.profgen/traces >names
        exit $status"#;
    let ran = scene.run(&["unshare", "-m", "sh", "-c", script]);
    failed(&ran, 125, &["full/b.profgen/policy.json", "no space left on device"]);
    assert_eq!(
        fs::read_to_string(scene.path("before")).expect("before"),
        fs::read_to_string(scene.path("after")).expect("after")
    );
    let copies = names(&scene.path("copy"));
    assert_eq!(copies.len(), 2, "{copies:?}");
    for copy in copies {
        valid(&read_json(&scene.path("copy").join(copy)), "trace");
    }
    let left = fs::read_to_string(scene.path("names")).expect("names");
    assert!(!left.contains(".tmp"), "{left}");
}

#[test]
fn a_megabyte_of_arguments_is_passed_on_and_the_record_says_that_it_is_cut() {
    let scene = Scene::new();
    let argument = "x".repeat(127);
    let arguments = vec![argument.as_str(); 8192];
    let count = ["sh", "-c", "echo $# ${#1}", "sh"];
    for engine in ENGINES {
        let (ran, record) = scene.trace(engine, &[&count[..], &arguments].concat());
        assert_eq!((ran.stdout.as_str(), ran.status), ("8192 127\n", 0), "{}", ran.stderr);
        let kept = record.0["command"]["argv"].as_array().expect("argv").len();
        assert_eq!(kept, 4 + (16384 - "sh -c echo $# ${#1} sh ".len()) / 128);
        let cut = record.completeness("cut").as_array().expect("cut");
        assert_eq!(cut.len(), 1, "{cut:?}");
        assert_eq!(cut[0]["what"], "the command's arguments");
        assert_eq!(cut[0]["bound"], kept);
    }
    let words = ["trace", "-o", "said", "--"];
    let said = scene.profgen(&[&words, &count[..], &arguments].concat());
    assert!(said.stderr.contains("incomplete: the command's arguments were cut at"), "{said:?}");
    assert!(said.stderr.len() < 2000, "the summary does not repeat them");
    let run = scene.profgen(
        &[&["run", "-q", "--policy", "notify.profgen", "--"], &count[..], &arguments].concat(),
    );
    assert_eq!((run.stdout.as_str(), run.status), ("8192 127\n", 0), "{}", run.stderr);
}
