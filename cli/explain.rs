//! `profgen explain`: why.

use crate::{
    arguments::ExplainArguments,
    exit::{Failure, Status},
    files,
};
use anyhow::Context;
use merger::explain as ask;
use model::Subject;
use profiles::capsicum;
use static_analyzer::SourceLines;
use std::{cell::RefCell, path::Path};

pub fn explain(arguments: &ExplainArguments) -> Result<Status, Failure> {
    let policy = files::policy(&arguments.policy)?;
    if arguments.subject == capsicum::JSON {
        let lines = merger::capsicum::explain(&policy);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        files::write(Path::new("-"), text.as_bytes())?;
        return Ok(Status::Code(i32::from(policy.confinement.is_empty())));
    }
    let subject = Subject::parse(&arguments.subject).context("cannot explain")?;
    let lines = RefCell::new(SourceLines::default());
    let explanation = ask(&policy, &subject, &|site| {
        let versions = policy.programs.get(&site.module).into_iter();
        lines.borrow_mut().of(site, versions.flat_map(|identity| &identity.versions))
    });
    let text: String = explanation.lines.iter().map(|line| format!("{line}\n")).collect();
    files::write(Path::new("-"), text.as_bytes())?;
    Ok(Status::Code(i32::from(!explanation.known)))
}
