//! What is published of a release, as ci/release.sh makes it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::{PATH, missing, skip, static_profgen};

/// Every file of a release, below its top directory or below /usr.
const FILES: [&str; 10] = [
    "bin/profgen",
    "share/bash-completion/completions/profgen",
    "share/doc/profgen/LICENSE",
    "share/doc/profgen/LICENSE-APACHE",
    "share/doc/profgen/LICENSE-MIT",
    "share/doc/profgen/README.md",
    "share/doc/profgen/changelog.gz",
    "share/fish/vendor_completions.d/profgen.fish",
    "share/man/man1/profgen.1.gz",
    "share/zsh/vendor-completions/_profgen",
];

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("PATH", PATH).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn release(into: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/release.sh");
    let binary = static_profgen().display().to_string();
    output(script, &["--binary", &binary, "--output", &into.display().to_string()]);
}

#[test]
fn a_release_is_a_tarball_and_a_package_with_all_that_belongs_to_it() {
    if let Some(why) = missing(["dpkg-deb", "tar", "gzip", "readelf", "git"]) {
        return skip(&why);
    }
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    release(first.path());
    release(second.path());
    let names = |at: &Path| -> BTreeSet<_> {
        fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names(first.path()).len(), 2);
    for name in names(first.path()) {
        let [one, other] = [&first, &second].map(|at| fs::read(at.path().join(&name)).unwrap());
        assert!(one == other, "{} is made otherwise the second time", name.display());
    }

    let version = env!("CARGO_PKG_VERSION");
    let top = format!("profgen-{version}-{}-linux", std::env::consts::ARCH);
    let tarball = first.path().join(format!("{top}.tar.gz")).display().to_string();
    let listed = output("tar", &["-tzf", &tarball]);
    let files: Vec<&str> = listed.lines().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(files, FILES.map(|file| format!("{top}/{file}")));

    let package =
        names(first.path()).into_iter().find(|name| name.display().to_string().ends_with(".deb"));
    let package = first.path().join(package.unwrap()).display().to_string();
    assert_eq!(output("dpkg-deb", &["--field", &package, "Version"]).trim(), version);
    let root = tempfile::tempdir().unwrap();
    output("dpkg-deb", &["--extract", &package, &root.path().display().to_string()]);
    for file in FILES.iter().chain(&["share/doc/profgen/copyright"]) {
        assert!(root.path().join("usr").join(file).is_file(), "{file}");
    }
    let installed = root.path().join("usr/bin/profgen").display().to_string();
    assert_eq!(output(&installed, &["--version"]), format!("profgen {version}\n"));
    let manual = root.path().join("usr/share/man/man1/profgen.1.gz").display().to_string();
    assert!(output("gzip", &["-dc", &manual]).contains("profgen"));
    // It runs without the machine's C library.
    let headers = output("readelf", &["--program-headers", &installed]);
    assert!(!headers.contains("INTERP"), "{headers}");
}
