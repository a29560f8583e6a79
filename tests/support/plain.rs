//! Bundles for runc and crun with a root file system of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATH;

/// crun 1.8 knows cgroups of version 2 only: where the machine has version 1, it is shown version 2.
const START: &str = r#"
if [ "$0" = crun ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 none /sys/fs/cgroup || exit 125
fi
exec "$@"
"#;

/// A bundle; removed with this.
pub struct Plain {
    directory: TempDir,
    config: Value,
}

impl Plain {
    /// One whose root has these programs in /bin, and that runs `arguments`.
    pub fn new(programs: &[(&Path, &str)], arguments: &[&str], no_new_privileges: bool) -> Plain {
        let directory =
            tempfile::Builder::new().prefix("profgen-plain-").tempdir().expect("make a directory");
        fs::create_dir(directory.path().join("state")).expect("make a directory");
        for name in ["bin", "proc", "dev", "tmp", "etc"] {
            fs::create_dir_all(directory.path().join("rootfs").join(name))
                .expect("make a directory");
        }
        for (program, name) in programs {
            let to = directory.path().join("rootfs/bin").join(name);
            fs::copy(program, to).expect("copy a program");
        }
        let capabilities = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"];
        let config = json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": arguments,
                "env": ["PATH=/bin", "LC_ALL=C"],
                "cwd": "/",
                "noNewPrivileges": no_new_privileges,
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            ],
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}]},
        });
        let plain = Plain { directory, config };
        plain.write(&plain.config);
        plain
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn write(&self, config: &Value) {
        let text = serde_json::to_string_pretty(config).expect("serialize");
        fs::write(self.directory.path().join("config.json"), text).expect("write config.json");
    }

    /// Puts a seccomp profile into the configuration.
    pub fn confine(&self, seccomp: &Value) {
        let mut config = self.config.clone();
        config["linux"]["seccomp"] = seccomp.clone();
        self.write(&config);
    }

    /// Puts an annotation into the configuration.
    pub fn annotate(&mut self, key: &str, value: &str) {
        self.config["annotations"][key] = value.into();
        self.write(&self.config);
    }

    /// The id under which it runs: unique on the machine.
    pub fn id(&self) -> String {
        self.directory.path().file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// The runtime's command that runs it.
    pub fn run(&self, runtime: &str) -> Command {
        let bundle = self.path().display().to_string();
        self.command(runtime, &["run", "--bundle", &bundle, &self.id()])
    }

    /// Another command of the runtime that runs it.
    pub fn command(&self, runtime: &str, words: &[&str]) -> Command {
        let state = self.directory.path().join("state").display().to_string();
        command(runtime, &[&[runtime, "--root", &state], words].concat())
    }
}

/// A command that uses a runtime, in a mount namespace in which the runtime works.
pub fn command(runtime: &str, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", START, runtime]).args(words).env("PATH", PATH);
    command
}
