//! `profgen container`: from an image to a profile that was tried, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::bundle::Bundle;
use support::docker::{self, Docker};
use support::{profgen, run, skip, static_profgen};

/// Runs on nothing but /bin/busybox.
const SCRIPT: &str = "
cd /tmp && busybox mkdir d && echo text > d/file && busybox cp d/file d/copy
busybox cmp d/file d/copy && busybox ls d && busybox rm -r d
busybox seq 500 | busybox sort -rn | busybox head -n 3
(exit 3) & wait $!; echo status $?; echo error >&2; exit 4
";

/// The same without anything that makes a directory: what the extra call is.
const WITHOUT_MKDIR: &str = "busybox ls -d /bin; busybox echo done; exit 4";

/// A daemon, or nothing where there is no Docker at all.
fn docker() -> Option<Docker> {
    match docker::obstacle().map_or_else(Docker::start, Err) {
        Ok(docker) => Some(docker),
        Err(why) => {
            skip(&why);
            None
        }
    }
}

/// `profgen container` with these words, found by a client of this daemon.
fn container(docker: &Docker, bundle: &Bundle, words: &[&str]) -> run::Ran {
    run::run_command(command(docker, bundle, words), Duration::from_secs(240))
}

fn command(docker: &Docker, bundle: &Bundle, words: &[&str]) -> Command {
    let mut command = docker.client_of(profgen());
    // Results of earlier analyses are the machine's, and so is its home directory.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.arg("container").arg("--tracer").arg(static_profgen());
    command.arg("-o").arg(bundle.path("b")).args(words);
    command
}

fn policy(bundle: &Bundle) -> String {
    fs::read_to_string(bundle.path("b/policy.json")).unwrap()
}

#[test]
fn an_image_gets_a_profile_under_which_it_does_the_same_and_no_more() {
    let Some(docker) = docker() else { return };
    for options in [&[][..], &["--security-opt", "no-new-privileges"]] {
        let bundle = Bundle::new();
        let words = [&["--network", "none"], options, &["--", docker.image()]].concat();
        let words = [&words[..], &["/bin/busybox", "sh", "-c", SCRIPT]].concat();
        let ran = container(&docker, &bundle, &words);
        let native = docker.run(options, &["/bin/busybox", "sh", "-c", SCRIPT]);
        assert_eq!((&*ran.stdout, ran.status), (&*native.stdout, 4), "{}", ran.stderr);
        assert!(ran.stderr.contains("error\n"), "{}", ran.stderr);
        let verified = "verified: under its profile output and exit status were the same";
        assert!(ran.stderr.contains(verified), "{}", ran.stderr);
        assert!(!ran.stderr.contains("incomplete"), "{}", ran.stderr);
        // The image's own files were analysed.
        assert!(policy(&bundle).contains("\"/bin/busybox\""));
        assert!(bundle.path("b/analysis.json").exists());
    }

    // busybox can do everything, so here its code is left out.
    let bundle = Bundle::new();
    let words = ["--no-static", "--network", "none", "--", docker.image()];
    let script = ["/bin/busybox", "sh", "-c", WITHOUT_MKDIR];
    let ran = container(&docker, &bundle, &[&words[..], &script].concat());
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    let profile = format!("seccomp={}", bundle.path("b/seccomp.json").display());
    let behind = [&["/bin/extra-call", "mkdir"], &script[..]].concat();
    let confined = docker.run(&["--security-opt", &profile], &behind);
    let said = confined.stderr.lines().find_map(|line| line.strip_prefix("extra-call: mkdir: "));
    assert!(matches!(said, Some("1" | "38")), "mkdir was not denied: {}", confined.stderr);
    assert_eq!((confined.stdout, confined.status), (ran.stdout, 4), "behind a denied mkdir");
    assert_eq!(docker.containers(), "", "containers are left");
}
