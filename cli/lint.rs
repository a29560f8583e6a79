//! `profgen lint`: what is wrong with a seccomp profile.

use crate::{
    arguments::{LintArguments, LintFormat},
    exit::{Failure, Status},
    files,
    profile_input::{ProfileInput, load_rendered},
};
use anyhow::Context;
use profiles::{
    lint::{Finding, Severity, lint as check, sarif},
    read::{Input, Profile, read},
};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path};

pub fn lint(arguments: &LintArguments) -> Result<Status, Failure> {
    let source = load_rendered(&arguments.profile)?;
    let mut findings = check(&seccomp(&source)?);
    if !arguments.notes {
        findings.retain(|finding| finding.check.severity > Severity::Note);
    }
    let failed = findings.iter().any(|finding| finding.check.severity > Severity::Note);
    // A bundle's findings are about the file in it.
    let name = source.file.as_ref().map_or(source.name.clone(), |file| file.display().to_string());
    let text = match arguments.format {
        LintFormat::Text => text(&findings, &name),
        LintFormat::Json => pretty(&document(&findings, &name))?,
        LintFormat::Sarif => pretty(&sarif(&findings, &name, env!("CARGO_PKG_VERSION")))?,
    };
    files::write(Path::new("-"), text.as_bytes())?;
    Ok(Status::Code(i32::from(failed)))
}

/// The profile; of a policy the one that Docker would be given.
fn seccomp(source: &ProfileInput) -> anyhow::Result<Profile> {
    let policy = match &source.input {
        Input::Seccomp(profile) => return Ok(profile.clone()),
        Input::Policy(policy) => policy,
    };
    let rendered = crate::emit::render("docker", policy, None)?;
    match read(rendered.text.as_bytes())? {
        Input::Seccomp(profile) => Ok(profile),
        Input::Policy(_) => anyhow::bail!("a rendered profile is a policy"),
    }
}

/// One line each: `FILE:LINE: SEVERITY: TITLE: MESSAGE [ID]`.
fn text(findings: &[Finding], name: &str) -> String {
    let mut out = String::new();
    for Finding { check, entry, line, message, .. } in findings {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let entry = entry.map(|entry| format!("syscalls[{entry}]: ")).unwrap_or_default();
        let message = message.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name}{line}: {}: {}: {entry}{message} [{}]",
            check.severity, check.title, check.id
        );
    }
    out
}

fn document(findings: &[Finding], name: &str) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|Finding { check, entry, line, names, message }| {
            json!({
                "id": check.id, "severity": check.severity.name(), "title": check.title,
                "reason": check.reason, "entry": entry, "line": line, "names": names,
                "message": message,
            })
        })
        .collect();
    json!({"schema": "profgen/findings/v1", "profile": name, "findings": findings})
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value).context("cannot write the findings")? + "\n")
}
