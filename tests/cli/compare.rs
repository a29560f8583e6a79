//! What changed from one release to the next, on programs that nobody wrote for it.

use crate::{
    scene::{Scene, failed},
    support::{missing, skip},
};
use serde_json::{Value, json};
use std::fs;

fn json_of(scene: &Scene, old: &str, new: &str) -> Value {
    let ran = scene.profgen(&["diff", old, new, "--format", "json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let diff = serde_json::from_str(&ran.stdout).expect("JSON");
    crate::scene::valid(&diff, "diff");
    diff
}

/// The labels of the changes of an area, with their subjects.
fn changes<'a>(diff: &'a Value, area: &str) -> Vec<(&'a str, &'a str)> {
    let changes = diff["changes"].as_array().expect("changes").iter();
    let text = |change: &'a Value, field: &str| change[field].as_str().expect("text");
    changes
        .filter(|change| change["area"] == area)
        .map(|change| (text(change, "label"), text(change, "subject")))
        .collect()
}

fn relation(scene: &Scene, old: &str, new: &str) -> String {
    let ran = scene.profgen(&["diff", old, new, "--relation"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.stdout.trim_end().to_owned()
}

/// Runs a line under trace, into a bundle.
fn trace(scene: &Scene, bundle: &str, line: &str) {
    let ran =
        scene.profgen(&["trace", "-q", "--no-static", "-o", bundle, "--", "bash", "-c", line]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn git_that_also_clones_over_http() {
    if let Some(why) = missing(["git", "python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let setup = scene.sh(
        "git init -q -b main origin && cd origin && git config user.name a && git config user.email a@b \
         && seq 9 >f && git add . && git commit -q -m c && git update-server-info",
    );
    assert_eq!(setup.status, 0, "{setup:?}");
    let status = scene.profgen(&[
        "trace",
        "-q",
        "-o",
        "old",
        "--no-static",
        "--",
        "git",
        "-C",
        "origin",
        "status",
    ]);
    assert_eq!(status.status, 0, "{status:?}");
    // The server is not part of what is traced.
    let clone = r#"python3 -c '
import http.server, subprocess, sys, threading
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=s.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/origin/.git" % s.server_port
t = [sys.argv[1], "trace", "-q", "--no-static", "-o", "new", "--"]
subprocess.run(t + ["git", "-C", "origin", "status"], check=True, stdout=subprocess.DEVNULL)
subprocess.run(t + ["git", "clone", "-q", url, "copy"], check=True)
' "$PROFGEN""#;
    let ran = scene.sh(clone);
    assert_eq!(ran.status, 0, "{ran:?}");

    let diff = json_of(&scene, "old", "new");
    let calls = changes(&diff, "call");
    let widened = |name: &str| calls.contains(&("widened", &format!("x86_64 {name}")));
    assert!(widened("socket") && widened("connect") && widened("mkdir"), "{calls:?}");
    let programs = changes(&diff, "program");
    assert!(programs.iter().any(|(_, path)| path.ends_with("git-remote-http")), "{programs:?}");
    let mut all = diff["changes"].as_array().unwrap().iter();
    let socket = all.find(|change| change["subject"] == "x86_64 socket").unwrap();
    let reasons = socket["because"].to_string();
    assert!(reasons.contains("git-remote-http"), "what brought it in: {reasons}");

    let fails = |on: &str| scene.profgen(&["diff", "old", "new", "--fail-on", on]).status;
    assert_eq!((fails("widened"), fails("changed")), (1, 1));
    assert_eq!(scene.profgen(&["diff", "old", "old", "--fail-on", "changed"]).status, 0);
    let sarif = scene.profgen(&["diff", "old", "new", "--format", "sarif"]).stdout;
    let sarif: Value = serde_json::from_str(&sarif).expect("SARIF is JSON");
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["runs"][0]["results"].as_array().unwrap().len() >= calls.len());
    let markdown = scene.profgen(&["diff", "old", "new", "--format", "markdown"]).stdout;
    assert!(markdown.starts_with("### profgen: new is wider than old"), "{markdown}");
}

#[test]
fn nginx_before_and_after_tls() {
    if let Some(why) = missing(["nginx", "openssl", "curl"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    let setup = scene.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9 -subj /CN=localhost 2>/dev/null \
         && mkdir html && echo hello >html/index.html",
    );
    assert_eq!(setup.status, 0, "{setup:?}");
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let configuration = |listen: &str| {
        format!(
            "daemon off; master_process off; pid pid; error_log stderr error; events {{}}\n\
             http {{ access_log off; root html; client_body_temp_path t; proxy_temp_path t; \
             fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t; server {{ {listen} }} }}\n"
        )
    };
    scene.write("plain.conf", configuration(&format!("listen 127.0.0.1:{port};")));
    scene.write(
        "tls.conf",
        configuration(&format!(
            "listen 127.0.0.1:{port} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;"
        )),
    );
    for (bundle, configuration, scheme) in
        [("old", "plain.conf", "http"), ("new", "tls.conf", "https")]
    {
        let line = format!(
            r#""$PROFGEN" trace -q --no-static -o {bundle} -- nginx -p "$PWD" -c {configuration} & traced=$!
            for _ in $(seq 200); do sleep 0.05; curl -sk {scheme}://127.0.0.1:{port}/ && break; done
            kill -QUIT $(cat pid); wait $traced"#
        );
        let ran = scene.run(&["bash", "-c", &line]);
        assert_eq!((ran.status, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
    }
    let diff = json_of(&scene, "old", "new");
    let all = diff["changes"].as_array().expect("changes");
    let read = all.iter().find(|change| {
        let what = change["what"].as_str().expect("text");
        what.contains("cert.pem") && what.contains("key.pem")
    });
    assert!(read.is_some_and(|change| change["area"] == "file"), "{all:#?}");
    assert_eq!(changes(&diff, "endpoint"), [], "the same port");
    assert_ne!(relation(&scene, "old", "new"), "narrower");
}

#[test]
fn a_generated_profile_is_narrower_than_dockers_but_for_what_it_knows_more() {
    let scene = Scene::new();
    trace(&scene, "b", "ls >/dev/null");
    let diff = json_of(&scene, "docker-default", "b/seccomp.json");
    let calls = changes(&diff, "call");
    let narrowed = calls.iter().filter(|(label, _)| *label == "narrowed").count();
    assert!(narrowed > 200, "{narrowed}");
    let widened: Vec<&&str> =
        calls.iter().filter(|(label, _)| *label == "widened").map(|(_, subject)| subject).collect();
    // Newer than Docker's profile: the kernel makes it, and denied it kills.
    assert_eq!(widened, [&"x86_64 uprobe"]);
}

#[test]
fn order_and_grouping_are_no_difference() {
    let scene = Scene::new();
    let allow = |names: Value, args: Value| json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": args});
    let profile = |syscalls: Value| {
        json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": syscalls
        })
        .to_string()
    };
    let arg = |value: u64| json!([{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]);
    scene.write(
        "one.json",
        profile(json!([
            allow(json!(["read", "write"]), json!([])),
            allow(json!(["socket"]), arg(1)),
            allow(json!(["socket"]), arg(2)),
        ])),
    );
    scene.write(
        "two.json",
        profile(json!([
            allow(json!(["socket"]), arg(2)),
            allow(json!(["write"]), json!([])),
            allow(json!(["socket"]), arg(1)),
            allow(json!(["read"]), json!([])),
        ])),
    );
    scene.write(
        "three.json",
        profile(json!([allow(json!(["read", "write", "socket"]), json!([]))])),
    );
    assert_eq!(relation(&scene, "one.json", "two.json"), "equal");
    let ran = scene.profgen(&["diff", "one.json", "two.json", "--fail-on", "changed"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (0, "two.json allows the same system calls as one.json\n")
    );
    assert_eq!(relation(&scene, "one.json", "three.json"), "wider");
    assert_eq!(relation(&scene, "three.json", "one.json"), "narrower");
    assert_eq!(relation(&scene, "one.json", "docker-default"), "wider");
}

#[test]
fn what_cannot_be_compared_is_said_in_a_line() {
    let scene = Scene::new();
    scene.write("good.json", r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#);
    scene.write("deep.json", "[".repeat(1 << 20));
    scene.write("newer.json", r#"{"schema": "profgen/policy/v9"}"#);
    scene.write("trace.json", r#"{"schema": "profgen/trace/v1"}"#);
    for (name, words) in [
        ("none.json", "none.json"),
        ("deep.json", "deep.json"),
        ("newer.json", "newer profgen"),
        ("trace.json", "trace.json"),
    ] {
        failed(&scene.profgen(&["diff", "good.json", name]), 2, &[words]);
        failed(&scene.profgen(&["diff", name, "good.json"]), 2, &[words]);
    }
    fs::create_dir(scene.path("empty")).unwrap();
    failed(&scene.profgen(&["diff", "good.json", "empty"]), 2, &["policy.json"]);
}
