//! A command that profgen runs finds the world as it would without profgen.

use crate::scene::{ENGINES, Scene};
use crate::support::{missing, run::Ran, skip};

/// Every way to run a command, with a policy that allows what the command does.
fn ways(scene: &Scene, prepare: &str, command: &str) -> Vec<(String, Ran)> {
    let mut all = Vec::new();
    let mut run = |name: &str, prefix: &str| {
        let script = format!("{prepare}\nexec {prefix} {command}");
        all.push((name.to_owned(), scene.run(&["bash", "-c", &script])));
    };
    run("native", "");
    for engine in ENGINES {
        run(engine, &format!(r#""$PROFGEN" trace -q --no-static -o b --engine {engine} --"#));
    }
    // The capabilities are what a policy takes on purpose: held.rs.
    run("run", r#""$PROFGEN" run -q --no-capabilities --policy b --"#);
    run("run --audit", r#""$PROFGEN" run --audit --policy b --"#);
    all
}

/// Runs a command in every way: all give what the first gives.
fn same(scene: &Scene, prepare: &str, command: &str) -> Ran {
    let mut all = ways(scene, prepare, command).into_iter();
    let (_, native) = all.next().expect("the native run");
    for (name, ran) in all {
        let given = |ran: &Ran| (ran.status, ran.stdout.clone(), ran.stderr.clone());
        assert_eq!(given(&ran), given(&native), "{name}: {prepare}; {command}");
    }
    native
}

#[test]
fn environment_directory_mask_and_limits_are_the_same() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("sub")).expect("mkdir");
    let show = "'pwd; umask; env | grep -v ^_= | sort; ulimit -Sa; ulimit -Ha; cat /proc/self/limits; \
        nice; cat /proc/self/oom_score_adj /proc/self/comm /proc/self/personality'";
    let native =
        same(&scene, "cd sub; umask 027; ulimit -Sn 200; ulimit -c 0", &format!("sh -c {show}"));
    assert!(native.stdout.contains("\n0027\n"), "{native:?}");
    assert!(
        native.stdout.lines().any(|line| line.starts_with("Max open files            200 ")),
        "{native:?}"
    );
    let native = same(
        &scene,
        "export ODD=$'a\\nb' EMPTY=; unset HOME; ulimit -n 64; ulimit -Ss 4096",
        &format!("sh -c {show}"),
    );
    assert!(native.stdout.contains("EMPTY=\n"), "{native:?}");
}

#[test]
fn an_environment_without_anything_stays_empty() {
    let scene = Scene::new();
    for (prefix, options) in [("", ""), ("trace", "-q -o b"), ("run", "-q --policy b")] {
        let profgen = if prefix.is_empty() { "" } else { r#""$PROFGEN""# };
        let separator = if prefix.is_empty() { "" } else { "--" };
        let script = format!("exec env -i {profgen} {prefix} {options} {separator} /usr/bin/env");
        let ran = scene.run(&["bash", "-c", &script]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), ("", "", 0), "{prefix}");
    }
}

#[test]
fn entries_of_the_environment_that_are_no_assignments_are_kept() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    // execve with an environment that no shell makes.
    let script = r#"
import ctypes, os, sys
words = [word.encode() for word in sys.argv[1:]] + [b"/bin/cat", b"/proc/self/environ"]
def array(values):
    return (ctypes.c_char_p * (len(values) + 1))(*values, None)
environment = array([b"NO_SIGN", b"A=1", b"A=2", b"=odd", b"\xff=\xfe", b"PATH=/bin"])
ctypes.CDLL(None).execve(words[0], array(words), environment)
"#;
    let profgen = crate::support::profgen();
    let mut all = Vec::new();
    for words in [
        &[][..],
        &[profgen, "trace", "-q", "--no-static", "-o", "b", "--engine", "ptrace", "--"],
        &[profgen, "trace", "-q", "--no-static", "-o", "b", "--engine", "notify", "--"],
        &[profgen, "run", "-q", "--policy", "b", "--"],
    ] {
        all.push(scene.run(&[&["/usr/bin/python3", "-c", script], words].concat()));
    }
    assert!(all[0].stdout.starts_with("NO_SIGN\0A=1\0A=2\0=odd\0"), "{:?}", all[0]);
    for ran in &all {
        assert_eq!((&ran.stdout, &ran.stderr), (&all[0].stdout, &all[0].stderr));
    }
}

#[test]
fn signals_credentials_and_processors_are_the_same() {
    let scene = Scene::new();
    let show =
        r"grep -E '^(Sig[^Q]|ShdPnd|Cap|Groups|Uid|Gid|Cpus_allowed:|Threads)' /proc/self/status";
    for prepare in [":", "trap '' PIPE USR1 INT", "trap '' TERM HUP QUIT URG CHLD TSTP TTOU"] {
        let native = same(&scene, prepare, show);
        assert!(native.stdout.contains("SigBlk:\t0000000000000000\n"), "{native:?}");
    }
    let blocked = format!("env --block-signal=USR2,TERM,URG,CHLD --ignore-signal=PIPE {show}");
    let native = same(&scene, ":", &blocked);
    assert!(!native.stdout.contains("SigBlk:\t0000000000000000\n"), "{native:?}");
    // The same state, and profgen inside of it.
    let mut all = Vec::new();
    for prefix in [
        "",
        r#""$PROFGEN" trace -q --no-static -o c --engine ptrace --"#,
        r#""$PROFGEN" trace -q --no-static -o c --engine notify --"#,
        r#""$PROFGEN" run -q --no-capabilities --policy c --"#,
        r#""$PROFGEN" run --audit --policy c --"#,
    ] {
        let state = "env --block-signal=USR2,TERM,URG,CHLD --ignore-signal=PIPE,INT";
        all.push((prefix, scene.sh(&format!("exec {state} {prefix} {show}"))));
    }
    for (prefix, ran) in &all {
        assert_eq!((&ran.stdout, &ran.stderr), (&all[0].1.stdout, &all[0].1.stderr), "{prefix}");
    }
}

#[test]
fn descriptors_are_the_same() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let scene = Scene::new();
    scene.write("file", "text");
    scene.write(
        "show.py",
        "import fcntl, os\nfor fd in sorted(map(int, os.listdir('/proc/self/fd'))):\n    try:\n        \
         print(fd, os.readlink(f'/proc/self/fd/{fd}'), fcntl.fcntl(fd, fcntl.F_GETFL))\n    \
         except OSError:\n        pass\n",
    );
    for prepare in [
        "exec >out 2>&1 5<file 9>>log 200</dev/null",
        "exec >out 2>&1 3<file 4<file 5<file 6<file 7<file",
        "exec >out 2>&1 <file",
        "ulimit -n 64; exec >out 2>&1 63<file",
    ] {
        let mut outputs = Vec::new();
        for prefix in [
            "",
            r#""$PROFGEN" trace -q --no-static -o b --engine ptrace --"#,
            r#""$PROFGEN" trace -q --no-static -o b --engine notify --"#,
            r#""$PROFGEN" run -q --policy b --"#,
            r#""$PROFGEN" run --audit --policy b --"#,
        ] {
            let script = format!("{prepare}\nexec {prefix} /usr/bin/python3 -I show.py");
            let ran = scene.run(&["bash", "-c", &script]);
            assert_eq!(ran.status, 0, "{prefix} {ran:?}");
            outputs.push(std::fs::read_to_string(scene.path("out")).expect("out"));
        }
        assert!(outputs[0].lines().count() >= 3, "{outputs:?}");
        for output in &outputs {
            assert_eq!(output, &outputs[0], "{prepare}");
        }
    }
}

#[test]
fn closed_standard_streams_stay_closed() {
    let scene = Scene::new();
    for (closed, command) in [
        ("<&-", "cat"),
        ("<&-", "sh -c 'cat; echo $?'"),
        (">&-", "echo text"),
        (">&-", "sh -c 'echo text; echo $? >&2'"),
        ("2>&-", "sh -c 'echo text >&2; echo $?'"),
        (
            "<&- >&- 2>&-",
            "sh -c 'for fd in 0 1 2; do [ -e /proc/self/fd/$fd ] && exit 9; done; exit 4'",
        ),
    ] {
        let mut all = Vec::new();
        for prefix in [
            "",
            r#""$PROFGEN" trace -q --no-static -o b --engine ptrace --"#,
            r#""$PROFGEN" trace -q --no-static -o b --engine notify --"#,
            r#""$PROFGEN" run -q --policy b --"#,
            r#""$PROFGEN" run --audit --policy b --"#,
        ] {
            all.push((prefix, scene.sh(&format!("exec {prefix} {command} {closed}"))));
        }
        for (prefix, ran) in &all {
            let given = |ran: &Ran| (ran.status, ran.stdout.clone(), ran.stderr.clone());
            assert_eq!(given(ran), given(&all[0].1), "{prefix} {command} {closed}");
        }
    }
}

#[test]
fn profgen_works_with_closed_standard_streams() {
    let scene = Scene::new();
    for engine in ENGINES {
        let line =
            format!(r#""$PROFGEN" trace -o {engine} --engine {engine} -- true <&- >&- 2>&-"#);
        assert_eq!(scene.sh(&line).status, 0);
        let _ = scene.record(engine);
        assert_eq!(scene.sh(r#""$PROFGEN" trace -o x -- /nonexistent <&- >&- 2>&-"#).status, 127);
    }
    let closed = scene.sh(r#""$PROFGEN" merge -o - ptrace >&-; echo $? >&2"#);
    assert!(closed.stderr.ends_with('\n') && closed.stdout.is_empty());
}

#[test]
fn a_closed_pipe_ends_the_command_as_without_profgen() {
    let scene = Scene::new();
    for (prepare, status) in [(":", "141 0"), ("trap '' PIPE", "1 0")] {
        let mut all = Vec::new();
        for prefix in [
            "",
            r#""$PROFGEN" trace -q --no-static -o b --engine ptrace --"#,
            r#""$PROFGEN" trace -q --no-static -o b --engine notify --"#,
            r#""$PROFGEN" run -q --policy b --"#,
            r#""$PROFGEN" run --audit --policy b --"#,
        ] {
            let script = format!(r#"{prepare}; {prefix} yes | head -1; echo "${{PIPESTATUS[*]}}""#);
            all.push((prefix, scene.run(&["bash", "-c", &script])));
        }
        for (prefix, ran) in all {
            assert_eq!(ran.stdout, format!("y\n{status}\n"), "{prefix}: {ran:?}");
        }
    }
}
