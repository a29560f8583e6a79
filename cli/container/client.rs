//! Docker and Podman, through their command-line clients, which take the same words.

use super::{
    engine::{Dress, Engine, INSIDE},
    health::{Check, Health, check_of, recorded_check},
    joining::ANONYMOUS,
    options::{self, Asked},
    unpack::unpack,
};
use crate::{exit::say, files::open_directory, runtime, summary::quoted};
use anyhow::{Context, bail};
use profiles::runtime::Target;
use serde_json::Value;
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

/// An image, to be run by a client.
pub struct Client {
    program: &'static str,
    asked: Asked,
    command: Vec<OsString>,
    check: Option<Check>,
    /// The init of the engine, where one was asked for.
    init: Option<PathBuf>,
}

impl Client {
    /// Looks at the image, and fetches it where it is not here.
    ///
    /// # Errors
    /// When the engine does not answer, or has no such image.
    pub fn new(program: &'static str, asked: Asked, quiet: bool) -> anyhow::Result<Client> {
        let mut client = Client { program, asked, command: Vec::new(), check: None, init: None };
        let image = client.image(quiet)?;
        let config = &image["Config"];
        let words = |name: &str| -> Vec<OsString> { strings(&config[name]) };
        client.command = options::command(&client.asked, &words("Entrypoint"), &words("Cmd"))?;
        let test = match &client.asked.health {
            _ if client.asked.no_health => None,
            Some(command) => Some(Check::Shell(command.clone())),
            None => {
                let of_image =
                    [&config["Healthcheck"], &image["Healthcheck"], &image["HealthCheck"]];
                of_image.into_iter().find_map(|check| check_of(&check["Test"]))
            }
        };
        client.check = test;
        if client.asked.init {
            client.init = Some(client.find_init()?);
        }
        Ok(client)
    }

    fn image(&self, quiet: bool) -> anyhow::Result<Value> {
        let inspect = [OsStr::new("image"), OsStr::new("inspect"), &self.asked.image];
        let bytes = match self.output(inspect) {
            Ok(bytes) => bytes,
            Err(_) => {
                // Says why there is no engine, if that is why.
                self.output(["version"])?;
                if !quiet {
                    say(&format!("fetching {}", self.asked.image.display()));
                }
                self.output([OsStr::new("pull"), &self.asked.image])?;
                self.output(inspect)?
            }
        };
        let images: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("cannot read what {} says of the image", self.program))?;
        Ok(images[0].clone())
    }

    /// Docker's init. It runs under the profile like the command, and so is recorded as part of it.
    fn find_init(&self) -> anyhow::Result<PathBuf> {
        if self.program != "docker" {
            bail!(
                "--init is recorded with docker only: {}'s init insists on being process 1",
                self.program
            );
        }
        let name = self.output(["info", "--format", "{{.InitBinary}}"])?;
        let name = String::from_utf8_lossy(&name).trim().to_owned();
        // Where dockerd looks for it, too.
        let more = ["/usr/libexec/docker", "/usr/local/libexec/docker", "/usr/lib/docker"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).chain(more.map(PathBuf::from));
        let mut found = directories.map(|at| at.join(&name)).filter(|path| path.is_file());
        found.next().with_context(|| format!("--init: there is no {name} on this machine"))
    }

    fn client(&self) -> Command {
        let mut command = Command::new(self.program);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the client, and gives what it prints.
    fn output<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Vec<u8>> {
        runtime::output(self.client().args(arguments))
    }

    fn inspect(&self, id: &str, format: &str) -> anyhow::Result<String> {
        let bytes = self.output(["container", "inspect", "--format", format, id])?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn create_with(&self, dress: Dress<'_>, checks: bool) -> anyhow::Result<String> {
        let printed = self.output(self.create_arguments(dress, checks))?;
        let printed = String::from_utf8_lossy(&printed);
        let id = printed.lines().last().unwrap_or_default().trim();
        if id.is_empty() {
            bail!("{} create printed no container id", self.program);
        }
        Ok(id.to_owned())
    }

    fn has_shell(&self, id: &str) -> bool {
        self.output(["cp", "--follow-link", &format!("{id}:/bin/sh"), "-"]).is_ok()
    }

    fn create_arguments(&self, dress: Dress<'_>, checks: bool) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["create".into()];
        words.extend(self.asked.options.iter().cloned());
        let mut add = |option: &str, value: OsString| {
            words.push(option.into());
            words.push(value);
        };
        if let Dress::Recorded(recording) = dress {
            let mount = |source: &Path, name: &str, mode: &str| {
                let mut mount = OsString::from("type=bind,source=");
                mount.push(source);
                mount.push(format!(",target={INSIDE}/{name}{mode}"));
                mount
            };
            add("--mount", mount(&recording.tracer, "profgen", ",readonly"));
            add("--mount", mount(&recording.out, "out", ""));
            if let Some(init) = &self.init {
                add("--mount", mount(init, "init", ",readonly"));
            }
            if let Some(check) = self.check.as_ref().filter(|_| checks) {
                add("--health-cmd", recorded_check(check, &recording.arguments));
            }
            add("--entrypoint", format!("{INSIDE}/profgen").into());
            words.push(self.asked.image.clone());
            words.extend(recording.arguments.iter().cloned());
            words.push("--".into());
            if self.init.is_some() {
                // -s: to collect orphans, which process 1 is given unasked.
                words.extend([&format!("{INSIDE}/init"), "-s", "--"].map(OsString::from));
            }
            words.extend(self.command.iter().cloned());
            return words;
        }
        if let Dress::Confined(profile) = dress {
            let mut seccomp = OsString::from("seccomp=");
            seccomp.push(profile);
            add("--security-opt", seccomp);
        }
        if self.asked.init {
            words.push("--init".into());
        }
        let mut add = |option: &str, value: OsString| {
            words.push(option.into());
            words.push(value);
        };
        if let Some(entrypoint) = &self.asked.entrypoint {
            add("--entrypoint", entrypoint.clone());
        }
        words.push(self.asked.image.clone());
        words.extend(self.asked.words.iter().cloned());
        words
    }
}

impl Engine for Client {
    fn subject(&self) -> String {
        format!("image {} in {}", self.asked.image.display(), self.program)
    }

    fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    fn create(&self, dress: Dress<'_>) -> anyhow::Result<String> {
        let id = self.create_with(dress, true)?;
        let is_words = matches!(self.check, Some(Check::Words(_)));
        if is_words && matches!(dress, Dress::Recorded(_)) && !self.has_shell(&id) {
            // Then the check runs as it is, and its runs are named as unrecorded.
            self.remove(&id);
            return self.create_with(dress, false);
        }
        Ok(id)
    }

    fn start(&self, id: &str) -> Command {
        let mut command = Command::new(self.program);
        command.args(["start", "--attach"]);
        if self.asked.interactive {
            command.arg("--interactive");
        } else {
            command.stdin(Stdio::null());
        }
        command.arg(id);
        command
    }

    fn status(&self, id: &str, client: ExitStatus) -> anyhow::Result<i32> {
        let state = self.inspect(id, "{{json .State}}")?;
        let state: Value = serde_json::from_str(&state).context("cannot read how it ended")?;
        let error = state["Error"].as_str().unwrap_or_default();
        if !error.is_empty() {
            bail!("{} could not start the container: {error}", self.program);
        }
        if matches!(state["Status"].as_str(), Some("created" | "configured" | "initialized")) {
            // The client has said why, on the standard error that is passed on.
            bail!("{} could not start the container", self.program);
        }
        let code = state["ExitCode"].as_i64().and_then(|code| i32::try_from(code).ok());
        code.or(client.code()).context("cannot tell how the container ended")
    }

    fn runs(&self, id: &str) -> bool {
        self.inspect(id, "{{.State.Running}}").is_ok_and(|running| running == "true")
    }

    fn stop_signal(&self, id: &str) -> String {
        let asked = self.inspect(id, "{{.Config.StopSignal}}").unwrap_or_default();
        if asked.is_empty() || asked == "0" { "TERM".to_owned() } else { asked }
    }

    fn signal(&self, id: &str, signal: &str) {
        let _ = self.output(["kill", "--signal", signal, id]);
    }

    fn health(&self, id: &str) -> Health {
        if self.program == "podman" {
            // Podman leaves it to systemd to run the check; here profgen does.
            return match self.output(["healthcheck", "run", id]) {
                Ok(_) => Health::Healthy,
                Err(_) => Health::Starting,
            };
        }
        match self.inspect(id, "{{if .State.Health}}{{.State.Health.Status}}{{end}}").as_deref() {
            Ok("healthy") => Health::Healthy,
            Ok("unhealthy") => Health::Unhealthy,
            _ => Health::Starting,
        }
    }

    fn joined(&self, id: &str) -> Option<Command> {
        // Podman's events do not say what is executed.
        let (event, format) = match self.program {
            "docker" => ("event=exec_start", "{{.Action}}"),
            _ => ("event=exec", ANONYMOUS),
        };
        let mut command = self.client();
        let filter = format!("container={id}");
        command.args(["events", "--filter", &filter, "--filter", event, "--format", format]);
        Some(command)
    }

    fn root(&self, id: &str, into: &Path) -> anyhow::Result<PathBuf> {
        let mut export = self
            .client()
            .args(["export", id])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program))?;
        let archive = export.stdout.take().context("no output")?;
        let unpacked = unpack(archive, &open_directory(into)?);
        if unpacked.is_err() {
            let _ = export.kill();
        }
        let status = export.wait().context("cannot wait for the export")?;
        let unpacked = unpacked?;
        if !status.success() {
            bail!("{} export failed", self.program);
        }
        if unpacked.refused > 0 {
            say(&format!("{} entries of the image were not unpacked", unpacked.refused));
        }
        Ok(into.to_path_buf())
    }

    fn format(&self) -> &'static str {
        self.program
    }

    fn target(&self) -> anyhow::Result<Target> {
        let target = runtime::of_engine(self.program, self.asked.runtime.as_deref())?;
        Ok(Target { no_new_privileges: Some(self.asked.no_new_privileges), ..target })
    }

    fn advice(&self, profile: &Path) -> String {
        let seccomp = quoted(&format!("seccomp={}", profile.display()));
        format!(
            "{} run --security-opt {seccomp} ... {}",
            self.program,
            quoted(&self.asked.image.to_string_lossy())
        )
    }

    fn remove(&self, id: &str) {
        let _ = self.output(["rm", "--force", "--volumes", id]);
    }
}

/// A list of words, or one of them alone.
fn strings(value: &Value) -> Vec<OsString> {
    match value {
        Value::String(word) => vec![word.into()],
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(OsString::from).collect(),
        _ => Vec::new(),
    }
}
