//! The compiled filter: `bpf` as bytes for bubblewrap, crun and whoever calls seccomp(2), `c` as a
//! source text that loads it. Both are of a [`Ruleset`], so that whatever has one can be rendered.

use crate::Rendered;
use filter::{CompileError, Insn, Program, Ruleset, compile, disassemble};

/// The name of the bytes on the command line.
pub const RAW: &str = "bpf";
/// The name of the source text.
pub const SOURCE: &str = "c";

/// What stands before the instructions in the source text.
const HEAD: &str = include_str!("../data/seccomp-head.c");
/// What follows them.
const TAIL: &str = include_str!("../data/seccomp-tail.c");

/// The array of `struct sock_filter`, in this machine's byte order.
///
/// # Errors
/// When the filter would be longer than the kernel takes.
pub fn raw(ruleset: &Ruleset) -> Result<Vec<u8>, CompileError> {
    Ok(compile(ruleset)?.to_bytes())
}

/// A function in C that loads the filter, with what each instruction does beside it. It needs
/// no library.
///
/// # Errors
/// As [`raw`].
pub fn source(ruleset: &Ruleset) -> Result<Rendered, CompileError> {
    let program = compile(ruleset)?;
    let notes = vec![
        "the source holds numbers of system calls: compile it for the architectures of the policy"
            .to_owned(),
    ];
    Ok(Rendered { text: format!("{HEAD}{}{TAIL}", array(&program)), notes })
}

/// The instructions as the inside of an array.
fn array(program: &Program) -> String {
    let meanings = disassemble(program);
    let mut out = "static const struct sock_filter instructions[] = {\n".to_owned();
    for (Insn { code, jt, jf, k }, meaning) in program.insns().iter().zip(meanings.lines()) {
        let meaning = meaning.replace("*/", "* /");
        out += &format!("\t{{ {code:#04x}, {jt}, {jf}, {k:#010x} }}, /* {meaning} */\n");
    }
    out + "};\n"
}
