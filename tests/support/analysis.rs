//! Analyses of executables by the binary under test, each made once and kept for all tests.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::analysis::{AnalysedProgram, Analysis};
use model::{Arch, Sysno, document};
use nix::fcntl::{Flock, FlockArg};

use super::{PATH, profgen};

/// The prediction for one executable; `Err` is what profgen said when it refused it.
///
/// `options` are words for the command line; the same file under the same options is analysed once.
pub fn analyse(executable: &Path, options: &[String]) -> Result<AnalysedProgram, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("analyses");
    fs::create_dir_all(&directory).expect("make the directory of analyses");
    let kept = directory.join(format!("{:016x}.json", key(executable, options)));
    let lock = File::create(kept.with_extension("lock")).expect("make a lock");
    // Another test may be at the same file now.
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("lock the analysis");
    if !kept.exists() {
        run(executable, options, &kept)?;
    }
    let bytes = fs::read(&kept).expect("read the analysis");
    let analysis: Analysis = document::from_json(&bytes)
        .unwrap_or_else(|error| panic!("analysis of {}: {error}", executable.display()));
    let [program] = <[AnalysedProgram; 1]>::try_from(analysis.programs)
        .unwrap_or_else(|all| panic!("{} programs for {}", all.len(), executable.display()));
    Ok(program)
}

fn run(executable: &Path, options: &[String], kept: &Path) -> Result<(), String> {
    let aside = kept.with_extension("new");
    let output = Command::new(profgen())
        .args(["analyze", "--no-cache", "-o"])
        .arg(&aside)
        .args(options)
        .arg(executable)
        .env_clear()
        .env("PATH", PATH)
        .output()
        .expect("run profgen analyze");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {}
        Some(2) => return Err(said),
        _ => panic!("profgen analyze {}: {}: {said}", executable.display(), output.status),
    }
    fs::rename(&aside, kept).expect("keep the analysis");
    Ok(())
}

/// What the analysis depends on. The libraries are those of one machine.
fn key(executable: &Path, options: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in [Path::new(profgen()), executable] {
        let metadata = fs::metadata(file)
            .unwrap_or_else(|error| panic!("cannot look at {}: {error}", file.display()));
        let time = (metadata.mtime(), metadata.mtime_nsec());
        (file, metadata.len(), metadata.ino(), time).hash(&mut hasher);
    }
    options.hash(&mut hasher);
    hasher.finish()
}

/// A call as `--names` writes it: `openat`, `i386:openat`, `#999`.
pub fn label(sysno: Sysno) -> String {
    match sysno.arch() {
        Arch::X86_64 => sysno.label().into_owned(),
        arch => format!("{arch}:{}", sysno.label()),
    }
}

/// What `profgen analyze --names` prints.
pub fn names(executable: &Path) -> Vec<String> {
    let output = Command::new(profgen())
        .args(["analyze", "--no-cache", "--names"])
        .arg(executable)
        .env_clear()
        .env("PATH", PATH)
        .output()
        .expect("run profgen analyze --names");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Whether a file is an ELF file of 32 bits: profgen predicts x86-64 and says so of others.
pub fn is_32_bit(executable: &Path) -> bool {
    let mut start = [0; 5];
    let read =
        File::open(executable).and_then(|mut file| std::io::Read::read(&mut file, &mut start));
    read.is_ok_and(|count| count == start.len()) && start == *b"\x7fELF\x01"
}

/// The real path of a file, as modules are named.
pub fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| panic!("cannot resolve {}: {error}", path.display()))
}
