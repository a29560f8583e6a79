//! `profgen merge`: any evidence into one policy.

use crate::{
    arguments::MergeArguments,
    bundle,
    exit::{Failure, Status},
    files,
};
use anyhow::Context;
use merger::{Input, merge as join};
use std::path::Path;

pub fn merge(arguments: &MergeArguments) -> Result<Status, Failure> {
    let mut inputs = Vec::new();
    for path in &arguments.inputs {
        inputs.extend(read(path)?);
    }
    files::write_document(&arguments.output, &join(inputs))?;
    Ok(Status::Code(0))
}

fn read(path: &Path) -> anyhow::Result<Vec<Input>> {
    if path.is_dir() {
        return bundle::evidence(path);
    }
    let input = files::evidence(&files::read(path)?)
        .with_context(|| format!("cannot use {} as evidence", path.display()))?;
    Ok(vec![input])
}
