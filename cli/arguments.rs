//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

/// Least-privilege profiles from what a program does and why.
#[derive(Debug, Parser)]
#[command(name = "profgen", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command, record everything it does, and write its profiles
    #[command(
        after_help = "Exit status: the command's own; 125 when profgen itself failed, 126 when \
        the command cannot be executed, 127 when it is not found."
    )]
    Trace(TraceArguments),
    /// Predict the system calls that programs can make, from their files
    #[command(
        after_help = "The prediction covers the process from its first instruction: the dynamic \
        loader, start-up and exit are part of it. What could not be resolved is listed as a gap.\n\n\
        Exit status: 0; 2 when it failed."
    )]
    Analyze(AnalyzeArguments),
    /// Join traces and policies into one policy
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Merge(MergeArguments),
    /// Render a policy in the format of an enforcer
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Emit(EmitArguments),
    /// Run a command under a policy
    #[command(after_help = "Exit status: the command's own; with --audit 1 when there were \
        violations; 125 when profgen itself failed, 126 when the command cannot be executed, 127 \
        when it is not found.")]
    Run(RunArguments),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

impl Command {
    /// As typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Trace(_) => "trace",
            Command::Analyze(_) => "analyze",
            Command::Merge(_) => "merge",
            Command::Emit(_) => "emit",
            Command::Run(_) => "run",
            Command::Completions { .. } => "completions",
            Command::Man => "man",
        }
    }
}

#[derive(Debug, Args)]
pub struct TraceArguments {
    /// The directory to write to; a further run adds to it [default: NAME.profgen]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How to observe
    #[arg(long, value_enum, default_value_t = EngineArgument::Auto)]
    pub engine: EngineArgument,
    /// Do not read the ELF files of what ran: call sites keep their offsets and get no names
    #[arg(long)]
    pub no_static: bool,
    /// Record a process that is already running, until it ends or profgen is interrupted
    #[arg(long, value_name = "N", conflicts_with = "command")]
    pub pid: Option<i32>,
    /// Fail with status 125 when the record may have missed something
    #[arg(long)]
    pub strict: bool,
    /// No progress and no summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Say more: each call that was seen and from where, and what the profile cannot express
    #[arg(short, long)]
    pub verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "pid", value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EngineArgument {
    /// notify, and ptrace where that cannot serve
    Auto,
    /// ptrace(2): sees results, and works everywhere
    Ptrace,
    /// seccomp user notification: cheaper
    Notify,
}

#[derive(Debug, Args)]
pub struct AnalyzeArguments {
    /// Where to write the analysis, as JSON; - is standard output [default: only a summary]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the name of each system call on a line, those of another architecture as `i386:name`
    #[arg(long)]
    pub names: bool,
    /// Print the chains of calls that lead to a system call as a graph for Graphviz
    #[arg(long, value_name = "CALL", conflicts_with = "names")]
    pub dot: Option<String>,
    /// The directory that stands for /, such as an unpacked container image
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Directories that are searched for libraries first, joined by colons, as LD_LIBRARY_PATH
    #[arg(long, value_name = "DIRS", value_delimiter = ':')]
    pub library_path: Vec<PathBuf>,
    /// A library that is loaded before all others, as LD_PRELOAD; may be repeated
    #[arg(long, value_name = "FILE")]
    pub preload: Vec<PathBuf>,
    /// What to analyse beside the core, joined by commas
    #[arg(
        long,
        value_name = "LAYERS",
        value_delimiter = ',',
        default_value = "nss,gconv,dlopen",
        value_parser = clap::builder::PossibleValuesParser::new(layer_names())
    )]
    pub layers: Vec<String>,
    /// Analyse the programs, too, that are executed under names which the code holds
    #[arg(long)]
    pub follow_exec: bool,
    /// Neither use nor keep results of earlier runs
    #[arg(long)]
    pub no_cache: bool,
    /// No progress and no summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Say more: the chain of each call, and every gap
    #[arg(short, long)]
    pub verbose: bool,
    /// The programs; with --root, their paths inside it
    #[arg(required = true, value_name = "ELF")]
    pub programs: Vec<PathBuf>,
}

fn layer_names() -> Vec<&'static str> {
    model::analysis::Layer::ALL.iter().map(|layer| layer.as_str()).collect()
}

#[derive(Debug, Args)]
pub struct MergeArguments {
    /// The policy to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Traces, policies or bundles; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct EmitArguments {
    /// The format
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(format_names()))]
    pub format: String,
    /// A policy or a bundle; - is standard input
    #[arg(default_value = "policy.json", value_name = "POLICY")]
    pub policy: PathBuf,
    /// Where to write; - is standard output
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    pub output: PathBuf,
    /// The container runtimes that will load the profile, `runc`, `crun@1.8` or `none`, joined by
    /// commas: what they need themselves is allowed too [default: as the format's users need it]
    #[arg(long, value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// Do not say what the format cannot express
    #[arg(short, long)]
    pub quiet: bool,
}

fn format_names() -> Vec<&'static str> {
    profiles::formats().iter().map(|format| format.name()).collect()
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The policy, or a bundle that has one
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Deny nothing, and report what the policy would deny
    #[arg(long)]
    pub audit: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
