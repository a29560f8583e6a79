//! runc and crun, from a bundle: a directory with config.json and a root file system. The bundle stays
//! as it is; each run has a configuration of its own that points to its root.

use super::{
    engine::{Dress, Engine, INSIDE},
    health::{Check, Health},
    options::Asked,
};
use crate::{
    files::{self, Plain as _},
    runtime,
    summary::quoted,
};
use anyhow::{Context, bail};
use profiles::runtime::Target;
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

/// A bundle, to be run by a runtime.
pub struct Plain {
    program: &'static str,
    /// Options of the runtime's own, before its command.
    options: Vec<OsString>,
    bundle: PathBuf,
    root: PathBuf,
    config: Value,
    command: Vec<OsString>,
    workspace: PathBuf,
    runs: Cell<u32>,
    /// Directories that a mount made in the root file system.
    made: RefCell<Vec<PathBuf>>,
}

impl Plain {
    /// Reads the bundle.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(program: &'static str, asked: Asked, workspace: &Path) -> anyhow::Result<Plain> {
        let bundle = Path::new(&asked.image);
        let what = || format!("cannot use {} as a bundle", bundle.display());
        let bundle = bundle.canonicalize().plain().with_context(what)?;
        let config = files::read(&bundle.join("config.json")).with_context(what)?;
        let mut config: Value = serde_json::from_slice(&config).with_context(what)?;
        let root =
            config["root"]["path"].as_str().context("it names no root").with_context(what)?;
        let root = bundle.join(root).canonicalize().plain().with_context(what)?;
        if !config["process"]["args"].is_array() {
            return Err(anyhow::anyhow!("it has no command")).with_context(what);
        }
        if !asked.words.is_empty() {
            let words: Vec<_> = asked.words.iter().map(|word| word.to_string_lossy()).collect();
            config["process"]["args"] = json!(words);
        }
        let words = config["process"]["args"].as_array().into_iter().flatten();
        let command: Vec<OsString> = words.filter_map(Value::as_str).map(OsString::from).collect();
        if command.is_empty() {
            return Err(anyhow::anyhow!("its command is empty")).with_context(what);
        }
        Ok(Plain {
            program,
            options: asked.options,
            bundle,
            root,
            config,
            command,
            workspace: workspace.to_path_buf(),
            runs: Cell::new(0),
            made: RefCell::default(),
        })
    }

    fn runtime(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.options).stdin(Stdio::null());
        command
    }

    fn configuration(&self, dress: Dress<'_>) -> anyhow::Result<Value> {
        let mut config = self.config.clone();
        config["root"]["path"] = json!(self.root);
        match dress {
            Dress::Plain => {}
            Dress::Confined(profile) => {
                let profile: Value = serde_json::from_slice(&files::read(profile)?)
                    .with_context(|| format!("cannot read {}", profile.display()))?;
                config["linux"]["seccomp"] = profile;
            }
            Dress::Recorded(recording) => {
                let own = [OsString::from(format!("{INSIDE}/profgen"))];
                let end = [OsString::from("--")];
                let words = own.iter().chain(&recording.arguments).chain(&end).chain(&self.command);
                let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
                config["process"]["args"] = json!(words);
                if !config["mounts"].is_array() {
                    config["mounts"] = json!([]);
                }
                let mount = |source: &Path, name: &str, mode: &str| {
                    json!({"destination": format!("{INSIDE}/{name}"), "type": "bind",
                        "source": source, "options": ["bind", mode]})
                };
                if let Some(mounts) = config["mounts"].as_array_mut() {
                    mounts.push(mount(&recording.tracer, "profgen", "ro"));
                    mounts.push(mount(&recording.out, "out", "rw"));
                }
            }
        }
        Ok(config)
    }

    /// Mount points in the root file system that a run leaves where /dev is no mount of its own.
    fn remember(&self) {
        let base = self.root.join(INSIDE.trim_start_matches('/'));
        if !base.exists() {
            let points = [base.join("profgen"), base.join("out"), base];
            *self.made.borrow_mut() = points.to_vec();
        }
    }
}

impl Engine for Plain {
    fn subject(&self) -> String {
        format!("bundle {} in {}", self.bundle.display(), self.program)
    }

    fn check(&self) -> Option<&Check> {
        None
    }

    fn create(&self, dress: Dress<'_>) -> anyhow::Result<String> {
        let run = self.runs.replace(self.runs.get() + 1);
        let id = format!("profgen-{}-{run}", std::process::id());
        let directory = self.workspace.join(&id);
        fs::create_dir(&directory).plain().context("cannot make a bundle")?;
        let config = serde_json::to_vec(&self.configuration(dress)?)?;
        files::write(&directory.join("config.json"), &config)?;
        if matches!(dress, Dress::Recorded(_)) {
            self.remember();
        }
        Ok(id)
    }

    fn start(&self, id: &str) -> Command {
        let mut command = self.runtime();
        command.arg("run").arg("--bundle").arg(self.workspace.join(id)).arg(id);
        command
    }

    fn status(&self, _: &str, client: ExitStatus) -> anyhow::Result<i32> {
        // The runtime ends as its container does. Where it could not start it, it says so itself, on
        // the standard error that is passed on.
        client.code().with_context(|| format!("{} was killed", self.program))
    }

    fn runs(&self, id: &str) -> bool {
        let state = runtime::output(self.runtime().arg("state").arg(id)).unwrap_or_default();
        let state: Value = serde_json::from_slice(&state).unwrap_or_default();
        state["status"] == "running"
    }

    fn stop_signal(&self, _: &str) -> String {
        "TERM".to_owned()
    }

    fn signal(&self, id: &str, signal: &str) {
        let _ = runtime::output(self.runtime().arg("kill").arg(id).arg(signal));
    }

    fn health(&self, _: &str) -> Health {
        Health::Starting
    }

    fn joined(&self, _: &str) -> Option<Command> {
        None
    }

    fn root(&self, _: &str, _: &Path) -> anyhow::Result<PathBuf> {
        Ok(self.root.clone())
    }

    fn format(&self) -> &'static str {
        "oci"
    }

    fn target(&self) -> anyhow::Result<Target> {
        let target = runtime::of_program(self.program)?;
        if target.runtime.name() != self.program {
            bail!("{} is {}", self.program, target.runtime.name());
        }
        let no_new_privileges = self.config["process"]["noNewPrivileges"].as_bool();
        Ok(Target { no_new_privileges: Some(no_new_privileges.unwrap_or(false)), ..target })
    }

    fn advice(&self, profile: &Path) -> String {
        let config = quoted(&self.bundle.join("config.json").to_string_lossy());
        format!("make {} the linux.seccomp of {config}", quoted(&profile.to_string_lossy()))
    }

    fn remove(&self, id: &str) {
        let _ = runtime::output(self.runtime().arg("delete").arg("--force").arg(id));
        for point in self.made.take() {
            // Empty, or not ours.
            let empty = fs::symlink_metadata(&point).is_ok_and(|at| at.is_file() && at.len() == 0);
            let _ = if empty { fs::remove_file(&point) } else { fs::remove_dir(&point) };
        }
    }
}
