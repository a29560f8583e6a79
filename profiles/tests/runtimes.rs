//! The installed container runtimes start a program under a rendered profile, and the profile
//! answers as it says, through the runtime's own reading of it and its libseccomp.
//!
//! Needs root, a runtime and a C compiler that links statically; says `skipped` without them, and
//! fails with PROFGEN_REQUIRE_ALL=1.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{allow, allow_if};
use model::{Arch, Policy};
use profgen_profiles::{
    Options, format,
    runtime::{Runtime, Target},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Makes calls that a profile answers in different ways and prints the errors, or waits.
const PROBE: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void tell(const char *name, long result) {
    printf("%s %d\n", name, result < 0 ? errno : 0);
    fflush(stdout);
}
int main(int argc, char **argv) {
    (void)argv;
    while (argc > 1)
        pause();
    tell("mkdirat", syscall(SYS_mkdirat, -100, "/made", 0700));
    tell("clone3", syscall(SYS_clone3, 0, 0));
    tell("900", syscall(900));
    tell("unix", syscall(SYS_socket, 1, 1, 0));
    tell("netlink", syscall(SYS_socket, 16, 3, 0));
    return 7;
}
"#;

const ANSWERS: &str = "mkdirat 1\nclone3 38\n900 38\nunix 0\nnetlink 38\n";

/// Makes calls of i386 in a 64-bit process.
const PROBE_I386: &str = r#"
#include <stdio.h>
static long call(long number, long one, long two, long three) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(one), "c"(two), "d"(three)
                     : "r8", "r9", "r10", "r11", "memory");
    return result;
}
int main(void) {
    printf("getpid %ld\n", call(20, 0, 0, 0));
    printf("mkdir %ld\n", call(39, 0, 0, 0));
    printf("unix %d\n", call(359, 1, 1, 0) >= 0);
    printf("netlink %ld\n", call(359, 16, 3, 0));
    printf("socketcall %ld\n", call(102, 1, 0, 0));
    fflush(stdout);
    return 7;
}
"#;

fn skip(reason: &str) {
    assert!(std::env::var_os("PROFGEN_REQUIRE_ALL").is_none(), "not skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// What the probe needs, with whichever libc it is linked, and nothing of what a runtime needs.
fn policy(arch: Arch) -> Policy {
    let mut policy = Policy::default();
    allow(&mut policy, arch, "execve exit_group write writev brk mmap munmap mprotect ioctl");
    allow(&mut policy, arch, "set_tid_address set_robust_list rseq prlimit64 getrandom newfstatat");
    allow(&mut policy, arch, "readlinkat fstat ppoll rt_sigreturn");
    if arch == Arch::X86_64 {
        allow(&mut policy, arch, "arch_prctl readlink pause poll");
    }
    allow_if(&mut policy, arch, "socket", 0, &[1, 2]);
    policy
}

struct Bench {
    runtime: Runtime,
    directory: tempfile::TempDir,
    own_cgroups: bool,
}

impl Bench {
    /// A directory with a bundle and the probe in it, or `None` when something is missing.
    fn new(runtime: Runtime, probe: &str) -> Option<Bench> {
        if !root() {
            skip("not root");
            return None;
        }
        if Command::new(runtime.name()).arg("--version").output().is_err() {
            skip(&format!("no {}", runtime.name()));
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let rootfs = directory.path().join("bundle/rootfs");
        for name in ["proc", "dev", "home"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        let source = directory.path().join("probe.c");
        fs::write(&source, probe).unwrap();
        let compiled = Command::new("cc")
            .args(["-static", "-O1", "-o"])
            .arg(rootfs.join("probe"))
            .arg(&source)
            .output();
        if !compiled.is_ok_and(|output| output.status.success()) {
            skip("no C compiler that links statically");
            return None;
        }
        // crun needs cgroup v2.
        let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        Some(Bench { runtime, directory, own_cgroups: runtime == Runtime::Crun && !v2 })
    }

    fn target(&self, no_new_privileges: bool) -> Target {
        let version = Command::new(self.runtime.name()).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let version = version.lines().next().unwrap().split_whitespace().nth(2).unwrap().to_owned();
        Target {
            version: Some(version.parse().unwrap()),
            no_new_privileges: Some(no_new_privileges),
            ..self.runtime.into()
        }
    }

    fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    fn configure(&self, seccomp: &Value, no_new_privileges: bool, args: &[&str]) {
        let capabilities = ["CAP_KILL"];
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false, "user": {"uid": 1000, "gid": 1000, "additionalGids": [7]},
                "args": args, "env": ["PATH=/"], "cwd": "/home", "noNewPrivileges": no_new_privileges,
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities}
            },
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}
            ],
            "linux": {
                "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}],
                "seccomp": seccomp
            }
        });
        fs::write(self.bundle().join("config.json"), config.to_string()).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = if self.own_cgroups {
            let mut command = Command::new("unshare");
            let script = "mount --make-rprivate / && mount -t cgroup2 none /sys/fs/cgroup && exec \"$0\" \"$@\"";
            command.args(["-m", "sh", "-c", script, self.runtime.name()]);
            command
        } else {
            Command::new(self.runtime.name())
        };
        command.arg("--root").arg(self.directory.path().join("state")).args(args);
        command.current_dir(self.bundle()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn container() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("profiles-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn assert_probed(output: &Output, answers: &str, what: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), answers, "{what}: {told}");
    assert_eq!(told, "", "{what}");
    assert_eq!(output.status.code(), Some(7), "{what}: {told}");
}

fn starts_and_answers(runtime: Runtime) {
    let Some(bench) = Bench::new(runtime, PROBE) else { return };
    let policy = policy(Arch::native().unwrap());
    for no_new_privileges in [true, false] {
        for target in [runtime.into(), bench.target(no_new_privileges)] {
            let options = Options { runtimes: [target].into() };
            let what = format!("{target:?}, no_new_privs {no_new_privileges}");
            let rendered = format("oci").unwrap().render(&policy, &options).unwrap();
            let seccomp = serde_json::from_str(&rendered.text).unwrap();

            bench.configure(&seccomp, no_new_privileges, &["/probe"]);
            assert_probed(&bench.run(&["run", &container()]), ANSWERS, &what);

            bench.configure(&seccomp, no_new_privileges, &["/probe", "stay"]);
            let running = container();
            // Not with pipes as its output, which the container would hold open.
            let log = fs::File::create(bench.directory.path().join("log")).unwrap();
            let started = bench
                .command(&["run", "--detach", &running])
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .status()
                .unwrap();
            let log = fs::read_to_string(bench.directory.path().join("log")).unwrap();
            assert!(started.success(), "{what}: {log}");
            let executed = bench.run(&["exec", &running, "/probe"]);
            bench.run(&["delete", "--force", &running]);
            assert_probed(&executed, ANSWERS, &format!("{what}, exec"));
        }
    }
}

#[test]
fn runc_starts_a_program_under_its_profile() {
    starts_and_answers(Runtime::Runc);
}

#[test]
fn crun_starts_a_program_under_its_profile() {
    starts_and_answers(Runtime::Crun);
}

#[test]
fn without_the_calls_of_the_runtime_it_does_not_start() {
    let Some(bench) = Bench::new(Runtime::Runc, PROBE) else { return };
    let policy = policy(Arch::native().unwrap());
    let rendered = format("oci").unwrap().render(&policy, &Options::default()).unwrap();
    bench.configure(&serde_json::from_str(&rendered.text).unwrap(), true, &["/probe"]);
    let output = bench.run(&["run", &container()]);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn one_profile_binds_both_architectures_of_a_process() {
    for runtime in [Runtime::Runc, Runtime::Crun] {
        let Some(bench) = Bench::new(runtime, PROBE_I386) else { continue };
        let mut policy = policy(Arch::X86_64);
        allow(&mut policy, Arch::I386, "getpid");
        let options = Options { runtimes: [runtime.into()].into() };
        let rendered = format("oci").unwrap().render(&policy, &options).unwrap();
        bench.configure(&serde_json::from_str(&rendered.text).unwrap(), true, &["/probe"]);
        let answers = "getpid 1\nmkdir -1\nunix 1\nnetlink -38\nsocketcall -1\n";
        assert_probed(&bench.run(&["run", &container()]), answers, runtime.name());
    }
}
