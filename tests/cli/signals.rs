//! Signals reach the command once, and what was recorded until then is kept.

use crate::scene::{ENGINES, Record, Scene};
use crate::support::profgen;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdout, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Waits until something holds; not for ever.
pub fn waited(holds: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !holds() {
        if started.elapsed() > Duration::from_secs(30) {
            return false;
        }
        sleep(Duration::from_millis(10));
    }
    true
}

/// The same, where it must come to hold.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    assert!(waited(holds), "in vain: {what}");
}

/// The one-letter state of a process, or none when it is gone.
pub fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A process that ended, though its parent may not have waited for it.
pub fn gone(pid: i32) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}

/// A command that runs, and the lines that it writes.
pub struct Running {
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(scene: &Scene, words: &[&str]) -> Running {
        let mut command = scene.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("start");
        let lines = BufReader::new(child.stdout.take().expect("stdout"));
        Running { child, lines }
    }

    pub fn trace(scene: &Scene, engine: &str, script: &str) -> Running {
        let words = [
            profgen(),
            "trace",
            "-q",
            "--no-static",
            "-o",
            "b",
            "--engine",
            engine,
            "--",
            "sh",
            "-c",
            script,
        ];
        Running::start(scene, &words)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    pub fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("kill");
    }

    /// Waits for the end, with the rest of what it wrote.
    pub fn end(mut self) -> (ExitStatus, String) {
        let pid = self.pid();
        let watch = std::thread::spawn(move || {
            sleep(Duration::from_secs(30));
            // Late: the test fails, and does not hang.
            let _ = nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL);
        });
        let status = self.child.wait().expect("wait");
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("read");
        drop(watch);
        (status, rest)
    }
}

impl Drop for Running {
    /// A test that failed leaves nothing behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = nix::sys::signal::killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn record(scene: &Scene) -> Record {
    scene.record("b")
}

#[test]
fn a_signal_to_profgen_alone_is_passed_on_and_the_record_says_so() {
    for engine in ENGINES {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            let scene = Scene::new();
            let mut running = Running::trace(
                &scene,
                engine,
                "ulimit -c 0; ls / >/dev/null; echo ready; exec sleep 60",
            );
            assert_eq!(running.line(), "ready");
            running.send(signal);
            let (status, _) = running.end();
            assert_eq!(status.signal(), Some(signal as i32), "{engine} {signal}: {status}");
            let record = record(&scene);
            assert_eq!(*record.completeness("interrupted"), signal.as_str());
            assert_eq!(record.completeness("ended")["signal"], signal.as_str());
            assert!(!record.program("/usr/bin/ls")["calls"].is_null());
        }
    }
}

#[test]
fn the_commands_own_handling_of_a_signal_counts() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        let mut running = Running::trace(&scene, engine, script);
        assert_eq!(running.line(), "ready");
        running.send(Signal::SIGTERM);
        let (status, rest) = running.end();
        assert_eq!((status.code(), rest.as_str()), (Some(7), "got\n"), "{engine}");
        assert_eq!(*record(&scene).completeness("interrupted"), "SIGTERM");
        assert_eq!(record(&scene).completeness("ended")["exit"], 7);
    }
}

#[test]
fn a_command_that_ignores_a_signal_goes_on() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = "trap '' TERM; echo ready; while [ ! -e stop ]; do sleep 0.05; done; exit 4";
        let mut running = Running::trace(&scene, engine, script);
        assert_eq!(running.line(), "ready");
        running.send(Signal::SIGTERM);
        sleep(Duration::from_millis(300));
        assert!(running.child.try_wait().expect("wait").is_none(), "{engine}");
        scene.write("stop", "");
        assert_eq!(running.end().0.code(), Some(4), "{engine}");
        assert_eq!(*record(&scene).completeness("interrupted"), "SIGTERM");
    }
}

#[test]
fn what_a_command_leaves_behind_is_recorded_and_ends_when_profgen_is_asked_to() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = "setsid sh -c 'echo $$; exec sleep 600' & exit 3";
        let mut running = Running::trace(&scene, engine, script);
        let daemon: i32 = running.line().parse().expect("a pid");
        sleep(Duration::from_millis(300));
        assert!(running.child.try_wait().expect("wait").is_none(), "{engine}: it waits");
        assert!(!gone(daemon));
        for _ in 0..2 {
            running.send(Signal::SIGINT);
            sleep(Duration::from_millis(300));
        }
        let (status, _) = running.end();
        assert_eq!(status.code(), Some(3), "{engine}: {status}");
        until("the daemon ends", || gone(daemon));
        assert_eq!(*record(&scene).completeness("interrupted"), "SIGINT");
        assert_eq!(record(&scene).completeness("ended")["exit"], 3);
        let _ = record(&scene).program("/usr/bin/sleep");
    }
}

#[test]
fn what_ignores_every_request_is_killed_at_last() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = "trap '' TERM INT; echo $$; while :; do sleep 0.05; done";
        let mut running = Running::trace(&scene, engine, script);
        let pid: i32 = running.line().parse().expect("a pid");
        for _ in 0..3 {
            running.send(Signal::SIGTERM);
            sleep(Duration::from_millis(200));
        }
        let (status, _) = running.end();
        assert_eq!(status.signal(), Some(9), "{engine}: {status}");
        assert!(gone(pid));
        assert_eq!(record(&scene).completeness("ended")["signal"], "SIGKILL");
    }
}

#[test]
fn with_ptrace_nothing_outlives_a_profgen_that_is_killed() {
    let scene = Scene::new();
    let script = "sleep 600 & echo $$ $!; wait";
    let mut running = Running::trace(&scene, "ptrace", script);
    let pids: Vec<i32> = running.line().split(' ').map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(pids.len(), 2);
    running.send(Signal::SIGKILL);
    assert_eq!(running.end().0.signal(), Some(9));
    until("the command and its child are gone", || pids.iter().all(|&pid| gone(pid)));
    assert!(!scene.path("b").exists(), "nothing half-written");
}

#[test]
fn the_death_of_a_command_by_a_signal_is_passed_on() {
    let scene = Scene::new();
    for number in [1, 2, 3, 4, 6, 8, 9, 11, 13, 14, 15, 24, 31, 35, 64] {
        let script = format!("ulimit -c 0; kill -{number} $$");
        for prefix in [
            vec![],
            vec![profgen(), "trace", "-q", "--no-static", "-o", "b", "--engine", "ptrace", "--"],
            vec![profgen(), "trace", "-q", "--no-static", "-o", "b", "--engine", "notify", "--"],
            vec![profgen(), "run", "-q", "--policy", "b", "--"],
            vec![profgen(), "run", "--audit", "--policy", "b", "--"],
        ] {
            let running = Running::start(&scene, &[&prefix[..], &["sh", "-c", &script]].concat());
            let (status, _) = running.end();
            assert_eq!(status.signal(), Some(number), "{prefix:?}: {status}");
        }
    }
    let shown = scene.run(&[
        "bash",
        "-c",
        r#""$PROFGEN" trace -q --no-static -o b -- sh -c 'ulimit -c 0; kill -SEGV $$'; echo $?"#,
    ]);
    assert_eq!(shown.stdout, "139\n");
}
