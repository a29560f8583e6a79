//! What the integration tests share: fixtures, workloads, runs, and the independent tracers and runtimes.
//!
//! A test that lacks a tool, a privilege or a kernel feature says `skipped: no runc` and passes, except under
//! `PROFGEN_REQUIRE_ALL=1`, where it fails.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod analysis;
pub mod bundle;
pub mod container;
pub mod docker;
pub mod fixtures;
pub mod http;
pub mod judge;
pub mod oci;
pub mod pitfall;
pub mod plain;
pub mod podman;
pub mod run;
pub mod strace;
pub mod workload;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory `tests/`.
pub fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The binary under test.
pub fn profgen() -> &'static str {
    env!("CARGO_BIN_EXE_profgen")
}

/// A static build of the binary under test, as containers need it: built anew when its sources changed, by one
/// test process at a time.
pub fn static_profgen() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static.lock");
    let script = top.join("ci/static-build.sh");
    let build = Command::new("flock").arg(lock).arg(script).arg("--debug").output();
    let build = build.expect("run ci/static-build.sh");
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "ci/static-build.sh failed: {said}");
    top.join("target/static/profgen-debug")
}

/// The search path of everything that the tests run: the distribution's programs, whatever the developer's shell has.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The ids of a user without any rights, who need not have an account.
pub const NOBODY: u32 = 65534;

/// Says that the calling test cannot run here, and why; fails it where everything must run.
pub fn skip(why: &str) {
    println!("skipped: {why}");
    assert!(
        std::env::var_os("PROFGEN_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{why}, and PROFGEN_REQUIRE_ALL=1"
    );
}

/// The first of `tools` that is not here, worded for [`skip`]: a program's name, an absolute path, or
/// `namespaces`, which some containers deny even to root.
pub fn missing<'a>(tools: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let present = |tool: &&str| match *tool {
        "namespaces" => can_make_namespaces(),
        tool => find_program(tool).is_some(),
    };
    tools.into_iter().find(|tool| !present(tool)).map(|tool| format!("no {tool}"))
}

fn can_make_namespaces() -> bool {
    let options = if is_root() { "-m" } else { "-Urm" };
    let output = Command::new("unshare").args([options, "true"]).env("PATH", PATH).output();
    output.is_ok_and(|output| output.status.success())
}

/// Where a program lies on [`PATH`]; an absolute path is only checked.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    PATH.split(':').map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    status_field("Uid:").split_whitespace().nth(1) == Some("0")
}

/// The rest of a line of /proc/self/status.
pub fn status_field(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in /proc/self/status")).trim().to_owned()
}

/// One test per workload, named after it: `workload_tests!(check)` gives `fn ls() { check("ls") }` and so on.
/// A file in `tests/workloads` that is missing here fails `every_workload_has_its_test`.
#[allow(unused_macros, reason = "not every test binary runs the workloads")]
macro_rules! workload_tests {
    ($check:path) => {
        $crate::workload_tests!(@each $check:
            args bash_pipeline busybox_shell bwrap_sandbox children compressors core_tools cp_tree crash crash_thread
            curl_local curl_more daemonise daemonise_alone dash_script file_types find_exec find_tree gcc_build
            git_clone git_commit git_gc gzip_file hello hello_32 hello_32_alone hello_go hello_musl hello_static
            hello_static_pie int80 jobs jq_filter listener ls make_parallel moved mv_rm nginx odd_numbers openssl_digest
            openssl_keys own_filter paths perl_script ps_list python_subprocess python_threads redis setpriv_user
            signals sort_big sqlite sqlite_inserts storm storm_restart tail_follow tar_archive text_tools thread_exec threads timeouts);
    };
    (@each $check:path: $($name:ident)*) => {
        $(#[test] fn $name() { $check(stringify!($name)); })*

        #[test]
        fn every_workload_has_its_test() {
            let tested: std::collections::BTreeSet<String> = [$(stringify!($name).to_owned()),*].into();
            assert_eq!(tested, $crate::support::workload::names());
        }
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use workload_tests;
