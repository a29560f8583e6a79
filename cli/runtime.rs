//! Which container runtime an engine starts containers by, asked of the engine's client.

use anyhow::{Context, bail};
use profiles::runtime::{Runtime, Target};
use serde_json::Value;
use std::process::{Command, Stdio};

/// The engines, in the order in which they are tried.
pub const ENGINES: [&str; 2] = ["docker", "podman"];

/// The runtime of an engine with its release, or of one by the name that the engine knows it by.
///
/// # Errors
/// When the engine does not answer, or has a runtime that profgen does not know.
pub fn of_engine(engine: &str, asked: Option<&str>) -> anyhow::Result<Target> {
    match engine {
        "docker" => docker(asked),
        _ => podman(asked),
    }
}

/// What `emit --runtime auto` asks: the engine of the format, else each that is there.
///
/// # Errors
/// When none answers.
pub fn auto(format: &str) -> anyhow::Result<Target> {
    if ENGINES.contains(&format) {
        return of_engine(format, None).context("--runtime auto");
    }
    let mut errors = Vec::new();
    for engine in ENGINES {
        match of_engine(engine, None) {
            Ok(target) => return Ok(target),
            Err(error) => errors.push(format!("{error:#}")),
        }
    }
    bail!("--runtime auto: {}", errors.join("; "))
}

/// Of a runtime's own program.
///
/// # Errors
/// When it cannot be run, or is none that profgen knows.
pub fn of_program(path: &str) -> anyhow::Result<Target> {
    let printed = output(Command::new(path).arg("--version"))?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    // `runc version 1.1.5+ds1`, `crun version 1.8.1`.
    let words: Vec<&str> = printed.lines().next().unwrap_or_default().split(' ').collect();
    let [name, "version", version] = words[..] else {
        bail!("{path} --version says {:?}", printed.lines().next().unwrap_or_default());
    };
    target(name, version)
}

fn docker(asked: Option<&str>) -> anyhow::Result<Target> {
    let bytes = output(Command::new("docker").args(["info", "--format", "{{json .}}"]))?;
    let info: Value = serde_json::from_slice(&bytes).context("cannot read docker info")?;
    let usual = info["DefaultRuntime"].as_str().unwrap_or_default();
    if usual.is_empty() {
        // The client answers without its server, and says so here.
        let why = info["ServerErrors"][0].as_str().unwrap_or("it names no runtime");
        bail!("docker info: {why}");
    }
    let name = asked.unwrap_or(usual);
    let path = info["Runtimes"][name]["path"].as_str().unwrap_or(name);
    let program = path.rsplit('/').next().unwrap_or(path);
    // `io.containerd.runc.v2` is containerd's way to start runc.
    if program == "runc" || name.starts_with("io.containerd.runc.") {
        return target("runc", info["RuncCommit"]["ID"].as_str().unwrap_or_default());
    }
    // The client may be on another machine than the runtime: then its release stays unknown.
    of_program(path).or_else(|_| target(program, ""))
}

fn podman(asked: Option<&str>) -> anyhow::Result<Target> {
    let mut command = Command::new("podman");
    if let Some(name) = asked {
        command.args(["--runtime", name]);
    }
    let bytes = output(command.args(["info", "--format", "json"]))?;
    let info: Value = serde_json::from_slice(&bytes).context("cannot read podman info")?;
    let runtime = &info["host"]["ociRuntime"];
    let name = runtime["name"].as_str().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or(name);
    let version = runtime["version"].as_str().unwrap_or_default();
    let version = version.lines().next().unwrap_or_default();
    target(name, version.rsplit(' ').next().unwrap_or_default())
}

/// A release that is not told as numbers, as by the commit that was built, stays unknown.
fn target(name: &str, version: &str) -> anyhow::Result<Target> {
    let version = version.trim_start_matches('v');
    let known = Runtime::ALL.into_iter().find(|runtime| runtime.name() == name);
    let runtime = known.with_context(|| {
        format!("the engine's runtime is {name:?}: profgen knows what runc and crun need")
    })?;
    let version = version.contains('.').then(|| version.parse().ok()).flatten();
    Ok(Target { version, ..Target::from(runtime) })
}

/// Runs a client, and gives what it prints on its standard output.
///
/// # Errors
/// When it cannot be run, or fails: with the last line that it said.
pub fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let first = command.get_args().find(|word| !word.to_string_lossy().starts_with('-'));
    let action = first.map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().rev().find(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with("See '")
        });
        bail!("{program} {action}: {}", line.unwrap_or("it failed and did not say why").trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_numbers_or_unknown() {
        let version = |text: &str| target("runc", text).unwrap().version.map(|v| v.to_string());
        assert_eq!(version("1.1.5+ds1-1+deb12u1").as_deref(), Some("1.1.5"));
        assert_eq!(version("v1.2.5-0-g59923ef").as_deref(), Some("1.2.5"));
        assert_eq!(version("12a34b"), None);
        assert_eq!(version(""), None);
        assert!(target("kata", "1.0").is_err());
    }
}
