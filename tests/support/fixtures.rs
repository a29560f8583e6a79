//! Builds the programs of `tests/programs` and keeps them, by content, between runs.
//!
//! A source says in `//# build NAME: COMMAND` lines what is made of it; without a name, the file's own is meant.
//! COMMAND is run by `sh` with `$SRC`, `$OUT` and `$TMP` (a directory for the compiler's own use).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PATH, tests_dir};

/// A program that can be built: its source, and the command that builds it.
struct Recipe {
    source: PathBuf,
    command: String,
}

/// The built program of this name; `Err` says what is missing to build it.
///
/// # Panics
/// When no source makes it, or the compiler refuses it.
pub fn build(name: &str) -> Result<PathBuf, String> {
    let recipe = find(name);
    if let Some(arch) = directive(&recipe.source, "arch")
        && arch != std::env::consts::ARCH
    {
        return Err(format!("{name} is for {arch}"));
    }
    if let Some(why) = super::missing(needs(&recipe.command)) {
        return Err(why);
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
    let built = cache.join(format!("{name}-{:016x}", hash(&recipe))).join(name);
    if !built.exists() {
        compile(&recipe, &cache, &built);
    }
    Ok(built)
}

fn find(name: &str) -> Recipe {
    let directory = tests_dir().join("programs");
    for entry in fs::read_dir(&directory).expect("list tests/programs") {
        let source = entry.expect("entry of tests/programs").path();
        let text = fs::read_to_string(&source).expect("read a program's source");
        let stem = source.file_stem().expect("file name").to_string_lossy().into_owned();
        for line in text.lines().filter_map(|line| line.strip_prefix("//# build")) {
            let (target, command) = line.split_once(": ").expect("`//# build NAME: COMMAND`");
            let target = if target.trim().is_empty() { &stem } else { target.trim() };
            if target == name {
                return Recipe { command: command.to_owned(), source };
            }
        }
    }
    panic!("no source in {} builds {name}", directory.display());
}

fn directive(source: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(source).expect("read a program's source");
    text.lines().find_map(|line| line.strip_prefix(&format!("//# {name}: "))).map(str::to_owned)
}

/// What the build command needs on this machine.
fn needs(command: &str) -> Vec<&str> {
    let compilers = ["gcc", "musl-gcc", "go"];
    let mut needs: Vec<&str> = command.split(' ').filter(|word| compilers.contains(word)).collect();
    if command.contains(" -m32 ") {
        // gcc takes -m32 without the 32-bit C library, and fails at the first header.
        needs.push("/usr/include/x86_64-linux-gnu/gnu/stubs-32.h");
    }
    needs
}

fn hash(recipe: &Recipe) -> u64 {
    let mut hasher = DefaultHasher::new();
    recipe.command.hash(&mut hasher);
    for file in [recipe.source.clone(), tests_dir().join("programs/check.h")] {
        fs::read(file).expect("read a program's source").hash(&mut hasher);
    }
    hasher.finish()
}

/// Builds aside and renames, as other test processes may build the same program now.
fn compile(recipe: &Recipe, cache: &Path, built: &Path) {
    let home = built.parent().expect("fixture directory");
    fs::create_dir_all(home).expect("make the fixture directory");
    let aside = tempfile::Builder::new()
        .prefix("building-")
        .tempdir_in(cache)
        .expect("make a build directory");
    let out = aside.path().join("program");
    let output = Command::new("sh")
        .args(["-c", &recipe.command])
        .env_clear()
        .envs([("PATH", PATH), ("LC_ALL", "C")])
        .env("SRC", &recipe.source)
        .env("OUT", &out)
        .env("TMP", aside.path())
        .output()
        .expect("run sh");
    assert!(
        output.status.success(),
        "cannot build {}: {}\n{}",
        recipe.source.display(),
        recipe.command,
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&out, built).expect("keep the fixture");
}
