//! Which files `profgen analyze` takes for those of a program: as the loader finds them, inside a root.

use crate::{
    scene::{Scene, failed, read_json, valid},
    support::{find_program, skip},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Calls that no library makes: each marks the file that it is in.
const LIBRARY: &str = r#"
void work(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"((long)MARK) : "rcx", "r11", "memory");
}
"#;
/// A program that hands a name to one call.
const TINY: &str = r#"
void _start(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"((long)CALL), "D"(NAME), "S"(0L), "d"(0L)
                     : "rcx", "r11", "memory");
    __asm__ volatile("syscall" : : "a"(60L), "D"(0L) : "rcx", "r11", "memory");
    __builtin_unreachable();
}
"#;
const SWAPON: &str = "167";
const SWAPOFF: &str = "168";
const REBOOT: &str = "169";

struct Made(Scene);

impl Made {
    /// A directory with a program `app` that calls `work` of `libown.so`, which is searched in
    /// `link` (options of the linker).
    fn new(link: &str) -> Option<Made> {
        find_program("gcc")?;
        let scene = Scene::new();
        scene.write("own.c", LIBRARY);
        scene.write("app.c", "void work(void);\nint main(void) { work(); return 0; }\n");
        let made = Made(scene);
        made.library("build", SWAPON);
        made.sh(&format!("gcc -O1 -o app app.c -Lbuild -Wl,--no-as-needed -lown {link}"));
        Some(made)
    }

    fn sh(&self, line: &str) {
        let ran = self.0.sh(line);
        assert_eq!(ran.status, 0, "{line}: {ran:?}");
    }

    /// A `libown.so` that makes one call.
    fn library(&self, directory: &str, mark: &str) {
        self.sh(&format!(
            "mkdir -p {directory} && gcc -O1 -shared -fPIC -DMARK={mark} -o {directory}/libown.so own.c"
        ));
    }

    /// The marks among the predicted calls, and the paths of the modules.
    fn analyse(&self, options: &[&str]) -> (BTreeSet<String>, Vec<PathBuf>) {
        let ran = self.0.profgen(&[&["analyze", "-q", "-o", "found.json"], options].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let found = read_json(&self.0.path("found.json"));
        valid(&found, "analysis");
        let program = &found["programs"][0];
        let calls = program["calls"]["x86_64"].as_object().expect("calls");
        let marks = ["swapon", "swapoff", "reboot"];
        let marks = marks.into_iter().filter(|mark| calls.contains_key(*mark));
        let modules = program["modules"].as_array().expect("modules");
        let path = |module: &serde_json::Value| PathBuf::from(module["path"].as_str().unwrap());
        (marks.map(str::to_owned).collect(), modules.iter().map(path).collect())
    }

    fn marks(&self, options: &[&str]) -> Vec<String> {
        self.analyse(options).0.into_iter().collect()
    }
}

#[test]
fn a_library_is_the_one_that_the_loader_takes() {
    let Some(made) = Made::new("-Wl,--enable-new-dtags,-rpath,'$ORIGIN/beside'") else {
        return skip("no gcc");
    };
    made.library("beside", SWAPON);
    made.library("first", SWAPOFF);
    made.library("before", REBOOT);
    let app = made.0.text("app");
    assert_eq!(made.marks(&[&app]), ["swapon"], "DT_RUNPATH");
    // ld.so(8): DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, the cache, the default directories.
    assert_eq!(made.marks(&["--library-path", &made.0.text("first"), &app]), ["swapoff"]);
    let preloaded = made.0.text("before/libown.so");
    assert_eq!(made.marks(&["--preload", &preloaded, &app]), ["reboot"], "same name, loaded first");
    // The loader itself says so.
    for (variable, taken) in [("A=", "/beside/"), ("LD_LIBRARY_PATH=first", "first/")] {
        let ran = made.0.sh(&format!("{variable} LD_TRACE_LOADED_OBJECTS=1 ./app | grep libown"));
        assert!(ran.stdout.contains(&format!("{taken}libown.so")), "{variable}: {ran:?}");
    }

    let old = Made::new("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/beside'").expect("gcc");
    old.library("beside", SWAPON);
    old.library("first", SWAPOFF);
    let app = old.0.text("app");
    assert_eq!(old.marks(&["--library-path", &old.0.text("first"), &app]), ["swapon"], "DT_RPATH");
}

#[test]
fn a_better_processor_gets_its_own_library() {
    let Some(made) = Made::new("-Wl,-rpath,'$ORIGIN/beside'") else { return skip("no gcc") };
    made.library("beside", SWAPON);
    made.library("beside/glibc-hwcaps/x86-64-v2", SWAPOFF);
    let app = made.0.text("app");
    // What the loader itself takes on this machine.
    let taken = made.0.sh("LD_TRACE_LOADED_OBJECTS=1 ./app | grep libown");
    let expected = if taken.stdout.contains("glibc-hwcaps") { "swapoff" } else { "swapon" };
    assert_eq!(made.marks(&[&app]), [expected], "{taken:?}");
}

#[test]
fn an_unpacked_image_is_analysed_with_its_own_files_and_no_other() {
    let Some(made) = Made::new("-Wl,-rpath,/opt/own") else { return skip("no gcc") };
    let root = made.0.path("image");
    for directory in ["usr/bin", "usr/lib64", "usr/lib/x86_64-linux-gnu", "data/libraries"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    // Absolute links, as images have them: outside of the root they would lead elsewhere.
    for (link, target) in [
        ("bin", "/usr/bin"),
        ("lib", "/usr/lib"),
        ("lib64", "/usr/lib64"),
        ("opt", "/data"),
        ("data/own", "/../../../../data/libraries"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let copy = |from: &str, to: &str| {
        let real = fs::canonicalize(from).unwrap();
        fs::copy(real, root.join(to)).unwrap();
    };
    copy("/lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2");
    copy("/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6");
    fs::copy(made.0.path("app"), root.join("usr/bin/app")).unwrap();
    made.library("image/data/libraries", SWAPOFF);
    let root = root.display().to_string();
    let (marks, modules) = made.analyse(&["--root", &root, "/bin/app"]);
    assert_eq!(marks, BTreeSet::from(["swapoff".to_owned()]));
    for module in ["/usr/bin/app", "/data/libraries/libown.so", "/usr/lib64/ld-linux-x86-64.so.2"] {
        assert!(modules.iter().any(|path| path == Path::new(module)), "{module}: {modules:?}");
    }
    let missing = made.0.profgen(&["analyze", "--root", &root, "/bin/sh"]);
    failed(&missing, 2, &["cannot analyse /bin/sh", "no such file"]);
}

#[test]
fn a_kept_result_counts_no_more_when_a_library_comes_first_or_another_plugin_appears() {
    let Some(made) = Made::new("-Wl,-rpath,'$ORIGIN/first:$ORIGIN/beside'") else {
        return skip("no gcc");
    };
    made.library("beside", SWAPON);
    fs::create_dir(made.0.path("plugins")).unwrap();
    let (app, plugins) = (made.0.text("app"), made.0.text("plugins"));
    assert_eq!(made.marks(&[&app]), ["swapon"]);
    made.library("first", SWAPOFF);
    assert_eq!(made.marks(&[&app]), ["swapoff"], "an earlier directory of the path");
    assert_eq!(made.marks(&["--module", &plugins, &app]), ["swapoff"]);
    made.library("plugins", REBOOT);
    fs::rename(made.0.path("plugins/libown.so"), made.0.path("plugins/more.so")).unwrap();
    assert_eq!(made.marks(&["--module", &plugins, &app]), ["reboot", "swapoff"]);
    assert!(made.0.path(".cache/profgen/analysis").is_dir(), "results were kept");
}

#[test]
fn a_library_that_a_person_names_is_part_of_what_a_program_may_load() {
    let Some(made) = Made::new("-Wl,-rpath,'$ORIGIN/beside'") else { return skip("no gcc") };
    made.library("beside", SWAPON);
    made.library("more", REBOOT);
    let (app, module) = (made.0.text("app"), made.0.text("more/libown.so"));
    assert_eq!(made.marks(&["--module", &module, &app]), ["reboot", "swapon"]);
    assert_eq!(made.marks(&["--module", "more/libown.so", &app]), ["reboot", "swapon"]);
    let missing = made.0.profgen(&["analyze", "--module", "/no/such.so", &app]);
    failed(&missing, 2, &["cannot analyse /no/such.so", "no such file"]);
}

#[test]
fn a_script_is_analysed_as_its_interpreter_and_says_so() {
    let Some(made) = Made::new("-Wl,-rpath,'$ORIGIN/beside'") else { return skip("no gcc") };
    made.library("beside", SWAPON);
    let app = made.0.text("app");
    let inner = made.0.program("inner", format!("#!{app} -x\n")).display().to_string();
    let script = made.0.program("script", format!("#! {inner}\n")).display().to_string();
    assert_eq!(made.marks(&[&script]), ["swapon"], "a script of a script");
    let found = read_json(&made.0.path("found.json"));
    assert_eq!(found["programs"][0]["path"], script.as_str());
    assert_eq!(found["programs"][0]["script"], app.as_str());
    let said = made.0.profgen(&["analyze", &script]);
    assert!(said.stderr.contains("a script: what its interpreter"), "{said:?}");
}

#[test]
fn programs_that_the_code_names_are_followed_when_that_is_asked_for() {
    let Some(_) = find_program("gcc") else { return skip("no gcc") };
    let made = Made(Scene::new());
    // Without a library, which would hold further names. /proc/self/exe is of whoever asks.
    made.0.write("tiny.c", TINY);
    let tiny = |name: &str, path: &str, call: u32| {
        let line =
            format!("gcc -O1 -static -nostdlib -DNAME='\"{path}\"' -DCALL={call} -o {name} tiny.c");
        made.sh(&line);
        made.0.text(name)
    };
    let last = tiny("last", "/proc/self/exe", 169);
    let middle = tiny("middle", &last, 59);
    let first = tiny("first", &middle, 59);
    let programs = |options: &[&str]| {
        let ran = made.0.profgen(&[&["analyze", "-q", "-o", "found.json"], options].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let found = read_json(&made.0.path("found.json"));
        let programs = found["programs"].as_array().expect("programs").clone();
        let path = |program: &serde_json::Value| program["path"].as_str().unwrap().to_owned();
        programs.iter().map(path).collect::<BTreeSet<_>>()
    };
    assert_eq!(programs(&[&first]), BTreeSet::from([first.clone()]));
    assert_eq!(programs(&["--follow-exec", &first]), BTreeSet::from([first, middle, last]));
}
