//! Containers that run a script of busybox's shell under runc and crun, started as any engine would start them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::plain::Plain;
use super::run::{self, Ran};
use super::{PATH, find_program};

/// A bundle with busybox, and the runtime that it is for.
pub struct Container {
    bundle: Plain,
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
        let busybox = find_program("busybox").expect("busybox");
        let arguments = ["/bin/busybox", "sh", "-c", script];
        let mut bundle = Plain::new(&[(&busybox, "busybox")], &arguments, no_new_privs);
        bundle.annotate("org.example.test", &bundle.id());
        if let Some(seccomp) = seccomp {
            bundle.confine(seccomp);
        }
        Container { bundle, runtime: runtime.to_owned() }
    }

    /// Its id: unique on the machine.
    pub fn id(&self) -> String {
        self.bundle.id()
    }

    /// Its root file system.
    pub fn root(&self) -> PathBuf {
        self.bundle.path().join("rootfs")
    }

    /// Runs it to its end.
    pub fn run(&self) -> Ran {
        self.finish(self.bundle.run(&self.runtime))
    }

    /// Runs a command in it while it runs.
    pub fn exec(&self, words: &[&str]) -> Ran {
        let id = self.id();
        let words = [&["exec", &*id], words].concat();
        self.finish(self.bundle.command(&self.runtime, &words))
    }

    fn finish(&self, mut command: Command) -> Ran {
        command.env_clear().env("PATH", PATH);
        run::run_command(command, Duration::from_secs(60))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One that hangs would outlive a test that fails.
        let words = ["delete", "--force", &self.id()];
        let _ = self.bundle.command(&self.runtime, &words).output();
    }
}
