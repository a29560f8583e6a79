//! `profgen emit`: a policy in the format of an enforcer.

use crate::{
    arguments::EmitArguments,
    exit::{Failure, Status, say},
    files, runtime,
};
use anyhow::{Context, bail};
use filter::{Denied, Ruleset};
use merger::{
    paths::{PathOptions, landlock},
    serving::{choose, policy_of},
};
use model::{Policy, landlock::LandlockPolicy, policy::EvidenceKind};
use profiles::{
    Options, Rendered, bpf, capabilities, capsicum, kubernetes,
    landlock::Form,
    runtime::{Runtime, Target, targets},
    serving,
    systemd::{self, Service},
};
use std::{collections::BTreeSet, fs, path::Path};

pub fn emit(arguments: &EmitArguments) -> Result<Status, Failure> {
    let policy = files::policy(&arguments.policy)?;
    let (policy, heading) = phase(policy, arguments)?;
    let (bytes, notes) = match (&arguments.format[..], heading) {
        (bpf::RAW, Some(heading)) => {
            let at = format!("load it {}", heading.place);
            let notes = [at].into_iter().chain(heading.notes).collect();
            (bpf::raw(&filter_of(&policy)).context(CANNOT)?, notes)
        }
        (bpf::SOURCE, Some(heading)) => {
            let Rendered { text, notes } =
                serving::source(&policy, &heading).map_err(anyhow::Error::new)?;
            (text.into_bytes(), notes)
        }
        (bpf::RAW, None) => (bpf::raw(&filter_of(&policy)).context(CANNOT)?, Vec::new()),
        (name, _) => {
            let Rendered { text, notes } = text(name, &policy, arguments)?;
            (text.into_bytes(), notes)
        }
    };
    files::write(&arguments.output, &bytes)?;
    if !arguments.quiet {
        for note in &notes {
            say(&format!("{}: {note}", arguments.format));
        }
    }
    Ok(Status::Code(0))
}

/// The policy of the phase that was asked for, and what there is to say of it.
fn phase(
    policy: Policy,
    arguments: &EmitArguments,
) -> anyhow::Result<(Policy, Option<serving::Heading>)> {
    if arguments.phase.is_none() {
        return Ok((policy, None));
    }
    if ![bpf::RAW, bpf::SOURCE].contains(&&arguments.format[..]) {
        bail!("--phase is for the formats bpf and c, not for {}", arguments.format);
    }
    let (program, phase) = choose(&policy, arguments.program.as_deref())?;
    let serving = policy_of(&policy, &phase);
    let mut notes =
        vec!["it is from observation only: what no run made while it served is denied".to_owned()];
    let kept: Vec<String> = phase.kept.keys().map(|sysno| sysno.label().into_owned()).collect();
    if !kept.is_empty() {
        notes.push(format!(
            "allowed though only start-up made them, as malloc and threads come to them at any \
             time: {}",
            kept.join(", ")
        ));
    }
    notes.extend(phase.notes);
    let heading = serving::Heading {
        program: program.to_string(),
        place: phase.place.words,
        chain: phase.place.chain,
        notes,
    };
    Ok((serving, Some(heading)))
}

const CANNOT: &str = "cannot compile the policy";

/// What `profgen run` loads.
fn filter_of(policy: &Policy) -> Ruleset {
    Ruleset::from_policy(policy, Denied::Errno)
}

fn text(name: &str, policy: &Policy, arguments: &EmitArguments) -> anyhow::Result<Rendered> {
    if let Some(form) = Form::of_name(name) {
        let landlock = landlock(policy, path_options(arguments));
        let mut rendered = rules(form, policy, &landlock)?;
        let known = rendered.notes.len();
        // What a rule reaches depends on the machine: it is said, and is in no file.
        let lines = merger::paths::summary(&landlock, |path| count(path.as_path()));
        rendered.notes.splice(..landlock.notes.len().min(known), lines);
        let suggestions = merger::paths::suggestions(policy);
        if let Some(path) = suggestions.keys().next() {
            rendered.notes.push(format!(
                "code holds {} paths that no run used, such as {path}: none is granted (report.md \
                 lists them)",
                suggestions.len()
            ));
        }
        return Ok(rendered);
    }
    let suspected = || merger::capabilities::capabilities(policy);
    match name {
        capabilities::NAME => {
            let form = arguments.form.as_deref().map(str::parse).transpose();
            let form = form.map_err(anyhow::Error::msg)?;
            let notes = merger::capabilities::notes(policy);
            Ok(capabilities::render(&suspected(), form, notes))
        }
        bpf::SOURCE => bpf::source(&filter_of(policy)).context(CANNOT),
        capsicum::JSON => {
            capsicum::json(&merger::capsicum::suggestions(policy)).context("cannot write it")
        }
        capsicum::LISTING => Ok(capsicum::listing(&merger::capsicum::suggestions(policy))),
        systemd::NAME => {
            let landlock = landlock(policy, path_options(arguments));
            let (landlock, capabilities) = (&landlock, &suspected());
            Ok(systemd::render(Service { policy, landlock, capabilities })?)
        }
        kubernetes::NAME => {
            let usual = || Runtime::ALL.into_iter().map(Target::from).collect();
            let options = Options { runtimes: runtimes(arguments)?.unwrap_or_else(usual) };
            Ok(kubernetes::render(policy, &options, &suspected())?)
        }
        name => render(name, policy, runtimes(arguments)?.as_ref()),
    }
}

/// What `--runtime` names; `auto` is what the engine here says of itself.
fn runtimes(arguments: &EmitArguments) -> anyhow::Result<Option<BTreeSet<Target>>> {
    match arguments.runtime.as_deref() {
        Some("auto") => {
            let target = runtime::auto(&arguments.format)?;
            if !arguments.quiet {
                let release =
                    target.version.map_or_else(String::new, |version| format!(" {version}"));
                say(&format!("{}: for {}{release}", arguments.format, target.runtime.name()));
            }
            Ok(Some([target].into()))
        }
        Some(list) => Ok(Some(targets(list)?)),
        None => Ok(None),
    }
}

/// How many files there are at and below a path; none where that is too many to count.
fn count(path: &Path) -> Option<usize> {
    const MOST: usize = 100_000;
    let mut found = 0;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).ok()?.flatten() {
            found += 1;
            if found > MOST {
                return None;
            }
            // A link leads elsewhere, and a rule does not follow it.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(entry.path());
            }
        }
    }
    Some(found)
}

fn path_options(arguments: &EmitArguments) -> PathOptions {
    let mut options = PathOptions::default();
    options.abi = arguments.landlock_abi.unwrap_or(options.abi);
    options.paths = arguments.paths.unwrap_or(options.paths);
    options
}

/// Renders what Landlock can enforce of a policy, `landlock`.
///
/// # Errors
/// When the text could not be built.
pub fn rules(form: Form, policy: &Policy, landlock: &LandlockPolicy) -> anyhow::Result<Rendered> {
    let runs = policy.evidence.values().filter(|piece| piece.kind == EvidenceKind::Trace);
    let command = runs.map(|piece| &piece.command[..]).next().unwrap_or_default();
    Ok(form.render(landlock, command)?)
}

/// Renders a policy for these runtimes, or for those that most users of the format have.
///
/// # Errors
/// When there is no such format or runtime, or the format cannot hold the policy.
pub fn render(
    format: &str,
    policy: &Policy,
    runtimes: Option<&BTreeSet<Target>>,
) -> anyhow::Result<Rendered> {
    let format = profiles::format(format).context("no such format")?;
    let mut options = format.options();
    if let Some(runtimes) = runtimes {
        options.runtimes = runtimes.clone();
    }
    Ok(format.render(policy, &options)?)
}
