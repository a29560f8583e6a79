//! `profgen run`: a command under its policy.

use crate::{
    arguments::RunArguments,
    exit::{Failure, Status, say},
    files,
    inherited::{command_alone, command_with_signals},
};
use anyhow::Context;
use confine::{ConfineError, Confinement, Dropped, Enforced, Report, Violation};
use merger::paths::{PathOptions, Paths};
use model::{Policy, capability, landlock::LandlockPolicy};
use supervisor::{CapSet, command::CommandError};

pub fn run(arguments: &RunArguments) -> Result<Status, Failure> {
    let policy = files::policy(&arguments.policy)?;
    if arguments.audit { audit(arguments, &policy) } else { enforce(arguments, &policy) }
}

fn enforce(arguments: &RunArguments, policy: &Policy) -> Result<Status, Failure> {
    let command = command_alone(&arguments.command)
        .context("cannot prepare the command")?
        .map_err(|error| Failure::with(error.status(), error.into()))?;
    let landlock = landlock(arguments, policy);
    let keep = keep(arguments, policy);
    let confinement = Confinement {
        policy,
        landlock: landlock.as_ref(),
        keep: keep.as_ref().ok().copied().flatten(),
    };
    let report = |report: &Report| {
        if arguments.quiet {
            return;
        }
        if let (Some(rules), Some(enforced)) = (&landlock, &report.landlock) {
            say(&landlock_line(rules, enforced));
        }
        match (&keep, &report.capabilities) {
            (_, Some(dropped)) => say(&capabilities_line(dropped)),
            (Err(why), None) => say(&format!("capabilities: not enforced: {why}")),
            (Ok(_), None) => {}
        }
    };
    match confine::enforce(&confinement, &command, report) {
        Ok(never) => match never {},
        Err(error) => Err(failure(arguments, error)),
    }
}

fn landlock(arguments: &RunArguments, policy: &Policy) -> Option<LandlockPolicy> {
    (!arguments.no_landlock).then(|| {
        let kernel = confine::kernel_abi();
        let abi = arguments.landlock_abi.map_or(kernel, |asked| asked.min(kernel));
        merger::paths::landlock(
            policy,
            PathOptions { abi, paths: arguments.paths.unwrap_or(Paths::Balanced) },
        )
    })
}

/// The capabilities that the command keeps; none when it keeps all, as it was asked; or why it is
/// not known which it needs.
fn keep(arguments: &RunArguments, policy: &Policy) -> Result<Option<CapSet>, &'static str> {
    if arguments.no_capabilities {
        return Ok(None);
    }
    if !policy.programs.values().any(|program| program.executed) {
        return Err("no run saw its program start, so what it needs is not known");
    }
    let suggested = merger::capabilities::capabilities(policy);
    let suggested = CapSet::of(suggested.keys().filter_map(|name| capability::number(name)));
    Ok(Some(suggested | CapSet::of(arguments.keep_capability.iter().copied())))
}

fn audit(arguments: &RunArguments, policy: &Policy) -> Result<Status, Failure> {
    let (command, signals) =
        command_with_signals(&arguments.command).context("cannot prepare the command")?;
    let command = command.map_err(|error| Failure::with(error.status(), error.into()))?;
    let landlock = landlock(arguments, policy);
    let keep = keep(arguments, policy).ok().flatten();
    let confinement = Confinement { policy, landlock: landlock.as_ref(), keep };
    let audit = confine::audit(&confinement, &command, &signals, &mut tracer::Watcher::new())
        .map_err(|error| failure(arguments, error))?;
    signals.finish();
    for violation in &audit.violations {
        say(&describe(violation));
    }
    for ((program, offence), count) in &audit.offences {
        let times = if *count == 1 { String::new() } else { format!(" {count} times") };
        say(&format!("would deny {program}: {}{times} (no {})", offence.what, offence.lacks));
    }
    if audit.unknown > 0 {
        say(&format!("would deny {} calls of an unknown architecture", audit.unknown));
    }
    let clean = audit.violations.is_empty() && audit.offences.is_empty() && audit.unknown == 0;
    match (clean, audit.ended) {
        (false, _) => Ok(Status::Code(1)),
        (true, Some(ended)) => Ok(Status::Like(ended)),
        (true, None) => Err(anyhow::anyhow!("cannot tell how the command ended").into()),
    }
}

fn failure(arguments: &RunArguments, error: ConfineError) -> Failure {
    match error {
        ConfineError::NotExecuted(errno) => {
            let name = arguments.command.first().cloned().unwrap_or_default();
            let error = CommandError { name, errno };
            Failure::with(error.status(), error.into())
        }
        other => Failure::usual(other.into()),
    }
}

/// `landlock: fully enforced: 12 paths, 1 port; 3 paths of the policy are not here`.
fn landlock_line(rules: &LandlockPolicy, enforced: &Enforced) -> String {
    let files = match rules.handled_fs.is_empty() {
        true => "no files".to_owned(),
        false => format!("{} paths", enforced.granted),
    };
    let ports = match rules.handled_net.is_empty() {
        true => "no ports".to_owned(),
        false => format!("{} TCP ports", rules.ports.len()),
    };
    let scopes: Vec<&str> = rules.scoped.iter().map(|scope| scope.name()).collect();
    let mut line = format!("landlock: {} enforced: {files}, {ports}", enforced.level.word());
    if !scopes.is_empty() {
        line += &format!(", scopes {}", scopes.join(" and "));
    }
    if !enforced.missing.is_empty() {
        line += &format!("; {} paths of the policy are not here", enforced.missing.len());
    }
    for note in &rules.notes {
        line += &format!("; {note}");
    }
    line
}

/// `capabilities: fully enforced: only CAP_NET_RAW`.
fn capabilities_line(dropped: &Dropped) -> String {
    let kept =
        if dropped.kept.is_empty() { "none".to_owned() } else { format!("only {}", dropped.kept) };
    let mut line = format!("capabilities: {} enforced: {kept}", dropped.level.word());
    if !dropped.left.is_empty() {
        line += &format!("; these cannot be taken from what it executes: {}", dropped.left);
    }
    if !dropped.missing.is_empty() {
        line += &format!("; the policy has some that are not here to be kept: {}", dropped.missing);
    }
    line
}

/// `would deny /bin/x: x86_64 socket(0x2, 0x1, 0x0) 3 times, first at /lib/libc.so.6+0x1234`.
fn describe(violation: &Violation) -> String {
    let Violation { program, sysno, count, args, site } = violation;
    let count_of_args = sysno.call().map_or(6, |call| call.params.len());
    let shown: Vec<String> =
        args.iter().take(count_of_args).map(|argument| format!("{argument:#x}")).collect();
    let times = if *count == 1 { String::new() } else { format!(" {count} times, first") };
    let place = site
        .as_ref()
        .map_or_else(String::new, |site| format!(" at {}+{:#x}", site.module, site.offset));
    format!("would deny {program}: {sysno:#}({}){times}{place}", shown.join(", "))
}
