//! What a user without privileges is told, and `--strict`.

use crate::scene::{ENGINES, Scene, failed};
use crate::support::{is_root, missing, skip};

/// A set-user-id copy of id, and words that run profgen as an ordinary user; none when not root.
fn scene_with_privileged_file() -> Option<(Scene, Vec<&'static str>, String)> {
    if !is_root() {
        skip("not root");
        return None;
    }
    if let Some(why) = missing(["setpriv"]) {
        skip(&why);
        return None;
    }
    let scene = Scene::new();
    let made = scene.sh("cp /usr/bin/id privileged && chmod 4755 privileged");
    assert_eq!(made.status, 0, "{made:?}");
    let (user, program) = scene.ordinary_user();
    let native = scene.run(&[&user[..], &["./privileged", "-u"]].concat());
    if native.stdout != "0\n" {
        skip("set-user-id bits have no effect here");
        return None;
    }
    Some((scene, user, program))
}

#[test]
fn a_set_user_id_program_that_lost_its_privileges_is_reported() {
    let Some((scene, user, program)) = scene_with_privileged_file() else { return };
    for engine in ENGINES {
        let bundle = format!("{engine}.profgen");
        let options = [program.as_str(), "trace", "--engine", engine, "-o", &bundle, "--"];
        let words = ["sh", "-c", "./privileged -u"];
        let ran = scene.run(&[&user, &options[..], &words].concat());
        assert_eq!((ran.stdout.as_str(), ran.status), ("65534\n", 0), "{engine}: {ran:?}");
        let path = scene.text("privileged");
        assert!(ran.stderr.contains(&format!("{path} ran without its set-user-id bit")), "{ran:?}");
        let record = scene.record(&bundle);
        assert_eq!(record.0["engine"]["no_new_privs"], true);
        let privileges = record.completeness("privileges");
        let wanted = serde_json::json!([{"program": path, "kind": "set-user-id bit"}]);
        assert_eq!(*privileges, wanted, "{engine}");
    }
}

#[test]
fn strict_fails_when_the_record_is_incomplete_and_keeps_it() {
    let Some((scene, user, program)) = scene_with_privileged_file() else { return };
    let options = [program.as_str(), "trace", "-q", "--no-static", "--strict", "-o", "b", "--"];
    let ran = scene.run(&[&user, &options[..], &["./privileged", "-u"]].concat());
    assert_eq!(ran.stdout, "65534\n");
    failed(&ran, 125, &["incomplete", "privileged", "set-user-id bit"]);
    let record = scene.record("b");
    assert_eq!(record.completeness("privileges").as_array().expect("a list").len(), 1);
}

#[test]
fn strict_changes_nothing_when_the_record_is_complete() {
    let scene = Scene::new();
    for engine in ENGINES {
        let options =
            ["trace", "-q", "--no-static", "--strict", "--engine", engine, "-o", engine, "--"];
        // The end of a run is a race of its own. (Of two children the end of one may interrupt a call
        // that notify has not taken yet, and that record is not complete.)
        for _ in 0..10 {
            let ran = scene.profgen(&[&options[..], &["sh", "-c", "ls; exit 3"]].concat());
            assert_eq!((ran.stderr.as_str(), ran.status), ("", 3), "{engine}");
        }
        assert_eq!(scene.traces(engine).len(), 10);
    }
}

#[test]
fn no_new_privs_is_set_only_for_those_who_need_it() {
    let scene = Scene::new();
    let (user, program) = scene.ordinary_user();
    for engine in ENGINES {
        let show = ["grep", "NoNewPrivs", "/proc/self/status"];
        let options = [program.as_str(), "trace", "-q", "--no-static", "--engine", engine];
        let ran = scene.run(&[&user, &options[..], &["-o", "user", "--"], &show].concat());
        assert_eq!(ran.stdout, "NoNewPrivs:\t1\n", "{engine}: {ran:?}");
        assert_eq!(scene.record("user").0["engine"]["no_new_privs"], true);
        let run = [program.as_str(), "run", "-q", "--policy", "user", "--"];
        let ran = scene.run(&[&user, &run[..], &show].concat());
        assert_eq!(ran.stdout, "NoNewPrivs:\t1\n", "{engine}: {ran:?}");
        if is_root() {
            let (ran, record) = scene.trace(engine, &show);
            assert_eq!(ran.stdout, "NoNewPrivs:\t0\n", "{engine}: {ran:?}");
            assert_eq!(record.0["engine"]["no_new_privs"], false);
            std::fs::remove_dir_all(scene.path(&format!("{engine}.profgen"))).expect("remove");
        }
        std::fs::remove_dir_all(scene.path("user")).expect("remove");
    }
}
