//! A server under the filter of its serving phase answers as before, and what only start-up needed is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use support::{missing, profgen, skip, tests_dir};

/// A server of `tests/serving/`, with a directory for what it keeps.
struct Server {
    name: &'static str,
    directory: tempfile::TempDir,
}

impl Server {
    fn new(name: &'static str) -> Server {
        let server = Server { name, directory: tempfile::tempdir().unwrap() };
        fs::write(server.path("page"), "a page\n".repeat(3000)).unwrap();
        server
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Compiles it, with further words for the compiler.
    fn build(&self, words: &[&Path]) -> PathBuf {
        let out = self.path(&format!("{}{}", self.name, words.len()));
        let status = Command::new("gcc")
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .arg(&out)
            .arg(tests_dir().join("serving").join(format!("{}.c", self.name)))
            .args(words)
            .status()
            .unwrap();
        assert!(status.success(), "gcc refuses {}", self.name);
        out
    }

    fn profgen(&self, words: &[&str]) -> String {
        let output = Command::new(profgen()).args(words).current_dir(&self.directory).output();
        let output = output.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "profgen {words:?}: {errors}");
        errors
    }

    /// Records one run.
    fn trace(&self, program: &Path, requests: &[&str]) -> Vec<String> {
        let mut command = Command::new(profgen());
        command.args(["trace", "--engine", "ptrace", "--no-patch", "--no-static", "--quiet", "-o"]);
        command.arg(self.path("bundle")).arg("--").arg(program).arg(self.directory.path());
        talk(&mut command, requests)
    }

    fn serve(&self, program: &Path, filter: Option<&Path>, requests: &[&str]) -> Vec<String> {
        let mut command = Command::new(program);
        command.arg(self.directory.path());
        if let Some(filter) = filter {
            command.env("SERVING_BPF", filter);
        }
        talk(&mut command, requests)
    }
}

/// Ends a server of a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// Starts a server that says its port, sends it requests, and gives its answers.
fn talk(command: &mut Command, requests: &[&str]) -> Vec<String> {
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut port = String::new();
    let mut output = BufReader::new(running.0.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    let port: u16 = port.trim().parse().expect("the server says its port");
    let answers = requests.iter().chain(&["QUIT"]).map(|request| {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{request}: {error}"));
        answer
    });
    let answers = answers.collect();
    assert!(running.0.wait().unwrap().success(), "the server failed");
    answers
}

/// Traced, then under the function for libseccomp, then under the instructions.
fn check(name: &'static str, requests: &[&str], tried: [&str; 2], at: &str) {
    if let Some(why) = missing(["gcc", "/usr/include/seccomp.h"]) {
        return skip(&why);
    }
    let server = Server::new(name);
    let plain = server.build(&[]);
    let free = server.serve(&plain, None, &["TRY"]);
    assert_eq!(free, [tried[0], "bye\n"], "without a filter");
    fs::remove_dir(server.path("late")).unwrap();
    let answers = server.trace(&plain, requests);

    let notes = server.profgen(&["emit", "c", "--phase", "serving", "bundle", "-o", "enter.c"]);
    assert!(notes.contains(at), "{notes}");
    assert!(notes.contains("from observation only"), "{notes}");
    server.profgen(&["emit", "bpf", "--phase", "serving", "bundle", "-o", "enter.bpf"]);
    let enter = server.path("enter.c");
    let confined = server.build(&[Path::new("-DSERVING"), &enter, Path::new("-lseccomp")]);
    let filter = server.path("enter.bpf");
    for (program, filter) in [(&confined, None), (&plain, Some(&*filter))] {
        assert_eq!(server.serve(program, filter, requests), answers, "under {filter:?}");
        assert_eq!(server.serve(program, filter, &["TRY"]), [tried[1], "bye\n"], "{filter:?}");
        assert!(!server.path("late").exists(), "it was made all the same");
    }
}

#[test]
fn workers_that_send_files_serve_on_and_may_open_none() {
    check(
        "workers",
        &["GET", "GET", "GET", "GET"],
        ["execve 2 mkdir 0 open 0 socket 0\n", "execve 1 mkdir 1 open 1 socket 1\n"],
        "right before the first epoll_wait, in each forked worker",
    );
}

#[test]
fn a_store_with_a_thread_and_snapshots_serves_on() {
    // Its children open the snapshot, so it may open files: that one is not there is another answer.
    check(
        "store",
        &["SET one", "GET", "SAVE", "SET two", "SAVE", "GET"],
        ["execve 2 mkdir 0 open 0 socket 0\n", "execve 1 mkdir 1 open 2 socket 1\n"],
        "right before the first epoll_wait, after the bind in store",
    );
}

#[test]
fn a_policy_without_a_time_line_has_no_serving_phase() {
    let directory = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        Command::new(profgen()).args(words).current_dir(&directory).output().unwrap()
    };
    let words = ["trace", "--engine", "ptrace", "--no-static", "-q", "-o", "bundle", "--", "true"];
    assert!(run(&words).status.success());
    for format in ["c", "bpf"] {
        let output = run(&["emit", format, "--phase", "serving", "bundle"]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains("--engine ptrace --no-patch"), "{errors}");
    }
}
