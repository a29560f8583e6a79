//! Linux capabilities under `profgen run`: the command has those that its policy suggests, and no
//! others.

use crate::scene::Scene;
use crate::support::{is_root, missing, skip, status_field};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
};

const SHOW: [&str; 3] = ["grep", "^Cap", "/proc/self/status"];
const QUIET: [&str; 3] = ["trace", "-q", "--no-static"];

/// A scene, where root and its tools are here.
fn scene(tools: &[&str]) -> Option<Scene> {
    let obstacle = if is_root() { missing(tools.iter().copied()) } else { Some("not root".into()) };
    match obstacle {
        Some(why) => {
            skip(&why);
            None
        }
        None => Some(Scene::new()),
    }
}

fn learn(scene: &Scene, bundle: &str, words: &[&str]) {
    let ran = scene.profgen(&[&QUIET[..], &["-o", bundle, "--"], words].concat());
    assert_eq!((ran.stderr.as_str(), ran.status), ("", 0), "{words:?}: {ran:?}");
}

/// A set of /proc/PID/status in a text, as a number.
fn set(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let bits = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    u64::from_str_radix(bits.trim(), 16).expect("a set of bits")
}

fn sets(text: &str) -> [u64; 5] {
    ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(|name| set(text, name))
}

#[test]
fn root_runs_an_ordinary_program_with_no_capability_at_all() {
    let Some(scene) = scene(&[]) else { return };
    learn(&scene, "b", &SHOW);
    let run = |options: &[&str]| {
        let ran = scene.profgen(&[&["run", "--policy", "b"], options, &["--"], &SHOW].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        ran
    };
    let ran = run(&[]);
    assert_eq!(sets(&ran.stdout), [0; 5], "{ran:?}");
    assert!(ran.stderr.contains("profgen: capabilities: fully enforced: none\n"), "{ran:?}");
    let kept = run(&["--keep-capability", "net_raw", "--keep-capability", "CAP_CHOWN"]);
    assert_eq!(sets(&kept.stdout), [0, 0x2001, 0x2001, 0x2001, 0], "{kept:?}");
    assert!(kept.stderr.contains("fully enforced: only CAP_CHOWN, CAP_NET_RAW\n"), "{kept:?}");
    let free = run(&["--no-capabilities"]);
    assert_eq!(set(&free.stdout, "CapBnd:"), set(&scene.run(&SHOW).stdout, "CapBnd:"));
    assert!(!free.stderr.contains("capabilities"), "{free:?}");
}

#[test]
fn an_ordinary_user_has_none_and_can_gain_none() {
    let scene = Scene::new();
    let (user, profgen) = scene.ordinary_user();
    let run = |options: &[&str]| scene.run(&[&user[..], &[&profgen], options, &SHOW].concat());
    assert_eq!(run(&[&QUIET[..], &["-o", "b", "--"]].concat()).status, 0);
    let ran = run(&["run", "--policy", "b", "--"]);
    assert_eq!(sets(&ran.stdout)[..3], [0; 3], "{ran:?}");
    assert!(ran.stderr.contains("capabilities: fully enforced: none\n"), "{ran:?}");
}

#[test]
fn without_the_right_to_lower_the_bounds_no_new_privs_holds_the_command() {
    let Some(scene) = scene(&["setpriv"]) else { return };
    learn(&scene, "b", &SHOW);
    let less = ["setpriv", "--bounding-set=-setpcap", crate::support::profgen()];
    let ran = scene.run(&[&less[..], &["run", "--policy", "b", "--"], &SHOW].concat());
    assert_eq!(sets(&ran.stdout)[..3], [0; 3], "{ran:?}");
    assert!(ran.stderr.contains("capabilities: fully enforced: none\n"), "{ran:?}");
}

#[test]
fn a_set_user_id_program_gets_no_more_than_the_policy_has() {
    let Some(scene) = scene(&["setpriv"]) else { return };
    let made = scene.sh("cp /usr/bin/cat privileged && chmod 4755 privileged");
    assert_eq!(made.status, 0, "{made:?}");
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let words = [&user[..], &["./privileged", "/proc/self/status"]].concat();
    let native = scene.run(&words);
    if set(&native.stdout, "CapEff:") == 0 {
        return skip("set-user-id bits have no effect here");
    }
    learn(&scene, "b", &words);
    let ran = scene.profgen(&[&["run", "-q", "--policy", "b", "--"], &words[..]].concat());
    // CAP_SETGID and CAP_SETUID, which setpriv needed before.
    assert_eq!(sets(&ran.stdout)[1..4], [0xc0; 3], "{ran:?}");
}

/// Does one thing that takes a capability, and shows the sets.
const PROGRAM: &str = r#"
import socket, sys
what, argument = sys.argv[1:]
if what == "sniff":
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
if what == "serve":
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(argument)))
if what == "backup":
    open(argument).read()
print(open("/proc/self/status").read())
"#;

#[test]
fn a_sniffer_a_server_and_a_backup_keep_the_one_capability_that_each_needs() {
    let Some(scene) = scene(&["python3"]) else { return };
    if fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("read").trim()
        != "1024"
    {
        return skip("no reserved ports");
    }
    scene.write("program.py", PROGRAM);
    let theirs = scene.tmp().join("theirs");
    fs::write(&theirs, "x").expect("write");
    chown(&theirs, Some(65534), Some(65534)).expect("chown");
    fs::set_permissions(&theirs, Permissions::from_mode(0o600)).expect("chmod");
    let theirs = theirs.display().to_string();
    let own = u64::from_str_radix(&status_field("CapEff:"), 16).expect("a set of bits");
    // A port that no other test has at the moment.
    let port = (600 + std::process::id() % 400).to_string();
    for (what, argument, name, number) in [
        ("sniff", "", "CAP_NET_RAW", 13),
        ("serve", &*port, "CAP_NET_BIND_SERVICE", 10),
        ("backup", &*theirs, "CAP_DAC_READ_SEARCH", 2),
    ] {
        if own & 1 << number == 0 {
            skip(&format!("no {name}"));
            continue;
        }
        let words = ["python3", "-S", "program.py", what, argument];
        learn(&scene, what, &words);
        let run = || scene.profgen(&[&["run", "--policy", what, "--"], &words[..]].concat());
        let ran = run();
        assert_eq!(ran.status, 0, "{what}: {ran:?}");
        assert_eq!(sets(&ran.stdout)[1..4], [1 << number; 3], "{what}: {ran:?}");
        assert!(ran.stderr.contains(&format!("enforced: only {name}\n")), "{what}: {ran:?}");
        let decided = scene.profgen(&["decide", what, "deny", name, "--reason", "a test"]);
        assert_eq!(decided.status, 0, "{decided:?}");
        let denied = run();
        assert_eq!(denied.status, 1, "{what}: {denied:?}");
        assert!(denied.stderr.contains("PermissionError"), "{what}: {denied:?}");
    }
}

#[test]
fn a_policy_without_runs_takes_no_capability_and_says_so() {
    let scene = Scene::new();
    let made = scene
        .sh("\"$PROFGEN\" analyze -q -o a.json /usr/bin/true && \"$PROFGEN\" merge -q \
                         --strategy predicted -o p.json a.json");
    assert_eq!(made.status, 0, "{made:?}");
    let ran = scene.profgen(&["run", "--policy", "p.json", "--", "/usr/bin/true"]);
    assert!(
        ran.stderr.contains("capabilities: not enforced: no run saw its program start"),
        "{ran:?}"
    );
}

#[test]
fn a_capability_that_nobody_knows_is_a_mistake() {
    let scene = Scene::new();
    let ran =
        scene.profgen(&["run", "--policy", "b", "--keep-capability", "CAP_FLY", "--", "true"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("no capability of that name"), "{ran:?}");
}
