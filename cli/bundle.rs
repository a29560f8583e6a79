//! The directory that a trace writes: evidence that accumulates, and what is made of it.
//!
//! It is found before the program runs, and made only afterwards, so that the program does not see
//! it come. Its parent is held open meanwhile: whatever the program does to the path, profgen
//! writes where it meant to.

use crate::{
    beside::beside,
    emit,
    exit::say,
    files::{Plain, open_directory, read_in, write_document_in, write_in},
    profile_input::this_machine,
};
use anyhow::{Context as _, bail};
use merger::{
    Context, Input as Evidence,
    paths::{self, PathOptions},
};
use model::{Analysis, Document, Policy, Trace, document::from_json, landlock::LandlockPolicy};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, Flock, FlockArg, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat},
    unistd::{AccessFlags, UnlinkatFlags, faccessat, unlinkat},
};
use profiles::{
    landlock::Form,
    read::{Input, docker_default},
    runtime::{Runtime, Target},
};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::File,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The policy's file name.
pub const POLICY: &str = "policy.json";
/// The seccomp profile's.
pub const SECCOMP: &str = "seccomp.json";
/// What a reviewer reads.
pub const REPORT: &str = "report.md";
/// Landlock's rules.
pub const LANDLOCK: &str = "landlock.json";
/// How the programs could confine themselves on FreeBSD.
pub const CAPSICUM: &str = "capsicum.json";
/// The analysis of what the runs executed.
pub const ANALYSIS: &str = "analysis.json";
const TRACES: &str = "traces";
/// How often, and how long apart, the lock is tried.
const LOCK_ATTEMPTS: u32 = 600;
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// The policy that a path names: a file, or a bundle that has one.
pub fn policy_file(path: &Path) -> PathBuf {
    file_of(path, POLICY)
}

/// A file by its own path or by that of its bundle.
pub fn file_of(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() { path.join(name) } else { path.to_path_buf() }
}

/// A place for a bundle.
pub struct Place {
    /// As given or chosen, for people.
    pub path: PathBuf,
    parent: OwnedFd,
    name: OsString,
}

/// The default name: `ls.profgen` for /bin/ls.
pub fn default_path(command: &OsStr) -> PathBuf {
    let mut name = Path::new(command).file_name().unwrap_or(OsStr::new("program")).to_owned();
    name.push(".profgen");
    PathBuf::from(name)
}

impl Place {
    /// Looks whether a bundle can be at `path`.
    ///
    /// # Errors
    /// When its parent is no directory that can be written to, or when something else is there.
    pub fn find(path: &Path) -> anyhow::Result<Place> {
        let what = || format!("cannot use {} as the output directory", path.display());
        let name = path.file_name().context("it has no name of its own").with_context(what)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = open_directory(parent.unwrap_or(Path::new("."))).with_context(what)?;
        let place = Place { path: path.to_path_buf(), parent, name: name.to_owned() };
        place.check().with_context(what)?;
        Ok(place)
    }

    fn check(&self) -> anyhow::Result<()> {
        let target =
            match fstatat(&self.parent, Path::new(&self.name), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
                    SFlag::S_IFDIR => Path::new(&self.name),
                    SFlag::S_IFLNK => bail!("it is a symbolic link"),
                    _ => bail!("it is no directory"),
                },
                Err(Errno::ENOENT) => Path::new("."),
                Err(errno) => return Err(errno).plain(),
            };
        let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(&self.parent, target, wanted, AtFlags::AT_EACCESS).plain()
    }

    /// Makes or opens the bundle, for one writer at a time.
    ///
    /// # Errors
    /// When it cannot be made, or something else has taken its place.
    pub fn open(&self) -> anyhow::Result<Bundle> {
        let directory = make(&self.parent, Path::new(&self.name))
            .plain()
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        let lock = lock(File::from(directory.try_clone()?))
            .plain()
            .with_context(|| format!("cannot lock {}", self.path.display()))?;
        Ok(Bundle { path: self.path.clone(), directory, _lock: lock })
    }

    /// Removes what `open` made, where nothing is in it.
    pub fn remove_if_empty(&self) {
        if let Ok(directory) = open_no_follow(&self.parent, Path::new(&self.name)) {
            let _ = unlinkat(&directory, TRACES, UnlinkatFlags::RemoveDir);
        }
        let _ = unlinkat(&self.parent, Path::new(&self.name), UnlinkatFlags::RemoveDir);
    }
}

/// For whom the seccomp profile of a bundle is.
pub struct Profile {
    /// The format's name.
    pub format: &'static str,
    /// The runtimes that will load it; none for those that most users of the format have.
    pub targets: Option<BTreeSet<Target>>,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile { format: "docker", targets: None }
    }
}

/// A bundle that is open for writing.
pub struct Bundle {
    path: PathBuf,
    directory: OwnedFd,
    _lock: Flock<File>,
}

impl Bundle {
    /// Adds a trace to the evidence.
    ///
    /// # Errors
    /// With the file and the reason.
    pub fn add_trace(&self, trace: &Trace) -> anyhow::Result<()> {
        let name = file_name(trace);
        let traces = make(&self.directory, Path::new(TRACES))
            .plain()
            .with_context(|| format!("cannot make {}", self.path.join(TRACES).display()))?;
        write_document_in(&traces, Path::new(&name), trace).with_context(|| {
            format!("cannot write {}", self.path.join(TRACES).join(&name).display())
        })
    }

    /// Writes one of the files that are made from the evidence.
    ///
    /// # Errors
    /// With the file and the reason.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        write_in(&self.directory, Path::new(name), bytes)
            .with_context(|| format!("cannot write {}", self.path.join(name).display()))
    }

    /// Writes the policy.
    ///
    /// # Errors
    /// With the file and the reason.
    pub fn write_policy(&self, policy: &Policy) -> anyhow::Result<()> {
        write_document_in(&self.directory, Path::new(POLICY), policy)
            .with_context(|| format!("cannot write {}", self.path.join(POLICY).display()))
    }

    /// All traces of the bundle, by file name. `own`, one of them, need not be read.
    ///
    /// # Errors
    /// With the first file that cannot be read, and why.
    pub fn traces<'a>(&self, own: Option<&'a Trace>) -> anyhow::Result<Vec<Cow<'a, Trace>>> {
        traces(&self.directory, &self.path, own)
    }

    /// The analysis, where there is one.
    ///
    /// # Errors
    /// With the reason.
    pub fn analysis(&self) -> anyhow::Result<Option<Analysis>> {
        document(&self.directory, &self.path, ANALYSIS)
    }

    /// For whom its seccomp profile was made of this policy: for those of a trace, or else, as for a
    /// container, for a runtime that no file names. Then one that all known runtimes can load takes its
    /// place.
    ///
    /// # Errors
    /// When the profile cannot be rendered.
    pub fn profile(&self, policy: &Policy) -> anyhow::Result<Profile> {
        let usual = Profile::default();
        let Ok(present) = read_in(&self.directory, Path::new(SECCOMP)) else { return Ok(usual) };
        let made = emit::render(usual.format, policy, usual.targets.as_ref())?;
        if present == made.text.as_bytes() {
            return Ok(usual);
        }
        say("seccomp.json is now for any release of runc and crun: for one alone, profgen emit");
        Ok(Profile { targets: Some(Runtime::ALL.into_iter().map(Target::from).collect()), ..usual })
    }

    /// What people decided, where there is a policy.
    ///
    /// # Errors
    /// With the reason.
    pub fn decided(&self) -> anyhow::Result<Option<Policy>> {
        decided(&self.directory, &self.path)
    }
}

/// Writes what follows from a policy beside it. The notes say what the profile cannot express.
///
/// # Errors
/// With the file and the reason.
pub fn render(bundle: &Bundle, policy: &Policy, profile: &Profile) -> anyhow::Result<Vec<String>> {
    let policy_file = || bundle.write_policy(policy);
    beside(policy_file, || {
        let landlock = paths::landlock(policy, PathOptions::default());
        let report_file = || bundle.write(REPORT, report(policy, &landlock)?.as_bytes());
        beside(report_file, || enforced(bundle, policy, profile, &landlock))?
    })?
}

/// What the policy is enforced by.
fn enforced(
    bundle: &Bundle,
    policy: &Policy,
    profile: &Profile,
    landlock: &LandlockPolicy,
) -> anyhow::Result<Vec<String>> {
    if policy.calls.is_empty() {
        // A process that was attached to and did nothing.
        return Ok(vec!["not written: no call was recorded".to_owned()]);
    }
    let rendered = emit::render(profile.format, policy, profile.targets.as_ref())?;
    bundle.write(SECCOMP, rendered.text.as_bytes())?;
    let rules = emit::rules(Form::Json, policy, landlock)?;
    bundle.write(LANDLOCK, rules.text.as_bytes())?;
    if !policy.confinement.is_empty() {
        let suggestions = merger::capsicum::suggestions(policy);
        let text = profiles::capsicum::json(&suggestions).context("cannot write suggestions")?.text;
        bundle.write(CAPSICUM, text.as_bytes())?;
    }
    Ok(rendered.notes)
}

fn report(policy: &Policy, landlock: &LandlockPolicy) -> anyhow::Result<String> {
    let docker_default = Input::Seccomp(docker_default())
        .lower(&this_machine())
        .context("cannot read the profile that is built in")?;
    // How many files a rule reaches depends on the machine, and the report only on the evidence.
    let rules = paths::summary(landlock, |_| None);
    let rules = rules.iter().map(|line| format!("* {}", merger::markdown(line))).collect();
    let warnings: Vec<String> =
        landlock.notes.iter().map(|note| format!("landlock: {note}")).collect();
    let mut sections = vec![
        ("Directories that Landlock grants whole".to_owned(), rules),
        ("Paths that code holds and no run used".to_owned(), suggested(policy)),
    ];
    let confined = merger::capsicum::section(policy);
    if !policy.confinement.is_empty() {
        sections.push(("Start-up and serving".to_owned(), merger::serving::section(policy)));
        sections.push(("Capsicum: how the programs could confine themselves".to_owned(), confined));
    }
    let context = Context {
        docker_default: &docker_default.ruleset(),
        warnings: &warnings,
        sections: &sections,
    };
    Ok(merger::report(policy, &context))
}

/// Paths from the code that a person may decide about.
fn suggested(policy: &Policy) -> Vec<String> {
    const MOST: usize = 40;
    let suggestions = paths::suggestions(policy);
    if suggestions.is_empty() {
        return vec!["None.".to_owned()];
    }
    let mut lines = vec![
        "None of them is granted. Where the program needs one: `profgen decide POLICY allow PATH \
         --reason TEXT`.\n"
            .to_owned(),
    ];
    for (path, programs) in suggestions.iter().take(MOST) {
        let programs: Vec<String> =
            programs.iter().map(|program| merger::markdown(&program.to_string())).collect();
        let path = merger::markdown(&path.to_string());
        lines.push(format!("* {path} (in {})", programs.join(", ")));
    }
    if suggestions.len() > MOST {
        lines.push(format!("* and {} more", suggestions.len() - MOST));
    }
    lines
}

/// The evidence in a bundle that is only read.
///
/// # Errors
/// With the first file that cannot be read, and why.
pub fn evidence(path: &Path) -> anyhow::Result<Vec<Evidence>> {
    let directory =
        open_directory(path).with_context(|| format!("cannot read {}", path.display()))?;
    let analysis = document(&directory, path, ANALYSIS)?;
    let traces = traces(&directory, path, None)?.into_iter().map(Cow::into_owned);
    let evidence = together(traces, analysis, decided(&directory, path)?);
    if !evidence.iter().any(|input| matches!(input, Evidence::Trace(_) | Evidence::Analysis(_))) {
        bail!("{} has no traces", path.display());
    }
    Ok(evidence)
}

/// All evidence of a bundle.
pub fn together(
    traces: impl IntoIterator<Item = Trace>,
    analysis: Option<Analysis>,
    decided: Option<Policy>,
) -> Vec<Evidence> {
    let traces = traces.into_iter().map(Evidence::Trace);
    traces.chain(analysis.map(Evidence::Analysis)).chain(decided.map(Evidence::Policy)).collect()
}

/// What people decided, and the settings; the rest of a policy is made of the evidence.
fn decided(directory: &OwnedFd, path: &Path) -> anyhow::Result<Option<Policy>> {
    let policy: Option<Policy> = document(directory, path, POLICY)?;
    Ok(policy.map(|Policy { settings, decisions, .. }| Policy {
        settings,
        decisions,
        ..Policy::default()
    }))
}

/// One of the files of a bundle, where it is there. A link that somebody planted is none of them.
fn document<D: Document>(bundle: &OwnedFd, path: &Path, name: &str) -> anyhow::Result<Option<D>> {
    let what = || format!("cannot read {}", path.join(name).display());
    match fstatat(bundle, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(None),
        Ok(stat) if is_link(&stat) => return Ok(None),
        other => other.plain().with_context(what)?,
    };
    let bytes = read_in(bundle, Path::new(name)).with_context(what)?;
    let document =
        from_json(&bytes).with_context(|| format!("cannot use {}", path.join(name).display()))?;
    Ok(Some(document))
}

fn is_link(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFLNK
}

/// The name of a trace's file, by which the runs of a bundle are in their order.
fn file_name(trace: &Trace) -> String {
    format!("{}-{}.json", trace.started.replace([':', '-'], ""), trace.id)
}

/// All traces of a bundle, by file name. `own`, one of them, need not be read.
fn traces<'a>(
    bundle: &OwnedFd,
    path: &Path,
    own: Option<&'a Trace>,
) -> anyhow::Result<Vec<Cow<'a, Trace>>> {
    let Some((directory, names)) = trace_names(bundle, path)? else { return Ok(Vec::new()) };
    let own = own.map(|own| (OsString::from(file_name(own)), own));
    let mut traces = Vec::new();
    for name in names {
        if let Some((_, own)) = own.as_ref().filter(|(own, _)| *own == name) {
            traces.push(Cow::Borrowed(*own));
            continue;
        }
        let bytes = read_trace(&directory, path, &name)?;
        let named = || format!("cannot use {}", path.join(TRACES).join(&name).display());
        traces.push(Cow::Owned(from_json::<Trace>(&bytes).with_context(named)?));
    }
    Ok(traces)
}

fn read_trace(directory: &OwnedFd, path: &Path, name: &OsStr) -> anyhow::Result<Vec<u8>> {
    read_in(directory, Path::new(name))
        .with_context(|| format!("cannot read {}", path.join(TRACES).join(name).display()))
}

/// The directory of the traces, if there is one, and their names, in order.
fn trace_names(bundle: &OwnedFd, path: &Path) -> anyhow::Result<Option<(OwnedFd, Vec<OsString>)>> {
    let what = || format!("cannot read {}", path.join(TRACES).display());
    let directory = match open_no_follow(bundle, Path::new(TRACES)) {
        Err(Errno::ENOENT) => return Ok(None),
        other => other.plain().with_context(what)?,
    };
    let mut names = Vec::new();
    for entry in Dir::from_fd(directory.try_clone()?).plain().with_context(what)?.iter() {
        let name = entry.plain().with_context(what)?.file_name().to_bytes().to_vec();
        if !name.starts_with(b".") && name.ends_with(b".json") {
            names.push(OsStr::from_bytes(&name).to_owned());
        }
    }
    names.sort();
    Ok(Some((directory, names)))
}

/// One writer at a time. Another one is waited for, but not for ever: anybody who may read the
/// directory can hold its lock.
fn lock(directory: File) -> nix::Result<Flock<File>> {
    let mut directory = directory;
    for attempt in 0..LOCK_ATTEMPTS {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((unlocked, Errno::EWOULDBLOCK)) => directory = unlocked,
            Err((_, errno)) => return Err(errno),
        }
        if attempt == 10 {
            say("waiting for another profgen that writes to the same directory");
        }
        thread::sleep(LOCK_INTERVAL);
    }
    Err(Errno::ETIMEDOUT)
}

fn make(parent: &OwnedFd, name: &Path) -> nix::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => open_no_follow(parent, name),
        Err(errno) => Err(errno),
    }
}

fn open_no_follow(parent: &OwnedFd, name: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}
