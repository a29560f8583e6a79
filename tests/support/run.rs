//! Runs workloads: each time in a fresh directory, prepared alike, natively or under a prefix of other words.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::workload::{Output, Workload};
use super::{NOBODY, PATH, find_program, fixtures, http, profgen, tests_dir};

/// How often a run is looked at.
const POLL: Duration = Duration::from_millis(5);

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// 128 and its number for a signal.
    pub status: i32,
    pub took: Duration,
}

/// A prepared directory in which a workload runs once.
pub struct Scene<'a> {
    pub workload: &'a Workload,
    pub directory: TempDir,
    pub environment: Vec<(String, String)>,
    /// The program's absolute path and its arguments.
    pub command: Vec<String>,
    /// The binary under test, where whoever runs the workload finds it.
    pub profgen: String,
    /// An ordinary user runs it.
    ordinary: bool,
}

impl<'a> Scene<'a> {
    /// Makes the directory and runs the workload's `setup` in it.
    pub fn prepare(workload: &'a Workload) -> Scene<'a> {
        Scene::prepare_for(workload, None)
    }

    /// The same, for an ordinary user where there is a stage; the directory is that user's.
    pub fn prepare_for(workload: &'a Workload, stage: Option<&Stage>) -> Scene<'a> {
        let directory =
            tempfile::Builder::new().prefix("profgen-scene-").tempdir().expect("make a directory");
        // Servers drop root's rights and must still reach their files.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))
            .expect("chmod the directory");

        let mut fixtures: Vec<PathBuf> =
            workload.fixtures.iter().map(|name| fixtures::build(name).expect("fixture")).collect();
        let (mut here, mut binary) = (tests_dir().join("workloads"), PathBuf::from(profgen()));
        if let Some(stage) = stage {
            std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
            for fixture in &mut fixtures {
                let own = stage.at(fixture.parent().expect("fixture directory"));
                *fixture = own.join(fixture.file_name().expect("a file name"));
            }
            (here, binary) = (stage.at(&here), stage.at(&binary));
        }
        let ordinary = stage.is_some();
        let http_port = if workload.server { port("http", &workload.name, http::serve) } else { 0 };
        let environment = environment(workload, directory.path(), &here, &fixtures, http_port);
        let command = command(workload, &fixtures, &environment);
        let profgen = binary.display().to_string();
        let scene = Scene { workload, directory, environment, command, profgen, ordinary };
        if !workload.setup.is_empty() {
            let setup = ["bash".to_owned(), "-euc".to_owned(), workload.setup.clone()];
            let ran = scene.run_words(&setup);
            assert_eq!(ran.status, 0, "setup of {}: {}{}", workload.name, ran.stdout, ran.stderr);
        }
        scene
    }

    /// Runs the workload as it is.
    pub fn run_native(&self) -> Ran {
        self.run(&[])
    }

    /// Runs the workload's command behind the words of `prefix`, then its `after`.
    pub fn run(&self, prefix: &[&str]) -> Ran {
        let mut words: Vec<String> = prefix.iter().map(|word| (*word).to_owned()).collect();
        words.extend(self.command.iter().cloned());
        self.finish(self.run_words(&words))
    }

    /// Adds what the workload's `after` prints, and makes the output comparable.
    pub fn finish(&self, mut ran: Ran) -> Ran {
        if let Some(after) = &self.workload.after {
            ran.stdout +=
                &self.run_words(&["bash".to_owned(), "-c".to_owned(), after.clone()]).stdout;
        }
        ran.stdout = ran.stdout.replace(&self.directory.path().display().to_string(), "$DIR");
        match self.workload.output {
            Output::Same => {}
            Output::Sorted => {
                let mut lines: Vec<&str> = ran.stdout.lines().collect();
                lines.sort_unstable();
                ran.stdout = lines.join("\n");
            }
            Output::None => ran.stdout.clear(),
        }
        ran
    }

    /// Runs any words in the workload's directory and environment.
    pub fn run_words(&self, words: &[String]) -> Ran {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.directory.path());
        if self.ordinary {
            // Without supplementary groups: std drops them with the user id.
            command.uid(NOBODY).gid(NOBODY);
        }
        run_command(command, self.workload.timeout)
    }
}

/// Copies of the workloads, of programs and of the binary under test that everybody may read: the
/// project may lie where only its owner looks. Its paths are in policies, so all runs share one.
pub struct Stage(TempDir);

impl Stage {
    /// With what a workload needs.
    pub fn new(workload: &Workload) -> Stage {
        let directory = tempfile::Builder::new().prefix("profgen-staged-").tempdir();
        let stage = Stage(directory.expect("make a directory"));
        fs::set_permissions(stage.0.path(), Permissions::from_mode(0o755)).expect("chmod");
        for name in &workload.fixtures {
            let fixture = fixtures::build(name).expect("fixture");
            stage.copy(fixture.parent().expect("fixture directory"));
        }
        stage.copy(&tests_dir().join("workloads"));
        let (from, to) = (profgen(), stage.at(Path::new(profgen())));
        // A link is made at once, where both are on one file system.
        fs::hard_link(from, &to).or_else(|_| fs::copy(from, &to).map(drop)).expect("copy");
        stage
    }

    /// The copy of a file or directory.
    fn at(&self, original: &Path) -> PathBuf {
        self.0.path().join(original.file_name().expect("a file name"))
    }

    fn copy(&self, directory: &Path) {
        let to = self.at(directory);
        if fs::create_dir(&to).is_ok() {
            for entry in fs::read_dir(directory).expect("list") {
                let entry = entry.expect("entry");
                fs::copy(entry.path(), to.join(entry.file_name())).expect("copy");
            }
        }
    }
}

fn environment(
    workload: &Workload,
    directory: &Path,
    here: &Path,
    fixtures: &[PathBuf],
    http_port: u16,
) -> Vec<(String, String)> {
    let directory = directory.display().to_string();
    let fixture_dirs = fixtures
        .iter()
        .map(|fixture| fixture.parent().expect("fixture directory").display().to_string());
    let path = fixture_dirs.chain([PATH.to_owned()]).collect::<Vec<_>>().join(":");
    let script = workload.script.file_name().map_or_else(PathBuf::new, |name| here.join(name));
    let (here, script) = (here.display().to_string(), script.display().to_string());
    let date = "2020-01-01 00:00:00 +0000";
    [
        ("PATH", path.as_str()),
        ("HOME", &directory),
        ("TMPDIR", &directory),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
        ("HERE", &here),
        ("SCRIPT", &script),
        ("PORT", &port("own", &workload.name, free_port).to_string()),
        ("HTTP_PORT", &http_port.to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "author"),
        ("GIT_AUTHOR_EMAIL", "author@example.org"),
        ("GIT_AUTHOR_DATE", date),
        ("GIT_COMMITTER_NAME", "author"),
        ("GIT_COMMITTER_EMAIL", "author@example.org"),
        ("GIT_COMMITTER_DATE", date),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn command(
    workload: &Workload,
    fixtures: &[PathBuf],
    environment: &[(String, String)],
) -> Vec<String> {
    let Some(exec) = &workload.exec else {
        let bash = find_program("bash").expect("bash");
        let script = environment.iter().find(|(name, _)| name == "SCRIPT").expect("variable");
        return vec![bash.display().to_string(), script.1.clone()];
    };
    let expand = |word: &String| {
        // The longer name first: HTTP_PORT contains PORT.
        ["SCRIPT", "HERE", "HTTP_PORT", "PORT"].iter().fold(word.clone(), |word, name| {
            let value = &environment.iter().find(|(known, _)| known == name).expect("variable").1;
            word.replace(&format!("${name}"), value)
        })
    };
    let mut words: Vec<String> = exec.iter().map(expand).collect();
    let fixture = fixtures.iter().find(|path| path.ends_with(&words[0])).cloned();
    let program = fixture.or_else(|| find_program(&words[0])).expect("the workload's program");
    words[0] = program.display().to_string();
    words
}

/// The port of a workload: the same in each run, because a policy speaks of ports.
fn port(kind: &'static str, workload: &str, choose: impl FnOnce() -> u16) -> u16 {
    static CHOSEN: Mutex<BTreeMap<(&str, String), u16>> = Mutex::new(BTreeMap::new());
    let mut chosen = CHOSEN.lock().expect("no thread failed here");
    *chosen.entry((kind, workload.to_owned())).or_insert_with(choose)
}

/// A port that nobody listens on, below the range from which the kernel takes the clients' own ports.
fn free_port() -> u16 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    // Test processes that start at the same moment must not try the same ports.
    let start = std::process::id().wrapping_mul(7919) ^ now.subsec_nanos();
    (0..1000)
        .map(|i| 10_000 + u16::try_from(start.wrapping_add(i * 13) % 20_000).expect("below 20000"))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Runs a command with pipes for its output and nothing for its input.
///
/// Pipes, because a container runtime gives its container pipes too, and `cat` makes other calls for a file.
///
/// # Panics
/// When it cannot start, or is not done, with all that hold its output, in time.
pub fn run_command(mut command: Command, timeout: Duration) -> Ran {
    let shown = format!("{command:?}");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let (sender, receiver) = mpsc::channel();
    collect(child.stdout.take().expect("stdout"), 0, sender.clone());
    collect(child.stderr.take().expect("stderr"), 1, sender);

    let mut streams = [None, None];
    let status = loop {
        while let Ok((stream, text)) = receiver.recv_timeout(POLL) {
            streams[stream] = Some(text);
        }
        if streams.iter().all(Option::is_some)
            && let Some(status) = child.try_wait().expect("wait")
        {
            break shell_status(status);
        }
        if started.elapsed() > timeout {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
            // What it said until now, should the pipes close with the group.
            while let Ok((stream, text)) = receiver.recv_timeout(Duration::from_secs(2)) {
                streams[stream] = Some(text);
            }
            panic!("not done after {timeout:?}: {shown}\nstdout, stderr: {streams:?}");
        }
    };
    let [stdout, stderr] = streams.map(Option::unwrap_or_default);
    Ran { stdout, stderr, status, took: started.elapsed() }
}

fn collect(mut from: impl Read + Send + 'static, stream: usize, to: mpsc::Sender<(usize, String)>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = to.send((stream, String::from_utf8_lossy(&bytes).into_owned()));
    });
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().expect("ended by a status or a signal"))
}
