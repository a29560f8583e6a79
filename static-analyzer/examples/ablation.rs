//! What each tier of precision is worth: the calls and gaps that are predicted with it switched off.
//!
//! `ablation PROGRAM...` prints a table; `benches/ablation` builds and calls it. Ends with status 1
//! when a tier adds a call that is not predicted without it.

use model::{Analysis, Sysno};
use profgen_static_analyzer::{AnalyzeOptions, Precision, analyze};
use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// What is predicted of a program.
struct Predicted {
    calls: BTreeSet<Sysno>,
    /// Gaps by which calls may be missing.
    losing: usize,
    gaps: usize,
}

fn predict(program: &str, precision: Precision) -> Option<Predicted> {
    let options = AnalyzeOptions { precision, ..AnalyzeOptions::default() };
    let analysis: Analysis = analyze(&[PathBuf::from(program)], &options, &|_| ()).ok()?;
    let program = analysis.programs.into_iter().next()?;
    Some(Predicted {
        calls: program.calls.keys().copied().collect(),
        losing: program.gaps.iter().filter(|gap| gap.loses()).count(),
        gaps: program.gaps.len(),
    })
}

fn main() -> ExitCode {
    table(&mut io::stdout().lock()).unwrap_or(ExitCode::FAILURE)
}

fn table(out: &mut impl Write) -> io::Result<ExitCode> {
    let programs: Vec<String> = std::env::args().skip(1).collect();
    let mut right = true;
    write!(out, "{:<20}", "without")?;
    for program in &programs {
        write!(out, " {:>18}", program.rsplit('/').next().unwrap_or_default())?;
    }
    writeln!(out)?;
    let all: Vec<Option<Predicted>> =
        programs.iter().map(|program| predict(program, Precision::ALL)).collect();
    let tiers = Precision::TIERS.iter().map(|tier| tier.name);
    for name in ["-"].into_iter().chain(tiers) {
        write!(out, "{name:<20}")?;
        for (program, all) in programs.iter().zip(&all) {
            let without = Precision::ALL.without(name);
            let off = without.and_then(|precision| predict(program, precision));
            let (Some(all), Some(off)) = (all, off.as_ref().or(all.as_ref())) else {
                write!(out, " {:>18}", "refused")?;
                continue;
            };
            // Where a number is not known, any call may be made.
            let added = all.calls.difference(&off.calls).count();
            right &= added == 0 || off.losing > all.losing;
            write!(out, " {:>18}", format!("{} ({}/{})", off.calls.len(), off.losing, off.gaps))?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
