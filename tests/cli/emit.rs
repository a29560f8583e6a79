//! Formats of `profgen emit` as the programs that take them see them.

use crate::scene::{ENGINES, Scene};
use crate::support::{find_program, missing, skip};
use std::fs;

/// A bundle of a small program, by one engine.
fn traced(scene: &Scene, engine: &str) {
    let script = "ls / >list; sort list | gzip >list.gz; rm list";
    let options = ["trace", "-q", "--no-static", "--engine", engine, "-o", "b", "--"];
    let ran = scene.profgen(&[&options[..], &["sh", "-c", script]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
}

fn emitted(scene: &Scene, words: &[&str]) -> String {
    let ran = scene.profgen(&[&["emit", "-q"], words, &["b"]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}: {ran:?}");
    ran.stdout
}

#[test]
fn systemd_takes_the_drop_in_and_finds_the_service_well_confined() {
    if let Some(why) = missing(["systemd-analyze"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    for engine in ENGINES {
        traced(&scene, engine);
        fs::create_dir_all(scene.path("app.service.d")).expect("make a directory");
        let unit = "[Unit]\nDescription=app\n[Service]\nExecStart=/bin/sh -c true\n";
        scene.write("app.service", unit);
        scene.write("app.service.d/profgen.conf", emitted(&scene, &["systemd"]));
        let checked = scene.run(&["systemd-analyze", "verify", "./app.service"]);
        assert_eq!(checked.status, 0, "{checked:?}");
        // The library that compiles the filter may be older than the names of new calls.
        let faults: Vec<&str> = checked
            .stderr
            .lines()
            .filter(|line| line.contains("profgen.conf"))
            .filter(|line| !line.contains("Failed to parse system call, ignoring"))
            .collect();
        assert_eq!(faults, [""; 0], "{engine}");
        let judged = scene.run(&[
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=25",
            "./app.service",
        ]);
        assert_eq!(judged.status, 0, "an exposure below 2.5 of 10: {judged:?}");
        fs::remove_dir_all(scene.path("b")).expect("remove");
    }
}

#[test]
fn bubblewrap_takes_the_bytes_and_denies_by_them() {
    if let Some(why) = missing(["bwrap", "namespaces"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let words = ["bwrap", "--bind", "/", "/", "--dev", "/dev"];
    let inside = ["sh", "-c", "ls -d /; mkdir made"];
    let options = ["trace", "-q", "--no-static", "-o", "b", "--", "sh", "-c", "ls -d /"];
    assert_eq!(scene.profgen(&options).status, 0);
    let emit = scene.profgen(&["emit", "-q", "bpf", "b", "-o", "filter"]);
    assert_eq!((emit.status, emit.stderr.as_str()), (0, ""), "{emit:?}");
    let command = [&words[..], &["--seccomp", "9", "--"], &inside].concat();
    let script = format!("exec 9<filter; exec {}", shell(&command));
    let ran = scene.run(&["sh", "-c", &script]);
    assert_eq!(ran.stdout, "/\n", "{ran:?}");
    assert!(ran.status != 0 && ran.stderr.contains("mkdir"), "{ran:?}");
    assert!(!scene.path("made").exists());
}

fn shell(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_source_text_confines_the_program_that_it_is_pasted_into() {
    if find_program("gcc").is_none() {
        return skip("no gcc");
    }
    let scene = Scene::new();
    let main = "#include <stdio.h>\n#include <unistd.h>\n#include <sys/stat.h>\n\
                int restrict_system_calls(void);\nint main(int argc, char **argv) {\n\
                (void)argv; if (restrict_system_calls()) return 9;\nputs(\"here\");\n\
                if (argc > 1 && mkdir(\"made\", 0755)) return 3;\n\nreturn 0; }\n";
    let build = |filter: &str| {
        scene.write("app.c", format!("{filter}{main}"));
        let flags = ["gcc", "-Wall", "-Wextra", "-Werror", "-o", "app", "app.c"];
        let ran = scene.run(&flags);
        assert_eq!(ran.status, 0, "{ran:?}");
    };
    build("int restrict_system_calls(void) { return 0; }\n");
    let options = ["trace", "-q", "--no-static", "-o", "b", "--", "./app"];
    assert_eq!(scene.profgen(&options).status, 0);
    build(&emitted(&scene, &["c"]));
    let ran = scene.run(&["./app"]);
    assert_eq!((ran.stdout.as_str(), ran.status), ("here\n", 0), "{ran:?}");
    let ran = scene.run(&["./app", "more"]);
    assert_eq!((ran.stdout.as_str(), ran.status), ("here\n", 3), "{ran:?}");
    assert!(!scene.path("made").exists());
}

#[test]
fn kubernetes_and_podman_get_what_they_take() {
    let scene = Scene::new();
    traced(&scene, "notify");
    let objects = emitted(&scene, &["kubernetes"]);
    assert!(
        objects.contains("kind: SeccompProfile") && objects.contains("name: sh\n"),
        "{objects}"
    );
    assert!(objects.contains("allowPrivilegeEscalation: false"), "{objects}");
    let podman: serde_json::Value =
        serde_json::from_str(&emitted(&scene, &["podman"])).expect("JSON");
    assert_eq!(podman["defaultAction"], "SCMP_ACT_ERRNO");
    let form = emitted(&scene, &["capabilities", "--as", "systemd"]);
    assert_eq!(form, "CapabilityBoundingSet=\n");
}

#[test]
fn a_form_that_capabilities_do_not_have_is_an_error() {
    let scene = Scene::new();
    traced(&scene, "notify");
    let ran = scene.profgen(&["emit", "capabilities", "--as", "runc", "b"]);
    crate::scene::failed(&ran, 2, &["runc", "docker, kubernetes, systemd, oci"]);
}
