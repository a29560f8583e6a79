//! `docker run --security-opt seccomp=DIR/seccomp.json` works for a program that was traced on the host.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;
use std::time::Duration;

use support::bundle::Bundle;
use support::docker::{self, Docker};
use support::{PATH, find_program, profgen, run, skip};

/// What runs both on the host and in the image: one static program, so the calls are the same.
const SCRIPT: &str = "
cd /tmp && busybox mkdir -p d/e && echo text > d/file && busybox cp d/file d/copy
busybox cmp d/file d/copy && busybox ls -A d && busybox rm -r d
busybox seq 500 | busybox sort -rn | busybox head -n 3
(exit 3) & wait $!; echo status $?
";

/// The same without anything that makes a directory: what the extra call is.
const WITHOUT_MKDIR: &str = "busybox ls -d /bin; busybox echo done; exit 4";

#[test]
fn a_traced_program_runs_under_its_profile_in_docker() {
    if let Some(why) = docker::obstacle() {
        return skip(&why);
    }
    let docker = match Docker::start() {
        Ok(docker) => docker,
        Err(why) => return skip(&why),
    };
    check(&docker, &[]);
    check(&docker, &["--security-opt", "no-new-privileges"]);
}

fn check(docker: &Docker, options: &[&str]) {
    // busybox can do everything: a prediction allows mkdir, too.
    for (script, status, trace_options) in
        [(SCRIPT, 0, &[][..]), (WITHOUT_MKDIR, 4, &["--no-static"])]
    {
        let (bundle, native) = traced(script, trace_options);
        assert_eq!(native.status, status, "{}", native.stderr);
        let profile = format!("seccomp={}", bundle.path("seccomp.json").display());
        let mut confined = options.to_vec();
        confined.extend(["--security-opt", &profile]);
        let ran = docker.run(&confined, &["/bin/busybox", "sh", "-c", script]);
        assert_eq!(
            (&*ran.stdout, ran.status),
            (&*native.stdout, status),
            "in docker (left) and on the host; {}",
            ran.stderr
        );

        if script != WITHOUT_MKDIR {
            continue;
        }
        let behind_mkdir = ["/bin/extra-call", "mkdir", "/bin/busybox", "sh", "-c", script];
        let ran = docker.run(&confined, &behind_mkdir);
        let said = ran.stderr.lines().find_map(|line| line.strip_prefix("extra-call: mkdir: "));
        assert!(matches!(said, Some("1" | "38")), "mkdir was not denied: {said:?}\n{}", ran.stderr);
        assert_eq!(
            (&*ran.stdout, ran.status),
            (&*native.stdout, status),
            "behind a denied mkdir; {}",
            ran.stderr
        );

        // Docker's own profile lets it through: what denied it was ours.
        let ran = docker.run(options, &behind_mkdir);
        assert!(ran.stderr.contains("extra-call: mkdir: 0"), "{}", ran.stderr);
    }
}

/// Traces the script on the host; `PATH` is the image's, where nothing but /bin/busybox is.
fn traced(script: &str, options: &[&str]) -> (Bundle, run::Ran) {
    let bundle = Bundle::new();
    let busybox = find_program("busybox").expect("busybox");
    let command = |prefix: &[&str]| {
        let mut words = prefix.to_vec();
        let busybox = busybox.display().to_string();
        words.extend([&*busybox, "sh", "-c", script]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs([("PATH", PATH), ("LC_ALL", "C")]);
        run::run_command(command, Duration::from_secs(60))
    };
    let native = command(&[]);
    let out = bundle.path("").display().to_string();
    let trace = [profgen(), "trace", "-o", &out, "--quiet"];
    let ran = command(&[&trace[..], options, &["--"]].concat());
    assert_eq!(
        (&*ran.stdout, ran.status),
        (&*native.stdout, native.status),
        "traced (left) and not: {}",
        ran.stderr
    );
    (bundle, native)
}
