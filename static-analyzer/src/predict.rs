//! From programs to an [`Analysis`].

mod gaps;
mod generated;
mod report;
mod unnarrowed;

use crate::{
    cache::{self, Cache},
    closure::{Closure, Search},
    elf::{ElfError, contents},
    files::Files,
    layers::{self, Interface, Opened},
    link::{Linked, Program},
    phases,
    precision::Precision,
    reach::Reach,
    root::Root,
};
use model::{
    Analysis, Arch, Sysno, Text,
    analysis::{AnalysedModule, AnalysedProgram, Gap, GapKind, Layer, Options, PredictedCall},
};
use report::Report;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Programs past these are not followed.
const PROGRAMS_MAX: usize = 1024;
/// Files beside the program's own that a prediction depends on.
const CONFIGURATION: [&str; 3] =
    ["/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/ld-musl-x86_64.path"];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct AnalyzeOptions {
    /// The directory that stands for `/`.
    pub root: Option<PathBuf>,
    /// What the document calls the root, where its path will not be there again.
    pub root_name: Option<String>,
    /// As LD_LIBRARY_PATH.
    pub library_path: Vec<PathBuf>,
    /// As LD_PRELOAD.
    pub preload: Vec<PathBuf>,
    /// The layers to analyse beside the core.
    pub layers: BTreeSet<Layer>,
    /// Libraries that a run was seen to load, by program: they are analysed in layer dlopen, all of
    /// their exported functions live.
    pub extra_modules: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// A program that cannot be analysed is a gap instead of an error.
    pub lenient: bool,
    /// Further libraries, or directories of them, that every program may load: in layer dlopen.
    pub modules: Vec<PathBuf>,
    /// What is proved; all of it, unless the worth of a tier is to be measured.
    pub precision: Precision,
    /// Where results are kept between runs.
    pub cache: Option<PathBuf>,
}

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// A program cannot be read.
    #[error("cannot analyse {}: {why}", path.display())]
    Program {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: ElfError,
    },
    /// A program is not there.
    #[error("cannot analyse {}: no such file", .0.display())]
    NotFound(PathBuf),
}

/// Predicts what programs can do. Their paths are inside the root. `progress` is told the path of
/// each as it is begun.
///
/// # Errors
/// When a program cannot be read; everything else that is missing is a gap.
pub fn analyze(
    programs: &[PathBuf],
    options: &AnalyzeOptions,
    progress: &dyn Fn(&Path),
) -> Result<Analysis, AnalyzeError> {
    let root = Root::new(options.root.as_deref());
    let search = Search::new(&root, &options.library_path);
    let files = Files::new(root, options.precision);
    if let Some(path) = layers::plugins::missing(&files, &options.modules) {
        return Err(AnalyzeError::NotFound(path.to_owned()));
    }
    let mut found = BTreeMap::new();
    let mut executed = Vec::new();
    for path in programs {
        progress(path);
        let path = if options.root.is_none() && path.is_relative() {
            std::path::absolute(path).unwrap_or_else(|_| path.clone())
        } else {
            path.clone()
        };
        let analysed = match files.root.file(&path) {
            Some(resolved) => cached(&files, &search, resolved, options)
                .map_err(|why| AnalyzeError::Program { path: path.clone(), why }),
            None => Err(AnalyzeError::NotFound(path.clone())),
        };
        let program = match analysed {
            Err(error) if options.lenient => unread(&path, &error),
            other => other?,
        };
        executed.extend(program.executes.iter().cloned());
        found.insert(program.path.clone(), program);
    }
    // What is executed by name, and what that executes.
    while options.layers.contains(&Layer::Exec)
        && found.len() < PROGRAMS_MAX
        && let Some(path) = executed.pop()
    {
        let Some(resolved) = files.root.file(path.as_path()) else { continue };
        if found.contains_key(&Text::from(resolved.as_path())) {
            continue;
        }
        progress(&resolved);
        if let Ok(program) = cached(&files, &search, resolved, options) {
            executed.extend(program.executes.iter().cloned());
            found.insert(program.path.clone(), program);
        }
    }
    let text = |path: &PathBuf| Text::from(path.as_path());
    let asked = Options {
        root: match &options.root_name {
            Some(name) => Some(Text::from(name.as_str())),
            None => options.root.as_ref().map(text),
        },
        library_path: options.library_path.iter().map(text).collect(),
        preload: options.preload.iter().map(text).collect(),
        modules: options.modules.iter().map(text).collect(),
        layers: options.layers.iter().copied().chain([Layer::Core]).collect(),
    };
    let programs: Vec<AnalysedProgram> = found.into_values().collect();
    Ok(Analysis {
        schema: Default::default(),
        id: identity(&asked, &programs),
        analyzer: env!("CARGO_PKG_VERSION").to_owned(),
        options: asked,
        programs,
    })
}

/// A program of which nothing is known but why.
fn unread(path: &Path, error: &AnalyzeError) -> AnalysedProgram {
    let gap = Gap {
        kind: GapKind::Module,
        site: None,
        what: error.to_string(),
        chain: Vec::new(),
        arch: None,
    };
    nothing_but(path, gap)
}

fn nothing_but(path: &Path, gap: Gap) -> AnalysedProgram {
    AnalysedProgram {
        path: Text::from(path),
        script: None,
        modules: Vec::new(),
        calls: BTreeMap::new(),
        executes: BTreeSet::new(),
        opens: BTreeSet::new(),
        gaps: vec![gap],
        assumptions: BTreeSet::new(),
    }
}

/// The same files under the same options have the same id.
fn identity(options: &Options, programs: &[AnalysedProgram]) -> String {
    let mut hasher = Sha256::new();
    let mut add = |part: &[u8]| {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    add(&serde_json::to_vec(options).unwrap_or_default());
    for program in programs {
        add(program.path.as_bytes());
        for module in &program.modules {
            add(module.path.as_bytes());
            add(module.build_id.as_deref().unwrap_or_default().as_bytes());
            add(module.sha256.as_deref().unwrap_or_default().as_bytes());
        }
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The interpreter of a script, as execve(2) reads its first line.
fn interpreter_of(data: &[u8]) -> Option<PathBuf> {
    const LINE_MAX: usize = 256;
    use std::ffi::OsStr;
    let line = data.strip_prefix(b"#!")?;
    let line = line[..line.len().min(LINE_MAX)].split(|&byte| byte == b'\n').next()?;
    let mut words =
        line.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty());
    let first = Path::new(OsStr::from_bytes(words.next()?)).to_owned();
    // env(1) looks the name up; the usual directories are where it is found.
    if first.file_name() == Some(OsStr::new("env"))
        && let Some(name) = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))
    {
        return Some(Path::new("/usr/bin").join(OsStr::from_bytes(name)));
    }
    Some(first)
}

/// The prediction for one program, from an earlier run when it still holds.
fn cached(
    files: &Files,
    search: &Search,
    path: PathBuf,
    options: &AnalyzeOptions,
) -> Result<AnalysedProgram, ElfError> {
    let Some(cache) = options.cache.as_deref().map(Cache::new) else {
        return Ok(one(files, search, path, options)?.0);
    };
    let asked = format!("{:?}", AnalyzeOptions { cache: None, ..options.clone() });
    let question = cache::question(&[asked.as_bytes(), path.as_os_str().as_bytes()]);
    if let Some(known) = cache.get(&question) {
        return Ok(known);
    }
    let (program, mut inputs) = one(files, search, path.clone(), options)?;
    inputs.push(path);
    inputs.extend(CONFIGURATION.iter().map(PathBuf::from));
    let outside: Vec<PathBuf> = inputs.iter().map(|path| files.root.place(path)).collect();
    cache.put(&question, &outside, &program);
    Ok(program)
}

/// The prediction for one program, and the files that it depends on.
fn one(
    files: &Files,
    search: &Search,
    path: PathBuf,
    options: &AnalyzeOptions,
) -> Result<(AnalysedProgram, Vec<PathBuf>), ElfError> {
    const SCRIPTS_MAX: usize = 5;
    let mut executable = path.clone();
    for _ in 0..SCRIPTS_MAX {
        let mut start = [0; 2];
        let outside = files.root.outside(&executable);
        let is_script = std::fs::File::open(&outside)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start))
            .is_ok_and(|()| start == *b"#!");
        if !is_script {
            break;
        }
        let interpreter = interpreter_of(&contents(&outside)?).ok_or(ElfError::NoElf)?;
        executable = files.root.file(&interpreter).ok_or(ElfError::NoElf)?;
    }
    let mut closure = match Closure::new(files, search, executable.clone(), &options.preload) {
        Ok(closure) => closure,
        Err(ElfError::Machine(machine)) => return Ok((other_machine(&path, &machine), Vec::new())),
        Err(error) => return Err(error),
    };
    let mut opened = BTreeSet::new();
    let seen = options.extra_modules.get(&path).into_iter().flatten();
    let seen = seen.map(|path| (path.clone(), "loaded in a run"));
    let asked = layers::plugins::of(files, &mut closure, &options.modules);
    for (extra, reason) in seen.chain(asked.into_iter().map(|path| (path, "asked for"))) {
        let Some(extra) = files.root.file(&extra) else { continue };
        if closure.modules.iter().all(|module| module.path != extra) {
            closure.add(extra.clone(), None, Layer::Dlopen, reason);
            let interface = Interface::All;
            opened.insert(Opened { layer: Layer::Dlopen, path: extra, interface });
        }
    }
    closure.finish();
    let interpreter = closure.interpreter;
    // What is opened may open more.
    let (program, strings) = loop {
        let program = link(files, &closure);
        let mut reach = Reach::new(&program);
        phases::all(&program, &mut reach, interpreter);
        for &layer in &options.layers {
            layers::root(files, &program, &mut reach, &opened, layer);
        }
        let strings = layers::strings(&program, &reach);
        let before = (closure.modules.len(), opened.len());
        let names = layers::strings_but(&program, &reach, interpreter);
        opened.extend(layers::open(files, &mut closure, &names, &options.layers));
        if before == (closure.modules.len(), opened.len()) {
            break (program, strings);
        }
    };
    let missing = closure.missing;
    let consulted = closure.consulted;
    let more = |reach: &mut Reach<'_>| {
        // What is there from the start begins and ends as `phases` says.
        for layer in Layer::ALL.into_iter().filter(|&layer| layer != Layer::Core) {
            layers::root(files, &program, reach, &opened, layer);
        }
    };
    let phases = phases::of(&program, interpreter, &more);
    let mut report = Report {
        files,
        program: &program,
        calls: BTreeMap::new(),
        gaps: BTreeSet::new(),
        assumptions: BTreeSet::new(),
    };
    report.sites(&phases);
    for missing in &missing {
        report.gaps.insert(Gap {
            kind: GapKind::Module,
            site: None,
            what: format!("{} is missing: {}", missing.name, missing.what),
            chain: Vec::new(),
            arch: None,
        });
    }
    let calls = report.calls;
    let mut assumptions = assumptions(options, &opened, &calls);
    assumptions.append(&mut report.assumptions);
    let gaps = report.gaps.into_iter().collect();
    let script = (path != executable).then(|| Text::from(executable.as_path()));
    let mut inputs = vec![executable.clone()];
    inputs.extend(program.modules.iter().map(|linked| linked.module.path.clone()));
    inputs.extend(opened.iter().map(|opened| opened.path.clone()));
    inputs.extend(consulted);
    let program = AnalysedProgram {
        path: Text::from(path.as_path()),
        script,
        modules: program.modules.iter().map(analysed).collect(),
        calls,
        executes: layers::programs(files, &strings)
            .iter()
            .map(|path| path.as_path().into())
            .collect(),
        opens: layers::paths(&strings).map(Text::from).collect(),
        gaps,
        assumptions,
    };
    Ok((program, inputs))
}

/// Scans the files of a closure, and joins them.
fn link(files: &Files, closure: &Closure<'_>) -> Program {
    let modules = closure.modules.iter();
    let list: Vec<_> = modules.map(|module| (module.path.clone(), module.elf.clone())).collect();
    let linked = closure.modules.iter().cloned().zip(files.scan(&list));
    let linked = linked.map(|(module, scan)| Linked { module, scan }).collect();
    Program::new(linked, closure.interpreter)
}

fn assumptions(
    options: &AnalyzeOptions,
    opened: &BTreeSet<Opened>,
    calls: &BTreeMap<Sysno, PredictedCall>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::from([
        "functions keep to the calling convention of their platform: registers that it says are kept are kept, and no function writes into another's part of the stack except through pointers that it was given".to_owned(),
        "a pointer into an object is not moved past the object's end to reach another one".to_owned(),
        "a program's entry is entered once, and the C library's code for start and end keeps no address out of the arrays of functions that it calls then".to_owned(),
        "no code is loaded that is not listed as a module".to_owned(),
    ]);
    if options.preload.is_empty() {
        found.insert("LD_PRELOAD and LD_AUDIT are not set".to_owned());
    }
    // Operations on a ring are made by the kernel, past every filter (io_uring(7)).
    let ring = |sysno: &Sysno| sysno.name().is_some_and(|name| name.starts_with("io_uring_"));
    if calls.keys().any(ring) {
        found.insert(
            "what is asked for through a ring of io_uring is no system call, and is not predicted"
                .to_owned(),
        );
    }
    let passive = opened.iter().filter(|opened| opened.interface == Interface::Imports).count();
    if passive > 0 {
        found.insert(format!(
            "of {passive} converters of character sets, which hold no system call, only what they \
             call elsewhere counts"
        ));
    }
    found
}

fn other_machine(path: &Path, machine: &str) -> AnalysedProgram {
    let gap = Gap {
        kind: GapKind::Module,
        site: None,
        what: format!("the program is for another machine ({machine}): its code is not analysed"),
        chain: Vec::new(),
        arch: Arch::from_name(machine),
    };
    nothing_but(path, gap)
}

fn analysed(linked: &Linked) -> AnalysedModule {
    let module = &linked.module;
    let hash = || {
        let hash = Sha256::digest(module.elf.data());
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    AnalysedModule {
        path: Text::from(module.path.as_path()),
        build_id: module.elf.build_id.clone(),
        sha256: module.elf.build_id.is_none().then(hash),
        layer: module.layer,
        reason: module.reason.clone(),
    }
}
