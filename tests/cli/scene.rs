//! An empty directory to run profgen in, and what it wrote there.

use crate::support::{
    PATH, is_root, profgen,
    run::{Ran, run_command},
    tests_dir,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    fs::{self, Permissions},
    hash::{Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// Both.
pub const ENGINES: [&str; 2] = ["ptrace", "notify"];
/// The native architecture, as traces write it.
pub const ARCH: &str = std::env::consts::ARCH;

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory `work` that is empty, where everything runs, and one `tmp` for temporary files.
pub struct Scene(TempDir);

impl Scene {
    pub fn new() -> Scene {
        let scene =
            Scene(tempfile::Builder::new().prefix("profgen-cli-").tempdir().expect("directory"));
        // Ordinary users must reach it.
        fs::set_permissions(scene.0.path(), Permissions::from_mode(0o755)).expect("chmod");
        for (name, mode) in [("work", 0o755), ("tmp", 0o1777)] {
            let path = scene.0.path().join(name);
            fs::create_dir(&path).expect("make a directory");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
        }
        scene
    }

    /// A path in `work`, without symbolic links on the way.
    pub fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).expect("canonical").join("work").join(name)
    }

    /// The same as text, as traces have it.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Where temporary files go.
    pub fn tmp(&self) -> PathBuf {
        self.0.path().join("tmp")
    }

    /// Writes a file of `work`.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write a file");
        path
    }

    /// Writes one that may be executed.
    pub fn program(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(name, bytes);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("chmod");
        path
    }

    /// The names in `work`.
    pub fn names(&self) -> BTreeSet<String> {
        names(&self.path(""))
    }

    /// A command that is to run in `work`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(self.path(""))
            .env_clear()
            .envs([("PATH", PATH), ("LC_ALL", "C"), ("PROFGEN", profgen())])
            .env("HOME", self.path(""))
            .env("TMPDIR", self.tmp());
        command
    }

    /// Runs words.
    pub fn run(&self, words: &[&str]) -> Ran {
        run_command(self.command(words), PATIENCE)
    }

    /// Runs a line of sh, which finds profgen as `"$PROFGEN"`.
    pub fn sh(&self, script: &str) -> Ran {
        self.run(&["sh", "-c", script])
    }

    /// Runs profgen.
    pub fn profgen(&self, words: &[&str]) -> Ran {
        self.run(&[&[profgen()], words].concat())
    }

    /// Traces words into `ENGINE.profgen`, and reads the trace, which must be valid.
    pub fn trace(&self, engine: &str, words: &[&str]) -> (Ran, Record) {
        let bundle = format!("{engine}.profgen");
        let options = ["trace", "-q", "--no-static", "-o", &bundle, "--engine", engine, "--"];
        let ran = self.profgen(&[&options, words].concat());
        (ran, self.record(&bundle))
    }

    /// The only trace of a bundle.
    pub fn record(&self, bundle: &str) -> Record {
        let traces = self.traces(bundle);
        assert_eq!(traces.len(), 1, "{traces:?}");
        let record = read_json(&traces[0]);
        valid(&record, "trace");
        valid(&read_json(&self.path(bundle).join("policy.json")), "policy");
        Record(record)
    }

    /// The trace files of a bundle.
    pub fn traces(&self, bundle: &str) -> Vec<PathBuf> {
        let traces = self.path(bundle).join("traces");
        names(&traces).iter().map(|name| traces.join(name)).collect()
    }

    /// Words before a command that make it an ordinary user's, and profgen where that user finds
    /// it. The directory becomes that user's too.
    pub fn ordinary_user(&self) -> (Vec<&'static str>, String) {
        if !is_root() {
            return (Vec::new(), profgen().to_owned());
        }
        let copy = self.0.path().join("profgen");
        fs::copy(profgen(), &copy).expect("copy profgen");
        std::os::unix::fs::chown(self.path(""), Some(65534), Some(65534)).expect("chown");
        let words = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        (words, copy.display().to_string())
    }
}

/// The names in a directory; none when it is not there.
pub fn names(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

pub fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Checks a document against its schema.
pub fn valid(document: &Value, kind: &str) {
    let schema = tests_dir().join(format!("../docs/schema/{kind}.v1.json"));
    let validator = jsonschema::validator_for(&read_json(&schema)).expect("a valid schema");
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "the {kind} does not follow its schema: {errors:#?}");
}

/// Profgen failed with this status and said why in one line, which has all of `words` in it.
pub fn failed(ran: &Ran, status: i32, words: &[&str]) {
    assert_eq!(ran.status, status, "{ran:?}");
    assert!(ran.stderr.starts_with("profgen: "), "{ran:?}");
    assert_eq!(ran.stderr.matches('\n').count(), 1, "one line: {ran:?}");
    let said = ran.stderr.to_lowercase();
    for word in words {
        assert!(said.contains(&word.to_lowercase()), "`{word}` is missing: {ran:?}");
    }
}

/// A program of `tests/cli/programs`, built once; none when there is no compiler.
pub fn built(name: &str) -> Option<String> {
    crate::support::find_program("gcc")?;
    let source = tests_dir().join("cli/programs").join(format!("{name}.c"));
    let mut hasher = DefaultHasher::new();
    fs::read(&source).expect("read a source").hash(&mut hasher);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-programs");
    let program = cache.join(format!("{name}-{:016x}", hasher.finish()));
    if !program.exists() {
        fs::create_dir_all(&cache).expect("make a directory");
        // Aside first: other tests may build it at this moment.
        let aside = cache.join(format!(".{name}-{}", std::process::id()));
        let compiled = Command::new("gcc")
            .args(["-O1", "-g", "-pthread", "-o"])
            .args([&aside, &source])
            .env("PATH", PATH)
            .output()
            .expect("run gcc");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::rename(&aside, &program).expect("rename");
    }
    Some(program.display().to_string())
}

/// A trace, to be asked.
#[derive(Debug)]
pub struct Record(pub Value);

impl Record {
    /// The only program whose path ends so.
    pub fn program(&self, path: &str) -> &Value {
        let programs = self.0["programs"].as_array().expect("programs");
        let mut found = programs
            .iter()
            .filter(|program| program["path"].as_str().is_some_and(|known| known.ends_with(path)));
        let first = found.next().unwrap_or_else(|| panic!("no {path} in {:#?}", self.paths()));
        assert!(found.next().is_none(), "{path} is not the only one of {:#?}", self.paths());
        first
    }

    fn paths(&self) -> Vec<&str> {
        let programs = self.0["programs"].as_array().expect("programs");
        programs.iter().filter_map(|program| program["path"].as_str()).collect()
    }

    /// Whether any program made a call.
    pub fn has_call(&self, arch: &str, name: &str) -> bool {
        let mut programs = self.0["programs"].as_array().expect("programs").iter();
        programs.any(|program| !program["calls"][arch][name].is_null())
    }

    /// What stands in `completeness`.
    pub fn completeness(&self, name: &str) -> &Value {
        &self.0["completeness"][name]
    }

    /// How the processes ended, in their order.
    pub fn ends(&self) -> Vec<&Value> {
        let processes = self.0["processes"].as_array().expect("processes");
        processes.iter().map(|process| &process["ended"]).collect()
    }
}

/// The record of one file of a program.
pub fn file<'a>(program: &'a Value, path: &str) -> &'a Value {
    let files = program["files"].as_array().expect("files");
    files.iter().find(|file| file["path"] == path).unwrap_or_else(|| {
        let known: Vec<_> = files.iter().filter_map(|file| file["path"].as_str()).collect();
        panic!("no {path} in {known:#?}")
    })
}

/// The combinations seen of some arguments of a call.
pub fn arguments(program: &Value, arch: &str, call: &str, names: &[&str]) -> BTreeSet<Vec<u64>> {
    let arguments = &program["calls"][arch][call]["arguments"];
    let known = arguments["names"]
        .as_array()
        .unwrap_or_else(|| panic!("no arguments of {call}: {:#}", program["calls"][arch][call]));
    let columns: Vec<usize> = names
        .iter()
        .map(|name| known.iter().position(|known| known == name).expect("a name of an argument"))
        .collect();
    let rows = arguments["values"].as_array().expect("values");
    let number = |value: &Value| value.as_u64().expect("a number");
    rows.iter().map(|row| columns.iter().map(|&at| number(&row[at])).collect()).collect()
}

/// How many calls of one access of a file ended how: `ok`, `unknown` or an error's name.
pub fn outcomes(file: &Value, access: &str) -> BTreeMap<String, u64> {
    let outcomes = &file["accesses"][access];
    assert!(outcomes.is_object(), "no {access} in {file:#}");
    let mut all = BTreeMap::new();
    for name in ["ok", "unknown"] {
        if let Some(count) = outcomes[name].as_u64() {
            all.insert(name.to_owned(), count);
        }
    }
    for (name, count) in outcomes["failed"].as_object().into_iter().flatten() {
        all.insert(name.clone(), count.as_u64().expect("a count"));
    }
    all
}
