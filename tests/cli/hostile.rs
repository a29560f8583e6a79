//! Files that are not what they should be: programs that are damaged, evidence that is forged.

use crate::scene::{ENGINES, Scene, failed, names};
use crate::support::{is_root, skip};
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How the kernel deals with a program.
#[derive(Debug, PartialEq)]
enum Native {
    Refused(i32),
    Exited(i32),
    Killed,
    Hung,
}

fn natively(path: &Path) -> Native {
    for _ in 0..100 {
        let command = || {
            let mut command = Command::new(path);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut child = match command().spawn() {
            // Another test of this process forked while the file was being written.
            Err(error) if error.raw_os_error() == Some(nix::libc::ETXTBSY) => {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            Err(error) => return Native::Refused(error.raw_os_error().expect("an errno")),
            Ok(child) => child,
        };
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if let Some(status) = child.try_wait().expect("wait") {
                return match (status.code(), status.signal()) {
                    (Some(code), _) => Native::Exited(code),
                    _ => Native::Killed,
                };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().and_then(|()| child.wait()).expect("kill");
        return Native::Hung;
    }
    panic!("{} stays busy", path.display());
}

/// Traces a damaged program and compares with what the kernel does with it.
fn ends_as_natively(scene: &Scene, name: &str, bytes: &[u8]) {
    let path = scene.program("damaged", bytes);
    let native = natively(&path);
    for engine in ENGINES {
        if native == Native::Hung {
            continue;
        }
        let ran = scene.profgen(&[
            "trace",
            "-q",
            "--no-static",
            "--engine",
            engine,
            "-o",
            "b",
            "--",
            "./damaged",
        ]);
        let what = format!("{name}, {engine}, natively {native:?}: {ran:?}");
        let wrote = scene.path("b").join("policy.json").exists();
        match native {
            Native::Refused(errno) => {
                let status = if errno == nix::libc::ENOENT { 127 } else { 126 };
                assert_eq!(ran.status, status, "{what}");
                assert!(ran.stderr.starts_with("profgen: cannot run ./damaged: "), "{what}");
                assert_eq!(ran.stderr.lines().count(), 1, "{what}");
                assert!(!scene.path("b").exists(), "{what}");
            }
            Native::Exited(code) => assert!(ran.status == code && wrote, "{what}"),
            // By which signal may depend on where the loader put it.
            Native::Killed => assert!(ran.status > 128 && wrote, "{what}"),
            Native::Hung => {}
        }
        let _ = fs::remove_dir_all(scene.path("b"));
    }
}

fn put(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut value = [0; 8];
    value[..length].copy_from_slice(&bytes[at..at + length]);
    usize::try_from(u64::from_le_bytes(value)).expect("a small number")
}

/// Where the program header of a type stands.
fn header_of(bytes: &[u8], kind: usize) -> usize {
    let (start, count) = (number(bytes, 32, 8), number(bytes, 56, 2));
    (0..count)
        .map(|at| start + at * 56)
        .find(|&at| number(bytes, at, 4) == kind)
        .expect("a program header")
}

const HUGE: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
const ALL: [u8; 8] = [0xff; 8];

#[test]
fn a_truncated_program_ends_as_it_does_natively() {
    let scene = Scene::new();
    let whole = fs::read("/bin/true").expect("read true");
    for length in [4, 15, 16, 52, 63, 64, 100, 500, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        ends_as_natively(&scene, &format!("cut at {length}"), &whole[..length]);
    }
}

#[test]
fn a_program_with_a_hostile_header_ends_as_it_does_natively() {
    let scene = Scene::new();
    let whole = fs::read("/bin/true").expect("read true");
    let (load, dynamic) = (header_of(&whole, 1), header_of(&whole, 2));
    let (interpreter, note) = (header_of(&whole, 3), header_of(&whole, 4));
    let name = number(&whole, interpreter + 8, 8);
    let cases: &[(&str, usize, &[u8])] = &[
        ("no class", 4, &[0]),
        ("the other class", 4, &[1]),
        ("the other byte order", 5, &[2]),
        ("a relocatable file", 16, &[1, 0]),
        ("an unknown machine", 18, &[0xff, 0xff]),
        ("an entry point nowhere", 24, &HUGE),
        ("program headers past the end", 32, &HUGE),
        ("program headers at an overflow", 32, &ALL),
        ("program headers in the header", 32, &[0; 8]),
        ("program headers of odd size", 54, &[57, 0]),
        ("no program header", 56, &[0, 0]),
        ("too many program headers", 56, &ALL[..2]),
        ("section headers past the end", 40, &HUGE),
        ("section headers at an overflow", 40, &ALL),
        ("section headers in the header", 40, &[0; 8]),
        ("too many section headers", 60, &ALL[..2]),
        ("section names nowhere", 62, &ALL[..2]),
        ("a segment past the end", load + 8, &HUGE),
        ("a segment in the kernel", load + 16, &ALL),
        ("a segment larger than the file", load + 32, &HUGE),
        ("a segment larger than memory", load + 40, &HUGE),
        ("a segment of odd alignment", load + 48, &[3]),
        ("an interpreter past the end", interpreter + 8, &HUGE),
        ("an interpreter's name without end", interpreter + 32, &[4]),
        ("an interpreter's name too long", interpreter + 32, &HUGE),
        ("an interpreter that is missing", name, b"/nonexistent\0"),
        ("an interpreter that is no program", name, b"/etc/passwd\0"),
        ("an interpreter that is a directory", name, b"/\0"),
        ("notes past the end", note + 8, &HUGE),
        ("notes that are huge", note + 32, &HUGE),
        ("notes without alignment", note + 48, &[0; 8]),
        ("a dynamic section past the end", dynamic + 8, &HUGE),
        ("a dynamic section that is huge", dynamic + 32, &ALL),
    ];
    for (name, at, value) in cases {
        ends_as_natively(&scene, name, &put(&whole, *at, value));
    }
}

#[test]
fn programs_with_random_damage_end_as_they_do_natively() {
    let scene = Scene::new();
    let whole = fs::read("/bin/true").expect("read true");
    let sections = number(&whole, 40, 8);
    let headers = number(&whole, 32, 8) + number(&whole, 56, 2) * 56;
    // xorshift: the same damage in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    for round in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let at = match random(2) {
                0 => 4 + random(headers - 4),
                _ => sections + random(whole.len() - sections),
            };
            bytes[at] = u8::try_from(random(256)).expect("a byte");
        }
        ends_as_natively(&scene, &format!("round {round}"), &bytes);
    }
}

/// What must be refused as evidence, and a word of the reason.
fn forgeries(trace: &str, policy: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: String| text.into_bytes();
    vec![
        ("empty", Vec::new(), ""),
        ("garbage", vec![0xff, 0xfe, 0, 1], ""),
        ("array", b"[]".to_vec(), ""),
        ("other", b"{\"schema\": \"http://example.org/other\"}".to_vec(), "example.org"),
        ("cut", trace.as_bytes()[..trace.len() / 2].to_vec(), ""),
        ("deep", "[".repeat(100_000).into_bytes(), ""),
        ("newer", text(trace.replace("profgen/trace/v1", "profgen/trace/v2")), "v2"),
        ("unknown-field", text(trace.replacen("\"host\"", "\"hosts\"", 1)), "hosts"),
        ("unknown-call", text(trace.replacen("\"execve\"", "\"exorcise\"", 1)), "exorcise"),
        ("newer-policy", text(policy.replace("profgen/policy/v1", "profgen/policy/v9")), "v9"),
    ]
}

#[test]
fn forged_evidence_is_refused_by_merge_and_emit_in_one_line_with_its_name() {
    let scene = Scene::new();
    let (_, _) = scene.trace("ptrace", &["true"]);
    let read = |path: &Path| fs::read_to_string(path).expect("read");
    let trace = read(&scene.traces("ptrace.profgen")[0]);
    let policy = read(&scene.path("ptrace.profgen/policy.json"));
    for (name, bytes, word) in forgeries(&trace, &policy) {
        scene.write(name, &bytes);
        failed(&scene.profgen(&["merge", "-o", "out", name]), 2, &[name, word]);
        failed(&scene.profgen(&["merge", "-o", "-", "ptrace.profgen", name]), 2, &[name, word]);
        failed(&scene.profgen(&["emit", "docker", name, "-o", "out"]), 2, &[name]);
        failed(&scene.profgen(&["run", "-q", "--policy", name, "--", "true"]), 125, &[name]);
        assert!(!scene.path("out").exists(), "{name}");
    }
    let trace = scene.traces("ptrace.profgen")[0].display().to_string();
    failed(&scene.profgen(&["emit", "docker", &trace]), 2, &[&trace, "trace"]);
    failed(&scene.profgen(&["merge", "-o", "out", "missing"]), 2, &["missing", "no such file"]);
    fs::create_dir(scene.path("nothing")).expect("mkdir");
    failed(&scene.profgen(&["merge", "-o", "out", "nothing"]), 2, &["nothing", "no traces"]);
    failed(&scene.profgen(&["emit", "docker", "nothing"]), 2, &["nothing/policy.json"]);
    assert!(!scene.path("out").exists());
}

#[test]
fn a_forged_trace_in_a_bundle_fails_the_next_run_which_is_kept() {
    let scene = Scene::new();
    let (_, _) = scene.trace("notify", &["true"]);
    let trace = fs::read_to_string(&scene.traces("notify.profgen")[0]).expect("read");
    let policy = fs::read_to_string(scene.path("notify.profgen/policy.json")).expect("read");
    let mut forged = forgeries(&trace, &policy);
    forged.push(("policy", policy.clone().into_bytes(), "policy"));
    for (name, bytes, word) in forged {
        let file = scene.write(&format!("notify.profgen/traces/{name}.json"), bytes);
        let before = scene.traces("notify.profgen").len();
        let ran = scene.profgen(&["trace", "-o", "notify.profgen", "--", "echo", "ran"]);
        assert_eq!(ran.stdout, "ran\n", "{name}");
        failed(&ran, 125, &[&format!("notify.profgen/traces/{name}.json"), word]);
        assert_eq!(scene.traces("notify.profgen").len(), before + 1, "{name}");
        let now = fs::read_to_string(scene.path("notify.profgen/policy.json")).expect("read");
        assert_eq!(now, policy, "{name}");
        failed(&scene.profgen(&["merge", "-o", "-", "notify.profgen"]), 2, &[name, word]);
        fs::remove_file(file).expect("remove");
    }
    let ran = scene.profgen(&["trace", "-q", "--no-static", "-o", "notify.profgen", "--", "true"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "once it is gone, all is well");
}

#[test]
fn a_trace_file_that_is_a_link_or_a_pipe_is_neither_followed_nor_waited_for() {
    let scene = Scene::new();
    let (_, _) = scene.trace("notify", &["true"]);
    fs::copy(&scene.traces("notify.profgen")[0], scene.path("secret.json")).expect("copy");
    for (make, name) in [
        ("ln -s ../../secret.json $T", "link"),
        ("ln -s /dev/zero $T", "endless"),
        ("mkfifo $T", "pipe"),
        ("mkdir $T", "directory"),
    ] {
        let file = format!("notify.profgen/traces/{name}.json");
        let made = scene.sh(&format!("T={file}; {make}"));
        assert_eq!(made.status, 0, "{made:?}");
        let before = scene.traces("notify.profgen").len();
        let ran = scene.profgen(&["trace", "-o", "notify.profgen", "--", "true"]);
        failed(&ran, 125, &[&file]);
        assert_eq!(scene.traces("notify.profgen").len(), before + 1, "{name}");
        failed(&scene.profgen(&["merge", "-o", "-", "notify.profgen"]), 2, &[&file]);
        assert_eq!(scene.sh(&format!("rm -r {file}")).status, 0);
    }
    assert_eq!(names(&scene.tmp()).len(), 0);
}

#[test]
fn evidence_without_permission_is_named() {
    if !is_root() {
        return skip("not root");
    }
    let scene = Scene::new();
    let (user, program) = scene.ordinary_user();
    let run = |words: &[&str]| scene.run(&[&user[..], &[program.as_str()], words].concat());
    let traced = run(&["trace", "-q", "--no-static", "-o", "b", "--", "true"]);
    assert_eq!(traced.status, 0, "{traced:?}");
    let closed = scene.traces("b")[0].display().to_string();
    assert_eq!(scene.run(&["chmod", "000", &closed]).status, 0);
    failed(&run(&["merge", "-o", "out", &closed]), 2, &[&closed, "permission denied"]);
    failed(&run(&["merge", "-o", "out", "b"]), 2, &["b/traces/", "permission denied"]);
    failed(&run(&["trace", "-o", "b", "--", "true"]), 125, &["b/traces/", "permission denied"]);
    assert_eq!(scene.traces("b").len(), 2);
    assert_eq!(scene.run(&["chmod", "000", "b/policy.json"]).status, 0);
    failed(&run(&["emit", "docker", "b"]), 2, &["b/policy.json", "permission denied"]);
    let refused = run(&["run", "-q", "--policy", "b", "--", "true"]);
    failed(&refused, 125, &["b/policy.json", "permission denied"]);
}
