//! The compiled filter as its users get it: bytes, and a source text that is compiled and run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{allow, allow_if};
use filter::{Denied, Program, Ruleset, compile};
use model::{Arch, Policy};
use profgen_profiles::bpf;
use std::process::Command;

/// What a small C program does after it has restricted itself.
fn policy() -> Policy {
    let mut policy = Policy::default();
    let native = Arch::native().expect("an architecture of the table");
    allow(&mut policy, native, "write exit_group getppid brk fstat newfstatat futex rt_sigreturn");
    allow_if(&mut policy, native, "socket", 0, &[1]);
    policy
}

fn ruleset() -> Ruleset {
    Ruleset::from_policy(&policy(), Denied::Errno)
}

#[test]
fn the_bytes_are_the_filter_that_is_loaded_elsewhere() {
    let bytes = bpf::raw(&ruleset()).unwrap();
    assert_eq!(Program::from_bytes(&bytes).unwrap(), compile(&ruleset()).unwrap());
}

#[test]
fn the_source_compiles_without_warnings_and_denies_what_the_policy_does() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let filter = bpf::source(&ruleset()).unwrap().text;
    let main = r#"
#include <stdio.h>
#include <sys/socket.h>
int restrict_system_calls(void);
int main(void)
{
	if (restrict_system_calls())
		return perror("restrict"), 9;
	printf("%d", getppid() > 0);
	printf(" %d", syscall(SYS_getuid) == -1 && errno == EPERM);
	errno = 0;
	printf(" %d", socket(AF_UNIX, SOCK_STREAM, 0) >= 0 && errno == 0);
	printf(" %d\n", socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	return 0;
}
"#;
    std::fs::write(at("filter.c"), format!("{filter}{main}")).unwrap();
    let compiled = Command::new("gcc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([at("filter"), at("filter.c")])
        .output()
        .expect("gcc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(at("filter")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "1 1 1 1\n", "{ran:?}");
}
