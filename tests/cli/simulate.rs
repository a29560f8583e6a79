//! `profgen simulate`: the verdict, and what says so.

use crate::{
    scene::{Scene, failed},
    support::tests_dir,
};

fn said(words: &[&str]) -> String {
    let scene = Scene::new();
    let ran = scene.profgen(&[&["simulate"], words].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    ran.stdout
}

#[test]
fn the_rule_that_decides_is_named() {
    let arch = ["--arch", "x86_64"];
    for (words, expected) in [
        (
            &["docker-default", "socket", "AF_INET", "SOCK_STREAM|SOCK_CLOEXEC"][..],
            "x86_64 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC): allow\n\
             by syscalls[380] (socket), because arg0 < 0x26\n",
        ),
        (
            &["docker-default", "socket", "38"],
            "x86_64 socket(AF_ALG): errno EPERM\nby defaultAction: no entry matches\n",
        ),
        (
            &["docker-default", "clone3", "0", "88"],
            "x86_64 clone3(0, 0x58): errno ENOSYS\nby syscalls[39] (clone3)\n",
        ),
        (
            &["docker-default", "9999"],
            "x86_64 #9999(): errno ENOSYS\nby runc: the number is above 466, the highest that the \
             profile names on this architecture\n",
        ),
        (
            &["docker-default", "9999", "--runtime", "crun"],
            "x86_64 #9999(): errno EPERM\nby defaultAction: no entry matches\n",
        ),
        (
            &["docker-default", "openat", "-100", "0x0", "O_RDWR|O_CREAT", "0644"],
            "x86_64 openat(0xffffffffffffff9c, 0, O_RDWR|O_CREAT, 0x1a4): allow\n\
             by syscalls[231] (openat)\n",
        ),
    ] {
        assert_eq!(said(&[words, &arch].concat()), expected, "{words:?}");
    }
    let path = tests_dir().join("golden/lint/old-runc-flags.json").display().to_string();
    assert_eq!(
        said(&[&path, "read", "--arch", "SCMP_ARCH_X86"]),
        "i386 read(): kill thread\nthe profile does not list this architecture\n"
    );
    assert_eq!(
        said(&[&path, "read", "--arch", "x86_64"]),
        "x86_64 read(): allow\nby syscalls[0] (brk, capget, capset, chdir and 25 more)\n"
    );
}

#[test]
fn a_policy_and_its_bundle_answer_as_the_profile_that_is_made_of_them() {
    let scene = Scene::new();
    let traced = scene.profgen(&["trace", "-q", "-o", "b", "--", "true"]);
    assert_eq!(traced.status, 0, "{traced:?}");
    for (call, verdict) in
        [("execve", "allow"), ("mount", "errno EPERM"), ("clone3", "errno ENOSYS")]
    {
        for profile in ["b", "b/policy.json", "b/seccomp.json"] {
            let ran = scene.profgen(&["simulate", profile, call]);
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
            let line = ran.stdout.lines().next().unwrap_or_default();
            assert!(line.ends_with(&format!(" {call}(): {verdict}")), "{profile}: {line}");
        }
    }
    let ran = scene.sh("\"$PROFGEN\" emit -q oci b | \"$PROFGEN\" simulate - execve");
    assert!(ran.stdout.contains("execve(): allow"), "{ran:?}");
}

#[test]
fn what_cannot_be_answered_is_said_in_one_line() {
    let scene = Scene::new();
    let simulate =
        |words: &[&str]| scene.profgen(&[&["simulate", "docker-default"], words].concat());
    failed(&simulate(&["frob"]), 2, &["unknown call \"frob\""]);
    failed(&simulate(&["socketcall", "--arch", "x86_64"]), 2, &["x86_64 has no call socketcall"]);
    failed(&simulate(&["read", "AF_NONSENSE"]), 2, &["unknown argument \"AF_NONSENSE\""]);
    failed(&simulate(&["read", "1|x"]), 2, &["unknown argument \"x\""]);
    failed(&simulate(&["read", "18446744073709551616"]), 2, &["unknown argument"]);
    failed(&simulate(&["read", "1", "2", "3", "4", "5", "6", "7"]), 2, &["at most 6"]);
    failed(&simulate(&["read", "--arch", "vax"]), 2, &["unknown architecture \"vax\"", "x86_64"]);
    failed(&simulate(&["read", "--runtime", "rund"]), 2, &["known are runc, crun"]);
    let twice = tests_dir().join("golden/lint/architectures-twice.json").display().to_string();
    let ran = scene.profgen(&["simulate", &twice, "read"]);
    failed(&ran, 2, &["no runtime would load", "archMap"]);
    let index = tests_dir().join("golden/lint/argument-index.json").display().to_string();
    failed(&scene.profgen(&["simulate", &index, "read"]), 2, &["argument 6", "0 to 5"]);
}
