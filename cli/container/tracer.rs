//! The profgen that is mounted into containers: a static one, for an image need not have a C library.

use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use supervisor::elf_file::{ElfFile, open_regular};

/// Its name beside the profgen that runs.
const BESIDE: &str = "profgen-static";
/// How much of its file is read to learn what it is.
const BUDGET: u64 = 16 << 20;

/// The program: the one that was named, this one where it is static, or the one beside it.
///
/// # Errors
/// When none is to be had, which names what makes one.
pub fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        let what = || format!("cannot use {} as the tracer", path.display());
        let path = path.canonicalize().with_context(what)?;
        if !is_static(&path).with_context(what)? {
            return Err(anyhow::anyhow!("it is not a static executable")).with_context(what);
        }
        same_version(&path)?;
        return Ok(path);
    }
    let own = std::env::current_exe().context("cannot find profgen's own executable")?;
    if is_static(&own).unwrap_or(false) {
        return Ok(own);
    }
    let beside = own.with_file_name(BESIDE);
    if is_static(&beside).unwrap_or(false) {
        same_version(&beside)?;
        return Ok(beside);
    }
    bail!(
        "a static profgen is needed inside the container: build one with ci/static-build.sh and put \
         it beside this one as {BESIDE}, or name it with --tracer FILE"
    )
}

/// Whether the kernel runs it without a loader: nothing of the image is needed then.
fn is_static(path: &Path) -> anyhow::Result<bool> {
    let file = open_regular(path)?;
    Ok(!ElfFile::new(&file, BUDGET)?.has_interpreter()?)
}

/// The two talk to one another: both must be of one release.
fn same_version(path: &Path) -> anyhow::Result<()> {
    let output = Command::new(path)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", path.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let wanted = concat!("profgen ", env!("CARGO_PKG_VERSION"));
    if said != wanted {
        bail!("{} is {said:?}, and this is {wanted}: both must be the same", path.display());
    }
    Ok(())
}
