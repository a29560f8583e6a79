//! `profgen simulate`: the verdict, and what says so.

use crate::{
    scene::{Scene, built, failed},
    support::{oci, skip, tests_dir},
};
use serde_json::{Value, json};
use std::fs;

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
    let traced = scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", "true"]);
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

/// What the probe needs to start and runc before it, and entries of which runtimes make something else
/// than they say.
fn surprising(architectures: &[&str]) -> Value {
    let needed = "access arch_prctl brk capget capset chdir clone close epoll_ctl epoll_pwait execve exit_group \
        faccessat2 fchown fcntl fstat fstatfs futex getcwd getdents64 getpid getppid getrandom gettid \
        madvise mmap mprotect munmap nanosleep newfstatat openat pread64 prctl prlimit64 read readlink \
        readlinkat rt_sigaction rt_sigprocmask rt_sigreturn sched_yield set_robust_list set_tid_address \
        setgid setgroups setuid setresgid setresuid sigaltstack statx tgkill write";
    let needed: Vec<&str> = needed.split_whitespace().collect();
    let entry = |names: &[&str], action: &str, errno: Option<u64>, args: Value| {
        let mut entry = json!({"names": names, "action": action, "args": args});
        if let Some(errno) = errno {
            entry["errnoRet"] = json!(errno);
        }
        entry
    };
    let is = |value: u64| json!([{"index": 0, "op": "SCMP_CMP_EQ", "value": value}]);
    let allow = "SCMP_ACT_ALLOW";
    let deny = "SCMP_ACT_ERRNO";
    let outside = json!([
        {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0xf, "valueTwo": 0xff},
    ]);
    let twice = json!([
        {"index": 1, "op": "SCMP_CMP_EQ", "value": 3},
        {"index": 1, "op": "SCMP_CMP_EQ", "value": 4},
    ]);
    json!({
        "defaultAction": deny,
        "defaultErrnoRet": 13,
        "architectures": architectures,
        "syscalls": [
            entry(&needed, allow, None, json!([])),
            entry(&["getuid"], allow, None, is(1)),
            entry(&["getgid"], allow, None, is(9)),
            entry(&["getgid"], deny, Some(5), json!([])),
            entry(&["geteuid"], deny, Some(13), json!([])),
            entry(&["geteuid"], allow, None, is(1)),
            entry(&["getegid"], allow, None, outside),
            entry(&["umask"], allow, None, twice),
            entry(&["sync"], deny, Some(16), json!([])),
            entry(&["sync"], deny, Some(22), json!([])),
            entry(&["no_such_call"], allow, None, json!([])),
        ],
    })
}

#[test]
fn runc_and_crun_do_what_is_said() {
    if !cfg!(target_arch = "x86_64") {
        return skip("the probe's calls are those of x86_64");
    }
    let Some(probe) = built("probe") else { return skip("no gcc") };
    let calls = [
        (39, 0, 0),
        (102, 1, 0),
        (102, 2, 0),
        (104, 9, 0),
        (107, 1, 0),
        (107, 2, 0),
        (108, 0xf, 0),
        (108, 0x1f, 0),
        (108, 1, 0),
        (95, 18, 3),
        (95, 18, 4),
        (95, 18, 5),
        (162, 0, 0),
        (165, 0, 0),
        (441, 0, 0),
        (600, 0, 0),
    ];
    let words = calls.map(|(number, first, second)| format!("{number},{first},{second}"));
    let scene = Scene::new();
    for runtime in ["runc", "crun"] {
        if let Some(why) = oci::obstacle(runtime) {
            skip(&why);
            continue;
        }
        // "runc version 1.1.5+ds1" and more: what it does depends on the release.
        let version = scene.run(&[runtime, "--version"]).stdout;
        let version = version.split_whitespace().nth(2).unwrap_or_default();
        let said = format!("{runtime}@{version}");
        for (name, architectures) in [("listed", &["SCMP_ARCH_X86_64"][..]), ("native", &[])] {
            let profile = surprising(architectures);
            let file = scene.write(&format!("{name}.json"), profile.to_string());
            let bundle = format!("{runtime}-{name}");
            for directory in ["rootfs", "state"] {
                fs::create_dir_all(scene.path(&bundle).join(directory)).expect("make a directory");
            }
            let everything = |path: &str| json!({"destination": path, "type": "bind", "source": path, "options": ["rbind", "rw"]});
            let arguments: Vec<&str> =
                [probe.as_str()].into_iter().chain(words.iter().map(String::as_str)).collect();
            let config = json!({
                "ociVersion": "1.0.2",
                "root": {"path": "rootfs"},
                "process": {
                    "terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/",
                    "args": arguments, "noNewPrivileges": true,
                },
                "mounts": [everything("/proc"), everything("/dev")],
                "linux": {"namespaces": [{"type": "mount"}], "seccomp": profile},
            });
            scene.write(&format!("{bundle}/config.json"), config.to_string());
            let id = format!("profgen-{bundle}-{}", std::process::id());
            let path = scene.text(&bundle);
            let ran = scene.run(&["unshare", "-m", "sh", "-c", oci::START, runtime, &path, &id]);
            assert_eq!(ran.status, 0, "{runtime}: {ran:?}");
            let file = file.display().to_string();
            let simulated: Vec<String> = calls
                .iter()
                .map(|call| {
                    let [number, first, second] =
                        [call.0, call.1, call.2].map(|number| number.to_string());
                    let ran = scene.profgen(&[
                        "simulate",
                        "--runtime",
                        &said,
                        &file,
                        &number,
                        &first,
                        &second,
                    ]);
                    let line = ran.stdout.lines().next().unwrap_or_default().to_owned();
                    line.rsplit_once(": ").map(|(_, verdict)| verdict.to_owned()).unwrap_or(line)
                })
                .collect();
            let real: Vec<&str> = ran.stdout.lines().collect();
            assert_eq!(real, simulated, "{runtime}, {name}");
        }
    }
}
