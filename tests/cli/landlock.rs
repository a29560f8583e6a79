//! What `profgen run` denies beyond system calls: files, ports and signals that no run used.

use crate::scene::{Scene, read_json};
use crate::support::{missing, skip};
use std::net::TcpListener;
use std::process::{Child, Command};

/// Reads a file, writes one, binds a port and signals a process, and says how each went.
const PROBE: &str = r#"
import os, signal, socket, subprocess, sys
def attempt(what, act):
    try:
        act()
        print(what, "done")
    except PermissionError:
        print(what, "denied")
def bind(port):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
read, write, port, process = sys.argv[1:]
child = None
if process == "child":
    child = subprocess.Popen(["sleep", "60"])
    process = child.pid
attempt("read", lambda: open(read).read())
attempt("write", lambda: open(write, "w").write("x"))
attempt("bind", lambda: bind(int(port)))
attempt("signal", lambda: os.kill(int(process), signal.SIGTERM))
if child:
    child.wait()
"#;

const DONE: &str = "read done\nwrite done\nbind done\nsignal done\n";

/// A port that nobody uses now.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port().to_string()
}

/// A process outside of any run.
struct Stranger(Child);

impl Stranger {
    fn start() -> Stranger {
        Stranger(Command::new("sleep").arg("60").spawn().expect("sleep"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn probe_is_held(ordinary: bool) {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    scene.write("probe.py", PROBE);
    let mine = scene.write("mine", "x").display().to_string();
    let secret = scene.tmp().join("secret").display().to_string();
    std::fs::write(&secret, "x").expect("write");
    let outside = scene.tmp().join("outside").display().to_string();
    let (prefix, profgen) = match ordinary {
        true => scene.ordinary_user(),
        false => (Vec::new(), crate::support::profgen().to_owned()),
    };
    let port = free_port();
    let run = |options: &[&str], arguments: &[&str]| {
        let program = ["--", "python3", "-S", "probe.py"];
        scene.run(&[&prefix[..], &[&profgen], options, &program, arguments].concat())
    };
    let own = [mine.as_str(), "out", &port, "child"];
    let traced = run(&["trace", "-q", "--no-static", "-o", "b"], &own);
    assert_eq!((traced.stdout.as_str(), traced.status), (DONE, 0), "{traced:?}");
    let confined = ["run", "--policy", "b"];
    let again = run(&confined, &own);
    assert_eq!((again.stdout.as_str(), again.status), (DONE, 0), "{again:?}");
    assert!(again.stderr.starts_with("profgen: landlock: fully enforced: "), "{again:?}");

    let stranger = Stranger::start();
    let other = free_port();
    let strange = ["/etc/shadow", &outside, &other, &stranger.pid()];
    let held = run(&confined, &strange);
    assert_eq!(
        (held.stdout.as_str(), held.status),
        ("read denied\nwrite denied\nbind denied\nsignal denied\n", 0),
        "{held:?}"
    );
    let readable = run(&confined, &[&secret, "out", &port, "child"]);
    assert!(readable.stdout.starts_with("read denied\nwrite done\n"), "{readable:?}");
    // Nothing but Landlock is in the way.
    let free = run(&["run", "--policy", "b", "--no-landlock"], &[&secret, "out", &other, "child"]);
    assert_eq!(free.stdout, DONE, "{free:?}");
    assert!(!free.stderr.contains("landlock"), "{free:?}");
}

#[test]
fn what_no_run_used_is_denied() {
    probe_is_held(false);
}

#[test]
fn what_no_run_used_is_denied_to_an_ordinary_user() {
    probe_is_held(true);
}

#[test]
fn older_kernels_run_the_program_and_say_what_they_do_not_enforce() {
    let scene = Scene::new();
    let script = "mkdir -p d/e; echo x > d/a; mv d/a d/e/b; cat d/e/b; : > d/e/b; rm -r d; ls";
    let words = ["sh", "-c", script];
    let native = scene.run(&words);
    assert_eq!(
        scene
            .profgen(&[&["trace", "-q", "--no-static", "-o", "b", "--"], &words[..]].concat())
            .status,
        0
    );
    for (abi, said) in [
        ("0", "not enforced: no files, no ports"),
        ("1", "ABI 1 refuses beside any rule on files"),
        ("2", "ABI 2 has no word for it: truncate, ioctl_dev, bind_tcp, connect_tcp"),
        ("3", "ABI 3 has no word for it: ioctl_dev, bind_tcp, connect_tcp"),
        ("4", "ABI 4 has no word for it: ioctl_dev, abstract_unix_socket, signal"),
        ("5", "ABI 5 has no word for it: abstract_unix_socket, signal"),
        ("6", "fully enforced"),
    ] {
        let options = ["run", "--policy", "b", "--landlock-abi", abi, "--"];
        let ran = scene.profgen(&[&options, &words[..]].concat());
        let stdout = ran.stdout.replace("b\n", "");
        assert_eq!(
            (stdout.as_str(), ran.status),
            (&*native.stdout, native.status),
            "{abi}: {ran:?}"
        );
        assert!(ran.stderr.contains(said), "{abi}: {ran:?}");
    }
}

#[test]
fn a_name_made_in_a_guarded_directory_is_said_first() {
    let scene = Scene::new();
    let (home, work) = (scene.text(""), scene.text("keys/.ssh"));
    std::fs::create_dir_all(&work).expect("mkdir");
    let script = "echo x > keys/.ssh/id; cat keys/.ssh/id";
    let ran = scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "sh", "-c", script]);
    assert_eq!(ran.status, 0, "{ran:?} {home}");
    let report = std::fs::read_to_string(scene.path("b/report.md")).expect("report");
    let first: Vec<&str> = report.lines().take(12).collect();
    assert!(
        first.iter().any(|line| line.contains(".ssh: a store of keys is granted whole")
            && line.contains("make\\_reg")),
        "{first:#?}"
    );
}

#[test]
fn the_bundle_has_the_rules_and_emit_gives_the_same() {
    let scene = Scene::new();
    assert_eq!(
        scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "ls", "/"]).status,
        0
    );
    let rules = read_json(&scene.path("b/landlock.json"));
    assert_eq!(rules["abi"], 6);
    let emitted = scene.profgen(&["emit", "-q", "landlock", "b"]);
    let emitted: serde_json::Value = serde_json::from_str(&emitted.stdout).expect("JSON");
    assert_eq!(rules, emitted);
    for format in ["landlock-toml", "landlock-c", "landlock-rust", "landrun"] {
        let ran = scene.profgen(&["emit", "-q", format, "b"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{format}: {ran:?}");
        assert!(ran.stdout.contains("/usr/bin/ls"), "{format}: {ran:?}");
    }
}
