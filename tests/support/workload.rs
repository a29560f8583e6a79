//! Workloads: one file of `tests/workloads` each, a shell script with its facts in `#: key: value` lines.
//!
//! | key | means | default |
//! |---|---|---|
//! | `shows` | why it is here | (required) |
//! | `setup` | shell lines that prepare the directory, not traced; may be repeated | none |
//! | `exec` | the program and arguments to run instead of `bash NAME.sh`; `"..."` keeps spaces | |
//! | `status` | `0` to `255`, or `signal NAME` | `0` |
//! | `output` | `same` each time, `sorted` (in any order), `none` (not comparable) | `same` |
//! | `needs` | programs, absolute paths of files, or `namespaces` | none |
//! | `fixture` | programs of `tests/programs`, put on `PATH` | none |
//! | `server` | `http`: a server of the test itself, at `$HTTP_PORT` | none |
//! | `user` | `root`: makes no sense as an ordinary user | any |
//! | `engines` | the engines that can serve it, and why not both | both |
//! | `enforce`, `extra` | `no, REASON`: not run under its profile, or not with an extra call | yes |
//! | `after` | a shell line run after it, not traced, whose output is compared too | none |
//! | `timeout` | seconds | 60 |
//!
//! In `exec`, `$SCRIPT` is the file itself, `$HERE` its directory, `$PORT` a free port and `$HTTP_PORT` the
//! server's; scripts have them in their environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{fixtures, is_root, missing, tests_dir};

/// How the standard output of two runs compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Same,
    Sorted,
    None,
}

/// One program, or a script of programs, with what it does when nobody watches.
#[derive(Debug)]
pub struct Workload {
    pub name: String,
    pub script: PathBuf,
    pub shows: String,
    pub setup: String,
    pub exec: Option<Vec<String>>,
    pub status: i32,
    pub output: Output,
    pub needs: Vec<String>,
    pub fixtures: Vec<String>,
    pub server: bool,
    pub root_only: bool,
    pub engines: Vec<&'static str>,
    pub enforce: bool,
    pub extra: bool,
    pub after: Option<String>,
    pub timeout: Duration,
}

/// The names of all files of `tests/workloads`.
pub fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(tests_dir().join("workloads")).expect("list tests/workloads");
    let paths = entries.map(|entry| entry.expect("entry of tests/workloads").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .map(|path| path.file_stem().expect("file name").to_string_lossy().into_owned())
        .collect()
}

impl Workload {
    fn new(name: &str, script: PathBuf) -> Workload {
        Workload {
            name: name.to_owned(),
            script,
            shows: String::new(),
            setup: String::new(),
            exec: None,
            status: 0,
            output: Output::Same,
            needs: Vec::new(),
            fixtures: Vec::new(),
            server: false,
            root_only: false,
            engines: vec!["ptrace", "notify"],
            enforce: true,
            extra: true,
            after: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// A line for a shell that has no file of its own, with the programs that it needs.
    pub fn line(name: &str, needs: &[&str], line: &str) -> Workload {
        let mut workload = Workload::new(name, PathBuf::new());
        workload.exec = Some(["bash", "-euc", line].map(str::to_owned).to_vec());
        workload.needs = needs.iter().map(|need| (*need).to_owned()).collect();
        workload
    }

    /// Reads the file.
    ///
    /// # Panics
    /// When it says something that this does not know.
    pub fn load(name: &str) -> Workload {
        let script = tests_dir().join("workloads").join(format!("{name}.sh"));
        let text = fs::read_to_string(&script)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", script.display()));
        let mut workload = Workload::new(name, script);
        for line in text.lines().filter_map(|line| line.strip_prefix("#: ")) {
            let (key, value) = line
                .split_once(": ")
                .unwrap_or_else(|| panic!("{name}: `#: {line}` is not `key: value`"));
            workload.set(key, value);
        }
        assert!(!workload.shows.is_empty(), "{name}: does not say what it shows");
        workload
    }

    fn set(&mut self, key: &str, value: &str) {
        let words = || value.split_whitespace().map(str::to_owned).collect();
        match key {
            "shows" => self.shows = value.to_owned(),
            "setup" => self.setup += &format!("{value}\n"),
            "exec" => self.exec = Some(split_words(value)),
            "status" => self.status = parse_status(value),
            "output" => {
                self.output = match value {
                    "same" => Output::Same,
                    "sorted" => Output::Sorted,
                    "none" => Output::None,
                    _ => panic!("{}: output {value}?", self.name),
                }
            }
            "needs" => self.needs = words(),
            "fixture" => self.fixtures = words(),
            "server" => self.server = value == "http",
            "user" => self.root_only = value == "root",
            "engines" => {
                self.engines.retain(|engine| value.split([' ', ',']).any(|word| word == *engine))
            }
            "enforce" => self.enforce = !value.starts_with("no,"),
            "extra" => self.extra = !value.starts_with("no,"),
            "after" => self.after = Some(value.to_owned()),
            "timeout" => {
                self.timeout = Duration::from_secs(value.parse().expect("timeout in seconds"))
            }
            _ => panic!("{}: unknown key {key}", self.name),
        }
    }

    /// Why it cannot run here, worded for [`super::skip`].
    pub fn obstacle(&self) -> Option<String> {
        if self.root_only && !is_root() {
            return Some("not root".to_owned());
        }
        let program = self.exec.as_ref().map_or("bash", |words| words[0].as_str());
        let is_fixture = self.fixtures.iter().any(|fixture| fixture == program);
        let tools = self.needs.iter().map(String::as_str).chain((!is_fixture).then_some(program));
        missing(tools).or_else(|| self.fixtures.iter().find_map(|name| fixtures::build(name).err()))
    }
}

/// Words as a shell splits them, with `"..."` as the only quotes and nothing expanded.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in text.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// As a shell reports it: 128 and the number for a signal.
fn parse_status(text: &str) -> i32 {
    match text.strip_prefix("signal ") {
        None => text.parse().expect("status"),
        Some("SEGV") => 128 + 11,
        Some("TERM") => 128 + 15,
        Some(other) => panic!("signal {other}?"),
    }
}
