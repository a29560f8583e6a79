//! `profgen run --audit` beyond system calls: files, ports, signals, abstract sockets and
//! capabilities that the policy would deny are let pass, and named.

use crate::scene::Scene;
use crate::support::{is_root, missing, skip};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
};

/// Uses files, ports, processes and sockets as the first argument says, one act a word.
const PROGRAM: &str = r#"
import os, socket, sys
acts, secret, port, process = sys.argv[1:]
def connect(address):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
    except OSError:
        pass
def bind():
    with socket.socket() as server:
        server.bind(("127.0.0.1", int(port)))
for act in acts.split():
    if act == "read": open(secret).read()
    if act == "write": open(secret + ".new", "w").write("x")
    if act == "append": open("mine", "a").write("x")
    if act == "move": os.rename("mine", secret + ".moved")
    if act == "list": os.listdir(os.path.dirname(secret))
    if act == "bind": bind()
    if act == "signal": os.kill(int(process), 0)
    if act == "own": os.kill(os.getpid(), 0)
    if act == "abstract": connect("\0nobody-listens-here")
    if act == "all-calls":
        socket.socketpair()[0].close(); connect("nothing"); open("mine", "a").write("x")
        os.rename("mine", "other"); os.rename("other", "mine")
        socket.socket().close(); os.kill(os.getpid(), 0); os.listdir(".")
"#;

struct Audited {
    scene: Scene,
    secret: String,
    port: String,
}

impl Audited {
    /// A policy of a run that made all the calls, on what is its own.
    fn new() -> Option<Audited> {
        if let Some(why) = missing(["python3"]) {
            skip(&why);
            return None;
        }
        let scene = Scene::new();
        scene.write("program.py", PROGRAM);
        scene.write("mine", "x");
        // Elsewhere than what the run makes, whose directory is granted.
        let elsewhere = scene.tmp().join("elsewhere");
        fs::create_dir(&elsewhere).expect("make a directory");
        let secret = elsewhere.join("secret").display().to_string();
        fs::write(&secret, "x").expect("write");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port().to_string();
        let audited = Audited { scene, secret, port };
        let ran = audited.run(&["trace", "-q", "--no-static", "-o", "b"], "all-calls");
        assert_eq!((ran.stderr.as_str(), ran.status), ("", 0), "{ran:?}");
        Some(audited)
    }

    fn run(&self, options: &[&str], acts: &str) -> crate::support::run::Ran {
        let own = std::process::id().to_string();
        let words = ["--", "python3", "-S", "program.py", acts, &self.secret, &self.port, &own];
        self.scene.profgen(&[options, &words].concat())
    }

    /// What would be denied beside calls, without the program's name.
    fn denied(&self, options: &[&str], acts: &str) -> BTreeSet<String> {
        let ran = self.run(&[&["run", "--audit", "--policy", "b"], options].concat(), acts);
        let lines = ran.stderr.lines().map(|line| {
            let (_, what) = line.split_once(": would deny ").unwrap_or_else(|| panic!("{ran:?}"));
            what.split_once(": ").expect("a program").1.to_owned()
        });
        let found: BTreeSet<String> = lines.filter(|line| line.contains(" (no ")).collect();
        assert_eq!(ran.status, i32::from(!ran.stderr.is_empty()), "{ran:?}");
        found
    }
}

#[test]
fn what_the_run_did_is_not_reported() {
    let Some(audited) = Audited::new() else { return };
    assert_eq!(audited.denied(&[], "all-calls"), BTreeSet::new());
    assert_eq!(audited.denied(&[], "append own"), BTreeSet::new());
}

#[test]
fn each_file_port_process_and_socket_is_named_with_the_right_that_it_lacks() {
    let Some(audited) = Audited::new() else { return };
    let Audited { secret, port, .. } = &audited;
    let own = std::process::id();
    for (act, wanted) in [
        ("read", vec![format!("read {secret} (no read_file)")]),
        (
            "write",
            vec![
                format!("create {secret}.new (no make_reg)"),
                format!("write {secret}.new (no write_file)"),
            ],
        ),
        ("bind", vec![format!("bind TCP port {port} (no bind_tcp)")]),
        ("signal", vec![format!("signal process {own} (no signal)")]),
        (
            "abstract",
            vec![
                "connect to the abstract socket @nobody-listens-here (no abstract_unix_socket)"
                    .to_owned(),
            ],
        ),
    ] {
        assert_eq!(audited.denied(&[], act), BTreeSet::from_iter(wanted), "{act}");
    }
    assert!(fs::exists(format!("{secret}.new")).expect("look"), "it was let through");
    assert_eq!(audited.denied(&["--no-landlock"], "read write bind signal"), BTreeSet::new());
    // What an older kernel has no word for, it does not deny.
    let older = audited.denied(&["--landlock-abi", "3"], "bind signal abstract");
    assert_eq!(older, BTreeSet::new());
}

#[test]
fn a_move_out_of_the_directory_lacks_the_right_to_make_and_to_refer() {
    let Some(audited) = Audited::new() else { return };
    let denied = audited.denied(&[], "move");
    let to = format!("rename-to {}.moved", audited.secret);
    assert!(denied.contains(&format!("{to} (no make_reg)")), "{denied:?}");
    assert!(denied.contains(&format!("{to} (no refer)")), "{denied:?}");
}

#[test]
fn what_takes_a_capability_that_would_be_dropped_is_named() {
    let Some(audited) = Audited::new() else { return };
    if !is_root() {
        return skip("not root");
    }
    chown(&audited.secret, Some(65534), Some(65534)).expect("chown");
    fs::set_permissions(&audited.secret, Permissions::from_mode(0o600)).expect("chmod");
    let denied = audited.denied(&["--no-landlock"], "read");
    let [line] = &denied.iter().collect::<Vec<_>>()[..] else { panic!("{denied:?}") };
    assert!(line.contains(&audited.secret) && line.contains("no CAP_DAC_READ_SEARCH"), "{line}");
    let options = ["--no-landlock", "--keep-capability", "dac_override"];
    assert_eq!(audited.denied(&options, "read"), BTreeSet::new());
    assert_eq!(audited.denied(&["--no-landlock", "--no-capabilities"], "read"), BTreeSet::new());
}

#[test]
fn what_is_repeated_is_counted() {
    let Some(audited) = Audited::new() else { return };
    let denied = audited.denied(&[], "read read read");
    let wanted = format!("read {} 3 times (no read_file)", audited.secret);
    assert_eq!(denied, BTreeSet::from([wanted]));
}
