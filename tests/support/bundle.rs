//! Runs profgen and reads what it wrote: the calls of its traces, and the profile that it emits.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::run::{Ran, Scene};
use super::strace::Call;
use super::{NOBODY, profgen};

/// The directory that `profgen trace -o` fills; runs accumulate in it.
pub struct Bundle(TempDir);

impl Bundle {
    pub fn new() -> Bundle {
        Bundle(
            tempfile::Builder::new().prefix("profgen-bundle-").tempdir().expect("make a directory"),
        )
    }

    /// One that an ordinary user fills.
    pub fn new_ordinary() -> Bundle {
        let bundle = Bundle::new();
        std::os::unix::fs::chown(bundle.0.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
        bundle
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Traces one run of the workload in `scene`.
    pub fn trace(&self, scene: &Scene<'_>, engine: &str) -> Ran {
        self.trace_with(scene, engine, &[])
    }

    /// As [`trace`](Bundle::trace), with further options.
    pub fn trace_with(&self, scene: &Scene<'_>, engine: &str, options: &[&str]) -> Ran {
        let out = self.0.path().display().to_string();
        let words = ["trace", "-o", &out, "--engine", engine, "--no-static", "--quiet"];
        let words = [&[scene.profgen.as_str()][..], &words, options, &["--"]].concat();
        let ran = scene.run(&words);
        assert_eq!(
            ran.status, scene.workload.status,
            "profgen trace --engine {engine} of {} ended otherwise\nstdout: {}\nstderr: {}",
            scene.workload.name, ran.stdout, ran.stderr
        );
        ran
    }

    /// Every call of every trace.
    pub fn calls(&self) -> BTreeSet<Call> {
        let mut calls = BTreeSet::new();
        for trace in self.traces() {
            let programs = trace["programs"].as_array().expect("`programs` of a trace is an array");
            for program in programs {
                for (arch, names) in
                    program["calls"].as_object().expect("`calls` of a program is an object")
                {
                    for name in
                        names.as_object().expect("`calls` of an architecture is an object").keys()
                    {
                        calls.insert((arch.clone(), plain_number(name)));
                    }
                }
            }
        }
        calls
    }

    /// All trace files, parsed.
    pub fn traces(&self) -> Vec<Value> {
        self.trace_files().iter().map(|path| read_json(path)).collect()
    }

    /// All trace files.
    pub fn trace_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("traces")).expect("profgen wrote traces/");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("entry of traces/").path()).collect();
        paths.sort();
        paths
    }

    /// The OCI profile for a runtime, as `profgen emit oci` writes it.
    pub fn emit_oci(&self, runtime: &str) -> Value {
        let out = self.path(&format!("oci-{runtime}.json"));
        let output = Command::new(profgen())
            .args(["emit", "oci"])
            .arg(self.path("policy.json"))
            .args(["--runtime", runtime, "-o"])
            .arg(&out)
            .output()
            .expect("run profgen emit");
        assert!(
            output.status.success(),
            "profgen emit oci --runtime {runtime}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        read_json(&out)
    }
}

/// The names that an OCI or Docker profile lets through in some case.
pub fn allowed(profile: &Value) -> BTreeSet<String> {
    let rules = profile["syscalls"].as_array().expect("`syscalls` of a profile is an array");
    let allow = rules.iter().filter(|rule| rule["action"] == "SCMP_ACT_ALLOW");
    let names =
        allow.flat_map(|rule| rule["names"].as_array().expect("`names` of a rule is an array"));
    names.map(|name| name.as_str().expect("a name is a string").to_owned()).collect()
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display()))
}

/// A call without a name is written with its number, in whatever words: only the number is compared.
fn plain_number(name: &str) -> String {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let has_words = name
        .strip_suffix(digits)
        .is_some_and(|words| matches!(words, "" | "syscall_" | "unknown_" | "#"));
    if has_words && !digits.is_empty() { digits.to_owned() } else { name.to_owned() }
}
