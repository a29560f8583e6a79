//! `profgen trace --pid`: a process that runs already is recorded, and left as it was.

use crate::scene::{ARCH, Scene, failed, file, outcomes};
use crate::signals::{Running, state, until};
use crate::support::{is_root, missing, profgen, skip};
use nix::sys::signal::Signal;
use std::{fs, thread::sleep, time::Duration};

/// Sleeps in four threads; a file `go` makes it work, a file `stop` makes it end.
const SLEEPER: &str = r#"
import os, subprocess, sys, threading, time
def sleeper():
    started = time.monotonic()
    time.sleep(3600)
    os._exit(99)
def worker():
    while not os.path.exists("go"):
        time.sleep(0.02)
    subprocess.run(["mkdir", "made"], check=True)
    thread = threading.Thread(target=lambda: os.mkdir("by-thread"))
    thread.start()
    thread.join()
    open("went", "w").close()
for target in (sleeper, sleeper, worker):
    threading.Thread(target=target, daemon=True).start()
print("ready", flush=True)
while not os.path.exists("stop"):
    time.sleep(0.02)
os._exit(3)
"#;

fn sleeper(scene: &Scene) -> Running {
    let mut running = Running::start(scene, &["/usr/bin/python3", "-I", "-c", SLEEPER]);
    assert_eq!(running.line(), "ready");
    running
}

fn field(path: &str, name: &str) -> String {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// The tracer of every thread.
fn tracers(pid: i32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let tasks = tasks.map(|task| task.expect("a thread").path().join("status"));
    tasks.map(|status| field(&status.display().to_string(), "TracerPid:")).collect()
}

fn attached(scene: &Scene, target: &Running) -> Running {
    let pid = target.pid().to_string();
    let tracer =
        Running::start(scene, &[profgen(), "trace", "-q", "--no-static", "-o", "b", "--pid", &pid]);
    let own = tracer.pid().to_string();
    until("every thread is traced", || tracers(target.pid()).iter().all(|tracer| *tracer == own));
    tracer
}

#[test]
fn a_running_process_is_recorded_and_left_unharmed() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let target = sleeper(&scene);
    let pid = target.pid();
    let tracer = attached(&scene, &target);
    scene.write("go", "");
    until("it works", || scene.path("went").exists());
    tracer.send(Signal::SIGINT);
    let (status, _) = tracer.end();
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(tracers(pid).iter().all(|tracer| tracer == "0"), "{:?}", tracers(pid));
    assert_eq!(tracers(pid).len(), 3, "main and two sleepers");
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten() {
        let task = task.file_name().to_string_lossy().parse().expect("a tid");
        until("it sleeps as before", || state(task) == Some('S'));
    }

    let record = scene.record("b");
    assert_eq!(record.0["engine"]["name"], "ptrace");
    assert_eq!(*record.completeness("interrupted"), "SIGINT");
    assert!(record.completeness("ended").is_null());
    assert_eq!(record.completeness("notes").as_array().expect("notes").len(), 1);
    assert_eq!(record.0["command"]["argv"][0], "/usr/bin/python3");
    let python = fs::canonicalize("/usr/bin/python3").expect("python3");
    let python = record.program(python.to_str().expect("text"));
    assert_eq!(python["executions"], 0, "its start was not seen");
    let made = file(python, &scene.text("by-thread"));
    assert_eq!(outcomes(made, "make-directory"), [("ok".to_owned(), 1)].into());
    assert!(python["calls"][ARCH]["mkdir"]["count"].as_u64() == Some(1));
    let made = file(record.program("/usr/bin/mkdir"), &scene.text("made"));
    assert_eq!(outcomes(made, "make-directory"), [("ok".to_owned(), 1)].into());
    let processes = record.0["processes"].as_array().expect("processes");
    assert_eq!(processes.len(), 2, "{processes:#?}");
    assert_eq!(processes[1]["parent"], 0);
    assert_eq!(processes[1]["ended"]["exit"], 0);

    scene.write("stop", "");
    assert_eq!(target.end().0.code(), Some(3), "it works to its end");
}

#[test]
fn recording_ends_when_the_process_does() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let target = sleeper(&scene);
    let tracer = attached(&scene, &target);
    scene.write("stop", "");
    assert_eq!(target.end().0.code(), Some(3));
    let (status, _) = tracer.end();
    assert_eq!(status.code(), Some(0), "its end is not profgen's: {status}");
    let record = scene.record("b");
    assert_eq!(record.completeness("ended")["exit"], 3);
    assert!(record.completeness("interrupted").is_null());
    assert!(record.has_call(ARCH, "exit_group"));
}

#[test]
fn a_process_survives_being_attached_to_again_and_again() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let target = sleeper(&scene);
    for round in 1..=5 {
        let tracer = attached(&scene, &target);
        sleep(Duration::from_millis(20 * round));
        tracer.send(if round % 2 == 0 { Signal::SIGTERM } else { Signal::SIGINT });
        assert_eq!(tracer.end().0.code(), Some(0));
    }
    assert_eq!(scene.traces("b").len(), 5);
    scene.write("stop", "");
    assert_eq!(target.end().0.code(), Some(3));
}

#[test]
fn a_process_is_left_running_when_profgen_is_killed() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let target = sleeper(&scene);
    let tracer = attached(&scene, &target);
    tracer.send(Signal::SIGKILL);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&tracer.end().0), Some(9));
    scene.write("go", "");
    until("it works", || scene.path("went").exists());
    scene.write("stop", "");
    assert_eq!(target.end().0.code(), Some(3));
}

#[test]
fn a_stopped_process_stays_stopped() {
    let scene = Scene::new();
    let target = Running::start(&scene, &["sleep", "600"]);
    target.send(Signal::SIGSTOP);
    until("it is stopped", || state(target.pid()) == Some('T'));
    let tracer = attached(&scene, &target);
    sleep(Duration::from_millis(200));
    tracer.send(Signal::SIGINT);
    let _ = tracer.end();
    sleep(Duration::from_millis(100));
    assert_eq!(state(target.pid()), Some('T'));
    target.send(Signal::SIGCONT);
    until("it goes on", || state(target.pid()) == Some('S'));
    target.send(Signal::SIGTERM);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&target.end().0), Some(15));
}

#[test]
fn a_process_that_does_nothing_meanwhile_gives_an_empty_record() {
    let scene = Scene::new();
    let target = Running::start(&scene, &["sleep", "600"]);
    target.send(Signal::SIGSTOP);
    until("it is stopped", || state(target.pid()) == Some('T'));
    let tracer = attached(&scene, &target);
    tracer.send(Signal::SIGINT);
    assert_eq!(tracer.end().0.code(), Some(0));
    let record = scene.record("b");
    assert!(!record.has_call(ARCH, "read"));
    target.send(Signal::SIGKILL);
    let _ = target.end();
}

#[test]
fn a_process_that_is_not_there_is_said_in_one_line() {
    let scene = Scene::new();
    for pid in ["4194305", "2147483647", "0"] {
        for words in [&["trace", "--pid", pid][..], &["trace", "-o", "b", "--pid", pid]] {
            let ran = scene.profgen(words);
            failed(&ran, 125, &[pid]);
            assert!(scene.names().is_empty(), "{pid}: {:?}", scene.names());
        }
    }
}

#[test]
fn a_process_that_is_not_ours_is_said_in_one_line() {
    if !is_root() {
        return skip("not root");
    }
    let scene = Scene::new();
    let (user, program) = scene.ordinary_user();
    let own = std::process::id().to_string();
    let words = [program.as_str(), "trace", "-o", "b", "--pid", &own];
    let ran = scene.run(&[&user, &words[..]].concat());
    failed(&ran, 125, &[&own, "not permitted"]);
    assert!(scene.names().is_empty());
}
