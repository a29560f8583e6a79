//! Podman with a storage of its own and a runtime of the test's choice, as far as it goes on a machine without
//! systemd, with cgroups of version 1 and few descriptors.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::plain;
use super::run::{self, Ran};
use super::{PATH, find_program, is_root, missing};

/// The image that it has: busybox and the programs that the test gave, in /bin.
pub const IMAGE: &str = "profgen-test";

/// A storage with one image; removed with this.
pub struct Podman {
    home: TempDir,
    runtime: &'static str,
}

impl Podman {
    /// Why Podman cannot be used here with this runtime, worded for [`super::skip`].
    pub fn obstacle(runtime: &str) -> Option<String> {
        if !is_root() {
            return Some("not root, with whose storage and cgroups podman is tried".into());
        }
        missing(["podman", "unshare", "mount", "tar", "busybox", "namespaces", runtime])
    }

    /// One that has [`IMAGE`] with these programs beside busybox.
    pub fn new(runtime: &'static str, programs: &[&Path]) -> Podman {
        // Short: the names of sockets in it have a limit.
        let home = tempfile::Builder::new().prefix("pp-").tempdir_in("/tmp").expect("a directory");
        let podman = Podman { home, runtime };
        for directory in ["bin", "image/bin", "image/tmp"] {
            fs::create_dir_all(podman.at(directory)).expect("make a directory");
        }
        let busybox = find_program("busybox").expect("busybox");
        for program in programs.iter().copied().chain([&*busybox]) {
            let to = podman.at("image/bin").join(program.file_name().expect("a name"));
            fs::copy(program, to).expect("copy a program");
        }
        podman.write_wrapper();
        let (image, tar) = (podman.at("image"), podman.at("image.tar").display().to_string());
        let made = Command::new("tar").arg("-C").arg(image).args(["-cf", &tar, "."]).status();
        assert!(made.expect("run tar").success());
        let imported = podman.run(&["podman", "import", &tar, IMAGE]);
        assert_eq!(imported.status, 0, "{}", imported.stderr);
        podman
    }

    /// The podman that [`Podman::run`] finds knows where its storage is.
    fn write_wrapper(&self) {
        let wrapper = format!(
            "#!/bin/sh\nexec {} --root {} --runroot {} --storage-driver vfs --cgroup-manager cgroupfs \
             --events-backend file --runtime {} \"$@\"\n",
            find_program("podman").expect("podman").display(),
            self.at("root").display(),
            self.at("run").display(),
            self.runtime,
        );
        let to = self.at("bin/podman");
        fs::write(&to, wrapper).expect("write a script");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("make it executable");
    }

    /// A path in its directory, which is free for other names than `bin`, `image`, `root` and `run`.
    pub fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// What `podman run` needs here.
    pub fn options(&self) -> Vec<&'static str> {
        let mut options = vec!["--network", "none"];
        options.extend(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]);
        if self.runtime == "crun" {
            options.extend(["--cgroups", "disabled"]);
        }
        options
    }

    /// Runs a command that finds this podman under its name.
    pub fn run(&self, words: &[&str]) -> Ran {
        let mut command = plain::command(self.runtime, words);
        command.env("PATH", format!("{}:{PATH}", self.at("bin").display()));
        run::run_command(command, Duration::from_secs(120))
    }
}
