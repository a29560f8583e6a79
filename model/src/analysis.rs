//! What code can reach: the prediction of the static analyzer.

use crate::{Arch, Document, Sysno, Text, document::Schema, serial::by_sysno, trace::Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What programs can do, as far as their files tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// `profgen/analysis/v1`.
    pub schema: Schema<Analysis>,
    /// Names this analysis among all evidence: 16 hexadecimal digits, from the files and options
    /// that it depends on. The same files under the same options have the same id.
    pub id: String,
    /// The version of profgen that made it.
    pub analyzer: String,
    /// What was asked for.
    pub options: Options,
    /// The programs that were analysed, sorted by path.
    pub programs: Vec<AnalysedProgram>,
}

impl Document for Analysis {
    const KIND: &'static str = "analysis";
    const VERSION: u32 = 1;
    const LINE_DEPTH: usize = 5;
}

impl Analysis {
    /// Every system call that any of the programs can make, in all layers that were analysed.
    pub fn calls(&self) -> BTreeSet<Sysno> {
        self.programs.iter().flat_map(|program| program.calls.keys().copied()).collect()
    }
}

/// What was asked for: it decides what the prediction covers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The directory that stood for `/`, when it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Text>,
    /// Directories that were searched before the default ones, as LD_LIBRARY_PATH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library_path: Vec<Text>,
    /// Libraries that were loaded first, as LD_PRELOAD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preload: Vec<Text>,
    /// Further libraries, and directories of them, that every program was taken to load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Text>,
    /// The layers that were analysed; `core` always is.
    pub layers: BTreeSet<Layer>,
}

/// By which way code comes into a process. What is needed without any choice is the core; the
/// others depend on the configuration of the machine and on the program's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The executable, its interpreter, and the libraries that they need.
    Core,
    /// Name-service modules, by the root's nsswitch.conf.
    Nss,
    /// Character-set converters of iconv(3).
    Gconv,
    /// Libraries that are opened by dlopen(3) under a name that the code holds, or that lie in a
    /// configured plugin directory.
    Dlopen,
    /// Programs that are executed under a name that the code holds.
    Exec,
}

impl Layer {
    /// All of them, from the surest on.
    pub const ALL: [Layer; 5] = [Layer::Core, Layer::Nss, Layer::Gconv, Layer::Dlopen, Layer::Exec];

    /// As on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Core => "core",
            Layer::Nss => "nss",
            Layer::Gconv => "gconv",
            Layer::Dlopen => "dlopen",
            Layer::Exec => "exec",
        }
    }
}

/// Relative to the first instruction of `main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Only by the loader and the start-up code.
    BeforeMain,
    /// Only from `main` on, the end of the process included.
    AfterMain,
    /// Both, or `main` was not found.
    Both,
}

/// The prediction for one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysedProgram {
    /// The executable, inside the root.
    pub path: Text,
    /// The interpreter that a script names: the prediction is about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Text>,
    /// The files that were analysed, the executable first, in the order in which they are loaded.
    pub modules: Vec<AnalysedModule>,
    /// The system calls that it can make.
    #[serde(with = "by_sysno")]
    pub calls: BTreeMap<Sysno, PredictedCall>,
    /// The programs that it can execute, as far as the code holds their names.
    pub executes: BTreeSet<Text>,
    /// Absolute paths that live code holds: what it may open, among others.
    pub opens: BTreeSet<Text>,
    /// What could not be resolved.
    pub gaps: Vec<Gap>,
    /// What the prediction takes for granted, one sentence each.
    pub assumptions: BTreeSet<String>,
}

/// A file that was analysed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysedModule {
    /// The path inside the root, symbolic links resolved, as the kernel would name a mapping of it.
    pub path: Text,
    /// The linker's build id, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// SHA-256 of the file, where there is no build id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// By which way it came.
    pub layer: Layer,
    /// Why: `needed by libcurl.so.4`, `interpreter`, `nsswitch.conf: hosts: dns`.
    pub reason: String,
}

/// A call that a program can make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictedCall {
    /// The first layer in which it is reachable: without the later ones it stays.
    pub layer: Layer,
    /// When it can be made.
    pub phase: Phase,
    /// A short chain of calls from a root to the instruction, which is the last of them: each
    /// the place of a call as module, offset and symbol where there is one.
    pub chain: Vec<Site>,
    /// How many reachable instructions can make it.
    pub sites: u32,
    /// Parameters, by the names of the call table, whose values are known at every reachable site:
    /// all of them. A parameter that is not here can have any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, BTreeSet<u64>>,
}

/// Something that the prediction could not resolve: it may lack calls because of it, or be wider
/// than need be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// What kind.
    pub kind: GapKind,
    /// Where, when it has a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// What it is, in one sentence.
    pub what: String,
    /// The chain of calls that leads to it, as in [`PredictedCall::chain`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Site>,
    /// The architecture of the call, for an unresolved number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
}

impl Gap {
    /// Whether calls may be missing because of it.
    pub fn loses(&self) -> bool {
        self.kind != GapKind::AnyTarget
    }
}

/// The kinds of [`Gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// A system-call instruction whose number is not known.
    Number,
    /// Indirect calls or jumps of one file that may reach any function whose address is taken: nothing
    /// is lost, but the prediction may be wide. The place is that of the first of them.
    AnyTarget,
    /// An indirect call or jump of which no target is known.
    NoTarget,
    /// dlopen(3) or dlsym(3) of a computed name.
    DynamicName,
    /// A program that is executed under a computed name.
    ExecName,
    /// A library that was not found, or that cannot be read.
    Module,
    /// Memory that is writable and executable: the code that runs there is not in a file.
    GeneratedCode,
    /// Bytes that are no valid instruction where one was expected.
    Code,
    /// A bound of the analyzer.
    Bound,
}

impl GapKind {
    /// All of them.
    pub const ALL: [GapKind; 9] = [
        GapKind::Number,
        GapKind::AnyTarget,
        GapKind::NoTarget,
        GapKind::DynamicName,
        GapKind::ExecName,
        GapKind::Module,
        GapKind::GeneratedCode,
        GapKind::Code,
        GapKind::Bound,
    ];

    /// What there are several of.
    pub fn plural(self) -> &'static str {
        match self {
            GapKind::Number => "system-call instructions whose number is not known",
            GapKind::AnyTarget => {
                "indirect calls that may reach any function whose address is taken"
            }
            GapKind::NoTarget => "indirect calls of which no target is known",
            GapKind::DynamicName => "libraries or symbols looked up under computed names",
            GapKind::ExecName => "programs executed under computed names",
            GapKind::Module => "libraries that could not be read",
            GapKind::GeneratedCode => "places that make code at run time",
            GapKind::Code => "places where bytes are no instruction",
            GapKind::Bound => "bounds of the analyzer that were reached",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_named_alike_everywhere() {
        for layer in Layer::ALL {
            assert_eq!(serde_json::to_string(&layer).unwrap(), format!("{:?}", layer.as_str()));
        }
    }
}
