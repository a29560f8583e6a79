//! `profgen analyze`: what programs can do, from their files.

use crate::{
    arguments::AnalyzeArguments,
    exit::{Failure, Status, say},
    files,
    progress::Progress,
};
use anyhow::anyhow;
use model::{
    Analysis, Arch, Sysno,
    analysis::{AnalysedProgram, Gap, Layer, Phase},
};
use static_analyzer::AnalyzeOptions;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

pub fn analyze(arguments: &AnalyzeArguments) -> Result<Status, Failure> {
    let options = options(arguments);
    let progress = Progress::alone(arguments.quiet);
    let begins = |path: &Path| progress.line(&format!("analysing {}", path.display()));
    let analysis = static_analyzer::analyze(&arguments.programs, &options, &begins)
        .map_err(anyhow::Error::from)?;
    drop(progress);
    if let Some(output) = &arguments.output {
        files::write_document(output, &analysis)?;
    }
    if let Some(call) = &arguments.dot {
        let sysno = named(call)?;
        files::write(Path::new("-"), static_analyzer::dot(&analysis, sysno).as_bytes())?;
    } else if arguments.names {
        files::write(Path::new("-"), names(&analysis).as_bytes())?;
    } else if !arguments.quiet {
        for program in &analysis.programs {
            summary(program, arguments.verbose);
        }
    }
    Ok(Status::Code(0))
}

fn options(arguments: &AnalyzeArguments) -> AnalyzeOptions {
    let asked = |layer: &&Layer| {
        arguments.layers.iter().any(|name| name == layer.as_str())
            || (**layer == Layer::Exec && arguments.follow_exec)
    };
    AnalyzeOptions {
        root: arguments.root.clone(),
        library_path: arguments.library_path.clone(),
        preload: arguments.preload.clone(),
        modules: arguments.modules.iter().map(|path| absolute(arguments, path)).collect(),
        layers: Layer::ALL.iter().filter(asked).copied().collect(),
        cache: if arguments.no_cache { None } else { cache_directory() },
        ..AnalyzeOptions::default()
    }
}

/// Paths are inside the root, and outside of one relative to where profgen runs.
fn absolute(arguments: &AnalyzeArguments, path: &Path) -> PathBuf {
    match arguments.root {
        None => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        Some(_) => path.to_owned(),
    }
}

/// Where results are kept between runs: in the user's cache directory, by the XDG base directory
/// specification. `None` where there is no home.
pub fn cache_directory() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("profgen"))
}

fn named(call: &str) -> anyhow::Result<Sysno> {
    let (arch, name) = match call.split_once(':') {
        Some((arch, name)) => (Arch::from_name(arch), name),
        None => (Some(Arch::X86_64), call),
    };
    arch.and_then(|arch| Sysno::from_name(arch, name))
        .ok_or_else(|| anyhow!("there is no system call {call:?}"))
}

/// The calls of all programs, one name a line.
fn names(analysis: &Analysis) -> String {
    let calls = analysis.calls();
    let mut names: Vec<String> = calls.into_iter().map(label).collect();
    names.sort();
    names.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "{name}");
        text
    })
}

fn label(sysno: Sysno) -> String {
    match sysno.arch() {
        Arch::X86_64 => sysno.label().into_owned(),
        arch => format!("{arch}:{}", sysno.label()),
    }
}

fn summary(program: &AnalysedProgram, verbose: bool) {
    let start = program.calls.values().filter(|call| call.phase == Phase::BeforeMain).count();
    let (lost, wide): (Vec<&Gap>, Vec<&Gap>) = program.gaps.iter().partition(|gap| gap.loses());
    say(&format!(
        "{}: {} system calls ({start} only before main), {} files, {} gaps",
        program.path,
        program.calls.len(),
        program.modules.len(),
        lost.len(),
    ));
    if let Some(interpreter) = &program.script {
        say(&format!(
            "  a script: what its interpreter {interpreter} can do, not what the script chooses to \
             load or run"
        ));
    }
    if verbose {
        for (&sysno, call) in &program.calls {
            let chain: Vec<String> = call
                .chain
                .iter()
                .map(|site| {
                    let place = || format!("{}+{:#x}", site.module.base_name(), site.offset);
                    site.symbol.clone().unwrap_or_else(place)
                })
                .collect();
            say(&format!(
                "  {} ({}, {:?}): {}",
                label(sysno),
                call.layer.as_str(),
                call.phase,
                chain.join(" -> ")
            ));
        }
    }
    let most = if verbose { usize::MAX } else { 3 };
    for gap in lost.iter().take(most) {
        say(&format!("  gap: {}{}", gap.what, place(gap)));
    }
    if lost.len() > most {
        say(&format!("  and {} more; -v lists them", lost.len() - most));
    }
    for gap in wide.iter().filter(|_| verbose) {
        say(&format!("  wide: {}{}", gap.what, place(gap)));
    }
}

/// Where a gap is, in parentheses.
fn place(gap: &Gap) -> String {
    gap.site.as_ref().map_or_else(String::new, |site| {
        let symbol = site.symbol.as_deref().unwrap_or_default();
        format!(" ({}+{:#x} {symbol})", site.module.base_name(), site.offset)
    })
}
