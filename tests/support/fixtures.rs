//! Builds the programs of `tests/programs` and `tests/pitfalls` and keeps them, by content, between runs.
//!
//! A source says in `//# build NAME: COMMAND` lines what is made of it; without a name, the file's own is meant.
//! COMMAND is run by `sh` with:
//!
//! | variable | is |
//! |---|---|
//! | `$SRC`, `$OUT` | the source and the program |
//! | `$DIR` | the directory of the program, for libraries that belong to it: it is `$ORIGIN` to the loader |
//! | `$TMP` | a directory for what nobody needs afterwards |
//! | `$BARE` | gcc's options for a program without a C library |
//! | `$RUSTC` | the compiler that builds this project |

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PATH, tests_dir};

/// Where the sources lie, below `tests/`.
const DIRECTORIES: [&str; 2] = ["programs", "pitfalls"];

/// Headers of the sources.
const HEADERS: [&str; 3] = ["programs/begin.h", "programs/check.h", "pitfalls/marker.h"];

/// No start files, no libraries, and no call to one by the compiler's own choice.
const BARE: &str = "-nostdlib -ffreestanding -fno-stack-protector";

/// A program that can be built: its source, and the command that builds it.
pub struct Recipe {
    pub name: String,
    pub source: PathBuf,
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
    let recipes = DIRECTORIES.into_iter().flat_map(recipes);
    recipes
        .into_iter()
        .find(|recipe| recipe.name == name)
        .unwrap_or_else(|| panic!("no source in {DIRECTORIES:?} builds {name}"))
}

/// What the sources in this directory of `tests/` build.
pub fn recipes(directory: &str) -> Vec<Recipe> {
    let entries = fs::read_dir(tests_dir().join(directory)).expect("list the sources");
    let mut recipes = Vec::new();
    for entry in entries {
        let source = entry.expect("entry of the sources").path();
        let text = fs::read_to_string(&source).expect("read a program's source");
        let stem = source.file_stem().expect("file name").to_string_lossy().into_owned();
        for line in text.lines().filter_map(|line| line.strip_prefix("//# build")) {
            let (target, command) = line.split_once(": ").expect("`//# build NAME: COMMAND`");
            let target = if target.trim().is_empty() { &stem } else { target.trim() };
            let (name, command) = (target.to_owned(), command.to_owned());
            recipes.push(Recipe { name, command, source: source.clone() });
        }
    }
    recipes
}

fn directive(source: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(source).expect("read a program's source");
    text.lines().find_map(|line| line.strip_prefix(&format!("//# {name}: "))).map(str::to_owned)
}

/// What the build command needs on this machine.
fn needs(command: &str) -> Vec<&str> {
    let compilers = ["gcc", "g++", "musl-gcc", "go"];
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
    let headers = HEADERS.iter().map(|header| tests_dir().join(header));
    for file in headers.chain([recipe.source.clone()]) {
        fs::read(file).expect("read a program's source").hash(&mut hasher);
    }
    hasher.finish()
}

/// Builds aside and renames, as other test processes may build the same program now.
fn compile(recipe: &Recipe, cache: &Path, built: &Path) {
    let home = built.parent().expect("fixture directory");
    fs::create_dir_all(cache).expect("make the directory of fixtures");
    let aside = tempfile::Builder::new()
        .prefix("building-")
        .tempdir_in(cache)
        .expect("make a build directory");
    let (directory, scratch) = (aside.path().join("program"), aside.path().join("scratch"));
    for directory in [&directory, &scratch] {
        fs::create_dir(directory).expect("make a build directory");
    }
    let output = Command::new("sh")
        .args(["-c", &recipe.command])
        .env_clear()
        .envs([("PATH", PATH), ("LC_ALL", "C"), ("BARE", BARE)])
        .env("SRC", &recipe.source)
        .env("DIR", &directory)
        .env("OUT", directory.join(&recipe.name))
        .env("TMP", &scratch)
        .env("RUSTC", Path::new(env!("CARGO")).with_file_name("rustc"))
        .output()
        .expect("run sh");
    assert!(
        output.status.success(),
        "cannot build {}: {}\n{}",
        recipe.source.display(),
        recipe.command,
        String::from_utf8_lossy(&output.stderr)
    );
    // Only an earlier one of the same content can be in the way.
    let kept = fs::rename(&directory, home);
    assert!(kept.is_ok() || built.exists(), "cannot keep {}: {kept:?}", home.display());
}
