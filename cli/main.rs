//! The command line: one file per command. What was typed is in `arguments`, what becomes of it in
//! the library crates; this is where words are printed and exit statuses chosen.

mod arguments;
mod bundle;
mod emit;
mod exit;
mod files;
mod inherited;
mod merge;
mod progress;
mod run;
mod summary;
mod trace;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use std::io;

fn main() -> ! {
    let arguments = Arguments::parse();
    let name = arguments.command.name();
    let result = match arguments.command {
        Command::Trace(arguments) => trace::trace(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Emit(arguments) => emit::emit(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "profgen", &mut io::stdout());
            Ok(exit::Status::Code(0))
        }
        Command::Man => clap_mangen::Man::new(Arguments::command())
            .render(&mut io::stdout())
            .map(|()| exit::Status::Code(0))
            .map_err(|error| exit::Failure::usual(error.into())),
    };
    exit::end(name, result)
}
