//! `profgen container`: from an image to a profile that was tried, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::bundle::Bundle;
use support::docker::{self, Docker};
use support::plain::{self, Plain};
use support::podman::{self, Podman};
use support::{PATH, find_program, fixtures, is_root, missing, profgen, run, skip, static_profgen};

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
        assert!(!ran.stderr.contains("could not be read"), "{}", ran.stderr);
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

#[test]
fn a_user_without_rights_in_a_read_only_container_is_recorded() {
    let Some(docker) = docker() else { return };
    let script =
        "busybox id -u; busybox touch /x; busybox cat /proc/self/status | busybox grep CapEff";
    let options = ["--user", "1000:1000", "--read-only", "--cap-drop", "ALL", "--network", "none"];
    for more in [&[][..], &["--init"], &["--tmpfs", "/tmp", "--security-opt", "no-new-privileges"]]
    {
        let bundle = Bundle::new();
        let words = [&["--no-static"], &options[..], more, &[docker.image()]].concat();
        let ran =
            container(&docker, &bundle, &[&words[..], &["busybox", "sh", "-c", script]].concat());
        assert!(ran.stdout.starts_with("1000\nCapEff:\t0000000000000000"), "{}", ran.stdout);
        assert!(
            ran.stderr.contains("verified: under its profile output and exit"),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        // What it named could be read, though Docker's profile denies process_vm_readv.
        assert!(policy(&bundle).contains("\"x\": {\"done\""), "{}", policy(&bundle));
        assert!(!ran.stderr.contains("could not be read"), "{}", ran.stderr);
    }
}

#[test]
fn images_without_a_shell_and_with_a_c_library_of_their_own_are_recorded_and_analysed() {
    let Some(docker) = docker() else { return };
    // From scratch: one static program, which the image names.
    let root = tempfile::tempdir().unwrap();
    fs::copy(fixtures::build("bare").unwrap(), root.path().join("app")).unwrap();
    let image = docker.import(root.path(), &["ENTRYPOINT [\"/app\"]", "USER 65534"]);
    let bundle = Bundle::new();
    let ran = container(&docker, &bundle, &["--network", "none", &image]);
    assert_eq!(ran.status, 7, "{}", ran.stderr);
    assert!(ran.stderr.contains("verified: under its profile"), "{}", ran.stderr);

    // Made of installed packages: a program, its libraries and its loader, with links as Debian has them.
    let root = tempfile::tempdir().unwrap();
    debian_root(root.path(), &["/usr/bin/sort", "/usr/bin/cat"]);
    let changes = ["ENTRYPOINT [\"sort\", \"-n\"]", "CMD [\"/etc/numbers\"]", "WORKDIR /etc"];
    let image = docker.import(root.path(), &changes);
    let bundle = Bundle::new();
    let ran = container(&docker, &bundle, &["--network", "none", &image]);
    assert_eq!((&*ran.stdout, ran.status), ("3\n20\n100\n", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("verified: under its profile output and exit"), "{}", ran.stderr);
    let analysis = fs::read_to_string(bundle.path("b/analysis.json")).unwrap();
    assert!(analysis.contains("libc.so.6"), "the image's library was not analysed");
    // Its own paths, not those of the directory that it was unpacked into.
    assert!(!analysis.contains("profgen-container-"), "a path of this run is in the analysis");
    // An entry point that was asked for takes the place of the image's.
    let bundle = Bundle::new();
    let words = ["--no-static", "--network", "none", "--entrypoint", "cat", &image, "numbers"];
    let ran = container(&docker, &bundle, &words);
    assert_eq!((&*ran.stdout, ran.status), ("20\n3\n100\n", 0), "{}", ran.stderr);
}

#[test]
fn an_image_with_musl_is_recorded_and_its_loader_is_found_in_it() {
    let Some(docker) = docker() else { return };
    let program = match fixtures::build("musl-dynamic") {
        Ok(program) => program,
        Err(why) => return skip(&why),
    };
    // The name that the program has for its loader, which is the library too.
    let loader = "/lib/ld-musl-x86_64.so.1";
    if let Some(why) = missing([loader]) {
        return skip(&why);
    }
    let root = tempfile::tempdir().unwrap();
    for directory in ["bin", "lib", "etc"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::copy(program, root.path().join("bin/app")).unwrap();
    fs::copy(loader, root.path().join(&loader[1..])).unwrap();
    fs::write(root.path().join("etc/passwd"), "alpine:x:1000:1000::/:/bin/false\n").unwrap();
    let image = docker.import(root.path(), &["ENTRYPOINT [\"/bin/app\"]", "USER 1000"]);
    let bundle = Bundle::new();
    let ran = container(&docker, &bundle, &["--read-only", "--network", "none", &image]);
    assert_eq!((&*ran.stdout, ran.status), ("user alpine\n", 6), "{}", ran.stderr);
    assert!(ran.stderr.contains("verified: under its profile output and exit"), "{}", ran.stderr);
    let analysis = fs::read_to_string(bundle.path("b/analysis.json")).unwrap();
    assert!(analysis.contains(loader), "musl was not analysed");
}

/// A root file system with these programs of the machine and all that they load.
fn debian_root(root: &Path, programs: &[&str]) {
    for directory in ["usr/bin", "usr/lib", "etc", "tmp"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for link in ["bin", "lib", "lib64"] {
        let target = fs::read_link(Path::new("/").join(link)).unwrap();
        symlink(&target, root.join(link)).unwrap();
        fs::create_dir_all(root.join(&target)).unwrap();
    }
    let copy = |path: &Path| {
        let to = root.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    };
    for program in programs {
        copy(Path::new(program));
        let listed = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
            .map(Path::new)
            .for_each(copy);
    }
    fs::write(root.join("etc/numbers"), "20\n3\n100\n").unwrap();
}

#[test]
fn a_service_is_recorded_until_it_is_healthy_and_its_test_is_done() {
    let Some(docker) = docker() else { return };
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("bin")).unwrap();
    fs::create_dir_all(root.path().join("www")).unwrap();
    fs::copy(find_program("busybox").unwrap(), root.path().join("bin/busybox")).unwrap();
    symlink("busybox", root.path().join("bin/sh")).unwrap();
    fs::write(root.path().join("www/index.html"), "welcome\n").unwrap();
    let serve =
        "CMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"127.0.0.1:8080\", \"-h\", \"/www\"]";
    let check = "HEALTHCHECK --interval=1s CMD busybox wget -q -O /dev/null http://127.0.0.1:8080/";
    let image = docker.import(root.path(), &[serve, check]);
    let exercise =
        "docker exec $PROFGEN_CONTAINER $PROFGEN_INSIDE busybox wget -q -O - http://127.0.0.1:8080/
        docker exec $PROFGEN_CONTAINER busybox true";
    let bundle = Bundle::new();
    let words = ["--until-healthy", "--exercise", exercise, "--network", "none", &image];
    let ran = container(&docker, &bundle, &words);
    assert_eq!((&*ran.stdout, ran.status), ("welcome\n", 0), "{}", ran.stderr);
    let verified = "verified: under its profile the exercise had the same output and exit status";
    assert!(ran.stderr.contains(verified), "{}", ran.stderr);
    // Recorded as runs of their own: the service, its health check, and what joined through profgen.
    let traces = fs::read_dir(bundle.path("b/traces")).unwrap().count();
    assert!(traces >= 3, "{traces} traces: {}", ran.stderr);
    let gaps: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("incomplete")).collect();
    let [joined, sockets] = gaps[..] else { panic!("{gaps:?}") };
    assert!(joined.contains("busybox true was not traced: it joined"), "{joined}");
    assert!(sockets.contains("pidfd_getfd"), "{sockets}");
    assert_eq!(docker.containers(), "", "containers are left");

    // After a time, whatever it does.
    let bundle = Bundle::new();
    let words = ["--for", "1s", "--no-static", "--network", "none", &image];
    let ran = container(&docker, &bundle, &words);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("verified: under its profile it ran as long"), "{}", ran.stderr);
}

#[test]
fn what_was_to_be_recorded_and_did_not_happen_is_an_error() {
    let Some(docker) = docker() else { return };
    let common = ["--no-static", "--no-verify"];
    for (options, status, why) in [
        (["--for", "2s", "--exercise", "sleep 60"], "1000", "before the time was over"),
        (["--for", "100s", "--exercise", "sleep 60"], "2", "before the container ended"),
    ] {
        let bundle = Bundle::new();
        let image = ["--network", "none", docker.image(), "busybox", "sleep", status];
        let ran = container(&docker, &bundle, &[&common[..], &options, &image].concat());
        assert_eq!(ran.status, 125, "{}", ran.stderr);
        let said = format!("the exercise was not done {why}");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        // What was recorded is kept.
        assert!(policy(&bundle).contains("nanosleep"), "{}", ran.stderr);
    }
    assert_eq!(docker.containers(), "", "containers are left");
}

#[test]
fn an_interrupted_recording_gives_a_bundle_and_leaves_no_container() {
    let Some(docker) = docker() else { return };
    let bundle = Bundle::new();
    let script = "busybox echo started; busybox sleep 1000";
    let words = ["--no-static", "--network", "none", docker.image(), "busybox", "sh", "-c", script];
    let mut command = command(&docker, &bundle, &words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("interrupted by SIGINT"), "{said}");
    assert!(said.contains("not verified, as profgen was interrupted"), "{said}");
    assert!(policy(&bundle).contains("nanosleep"), "{}", policy(&bundle));
    assert_eq!(docker.containers(), "", "containers are left");
}

#[test]
fn what_a_container_did_otherwise_under_its_profile_is_told() {
    let Some(docker) = docker() else { return };
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("bin")).unwrap();
    fs::copy(find_program("busybox").unwrap(), root.path().join("bin/busybox")).unwrap();
    let image = docker.import(root.path(), &[]);
    // The second run finds what the first left, and takes a path that was not recorded.
    let volume = tempfile::tempdir().unwrap();
    let volume = format!("{}:/v", volume.path().display());
    let script =
        "cd /v; if busybox test -e seen; then busybox mkdir d || exit 9; else echo >seen; fi";
    let bundle = Bundle::new();
    let words = ["--no-static", "--network", "none", "-v", &volume, &image];
    let ran = container(&docker, &bundle, &[&words[..], &["busybox", "sh", "-c", script]].concat());
    assert_eq!(ran.status, 125, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("not verified: under its profile the container ended with status 9"),
        "{}",
        ran.stderr
    );
    // The bundle is there all the same.
    assert!(bundle.path("b/seccomp.json").exists());
}

#[test]
fn bundles_of_runc_and_crun_are_recorded_and_stay_as_they_are() {
    if !is_root() {
        return skip("not root, which runtimes are run as");
    }
    for runtime in ["runc", "crun"] {
        if let Some(why) = missing([runtime, "unshare", "mount", "busybox", "namespaces"]) {
            skip(&why);
            continue;
        }
        let script = "busybox echo hello; busybox ls /; busybox id -u; exit 5";
        let busybox = find_program("busybox").unwrap();
        let arguments = ["/bin/busybox", "sh", "-c", script];
        let plain = Plain::new(&[(&busybox, "busybox")], &arguments, true);
        let before = fs::read(plain.path().join("config.json")).unwrap();
        let bundle = Bundle::new();
        let out = bundle.path("b").display().to_string();
        let tracer = static_profgen().display().to_string();
        let directory = plain.path().display().to_string();
        let words =
            ["container", "--engine", runtime, "--tracer", &tracer, "--no-static", "-o", &out];
        let words = [&[profgen()], &words[..], &["--", &directory]].concat();
        let ran = run::run_command(plain::command(runtime, &words), Duration::from_secs(120));
        assert_eq!(ran.status, 5, "{}", ran.stderr);
        assert!(ran.stdout.starts_with("hello\n"), "{}", ran.stdout);
        assert!(
            ran.stderr.contains("verified: under its profile output and exit"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(plain.path().join("config.json")).unwrap(), before);
        assert!(!plain.path().join("rootfs/dev/.profgen").exists());

        // Its profile is for this runtime, and denies what was not recorded.
        let profile = fs::read_to_string(bundle.path("b/seccomp.json")).unwrap();
        let profile: serde_json::Value = serde_json::from_str(&profile).unwrap();
        let arguments = ["/bin/extra-call", "mkdir", "/bin/busybox", "sh", "-c", script];
        let wrapper = fixtures::build("extra-call").unwrap();
        let programs: [(&Path, &str); 2] = [(&busybox, "busybox"), (&wrapper, "extra-call")];
        let behind = Plain::new(&programs, &arguments, true);
        behind.confine(&profile);
        let ran = run::run_command(behind.run(runtime), Duration::from_secs(60));
        let said = ran.stderr.lines().find_map(|line| line.strip_prefix("extra-call: mkdir: "));
        assert!(matches!(said, Some("1" | "38")), "mkdir was not denied: {}", ran.stderr);
        assert_eq!(ran.status, 5, "{}", ran.stderr);
    }
}

#[test]
fn an_image_in_podman_gets_a_profile_for_the_runtime_that_podman_has() {
    for runtime in ["runc", "crun"] {
        if let Some(why) = Podman::obstacle(runtime) {
            skip(&why);
            continue;
        }
        let podman = Podman::new(runtime, &[&fixtures::build("extra-call").unwrap()]);
        let options = podman.options();
        let script = "busybox echo hello; busybox ls /tmp; busybox id -u; exit 5";
        let bundle = Bundle::new();
        let (out, tracer) =
            (bundle.path("b").display().to_string(), static_profgen().display().to_string());
        let words = [
            profgen(),
            "container",
            "--engine",
            "podman",
            "--no-static",
            "--tracer",
            &tracer,
            "-o",
            &out,
        ];
        let words = [
            &words[..],
            &options,
            &["--user", "1000", "--read-only", "--cap-drop", "ALL"],
            &[podman::IMAGE, "busybox", "sh", "-c", script],
        ]
        .concat();
        let ran = podman.run(&words);
        assert_eq!((&*ran.stdout, ran.status), ("hello\n1000\n", 5), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("verified: under its profile output and exit"),
            "{}",
            ran.stderr
        );

        // The profile is what denies the extra call.
        let seccomp = format!("seccomp={out}/seccomp.json");
        for (security, denied) in [(&["--security-opt", &*seccomp][..], true), (&[], false)] {
            let run = [&["podman", "run", "--rm"], &options[..], security].concat();
            let behind = [podman::IMAGE, "/bin/extra-call", "mkdir", "/bin/busybox"];
            let ran = podman.run(&[&run[..], &behind, &["sh", "-c", script]].concat());
            let said = ran.stderr.lines().find_map(|line| line.strip_prefix("extra-call: mkdir: "));
            assert_eq!(matches!(said, Some("1" | "38")), denied, "{said:?} {}", ran.stderr);
            assert_eq!((&*ran.stdout, ran.status), ("hello\n0\n", 5), "{}", ran.stderr);
        }

        // What podman says of its runtime decides what the profile allows it.
        let emit = [
            profgen(),
            "emit",
            "podman",
            &format!("{out}/policy.json"),
            "--runtime",
            "auto",
            "-o",
            "/dev/null",
        ];
        let emitted = podman.run(&emit);
        assert!(
            emitted.stderr.contains(&format!("podman: for {runtime} 1.")),
            "{}",
            emitted.stderr
        );
    }
}

#[test]
fn what_the_command_leaves_behind_ends_with_it_and_what_it_is_sent_reaches_it() {
    let Some(docker) = docker() else { return };
    let left = "busybox sleep 1000 & busybox echo started; exit 3";
    let asked = "trap 'busybox echo asked; exit 6' USR1; while :; do busybox sleep 0.1; done";
    let send =
        "docker kill --signal USR1 $PROFGEN_CONTAINER >/dev/null; docker wait $PROFGEN_CONTAINER";
    for engine in ["notify", "ptrace"] {
        let common = ["--no-static", "--tracing-engine", engine];
        let bundle = Bundle::new();
        let image = ["--network", "none", docker.image(), "busybox", "sh", "-c"];
        let started = std::time::Instant::now();
        let ran = container(&docker, &bundle, &[&common[..], &image, &[left]].concat());
        assert_eq!((&*ran.stdout, ran.status), ("started\n", 3), "{engine}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("verified: under its profile output"),
            "{engine}: {}",
            ran.stderr
        );
        assert!(
            started.elapsed() < Duration::from_secs(100),
            "{engine}: what was left was waited for"
        );

        let bundle = Bundle::new();
        let words = [&common[..], &["--no-verify", "--exercise", send], &image, &[asked]].concat();
        let ran = container(&docker, &bundle, &words);
        assert!(ran.stdout.contains("asked\n"), "{engine}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_profile_is_for_the_runtime_that_docker_has() {
    let Some(docker) = docker() else { return };
    let bundle = Bundle::new();
    let words =
        ["--no-static", "--no-verify", "--network", "none", docker.image(), "busybox", "true"];
    assert_eq!(container(&docker, &bundle, &words).status, 0);
    let mut emit = docker.client_of(profgen());
    emit.args(["emit", "docker", "--runtime", "auto"]).arg(bundle.path("b/policy.json"));
    let emitted = run::run_command(emit, Duration::from_secs(60));
    assert!(emitted.stderr.contains("docker: for runc 1."), "{}", emitted.stderr);
    // Made without no-new-privileges, which docker does not tell beforehand: a row more or none.
    let own = fs::read_to_string(bundle.path("b/seccomp.json")).unwrap();
    let [own, auto] = [own, emitted.stdout].map(|text| {
        support::bundle::allowed(&serde_json::from_str(&text).expect("a profile is JSON"))
    });
    assert!(own.is_subset(&auto) && own.contains("setuid"), "{own:?} {auto:?}");
    // What only a newer runc calls is in neither.
    assert!(!auto.contains("openat2") || own.contains("openat2"), "{auto:?}");

    // A decision keeps it usable by this runtime, and by others.
    let mut decide = docker.client_of(profgen());
    decide.args(["decide"]).arg(bundle.path("b")).args(["deny", "mkdir", "--reason", "a test"]);
    let decided = run::run_command(decide, Duration::from_secs(60));
    assert!(decided.stderr.contains("any release of runc and crun"), "{}", decided.stderr);
    let profile = format!("seccomp={}", bundle.path("b/seccomp.json").display());
    let ran = docker.run(&["--security-opt", &profile], &["busybox", "true"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);

    // Without a static profgen one clear error says what makes it.
    let mut command = docker.client_of(profgen());
    command.args(["container", "--network", "none", docker.image(), "busybox", "true"]);
    let ran = run::run_command(command, Duration::from_secs(60));
    assert_eq!(ran.status, 125);
    assert!(ran.stderr.contains("ci/static-build.sh"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn standard_input_is_passed_on_and_is_the_same_in_every_run() {
    let Some(docker) = docker() else { return };
    let bundle = Bundle::new();
    let words = ["--no-static", "-i", "--network", "none", docker.image(), "busybox", "sort"];
    let mut command = command(&docker, &bundle, &words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"b\na\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((&*output.stdout, output.status.code()), (&b"a\nb\n"[..], Some(0)), "{said}");
    assert!(said.contains("verified: under its profile output and exit status"), "{said}");
}

#[test]
fn a_health_check_that_cannot_be_recorded_without_a_shell_runs_as_it_is_and_is_told() {
    let Some(docker) = docker() else { return };
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("bin")).unwrap();
    fs::copy(find_program("busybox").unwrap(), root.path().join("bin/busybox")).unwrap();
    let check = "HEALTHCHECK --interval=1s CMD [\"/bin/busybox\", \"true\"]";
    let image = docker.import(root.path(), &[check, "CMD [\"busybox\", \"sleep\", \"1000\"]"]);
    let bundle = Bundle::new();
    let words = ["--no-static", "--no-verify", "--until-healthy", "--network", "none", &image];
    let ran = container(&docker, &bundle, &words);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("/bin/busybox true was not traced: it joined"), "{}", ran.stderr);
    assert_eq!(docker.containers(), "", "containers are left");
}

#[test]
fn the_recipe_before_a_deploy_is_green_for_the_same_image_and_red_for_one_that_gained_a_call() {
    let Some(docker) = docker() else { return };
    let image = |script: &str| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("bin")).unwrap();
        fs::copy(find_program("busybox").unwrap(), root.path().join("bin/busybox")).unwrap();
        fs::write(root.path().join("app"), script).unwrap();
        docker.import(root.path(), &["CMD [\"busybox\", \"sh\", \"/app\"]"])
    };
    let recorded = |image: &str| {
        let bundle = Bundle::new();
        let ran = container(&docker, &bundle, &["--no-static", "--network", "none", image]);
        assert_eq!((&*ran.stdout, ran.status), ("welcome\n", 0), "{}", ran.stderr);
        bundle
    };
    let old = image("busybox echo welcome");
    let committed = recorded(&old);
    let gate = |bundle: &Bundle| {
        let mut diff = Command::new(profgen());
        diff.arg("diff").arg(committed.path("b/policy.json")).arg(bundle.path("b"));
        diff.args(["--fail-on", "widened"]).env("PATH", PATH);
        run::run_command(diff, Duration::from_secs(60))
    };
    let same = gate(&recorded(&old));
    assert_eq!(same.status, 0, "{}{}", same.stdout, same.stderr);
    let gained = gate(&recorded(&image("busybox echo welcome; busybox mkdir /d")));
    assert_eq!(gained.status, 1, "{}{}", gained.stdout, gained.stderr);
    assert!(gained.stdout.contains("mkdir"), "{}", gained.stdout);
}
