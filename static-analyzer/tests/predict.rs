//! Programs of the machine, analysed: what they do at every start is predicted, and what they
//! cannot do is not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Arch, Sysno,
    analysis::{AnalysedProgram, GapKind, Phase},
};
use profgen_static_analyzer::{AnalyzeOptions, analyze};
use std::{collections::BTreeSet, path::Path};

fn program(path: &str) -> AnalysedProgram {
    let options = AnalyzeOptions::default();
    let mut analysis = analyze(&[path.into()], &options, &|_: &Path| {}).unwrap();
    analysis.programs.remove(0)
}

fn sysno(name: &str) -> Sysno {
    Sysno::from_name(Arch::X86_64, name).unwrap()
}

#[test]
fn a_program_that_does_nothing_is_predicted_to_start_and_to_end() {
    let program = program("/usr/bin/true");
    for name in ["brk", "mmap", "mprotect", "openat", "read", "close", "exit_group", "rseq"] {
        assert!(program.calls.contains_key(&sysno(name)), "{name}");
    }
    for name in ["socket", "connect", "fork", "clone", "ptrace", "mount", "unlink"] {
        assert!(!program.calls.contains_key(&sysno(name)), "{name}");
    }
    assert_eq!(program.calls[&sysno("rseq")].phase, Phase::BeforeMain);
    assert_eq!(program.calls[&sysno("exit_group")].phase, Phase::Both);
}

#[test]
fn arguments_that_are_the_same_everywhere_are_known() {
    // Linux, asm/prctl.h: the start-up code sets the thread pointer, and asks for control-flow
    // protection (0x3001 and its like).
    const ARCH_SET_FS: u64 = 0x1002;
    let program = program("/usr/bin/true");
    let arguments = &program.calls[&sysno("arch_prctl")].arguments;
    assert!(arguments["option"].contains(&ARCH_SET_FS), "{arguments:?}");
}

#[test]
fn an_answer_from_the_cache_is_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        AnalyzeOptions { cache: Some(directory.path().into()), ..AnalyzeOptions::default() };
    let run = || analyze(&["/usr/bin/true".into()], &options, &|_: &Path| {}).unwrap();
    let first = run();
    assert_eq!(run(), first);
    assert_eq!(first.programs[0], program("/usr/bin/true"));
}

#[test]
fn a_chain_leads_from_the_first_instruction_to_the_call() {
    let program = program("/usr/bin/true");
    for (sysno, call) in &program.calls {
        assert!(!call.chain.is_empty() && call.sites > 0, "{sysno}");
    }
}

#[test]
fn each_file_says_once_how_many_calls_are_not_narrowed() {
    let program = program("/usr/bin/true");
    let wide = program.gaps.iter().filter(|gap| gap.kind == GapKind::AnyTarget);
    let modules: Vec<_> = wide
        .map(|gap| {
            assert!(!gap.loses() && gap.what.contains(" indirect call"), "{}", gap.what);
            assert_eq!(gap.chain.last(), gap.site.as_ref());
            &gap.site.as_ref().unwrap().module
        })
        .collect();
    assert!(modules.iter().any(|module| module.as_bytes().ends_with(b"libc.so.6")), "{modules:?}");
    let once: BTreeSet<_> = modules.iter().collect();
    assert_eq!(once.len(), modules.len());
}

#[test]
fn the_same_files_give_the_same_analysis() {
    assert_eq!(program("/usr/bin/ls"), program("/bin/ls"));
}
