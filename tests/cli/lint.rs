//! `profgen lint`: how it ends and what it prints; what it finds is tested with the library.

use crate::{
    scene::{Scene, failed, valid},
    support::{missing, skip, tests_dir},
};
use serde_json::Value;

fn golden(name: &str) -> String {
    tests_dir().join(format!("golden/lint/{name}.json")).display().to_string()
}

#[test]
fn findings_are_lines_with_their_place_and_end_with_status_1() {
    let scene = Scene::new();
    let path = golden("eperm-for-enosys");
    let ran = scene.profgen(&["lint", &path]);
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stdout);
    let start = format!("{path}:10: warning: EPERM where libc needs ENOSYS: syscalls[1]: clone3");
    assert!(lines[0].starts_with(&start), "{}", lines[0]);
    assert!(lines[0].ends_with("[eperm-for-enosys]"), "{}", lines[0]);
}

#[test]
fn notes_are_shown_when_asked_for_and_never_fail() {
    let scene = Scene::new();
    let quiet = scene.profgen(&["lint", &golden("writable-code")]);
    assert_eq!((quiet.status, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    let told = scene.profgen(&["lint", "--notes", &golden("writable-code")]);
    assert_eq!(told.status, 0);
    assert!(told.stdout.contains("note: memory may be writable and executable"), "{}", told.stdout);
}

#[test]
fn json_and_sarif_say_the_same_as_the_text() {
    let scene = Scene::new();
    let path = golden("several-in-a-config");
    let text = scene.profgen(&["lint", &path]);
    let read = |format: &str| -> Value {
        let ran = scene.profgen(&["lint", "--format", format, &path]);
        assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
        serde_json::from_str(&ran.stdout).expect("JSON")
    };
    let (json, sarif) = (read("json"), read("sarif"));
    valid(&json, "findings");
    let findings = json["findings"].as_array().expect("findings");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(findings.len(), text.stdout.lines().count());
    assert_eq!(results.len(), findings.len());
    for ((finding, result), line) in findings.iter().zip(results).zip(text.stdout.lines()) {
        assert_eq!(finding["id"], result["ruleId"]);
        assert!(line.ends_with(&format!("[{}]", finding["id"].as_str().expect("id"))), "{line}");
        assert!(finding["reason"].as_str().is_some_and(|reason| reason.ends_with('.')));
    }
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], path);
}

#[test]
fn standard_input_and_docker_s_own_profile_are_profiles_too() {
    let scene = Scene::new();
    let ran = scene.sh(&format!("\"$PROFGEN\" lint - <{}", golden("unknown-call")));
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("-:10: warning: a name that is no call"), "{}", ran.stdout);
    let ran = scene.profgen(&["lint", "docker-default"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("[int-bypass]"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("[unknown-call]"), "{}", ran.stdout);
}

#[test]
fn what_profgen_generates_for_ordinary_programs_has_no_findings() {
    let scene = Scene::new();
    let git = "git init -q repo && cd repo && git config user.email a@b && git config user.name a \
        && echo x >x && git add x && git commit -qm x && git log --stat >/dev/null";
    let python = "python3 -c 'import socket, threading, subprocess
server = socket.socket(); server.bind((\"127.0.0.1\", 0)); server.listen()
thread = threading.Thread(target=lambda: server.accept()); thread.start()
socket.create_connection(server.getsockname()); thread.join()
subprocess.run([\"true\"], check=True)'";
    let server = "redis-server --port 0 --unixsocket $PWD/s --save '' >/dev/null & \
        until redis-cli -s $PWD/s ping >/dev/null 2>&1; do sleep 0.05; done; \
        redis-cli -s $PWD/s set a b >/dev/null; redis-cli -s $PWD/s shutdown nosave; wait";
    let all = [
        ("ls", "ls", "ls -lR /etc >/dev/null"),
        ("git", "git", git),
        ("python3", "python3", python),
        ("redis-server", "redis", server),
        ("sqlite3", "sqlite", "sqlite3 db 'create table t(a); insert into t values(1)'"),
    ];
    for (program, name, script) in all {
        if let Some(why) = missing([program]) {
            skip(&why);
            continue;
        }
        let bundle = format!("{name}.profgen");
        let traced =
            scene.profgen(&["trace", "-q", "--no-static", "-o", &bundle, "--", "sh", "-c", script]);
        assert_eq!(traced.status, 0, "{name}: {traced:?}");
        let whole = scene.profgen(&["lint", &bundle]);
        assert_eq!(
            (whole.status, whole.stdout.as_str(), whole.stderr.as_str()),
            (0, "", ""),
            "{name}"
        );
        let policy = scene.profgen(&["lint", &format!("{bundle}/policy.json")]);
        assert_eq!((policy.status, policy.stdout.as_str()), (0, ""), "{name}");
        let oci = scene.sh(&format!("\"$PROFGEN\" emit -q oci {bundle} | \"$PROFGEN\" lint -"));
        assert_eq!((oci.status, oci.stdout.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn what_is_no_profile_is_said_in_one_line() {
    let scene = Scene::new();
    let deep = format!("{{\"syscalls\": {}", "[".repeat(1_000_000));
    let deep_unknown = format!("{{\"x\": {}", "[".repeat(1_000_000));
    let huge =
        format!("{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"x\": \"{}\"}}", "a".repeat(100 << 20));
    let long_word = format!("{{\"defaultAction\": \"{}\"}}", "a".repeat(1 << 20));
    let many = format!(
        "{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{}{{}}]}}",
        "{},".repeat(70_000)
    );
    let cases: &[(&str, &str, &[&str])] = &[
        ("empty", "", &["cannot use", "as a profile"]),
        ("text", "hello", &["expected value at line 1"]),
        ("other", "[1, 2]", &["expected an object"]),
        ("no-default", "{\"syscalls\": []}", &["no defaultAction"]),
        ("config", "{\"ociVersion\": \"1.0\", \"linux\": {}}", &["every call is allowed"]),
        ("trace", "{\"schema\": \"profgen/trace/v1\"}", &["profgen/trace/v1, which is neither"]),
        (
            "newer",
            "{\"schema\": \"profgen/policy/v99\", \"x\": 1}",
            &["written by a newer profgen"],
        ),
        ("action", "{\"defaultAction\": \"ALLOW\"}", &["unknown action \"ALLOW\""]),
        (
            "operator",
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"args\": [{\"op\": \"EQ\"}]}]}",
            &["unknown comparison \"EQ\""],
        ),
        (
            "negative",
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"syscalls\": [{\"args\": [{\"value\": -1}]}]}",
            &["-1", "expected u64 at line 2"],
        ),
        (
            "bare",
            "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"args\": [{\"index\": 0}]}]}",
            &["needs index, value and op"],
        ),
        ("type", "{\"defaultAction\": 3}", &["invalid type: integer `3`"]),
        ("deep", &deep, &["invalid type: sequence", "line 1"]),
        ("deep-unknown", &deep_unknown, &["EOF while parsing"]),
        ("huge", &huge, &["at most 16777216"]),
        ("long-word", &long_word, &["unknown action \"aaa", "... at line 1"]),
        ("many", &many, &["a list of more than 65536"]),
        ("latin", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"\\ud800\": 1}", &["line 1"]),
    ];
    for (name, json, words) in cases {
        scene.write(name, json);
        for command in [vec!["lint", name], vec!["simulate", name, "read"]] {
            let ran = scene.profgen(&command);
            failed(&ran, 2, words);
            assert!(ran.stdout.is_empty() && ran.stderr.len() < 400, "{}", ran.stderr);
        }
    }
    failed(&scene.profgen(&["lint", "missing"]), 2, &["cannot read missing", "no such file"]);
    failed(&scene.profgen(&["lint", "."]), 2, &["cannot read ./seccomp.json"]);
}
