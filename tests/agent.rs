//! `profgen agent`: containers of runc and crun are recorded with nothing of profgen's inside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::container::Container;
use support::podman::{self, Podman};
use support::run::Ran;
use support::{oci, profgen, skip};
use tempfile::TempDir;

/// Two programs that run at the same time: one makes a directory, the other a link.
const FIRST: &str = "busybox mkdir /tmp/d && busybox sleep 1; busybox ls /tmp; exit 3";
const SECOND: &str = "busybox ln -s x /tmp/l; busybox sleep 1; busybox readlink /tmp/l; exit 4";

fn first_and_second(runtime: &str) {
    if let Some(why) = oci::obstacle(runtime) {
        return skip(&why);
    }
    let agent = Agent::start(&[]);
    for no_new_privs in [false, true] {
        let names = ["first", "second"].map(|name| format!("{name}-{no_new_privs}"));
        let scripts = [FIRST, SECOND];
        let native =
            scripts.map(|script| Container::new(runtime, script, None, no_new_privs).run());
        let containers = [0, 1].map(|at| {
            let profile = agent.profile(&["--metadata", &names[at], "--runtime", runtime]);
            Container::new(runtime, scripts[at], Some(&profile), no_new_privs)
        });
        let ran = at_once(&containers);
        for (at, name) in names.iter().enumerate() {
            assert_eq!(seen(&ran[at]), seen(&native[at]), "recorded (left) and not");
            let bundle = agent.finished(name, 1);
            let trace = &bundle.traces[0];
            assert_eq!(trace["container"]["id"], *containers[at].id());
            assert_eq!(trace["container"]["metadata"], **name);
            let annotations = &trace["container"]["annotations"];
            assert_eq!(annotations["org.example.test"], *containers[at].id());
            assert_eq!(trace["completeness"]["notes"], serde_json::json!([]));
            assert_eq!(trace["engine"]["no_new_privs"], no_new_privs);
            assert_eq!(trace["command"]["argv"][3], scripts[at]);
            // What only one of them does is in no record of the other.
            let calls = bundle.calls();
            assert_eq!(calls.contains("mkdir"), at == 0, "{calls:?}");
            assert_eq!(calls.contains("symlink"), at == 1, "{calls:?}");
            // And nothing of the runtime's is.
            for call in ["capset", "setgroups", "fstatfs", "seccomp", "epoll_ctl"] {
                assert!(!calls.contains(call), "{call}");
            }
        }
        confined(&agent, runtime, &names[1], &native[1], no_new_privs);
    }
}

/// The second program runs under the profile made of its record, and its mkdir is denied.
fn confined(agent: &Agent, runtime: &str, name: &str, native: &Ran, no_new_privs: bool) {
    let policy = agent.bundle(name);
    let policy = policy.to_str().unwrap();
    let text = run_profgen(&["emit", "oci", policy, "--runtime", runtime, "--quiet"]);
    let profile: Value = serde_json::from_slice(&text.stdout).unwrap();
    let ran = Container::new(runtime, SECOND, Some(&profile), no_new_privs).run();
    assert_eq!(seen(&ran), seen(native), "under its profile (left) and free: {}", ran.stderr);
    let extra = format!("busybox mkdir /tmp/e; {SECOND}");
    let container = Container::new(runtime, &extra, Some(&profile), no_new_privs);
    let ran = container.run();
    assert_eq!(seen(&ran), seen(native), "behind a denied mkdir: {}", ran.stderr);
    assert!(
        !container.root().join("tmp/e").exists() && ran.stderr.contains("mkdir"),
        "{}",
        ran.stderr
    );
}

#[test]
fn two_containers_at_once_are_recorded_apart_under_runc() {
    first_and_second("runc");
}

#[test]
fn two_containers_at_once_are_recorded_apart_under_crun() {
    first_and_second("crun");
}

#[test]
fn a_first_signal_lets_containers_end_and_a_second_ends_the_recording() {
    if let Some(why) = oci::obstacle("runc") {
        return skip(&why);
    }
    let mut agent = Agent::start(&[]);
    let profile = agent.profile(&["--metadata", "kept"]);
    let kept = Container::new(
        "runc",
        "busybox sleep 2; busybox mkdir /tmp/d; exit 5",
        Some(&profile),
        true,
    );
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| kept.run());
        agent.wait_for_worker();
        agent.signal("TERM");
        wait_until("the socket is gone", || !agent.socket().exists());
        running.join().unwrap()
    });
    assert_eq!(ran.status, 5, "{}", ran.stderr);
    assert_eq!(agent.ended(), Some(0));
    let bundle = agent.finished("kept", 1);
    assert!(bundle.calls().contains("mkdir"));
    assert_eq!(bundle.traces[0]["completeness"]["interrupted"], Value::Null);

    let mut agent = Agent::start(&[]);
    let profile = agent.profile(&["--metadata", "left"]);
    let script = "busybox mkdir /tmp/d; busybox sleep 3; echo awake; busybox ls /";
    let left = Container::new("runc", script, Some(&profile), true);
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| left.run());
        wait_until("it has made its directory", || left.root().join("tmp/d").exists());
        agent.signal("TERM");
        wait_until("the socket is gone", || !agent.socket().exists());
        agent.signal("TERM");
        assert_eq!(agent.ended(), Some(0));
        running.join().unwrap()
    });
    // Its shell cannot even make a process any more: what is announced fails with ENOSYS.
    assert_ne!(ran.status, 0, "{}", ran.stdout);
    assert!(ran.stderr.contains("Function not implemented"), "{}", ran.stderr);
    let bundle = agent.finished("left", 1);
    assert!(bundle.calls().contains("mkdir") && !bundle.calls().contains("getdents64"));
    assert_eq!(bundle.traces[0]["completeness"]["interrupted"], "SIGTERM");
}

#[test]
fn the_kill_of_an_agent_leaves_the_recording_to_its_end() {
    if let Some(why) = oci::obstacle("runc") {
        return skip(&why);
    }
    let mut agent = Agent::start(&[]);
    let profile = agent.profile(&["--metadata", "orphan"]);
    let container = Container::new(
        "runc",
        "busybox sleep 2; busybox mkdir /tmp/d; exit 6",
        Some(&profile),
        true,
    );
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| container.run());
        agent.wait_for_worker();
        agent.signal("KILL");
        assert_eq!(agent.ended(), None);
        running.join().unwrap()
    });
    assert_eq!(ran.status, 6, "{}", ran.stderr);
    assert!(agent.finished("orphan", 1).calls().contains("mkdir"));
    // No container starts while nobody listens; the next agent takes the place of the dead one.
    let refused = Container::new("runc", "exit 0", Some(&profile), true).run();
    assert_ne!(refused.status, 0, "it started without an agent");
    let next = agent.restart();
    let ran = Container::new("runc", "exit 0", Some(&profile), true).run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    next.finished("orphan", 2);
}

#[test]
fn the_kill_of_a_recorder_leaves_what_it_had_saved() {
    if let Some(why) = oci::obstacle("crun") {
        return skip(&why);
    }
    let agent = Agent::start(&[]);
    let profile = agent.profile(&["--metadata", "cut"]);
    let script = "busybox mkdir /tmp/d; busybox sleep 8; busybox ls /";
    let container = Container::new("crun", script, Some(&profile), true);
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| container.run());
        let worker = agent.wait_for_worker();
        wait_until("something was saved", || agent.traces("cut") == 1);
        signal(worker, "KILL");
        running.join().unwrap()
    });
    assert!(ran.stderr.contains("Function not implemented"), "{}", ran.stderr);
    wait_until("it is said", || agent.said().contains("killed by SIGKILL"));
    let trace = read_traces(&agent.bundle("cut")).remove(0);
    assert!(calls_of(&trace).contains("mkdir"));
    assert_eq!(
        trace["completeness"]["notes"][0],
        "the container was still running when this was saved"
    );
    // The others go on.
    let ran = Container::new("crun", "exit 0", Some(&profile), true).run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn who_connects_and_is_no_runtime_disturbs_nobody() {
    if let Some(why) = oci::obstacle("runc") {
        return skip(&why);
    }
    let agent = Agent::start(&[]);
    let _silent: Vec<UnixStream> = (0..40).map(|_| agent.connect()).collect();
    let state = br#"{"ociVersion":"1.0.2","fds":["seccompFd"],"pid":1,"state":{"id":"../../x"}}"#;
    let messages: [&[u8]; 5] = [b"", b"no json", b"{}", state, &[b'['; 200_000]];
    for message in messages {
        let mut stream = agent.connect();
        let _ = stream.write_all(message);
    }
    wait_until("each is refused", || {
        agent.said().matches("refused a connection").count() >= messages.len()
    });
    let profile = agent.profile(&["--metadata", "../among others\n"]);
    let ran = Container::new("runc", "busybox mkdir /tmp/d; exit 7", Some(&profile), false).run();
    assert_eq!(ran.status, 7, "{}", ran.stderr);
    assert!(agent.finished("_among_others_", 1).calls().contains("mkdir"));
    // One line each, whatever was sent.
    for line in agent.said().lines() {
        assert!(line.starts_with("profgen: "), "{line:?}");
    }
}

#[test]
fn a_process_that_joins_a_container_is_recorded_too() {
    // crun 1.8.1 hangs in `crun exec` under a profile that announces calls.
    let runtime = "runc";
    if let Some(why) = oci::obstacle(runtime) {
        return skip(&why);
    }
    let agent = Agent::start(&[]);
    let profile = agent.profile(&["--metadata", "joined", "--runtime", runtime]);
    let script = "while ! [ -e /tmp/go ]; do busybox sleep 0.1; done";
    let container = Container::new(runtime, script, Some(&profile), true);
    thread::scope(|scope| {
        let running = scope.spawn(|| container.run());
        agent.wait_for_worker();
        thread::sleep(Duration::from_millis(500));
        let joined = container.exec(&["/bin/busybox", "mkdir", "/tmp/go"]);
        assert_eq!(joined.status, 0, "{}", joined.stderr);
        assert_eq!(running.join().unwrap().status, 0);
    });
    let bundle = agent.finished("joined", 2);
    let reasons: BTreeSet<&str> =
        bundle.traces.iter().map(|trace| trace["engine"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    let by = |reason: &str| {
        let one = bundle
            .traces
            .iter()
            .find(|trace| trace["engine"]["reason"].as_str().unwrap().contains(reason));
        calls_of(one.unwrap())
    };
    assert!(by("joined").contains("mkdir"));
}

#[test]
fn podman_hands_its_containers_over() {
    let agent = Agent::start(&[]);
    for runtime in ["crun", "runc"] {
        if let Some(why) = Podman::obstacle(runtime) {
            skip(&why);
            continue;
        }
        let podman = Podman::new(runtime, &[]);
        let options = [&["podman", "run", "--rm"], &podman.options()[..]].concat();
        let script = "busybox mkdir /tmp/d; busybox ls /tmp; exit 5";
        let image = [podman::IMAGE, "/bin/busybox", "sh", "-c", script];
        let profile = podman.at("recording.json").display().to_string();
        let metadata = format!("podman-{runtime}");
        let text = agent.profile(&["--metadata", &metadata, "--runtime", runtime]).to_string();
        fs::write(&profile, text).unwrap();
        for profile in [profile, agent.bundle(&metadata).join("seccomp.json").display().to_string()]
        {
            let security = format!("seccomp={profile}");
            let words = [&options[..], &["--security-opt", &security], &image].concat();
            let ran = podman.run(&words);
            assert_eq!((&*ran.stdout, ran.status), ("d\n", 5), "{profile}: {}", ran.stderr);
            let bundle = agent.finished(&metadata, 1);
            assert!(bundle.calls().contains("mkdir"));
            assert_eq!(bundle.traces[0]["completeness"]["notes"], serde_json::json!([]));
        }
    }
}

#[test]
fn the_socket_is_for_its_owner_and_replaces_nothing_that_is_in_use() {
    let mut agent = Agent::start(&["--count", "1"]);
    let mode = fs::metadata(agent.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = agent.socket();
    let second = run_profgen(&["agent", "--socket", socket.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another program listens there"));
    agent.signal("INT");
    assert_eq!(agent.ended(), Some(0));
    assert!(!socket.exists());

    fs::write(&socket, "mine").unwrap();
    let second = run_profgen(&["agent", "--socket", socket.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&second.stderr).contains("something else is there"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "mine");
    fs::remove_file(&socket).unwrap();

    // Left by one that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    let mut agent = agent.restart();
    agent.signal("TERM");
    assert_eq!(agent.ended(), Some(0));
}

/// An agent with a directory of its own.
struct Agent {
    child: Child,
    home: TempDir,
}

impl Agent {
    fn start(options: &[&str]) -> Agent {
        let home = tempfile::Builder::new().prefix("profgen-agent-").tempdir().unwrap();
        Agent::at(home, options)
    }

    fn at(home: TempDir, options: &[&str]) -> Agent {
        let log =
            fs::File::options().create(true).append(true).open(home.path().join("log")).unwrap();
        let child = Command::new(profgen())
            .args(["agent", "--socket"])
            .arg(home.path().join("socket"))
            .arg("-o")
            .arg(home.path())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let agent = Agent { child, home };
        let said = agent.said().matches("waiting for containers").count();
        wait_until("it listens", || {
            agent.said().matches("waiting for containers").count() > said
                || UnixStream::connect(agent.socket()).is_ok()
        });
        agent
    }

    /// Another one in the place of one that is gone.
    fn restart(mut self) -> Agent {
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        drop(self);
        Agent::at(home, &[])
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).unwrap()
    }

    fn bundle(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.profgen"))
    }

    fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// The recording profile for its socket.
    fn profile(&self, options: &[&str]) -> Value {
        let socket = self.socket();
        let words = ["agent", "--bootstrap", "--quiet", "--socket", socket.to_str().unwrap()];
        let output = run_profgen(&[&words[..], options].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn traces(&self, name: &str) -> usize {
        fs::read_dir(self.bundle(name).join("traces")).map_or(0, |entries| {
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| !name.starts_with('.')).count()
        })
    }

    /// The bundle of that name, once so many recordings of it have ended.
    fn finished(&self, name: &str, count: usize) -> Recorded {
        wait_until(name, || {
            let lines = self.said();
            let ended = format!("profgen: {name} (container ");
            lines.lines().filter(|line| line.starts_with(&ended)).count() >= count
        });
        let traces = read_traces(&self.bundle(name));
        assert_eq!(traces.len(), count, "{}", self.said());
        assert!(self.bundle(name).join("policy.json").exists());
        Recorded { traces }
    }

    /// The process that records the one container that there is.
    fn wait_for_worker(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        wait_until("a container is recorded", || self.said().contains("recording "));
        let text = fs::read_to_string(children).unwrap();
        text.split_whitespace().last().expect("a worker").parse().unwrap()
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the agent has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Its workers end with their containers.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Recorded {
    traces: Vec<Value>,
}

impl Recorded {
    fn calls(&self) -> BTreeSet<String> {
        self.traces.iter().flat_map(calls_of).collect()
    }
}

fn read_traces(bundle: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(bundle.join("traces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

fn calls_of(trace: &Value) -> BTreeSet<String> {
    let programs = trace["programs"].as_array().unwrap().iter();
    let calls = programs.flat_map(|program| program["calls"].as_object().unwrap().values());
    calls.flat_map(|calls| calls.as_object().unwrap().keys().cloned()).collect()
}

fn at_once(containers: &[Container; 2]) -> [Ran; 2] {
    thread::scope(|scope| {
        let running = [0, 1].map(|at| scope.spawn(move || containers[at].run()));
        running.map(|one| one.join().unwrap())
    })
}

fn seen(ran: &Ran) -> (&str, i32) {
    (&ran.stdout, ran.status)
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

fn run_profgen(words: &[&str]) -> Output {
    Command::new(profgen()).args(words).output().unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(40), "not within 40 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
