//! What the tests against other sources share.

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Says that a test cannot run here; where everything must run, that is a failure.
pub fn skip(reason: &str) {
    assert!(env::var_os("PROFGEN_REQUIRE_ALL").is_none_or(|all| all != "1"), "skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Runs a command with `input`. `None` when the program is not there.
///
/// # Panics
/// When it fails.
pub fn run(program: impl AsRef<Path>, args: &[&str], input: &str) -> Option<String> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    // While its output is read: both pipes are small.
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {args:?}: {errors}", program.display());
    Some(String::from_utf8(output.stdout).unwrap())
}
