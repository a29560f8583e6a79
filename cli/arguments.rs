//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use merger::paths::Paths;
use std::{ffi::OsString, path::PathBuf, time::Duration};

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
    /// Run a container, record everything it does, write its profile, and run it again under that
    #[command(
        override_usage = "profgen container [OPTIONS] [ENGINE OPTIONS] [--] IMAGE [CMD]...",
        after_help = "profgen's own options come first, then those of the engine, as `docker run` takes \
        them, then the image and its command. With --engine runc or crun, IMAGE is the directory of an \
        OCI bundle. Standard output and error are the container's.\n\n\
        A container that does not end by itself is stopped after --for, when it is healthy \
        (--until-healthy), when --exercise is done, or by Ctrl-C; whichever comes first. The \
        exercise finds the container in PROFGEN_CONTAINER, and is recorded in it where it \
        runs `docker exec $PROFGEN_CONTAINER $PROFGEN_INSIDE CMD`.\n\n\
        Exit status: the container's own, or the exercise's; 0 when it was stopped; 125 when profgen \
        itself failed, or the container did something else under its profile; 126 when its command \
        cannot be executed, 127 when it is not found."
    )]
    Container(ContainerArguments),
    /// Record the command of a container, inside of it
    #[command(hide = true)]
    Inside(InsideArguments),
    /// Join traces and policies into one policy
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Merge(MergeArguments),
    /// Say what changed between two policies, bundles or seccomp profiles, and what brought it in
    #[command(after_help = "Exit status: 0; 1 when --fail-on applies; 2 when it failed.")]
    Diff(DiffArguments),
    /// Run a command and say whether it stays within a policy: trace, merge and diff in one step
    #[command(after_help = "Exit status: 0; 1 when --fail-on applies; 2 when profgen failed; 3 \
        when the command itself failed, for then its run says too little; 126 when it cannot be \
        executed, 127 when it is not found.")]
    Check(CheckArguments),
    /// Say why something is allowed, withheld or not in a policy
    #[command(after_help = "Exit status: 0; 1 when it is not in the policy; 2 when it failed.")]
    Explain(ExplainArguments),
    /// Record a decision in a policy: what is allowed or denied whatever the evidence says
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Decide(DecideArguments),
    /// Render a policy in the format of an enforcer
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Emit(EmitArguments),
    /// Run a command under a policy
    #[command(after_help = "Exit status: the command's own; with --audit 1 when there were \
        violations; 125 when profgen itself failed, 126 when the command cannot be executed, 127 \
        when it is not found.")]
    Run(RunArguments),
    /// Record containers from outside: their runtime hands them over
    #[command(
        after_help = "Containers are handed over that were started with the profile of --bootstrap, \
        or another one whose listenerPath is the socket. The first SIGTERM or SIGINT ends the \
        waiting for more, and profgen ends when the recorded ones have; the second ends the \
        recording, and the calls that a container's profile announces then fail with ENOSYS.\n\n\
        Exit status: 0; 2 when it failed."
    )]
    Agent(AgentArguments),
    /// Say what is dangerous, redundant or will not work as written in a seccomp profile
    #[command(
        after_help = "Exit status: 0; 1 when there are findings, other than notes; 2 when it failed."
    )]
    Lint(LintArguments),
    /// Say what a system call gets under a profile, and which rule says so
    #[command(after_help = "Exit status: 0; 2 when it failed.")]
    Simulate(SimulateArguments),
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
            Command::Container(_) => "container",
            Command::Inside(_) => "inside",
            Command::Merge(_) => "merge",
            Command::Diff(_) => "diff",
            Command::Check(_) => "check",
            Command::Explain(_) => "explain",
            Command::Decide(_) => "decide",
            Command::Emit(_) => "emit",
            Command::Run(_) => "run",
            Command::Agent(_) => "agent",
            Command::Lint(_) => "lint",
            Command::Simulate(_) => "simulate",
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
    /// With ptrace: let every call stop, and leave the program's code alone. For programs that check
    /// their own code or that may be hostile
    #[arg(long)]
    pub no_patch: bool,
    /// Do not read the ELF files of what ran: call sites keep their offsets and get no names
    #[arg(long)]
    pub no_static: bool,
    /// Record a process that is already running, until it ends or profgen is interrupted
    #[arg(long, value_name = "N", conflicts_with = "command")]
    pub pid: Option<i32>,
    /// Count, too, what the kernel is asked about Linux capabilities (as root, from Linux 6.14)
    #[arg(long, conflicts_with = "pid")]
    pub measure_capabilities: bool,
    /// Run the command again without each capability that it may need, with nothing to read and its
    /// output discarded, and keep those without which it does something else
    #[arg(long, conflicts_with = "pid")]
    pub confirm_capabilities: bool,
    /// Fail with status 125 when the record may have missed something
    #[arg(long)]
    pub strict: bool,
    /// Whether profgen stands where a container has its first process
    #[arg(skip)]
    pub first_process: bool,
    #[command(flatten)]
    pub settings: SettingsArguments,
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

impl TraceArguments {
    /// What is typed to record a command and nothing else.
    pub fn of_command(
        engine: EngineArgument,
        no_static: bool,
        quiet: bool,
        command: &[OsString],
    ) -> TraceArguments {
        TraceArguments {
            output: None,
            engine,
            no_patch: false,
            no_static,
            pid: None,
            measure_capabilities: false,
            confirm_capabilities: false,
            strict: false,
            first_process: false,
            settings: SettingsArguments { strategy: None, arguments: None },
            quiet,
            verbose: false,
            command: command.to_vec(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EngineArgument {
    /// ptrace where calls can pass without a stop, else notify; the other where that cannot serve
    Auto,
    /// ptrace(2): sees results, and works everywhere
    Ptrace,
    /// seccomp user notification: cheaper
    Notify,
}

impl EngineArgument {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            EngineArgument::Auto => "auto",
            EngineArgument::Ptrace => "ptrace",
            EngineArgument::Notify => "notify",
        }
    }
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
    /// A library that the programs may load, or a directory of plugins; may be repeated
    #[arg(long = "module", value_name = "PATH")]
    pub modules: Vec<PathBuf>,
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
pub struct ContainerArguments {
    /// Who runs it [default: docker, or podman where there is no docker]
    #[arg(long, value_enum)]
    pub engine: Option<ContainerEngine>,
    /// The directory to write to; a further run adds to it [default: NAME.profgen]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Stop the container after so long: 60s, 5m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub limit: Option<Duration>,
    /// Stop it once its health check succeeds; with --exercise, start that then
    #[arg(long)]
    pub until_healthy: bool,
    /// A line for the shell that makes the container work; when it is done, the container is stopped
    #[arg(long, value_name = "CMD")]
    pub exercise: Option<OsString>,
    /// Do not run the container again under its profile
    #[arg(long)]
    pub no_verify: bool,
    /// The static profgen that is mounted into the container (ci/static-build.sh makes one) [default:
    /// this one where it is static, else `profgen-static` beside it]
    #[arg(long, value_name = "FILE")]
    pub tracer: Option<PathBuf>,
    /// How to observe
    #[arg(long, value_enum, default_value_t = EngineArgument::Auto)]
    pub tracing_engine: EngineArgument,
    /// Do not analyse the image's files
    #[arg(long)]
    pub no_static: bool,
    /// Fail with status 125 when the record may have missed something
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// No progress and no summary
    #[arg(long)]
    pub quiet: bool,
    /// Say more: what the profile cannot express
    #[arg(long)]
    pub verbose: bool,
    /// Options of the engine, the image, and its command
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "IMAGE"
    )]
    pub words: Vec<OsString>,
}

/// `90`, `60s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    let number: u64 = number.parse().map_err(|_| "expected a time as in 60s, 5m or 1h")?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ContainerEngine {
    /// Docker, from an image
    Docker,
    /// Podman, from an image
    Podman,
    /// runc, from the directory of a bundle
    Runc,
    /// crun, from the directory of a bundle
    Crun,
}

#[derive(Debug, Args)]
pub struct InsideArguments {
    /// The directory for the record
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How to observe
    #[arg(long, value_enum, default_value_t = EngineArgument::Auto)]
    pub tracing_engine: EngineArgument,
    /// Give call sites no names
    #[arg(long)]
    pub no_static: bool,
    /// The command is not the container's first process
    #[arg(long)]
    pub joined: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct MergeArguments {
    /// The policy to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Traces, analyses, policies or bundles; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// Do not say which decisions change nothing
    #[arg(short, long)]
    pub quiet: bool,
}

/// How evidence is turned into a policy.
#[derive(Debug, Args)]
pub struct SettingsArguments {
    /// What becomes of calls that code can reach and no run made [default: as the policies that
    /// are merged have it, else balanced]
    #[arg(long, value_enum)]
    pub strategy: Option<StrategyArgument>,
    /// For which calls rules on arguments are inferred [default: as the policies that are merged
    /// have it, else risky]
    #[arg(long, value_enum)]
    pub arguments: Option<RulesArgument>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StrategyArgument {
    /// They are withheld
    Observed,
    /// Those of ordinary risk groups are allowed, those of sensitive ones withheld
    Balanced,
    /// They are allowed
    Predicted,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RulesArgument {
    /// For none
    None,
    /// Where a call's power lies in an argument: socket, clone, ioctl, prctl, mmap, ...
    Risky,
    /// Wherever an argument decides what a call may do
    All,
}

#[derive(Debug, Args)]
pub struct DiffArguments {
    /// A policy, a bundle, an OCI or Docker seccomp profile, `docker-default`, or - for standard
    /// input
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// Another
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Which changes make the exit status 1
    #[arg(long, value_enum, value_name = "CHANGES")]
    pub fail_on: Option<FailOnArgument>,
    /// Print one word instead: equal, narrower, wider, incomparable or unknown
    #[arg(long, conflicts_with = "format")]
    pub relation: bool,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The policy, or a bundle that has one; it is not written
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Which changes make the exit status 1
    #[arg(long, value_enum, value_name = "CHANGES", default_value_t = FailOnArgument::Widened)]
    pub fail_on: FailOnArgument,
    /// Write the policy with what this run adds: commit it to accept the changes
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the changes as markdown, for a comment on a pull request; - is standard output
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write the changes as JSON (profgen/diff/v1)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the changes as SARIF 2.1.0, for code scanning
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// How to observe
    #[arg(long, value_enum, default_value_t = EngineArgument::Auto)]
    pub engine: EngineArgument,
    /// Compare what the run did only, and not what its code can do
    #[arg(long)]
    pub no_static: bool,
    /// Fail with status 2 when the record may have missed something
    #[arg(long)]
    pub strict: bool,
    /// No progress and no verdict
    #[arg(short, long)]
    pub quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DiffFormat {
    /// For a terminal
    Text,
    /// For a comment on a pull request
    Markdown,
    /// profgen/diff/v1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FailOnArgument {
    /// Something is allowed that was not
    Widened,
    /// Anything changed
    Changed,
    /// Something sensitive is allowed that was not
    Risky,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A policy or a bundle; - is standard input
    #[arg(value_name = "POLICY")]
    pub policy: PathBuf,
    /// A system call (`ptrace`, `"i386 ptrace"`), an absolute path, a port (`tcp:443`) or a
    /// capability (`CAP_NET_RAW`)
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
}

#[derive(Debug, Args)]
pub struct DecideArguments {
    /// The policy, or a bundle that has one; it is written anew
    #[arg(value_name = "POLICY")]
    pub policy: PathBuf,
    /// Which way
    #[arg(value_enum)]
    pub verdict: VerdictArgument,
    /// A system call, `ptrace` or `"i386 ptrace"`, an absolute path, a port, `tcp:443`, or a
    /// capability, `CAP_NET_RAW`. A path is meant with all that is below it
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Why: reviewers read it
    #[arg(long, value_name = "TEXT", required_unless_present = "forget")]
    pub reason: Option<String>,
    /// Take the decision back instead
    #[arg(long, conflicts_with = "reason")]
    pub forget: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum VerdictArgument {
    /// Allow it with any arguments, whatever the evidence says
    Allow,
    /// Never allow it
    Deny,
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
    /// commas: what they need themselves is allowed too; `auto` asks docker or podman which it has
    /// [default: as the format's users need it]
    #[arg(long, value_name = "RUNTIME")]
    pub runtime: Option<String>,
    /// Landlock's formats: the ABI of the kernel [default: the newest that the format has]
    #[arg(long, value_name = "N")]
    pub landlock_abi: Option<u32>,
    /// Landlock's formats: how far paths are generalised: `exact`, `balanced`, or so many files of
    /// a directory as make it the directory [default: balanced]
    #[arg(long, value_name = "HOW")]
    pub paths: Option<Paths>,
    /// `capabilities` for one consumer alone: docker, kubernetes, systemd or oci
    #[arg(long = "as", value_name = "FORM")]
    pub form: Option<String>,
    /// `bpf` and `c`: only what a program needs from where on it serves, by the time line that `trace
    /// --engine ptrace --no-patch` records. `c` is then a function for libseccomp
    #[arg(long, value_enum, value_name = "PHASE")]
    pub phase: Option<PhaseArgument>,
    /// With --phase: of which program, its path or its file's name [default: the only server]
    #[arg(long, value_name = "PROGRAM", requires = "phase")]
    pub program: Option<String>,
    /// Do not say what the format cannot express
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PhaseArgument {
    /// From where on it only serves
    Serving,
}

fn format_names() -> Vec<&'static str> {
    let of_landlock = profiles::landlock::Form::ALL.iter().map(|form| form.name());
    profiles::formats()
        .iter()
        .map(|format| format.name())
        .chain(of_landlock)
        .chain([profiles::capabilities::NAME, profiles::kubernetes::NAME])
        .chain([profiles::capsicum::JSON, profiles::capsicum::LISTING])
        .chain([profiles::systemd::NAME, profiles::bpf::RAW, profiles::bpf::SOURCE])
        .collect()
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The policy, or a bundle that has one
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Deny nothing, and report what the policy would deny
    #[arg(long)]
    pub audit: bool,
    /// Enforce system calls only, and not what Landlock can: files, ports, signals
    #[arg(long)]
    pub no_landlock: bool,
    /// Use no more of Landlock than this ABI has, as an older kernel would [default: what the
    /// kernel has]
    #[arg(long, value_name = "N", conflicts_with = "no_landlock")]
    pub landlock_abi: Option<u32>,
    /// How far Landlock's paths are generalised: `exact`, `balanced`, or so many files of a
    /// directory as make it the directory [default: balanced]
    #[arg(long, value_name = "HOW")]
    pub paths: Option<Paths>,
    /// Leave the command the Linux capabilities that it would have without profgen
    #[arg(long)]
    pub no_capabilities: bool,
    /// Keep a capability that the policy does not suggest, such as CAP_NET_RAW; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "no_capabilities", value_parser = capability)]
    pub keep_capability: Vec<u32>,
    /// Do not say what is enforced
    #[arg(short, long)]
    pub quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// The number of a capability, by its name as manual pages or as Docker write it.
fn capability(name: &str) -> Result<u32, String> {
    let upper = name.to_uppercase();
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    model::capability::number(&full).ok_or_else(|| "no capability of that name".to_owned())
}

#[derive(Debug, Args)]
pub struct AgentArguments {
    /// Where to listen; with --bootstrap, where the agent will
    #[arg(long, value_name = "PATH", default_value = "/run/profgen.sock")]
    pub socket: PathBuf,
    /// The directory that gets a bundle NAME.profgen for each listenerMetadata, or for each
    /// container's id without one [default: the working directory]; with --bootstrap, the file that
    /// is written [default: standard output]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// End when so many containers have been recorded
    #[arg(long, value_name = "N", conflicts_with = "bootstrap")]
    pub count: Option<u64>,
    /// Write the seccomp profile with which containers are started to be recorded
    #[arg(long)]
    pub bootstrap: bool,
    /// With --bootstrap: the name under which the evidence is kept
    #[arg(long, value_name = "NAME", requires = "bootstrap")]
    pub metadata: Option<String>,
    /// With --bootstrap: a capability that the container has beyond Docker's own; may be repeated
    #[arg(long, value_name = "NAME", requires = "bootstrap", value_parser = capability_name)]
    pub cap_add: Vec<String>,
    /// With --bootstrap: the container runtimes that will load it, `runc`, `crun@1.8`, joined by
    /// commas: what they call before they hand over is let through unrecorded [default: all]
    #[arg(long, value_name = "RUNTIME", requires = "bootstrap")]
    pub runtime: Option<String>,
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// Say only what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
}

/// A capability by its full name.
fn capability_name(name: &str) -> Result<String, String> {
    let number = capability(name)?;
    Ok(model::capability::NAMES[number as usize].to_owned())
}

#[derive(Debug, Args)]
pub struct LintArguments {
    /// A seccomp profile of Docker, Podman or any OCI runtime, a bundle, or `docker-default`; - is
    /// standard input
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    pub format: LintFormat,
    /// Also what is only worth knowing
    #[arg(long)]
    pub notes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LintFormat {
    /// One line each
    Text,
    /// All that is known of each
    Json,
    /// SARIF 2.1.0, for code-scanning services
    Sarif,
}

#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// A seccomp profile, a policy, a bundle, or `docker-default`; - is standard input
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// The system call, by name or by number
    #[arg(value_name = "CALL")]
    pub call: String,
    /// Its arguments: numbers (10, 0xa, 012), or names as in `O_RDWR|O_CREAT`; those that are not
    /// given are 0
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub args: Vec<String>,
    /// The architecture of the call [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// The container runtime that loads the profile, `runc` or `crun`, or a release of it: `runc@1.1`
    #[arg(long, default_value = "runc", value_name = "RUNTIME")]
    pub runtime: String,
}
