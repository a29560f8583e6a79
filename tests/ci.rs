//! The recipes for continuous integration, their shell steps run as the services run them: green on a
//! program that did not change, red on one that gained a call.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use serde_yaml_ng::Value;
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};
use support::{PATH, missing, profgen, skip};
use tempfile::TempDir;

/// A repository with a program, its committed policy, and stand-ins for what the service brings.
struct Repository {
    directory: TempDir,
}

impl Repository {
    fn new() -> Repository {
        let directory = tempfile::Builder::new().prefix("profgen-ci-").tempdir().expect("make");
        let repository = Repository { directory };
        fs::create_dir_all(repository.path("bin")).unwrap();
        std::os::unix::fs::symlink(profgen(), repository.path("bin/profgen")).unwrap();
        // Says what it was called with, and keeps the body.
        let gh = "#!/bin/sh\necho \"$@\" >>gh.log\nfor last; do :; done\ncp \"$last\" comment.md\n";
        let path = repository.path("bin/gh");
        fs::write(&path, gh).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        repository.compile("puts(\"hello\");");
        let traced = repository.shell("profgen trace -q -o app.profgen -- ./app >/dev/null", &[]);
        assert_eq!(traced, 0);
        fs::create_dir(repository.path("profgen")).unwrap();
        let policy = repository.path("app.profgen/policy.json");
        fs::copy(policy, repository.path("profgen/policy.json")).unwrap();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn compile(&self, body: &str) {
        let source = format!(
            "#include <stdio.h>\n#include <sys/file.h>\nint main(void) {{ {body} return 0; }}\n"
        );
        fs::write(self.path("app.c"), source).unwrap();
        assert_eq!(self.shell("gcc -o app app.c", &[]), 0);
    }

    /// A program that does what it did, and locks a file besides.
    fn gain_a_call(&self) {
        self.compile("puts(\"hello\"); flock(0, LOCK_SH);");
    }

    /// Runs lines of a shell in the repository, and gives their status.
    fn shell(&self, lines: &str, environment: &[(String, String)]) -> i32 {
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", lines])
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", format!("{}:{PATH}", self.path("bin").display()))
            .stdin(fs::File::open("/dev/null").unwrap())
            .envs(environment.iter().cloned());
        command.status().expect("run bash").code().expect("a status")
    }
}

/// The directory of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(name: &str) -> Value {
    let text = fs::read_to_string(project().join(name)).expect("read");
    serde_yaml_ng::from_str(&text).expect("YAML")
}

/// Runs the shell steps of action.yml as GitHub does, until one fails; gives its name.
fn github(repository: &Repository) -> Result<(), String> {
    let action = yaml("action.yml");
    let mut known = BTreeMap::from([
        ("github.action_path".to_owned(), project().display().to_string()),
        ("github.event_name".to_owned(), "pull_request".to_owned()),
        ("github.token".to_owned(), "secret".to_owned()),
        ("github.event.pull_request.number".to_owned(), "7".to_owned()),
        ("runner.temp".to_owned(), repository.path("temp").display().to_string()),
    ]);
    for (name, input) in action["inputs"].as_mapping().expect("inputs") {
        let name = name.as_str().expect("a name");
        let default = input["default"].as_str().unwrap_or("./app");
        known.insert(format!("inputs.{name}"), expand(default, &known));
    }
    for step in action["runs"]["steps"].as_sequence().expect("steps") {
        let Some(lines) = step["run"].as_str() else { continue };
        if !step["if"].as_str().is_none_or(|condition| holds(condition, &known)) {
            continue;
        }
        let mut environment = vec![
            ("GITHUB_OUTPUT".to_owned(), repository.path("output").display().to_string()),
            ("GITHUB_STEP_SUMMARY".to_owned(), repository.path("summary").display().to_string()),
        ];
        fs::write(repository.path("output"), "").unwrap();
        for (name, value) in step["env"].as_mapping().into_iter().flatten() {
            let value = expand(value.as_str().expect("text"), &known);
            environment.push((name.as_str().expect("a name").to_owned(), value));
        }
        let status = repository.shell(lines, &environment);
        if status != 0 {
            return Err(step["name"].as_str().expect("a name").to_owned());
        }
        if let Some(id) = step["id"].as_str() {
            for line in repository.text("output").lines() {
                let (name, value) = line.split_once('=').expect("an output");
                known.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
            }
        }
    }
    Ok(())
}

/// A condition made of comparisons that are joined by `&&`.
fn holds(condition: &str, known: &BTreeMap<String, String>) -> bool {
    condition.split("&&").all(|part| {
        let (name, value, wanted) = match part.split_once("==") {
            Some((name, value)) => (name, value, true),
            None => part.split_once("!=").map(|(name, value)| (name, value, false)).expect("one"),
        };
        let value = value.trim().trim_matches('\'');
        (known[name.trim()] == value) == wanted
    })
}

/// The expressions `${{ name }}` of a text, by what is known.
fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (name, after) = after.split_once("}}").expect("an end");
        out += before;
        out += known.get(name.trim()).unwrap_or_else(|| panic!("{name} is not known"));
        rest = after;
    }
    out + rest
}

/// Runs the script of the GitLab job, as the runner does: all lines in one shell.
fn gitlab(repository: &Repository, more: &[(&str, String)]) -> i32 {
    let job = &yaml("ci/gitlab.yml")[".profgen"];
    let lines: Vec<&str> = job["script"]
        .as_sequence()
        .expect("a script")
        .iter()
        .map(|line| line.as_str().expect("a line"))
        .collect();
    let mut environment = BTreeMap::from([("PROFGEN_COMMAND".to_owned(), "./app".to_owned())]);
    for (name, value) in job["variables"].as_mapping().expect("variables") {
        let pair = (name.as_str().expect("a name"), value.as_str().expect("text"));
        environment.insert(pair.0.to_owned(), pair.1.to_owned());
    }
    environment.insert("PROFGEN_SOURCE".to_owned(), project().display().to_string());
    environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    repository.shell(&lines.join("\n"), &environment.into_iter().collect::<Vec<_>>())
}

/// What the recipes need.
fn lacking() -> Option<String> {
    missing(["gcc", "bash", "curl", "jq"])
}

#[test]
fn github_is_green_on_an_unchanged_program() {
    if let Some(why) = lacking() {
        return skip(&why);
    }
    let repository = Repository::new();
    assert_eq!(github(&repository), Ok(()));
    assert!(repository.text("comment.md").contains("allows the same system calls"));
}

#[test]
fn github_is_red_on_a_program_that_gained_a_call() {
    if let Some(why) = lacking() {
        return skip(&why);
    }
    let repository = Repository::new();
    repository.gain_a_call();
    // The last step, so that the comment and the summary are there before.
    assert_eq!(github(&repository), Err("Verdict".to_owned()));
    assert!(repository.text("gh.log").starts_with("pr comment 7 "));
    for shown in ["comment.md", "summary"] {
        assert!(repository.text(shown).contains("flock"), "{shown}");
    }
    let sarif: serde_json::Value =
        serde_json::from_str(&repository.text("temp/profgen/diff.sarif")).expect("JSON");
    let about_flock = |result: &&serde_json::Value| {
        result["message"]["text"].as_str().is_some_and(|text| text.contains("flock"))
    };
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.iter().filter(about_flock).count(), 1);

    // The merged policy accepts it.
    let merged = repository.path("temp/profgen/policy.json");
    fs::copy(merged, repository.path("profgen/policy.json")).unwrap();
    assert_eq!(github(&repository), Ok(()));
}

#[test]
fn a_command_that_fails_is_no_measure() {
    if let Some(why) = lacking() {
        return skip(&why);
    }
    let repository = Repository::new();
    repository.compile("return 5;");
    let status = repository.shell("profgen check -q --policy profgen -- ./app", &[]);
    assert_eq!(status, 3);
    assert_eq!(github(&repository), Err("Verdict".to_owned()));
    assert_eq!(repository.text("gh.log"), "");
}

#[test]
fn no_input_becomes_part_of_a_script() {
    for step in yaml("action.yml")["runs"]["steps"].as_sequence().expect("steps") {
        let lines = step["run"].as_str().unwrap_or_default();
        assert!(!lines.contains("${{"), "{lines}");
    }
}

#[test]
fn gitlab_is_green_on_an_unchanged_program() {
    if let Some(why) = lacking() {
        return skip(&why);
    }
    assert_eq!(gitlab(&Repository::new(), &[]), 0);
}

#[test]
fn gitlab_is_red_on_a_program_that_gained_a_call() {
    if let Some(why) = lacking() {
        return skip(&why);
    }
    let repository = Repository::new();
    repository.gain_a_call();
    let requests = Requests::default();
    let api = requests.serve();
    let variables = [
        ("PROFGEN_TOKEN", "secret".to_owned()),
        ("CI_MERGE_REQUEST_IID", "3".to_owned()),
        ("CI_PROJECT_ID", "9".to_owned()),
        ("CI_API_V4_URL", format!("http://{api}/api/v4")),
    ];
    assert_eq!(gitlab(&repository, &variables), 1);
    assert!(repository.text("profgen-results/diff.md").contains("flock"));
    // There is a note of an earlier pipeline: it is replaced.
    let seen = requests.0.lock().unwrap();
    let first_lines: Vec<&str> = seen.iter().filter_map(|one| one.lines().next()).collect();
    let notes = "/api/v4/projects/9/merge_requests/3/notes";
    assert_eq!(
        first_lines,
        [format!("GET {notes}?per_page=100 HTTP/1.1"), format!("PUT {notes}/12 HTTP/1.1")]
    );
    assert!(seen.iter().all(|one| one.to_lowercase().contains("private-token: secret")));
    assert!(seen[1].contains("flock"));
}

/// What a small stand-in for GitLab was asked.
#[derive(Default, Clone)]
struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    fn serve(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
        let address = listener.local_addr().expect("its address");
        let requests = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                requests.answer(stream);
            }
        });
        address
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if lower.starts_with("expect: 100-continue") {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").expect("write");
            }
            let end = line.trim().is_empty();
            request += &line;
            if end {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        request += &String::from_utf8_lossy(&body);
        self.0.lock().unwrap().push(request);
        let notes = r####"[{"id":11,"body":"looks good"},{"id":12,"body":"### profgen: old"}]"####;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{notes}", notes.len());
        stream.write_all(answer.as_bytes()).expect("write");
    }
}
