//! Turns the tables in `data/` into Rust: each fact is a row there, and this program checks the
//! rows and writes the enums and static tables that `src/` includes.
//!
//! A row that is wrong stops the build with its file and line.

mod calls;
mod capabilities;
mod capsicum;
mod constants;
mod descriptors;
mod file_ops;
mod flags;
mod landlock;
mod relations;
mod table;
mod words;

use std::{env, fs, path::Path, process::ExitCode};
use table::Table;

/// What went wrong, with file and line where it is a row's fault.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=build");
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<()> {
    let kinds = words::kinds(&read("kinds")?)?;
    let accesses = words::accesses(&read("accesses")?)?;
    let syscalls = read("syscalls")?;
    let groups = words::groups(&syscalls)?;
    let calls = calls::parse(&syscalls, &groups, &kinds)?;
    let file_ops = file_ops::parse(&read("file-ops")?, &calls, &accesses)?;

    write("constants.rs", &constants::constants(&read("constants")?, &kinds)?)?;
    write("kinds.rs", &words::emit_kinds(&kinds))?;
    write("accesses.rs", &words::emit_accesses(&accesses))?;
    write("capabilities.rs", &capabilities::emit(&read("capabilities")?, &calls)?)?;
    write("capsicum_rights.rs", &capsicum::rights(&read("capsicum-rights")?, &calls)?)?;
    write("capsicum_mode.rs", &capsicum::mode(&read("capsicum-mode")?, &calls)?)?;
    write("descriptors.rs", &descriptors::emit(&read("descriptors")?, &calls)?)?;
    write("landlock.rs", &landlock::emit(&read("landlock")?, &accesses)?)?;
    write("groups.rs", &words::emit_groups(&groups))?;
    write("calls.rs", &calls::emit(&calls, &file_ops))?;
    write("variants.rs", &relations::variants(&read("variants")?, &calls)?)?;
    write("fallbacks.rs", &relations::fallbacks(&read("fallbacks")?, &calls)?)?;
    write("implied.rs", &relations::implied(&read("implied")?, &calls)?)
}

fn read(name: &str) -> Result<Table> {
    let file = format!("data/{name}.tsv");
    let path = Path::new(&variable("CARGO_MANIFEST_DIR")?).join(&file);
    let text = fs::read_to_string(&path).map_err(|error| format!("read {file}: {error}"))?;
    Ok(Table::new(format!("model/{file}"), &text))
}

fn write(name: &str, code: &str) -> Result<()> {
    let path = Path::new(&variable("OUT_DIR")?).join(name);
    fs::write(&path, code).map_err(|error| format!("write {}: {error}", path.display()))
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("environment variable {name}: {error}"))
}
