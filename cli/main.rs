//! The command line: one file per command. What was typed is in `arguments`, what becomes of it in
//! the library crates; this is where words are printed and exit statuses chosen.

mod agent;
mod analyze;
mod arguments;
mod beside;
mod bundle;
mod check;
mod confirm;
mod container;
mod decide;
mod diff;
mod emit;
mod exit;
mod explain;
mod files;
mod inherited;
mod lint;
mod merge;
mod profile_input;
mod progress;
mod run;
mod runtime;
mod simulate;
mod summary;
mod trace;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use std::{io, path::Path};

fn main() -> ! {
    let arguments = Arguments::parse();
    let name = arguments.command.name();
    let result = match arguments.command {
        Command::Trace(arguments) => trace::trace(&arguments),
        Command::Analyze(arguments) => analyze::analyze(&arguments),
        Command::Container(arguments) => container::container(&arguments),
        Command::Inside(arguments) => container::inside(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Decide(arguments) => decide::decide(&arguments),
        Command::Emit(arguments) => emit::emit(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Agent(arguments) => agent::agent(&arguments),
        Command::Lint(arguments) => lint::lint(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Completions { shell } => print(|out| {
            clap_complete::generate(shell, &mut Arguments::command(), "profgen", out);
            Ok(())
        }),
        Command::Man => print(|out| clap_mangen::Man::new(Arguments::command()).render(out)),
    };
    exit::end(name, result)
}

/// Prints what `make` writes, whole.
fn print(make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<exit::Status, exit::Failure> {
    let mut out = Vec::new();
    make(&mut out).map_err(anyhow::Error::from)?;
    files::write(Path::new("-"), &out)?;
    Ok(exit::Status::Code(0))
}
