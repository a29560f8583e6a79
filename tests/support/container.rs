//! Containers of one static program under runc and crun, started as any engine would start them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::run::{self, Ran};
use super::{PATH, find_program};

/// Runs the runtime in the bundle. crun 1.8 knows cgroups of version 2 only, see [`super::oci::START`].
const START: &str = r#"
if [ "$0" = crun ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 none /sys/fs/cgroup || exit 125
fi
cd "$1" && shift && exec "$0" --root "$PWD/state" "$@"
"#;

/// Those that Docker gives, as far as busybox can use them.
const CAPABILITIES: [&str; 4] = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"];

/// A bundle as the runtime-spec means it: a root file system with busybox, and its configuration.
pub struct Container {
    directory: TempDir,
    runtime: String,
}

impl Container {
    /// One that runs a script of busybox's shell.
    pub fn new(
        runtime: &str,
        script: &str,
        seccomp: Option<&Value>,
        no_new_privs: bool,
    ) -> Container {
        let directory = tempfile::Builder::new().prefix("profgen-container-").tempdir();
        let container = Container {
            directory: directory.expect("make a directory"),
            runtime: runtime.to_owned(),
        };
        let root = container.root();
        for name in ["bin", "proc", "dev", "tmp", "etc"] {
            fs::create_dir_all(root.join(name)).expect("make a directory");
        }
        fs::create_dir(container.directory.path().join("state")).expect("make a directory");
        let busybox = find_program("busybox").expect("busybox");
        fs::copy(busybox, root.join("bin/busybox")).expect("copy busybox");
        let mut config = json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "annotations": {"org.example.test": container.id()},
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/bin/busybox", "sh", "-c", script],
                "env": ["PATH=/bin", "HOME=/tmp"],
                "cwd": "/",
                "noNewPrivileges": no_new_privs,
                "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}]},
        });
        if let Some(seccomp) = seccomp {
            config["linux"]["seccomp"] = seccomp.clone();
        }
        let text = serde_json::to_string_pretty(&config).expect("serialize config.json");
        fs::write(container.directory.path().join("config.json"), text).expect("write config.json");
        container
    }

    /// Its id: unique on the machine.
    pub fn id(&self) -> String {
        self.directory.path().file_name().expect("directory name").to_string_lossy().into_owned()
    }

    /// Its root file system.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("rootfs")
    }

    /// Runs it to its end.
    pub fn run(&self) -> Ran {
        self.command(&["run", &self.id()])
    }

    /// Runs a command in it while it runs.
    pub fn exec(&self, words: &[&str]) -> Ran {
        self.command(&[&["exec", &self.id()], words].concat())
    }

    fn command(&self, words: &[&str]) -> Ran {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", START, &self.runtime]);
        command.arg(self.directory.path()).args(words);
        command.env_clear().env("PATH", PATH);
        run::run_command(command, Duration::from_secs(60))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One that hangs would outlive a test that fails.
        let state: &Path = &self.directory.path().join("state");
        let _ = Command::new(&self.runtime)
            .arg("--root")
            .arg(state)
            .args(["delete", "--force", &self.id()])
            .env("PATH", PATH)
            .output();
    }
}
