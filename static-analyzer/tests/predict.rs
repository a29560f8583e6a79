//! Programs of the machine, analysed: what they do at every start is predicted, and what they
//! cannot do is not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Arch, Sysno,
    analysis::{AnalysedProgram, Phase},
};
use profgen_static_analyzer::{AnalyzeOptions, analyze};
use std::path::Path;

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
fn a_chain_leads_from_the_first_instruction_to_the_call() {
    let program = program("/usr/bin/true");
    for (sysno, call) in &program.calls {
        assert!(!call.chain.is_empty() && call.sites > 0, "{sysno}");
    }
}

#[test]
fn the_same_files_give_the_same_analysis() {
    assert_eq!(program("/usr/bin/ls"), program("/bin/ls"));
}
