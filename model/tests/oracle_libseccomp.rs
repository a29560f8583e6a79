//! Names and numbers against libseccomp: all that it knows, in both directions.

#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use oracle::{run, skip};
use profgen_model::{Arch, Call, Sysno, X32_BIT};
use std::{collections::BTreeMap, fs};

/// Asks libseccomp. Input lines: `ARCH name NAME` and `ARCH number NUMBER`, the architecture as
/// libseccomp spells its token, the number as a signed int. Output: the same with the answer.
const ASK: &str = r#"
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char arch[32], question[16], subject[128];

    while (scanf("%31s %15s %127s", arch, question, subject) == 3) {
        uint32_t token = seccomp_arch_resolve_name(arch);

        if (token == 0)
            continue;
        if (strcmp(question, "name") == 0) {
            printf("%s name %s %d\n", arch, subject,
                   seccomp_syscall_resolve_name_arch(token, subject));
        } else {
            char *name = seccomp_syscall_resolve_num_arch(token, (int)strtoul(subject, NULL, 10));

            printf("%s number %s %s\n", arch, subject, name ? name : "-");
            free(name);
        }
    }
    return 0;
}
"#;

/// Differences with their reasons.
#[rustfmt::skip]
const KNOWN: &[(Arch, &str, &str)] = &[
    (Arch::X32, "map_shadow_stack", "libseccomp 2.5 follows Linux 6.6, where x32 lacked it; the table has been `common` since"),
];

/// What libseccomp answers for a name that it does not know.
const UNKNOWN: i32 = -1;

/// What libseccomp gives to calls of the socket and System V families where the architecture has a
/// multiplexer, socketcall or ipc, for them, besides their own number (seccomp-syscalls.h).
fn is_multiplexed(number: i32) -> bool {
    (-130..=-101).contains(&number) || (-230..=-201).contains(&number)
}

fn token(arch: Arch) -> &'static str {
    match arch {
        Arch::I386 => "x86",
        Arch::Powerpc64 => "ppc64le",
        other => other.name(),
    }
}

/// Answers by question, or `None` when libseccomp cannot be asked here.
fn ask(questions: &str) -> Option<Vec<[String; 4]>> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("ask.c"), folder.path().join("ask"));
    fs::write(&source, ASK).unwrap();
    let library = run("cc", &["-E", "-"], "#if !__has_include(<seccomp.h>)\nno\n#endif\n")?;
    if library.lines().any(|line| line == "no") {
        return None;
    }
    let args = [source.to_str().unwrap(), "-o", program.to_str().unwrap(), "-lseccomp"];
    run("cc", &args, "")?;
    let answers = run(&program, &[], questions)?;
    let words = |line: &str| -> [String; 4] {
        line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
    };
    Some(answers.lines().map(words).collect())
}

#[test]
fn libseccomp_agrees() {
    let mut questions = String::new();
    // Every number that may be one, as a question for libseccomp's names.
    let numbers = |arch| match arch {
        Arch::X32 => (X32_BIT..X32_BIT + 700).collect::<Vec<u32>>(),
        Arch::Arm => (0..700).chain(0xf0000..0xf0010).collect(),
        _ => (0..700).collect(),
    };
    for &arch in Arch::ALL {
        for call in Call::all() {
            questions += &format!("{} name {}\n", token(arch), call.name);
        }
        for number in numbers(arch) {
            questions += &format!("{} number {number}\n", token(arch));
        }
    }
    let Some(answers) = ask(&questions) else {
        return skip("no cc, or no libseccomp to compile with");
    };

    let arches: BTreeMap<&str, Arch> = Arch::ALL.iter().map(|&arch| (token(arch), arch)).collect();
    let mut faults = Vec::new();
    let mut compared = 0;
    for [arch, question, subject, answer] in &answers {
        let arch = arches[&**arch];
        compared += 1;
        if question == "name" {
            let theirs: i32 = answer.parse().unwrap();
            let ours = Call::by_name(subject).unwrap().number(arch);
            let agree = match ours {
                Some(number) => {
                    theirs == number as i32 || theirs == UNKNOWN || is_multiplexed(theirs)
                }
                None => theirs < 0,
            };
            let known = KNOWN.iter().any(|row| row.0 == arch && row.1 == subject);
            if agree == known {
                faults.push(format!("{arch} {subject}: {ours:?}, libseccomp {theirs}"));
            }
        } else if answer != "-" {
            let ours = Sysno::new(arch, subject.parse().unwrap());
            if ours.name() != Some(answer) {
                faults.push(format!("{ours:#} ({subject}): libseccomp calls it {answer}"));
            }
        }
    }
    assert!(compared > 6 * Call::all().len(), "only {compared} answers");
    assert!(faults.is_empty(), "{faults:#?}");
}
