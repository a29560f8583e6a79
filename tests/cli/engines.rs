//! Which engine records what, when nobody says.

use super::scene::Scene;
use crate::support::{run::Ran, skip};

/// Traces words with these options of profgen: what came of it, the engine and why.
fn taken(options: &[&str], words: &[&str]) -> (Ran, String, String) {
    let scene = Scene::new();
    let trace = ["trace", "-q", "--no-static", "-o", "out.profgen"];
    let ran = scene.profgen(&[&trace, options, &["--"], words].concat());
    let engine = &scene.record("out.profgen").0["engine"];
    let word = |name: &str| engine[name].as_str().unwrap().to_owned();
    (ran, word("name"), word("reason"))
}

#[test]
fn the_cheaper_engine_is_taken() {
    let cheaper = if cfg!(target_arch = "x86_64") { "ptrace" } else { "notify" };
    let (ran, engine, reason) = taken(&[], &["true"]);
    assert_eq!(
        (ran.status, engine.as_str(), reason.as_str()),
        (0, cheaper, "auto: the cheaper engine")
    );
    let (_, engine, _) = taken(&["--no-patch"], &["true"]);
    assert_eq!(engine, "notify");
}

#[test]
fn a_program_that_traces_others_can() {
    let (ran, engine, reason) = taken(&[], &["strace", "-o", "out", "true"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!((engine.as_str(), reason.as_str()), ("notify", "auto: the program uses ptrace"));
}

#[test]
fn a_program_with_a_sanitizer_looks_for_leaks() {
    let scene = Scene::new();
    scene.write("leak.c", "int main(void) { return 0; }\n");
    let program = scene.text("leak");
    let compiled = scene.run(&["gcc", "-fsanitize=address", "-o", &program, "leak.c"]);
    if compiled.status != 0 {
        return skip("gcc has no AddressSanitizer here");
    }
    let (ran, engine, _) = taken(&[], &[&program]);
    assert_eq!((ran.status, engine.as_str()), (0, "notify"), "{ran:?}");
    // With one tracer already it can not, and says so, but ends.
    let (ran, ..) = taken(&["--engine", "ptrace"], &[&program]);
    assert!(ran.status == 1 && ran.stderr.contains("LeakSanitizer"), "{ran:?}");
}
