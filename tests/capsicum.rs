//! What a run suggests for Capsicum holds for that run, and nothing of it can be spared.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::{fs, path::Path, process::Command};

use merger::capsicum::{replay, suggestions};
use model::{
    Policy, Trace,
    capsicum::{Limit, Rights, Suggestion, Suggestions},
    document::{from_json, to_json},
    policy::Settings,
};
use support::bundle::Bundle;
use support::run::Scene;
use support::workload::Workload;
use support::{profgen, skip, workload_tests};

fn traces(files: &[std::path::PathBuf]) -> Vec<Trace> {
    files.iter().map(|file| from_json(&fs::read(file).unwrap()).unwrap()).collect()
}

fn merged(traces: &[Trace]) -> Policy {
    merger::merge(traces.iter().cloned().map(merger::Input::from), Settings::default())
}

/// The suggestion replays clean, and no right, command or remedy can be taken from it.
fn check(name: &str) {
    let workload = Workload::load(name);
    if let Some(why) = workload.obstacle() {
        return skip(&why);
    }
    if !workload.engines.contains(&"ptrace") {
        return;
    }
    let bundle = Bundle::new();
    bundle.trace_with(&Scene::prepare(&workload), "ptrace", &["--no-patch"]);
    let traces = traces(&bundle.trace_files());
    let suggested = suggestions(&merged(&traces));
    is_valid(&suggested);
    compiles(&suggested);
    holds_and_is_least(&traces, &suggested);
}

/// The document is as its schema says.
fn is_valid(suggested: &Suggestions) {
    let schema = include_str!("../docs/schema/capsicum.v1.json");
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let document = serde_json::from_slice(&to_json(suggested).unwrap()).unwrap();
    if let Err(error) = validator.validate(&document) {
        panic!("{}: {error}", error.instance_path());
    }
}

/// A compiler has nothing to say about the listing, given what FreeBSD's headers declare. The
/// functions are for the program to call, so none of them is used.
fn compiles(suggested: &Suggestions) {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("listing.c");
    fs::write(&source, profiles::capsicum::listing(suggested).text).unwrap();
    let out = Command::new("gcc")
        .args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capsicum/include"))
        .arg(&source)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn holds_and_is_least(traces: &[Trace], suggested: &Suggestions) {
    let fails =
        |allowed: &Suggestions| traces.iter().any(|trace| !replay(trace, allowed).is_empty());
    // Nothing that these programs do passes a bound.
    let cut = suggested.programs.values().flatten().any(|suggestion| suggestion.cut);
    assert!(!cut && traces.iter().all(|trace| trace.completeness.cut.is_empty()));
    for trace in traces {
        assert_eq!(replay(trace, suggested), [].into(), "the suggestion fails");
    }
    for (program, list) in &suggested.programs {
        for (at, suggestion) in list.iter().enumerate() {
            let with = |change: &dyn Fn(&mut Suggestion)| {
                let mut changed = suggested.clone();
                // The others of it would only take time.
                changed.programs.retain(|known, _| known == program);
                change(&mut changed.programs.get_mut(program).unwrap()[at]);
                changed
            };
            for (place, limit) in suggestion.descriptors.iter().enumerate() {
                for less in fewer(limit) {
                    let changed = with(&|suggestion| suggestion.descriptors[place] = less.clone());
                    assert!(fails(&changed), "{program}: {limit:?} can be {less:?}");
                }
            }
            for place in 0..suggestion.remedies.len() {
                let changed = with(&|suggestion| drop(suggestion.remedies.remove(place)));
                assert!(
                    fails(&changed),
                    "{program}: {:?} is for nothing",
                    suggestion.remedies[place]
                );
            }
        }
    }
}

/// A limit with one thing less.
fn fewer(limit: &Limit) -> Vec<Limit> {
    let rights = limit.rights.narrower().map(|rights| Limit { rights, ..limit.clone() });
    let narrowed = limit.narrowed.into_iter().flat_map(Rights::narrower);
    let narrowed = narrowed.map(|rights| Limit { narrowed: Some(rights), ..limit.clone() });
    let mut all: Vec<Limit> = rights.chain(narrowed).collect();
    for command in &limit.fcntls {
        let mut less = limit.clone();
        less.fcntls.remove(command);
        all.push(less);
    }
    for command in &limit.ioctls {
        let mut less = limit.clone();
        less.ioctls.remove(command);
        all.push(less);
    }
    all
}

workload_tests!(check);

/// Traces a command in a directory with two equal files, and gives its suggestion.
fn suggest(words: &[&str]) -> (Suggestion, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("a", "a line\nand another\n"), ("b", "a line\nand another\n"), ("c", "other\n")]
    {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let out = directory.path().join("bundle");
    let status = Command::new(profgen())
        .args(["trace", "--quiet", "--engine", "ptrace", "--no-patch", "--no-static", "-o"])
        .arg(&out)
        .arg("--")
        .args(words)
        .current_dir(directory.path())
        .env("LC_ALL", "C")
        .stdout(fs::File::create(directory.path().join("out")).unwrap())
        .status()
        .unwrap();
    assert!(status.code().unwrap() < 125, "{words:?}");
    let suggested: Suggestions = from_json(&fs::read(out.join("capsicum.json")).unwrap()).unwrap();
    let mut programs = suggested.programs.into_iter();
    let (_, list) = programs.find(|(path, _)| path.base_name() == words[0]).unwrap();
    (list.into_iter().next().unwrap(), directory)
}

fn limit<'a>(suggestion: &'a Suggestion, name: &str) -> &'a Limit {
    let of_file = |limit: &&Limit| {
        limit.paths.iter().any(|path| Path::new(&path.to_string()).ends_with(name))
    };
    let mut limits = suggestion.descriptors.iter();
    limits.clone().find(of_file).or_else(|| limits.find(|limit| limit.role == name)).unwrap()
}

fn rights(names: &[&str]) -> Rights {
    Rights::cover(names.iter().copied()).unwrap()
}

#[test]
fn cmp_reads_both_files_and_enters_after_both_are_open() {
    let (suggestion, _directory) = suggest(&["cmp", "a", "b"]);
    let input = limit(&suggestion, "a");
    assert_eq!(input, limit(&suggestion, "b"), "one role");
    assert_eq!(input.role, "input file");
    assert_eq!(input.rights, rights(&["READ", "FSTAT"]));
    assert!(suggestion.point.clean && suggestion.failures.is_empty(), "{suggestion:#?}");
    assert!(!input.late, "the point is after both");
    assert_eq!(suggestion.remedies, []);
}

/// Without what another build of the program, another directory or another launcher changes.
fn lasting(text: &str, directory: &Path) -> String {
    let mut text = text.replace(&*directory.to_string_lossy(), "/DIR");
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let mut out = String::new();
    while let Some(at) = text.find(['+', '"']) {
        let (before, rest) = text.split_at(at + 1);
        out += before;
        let (mark, from) = if before.ends_with('+') { ("0x", 2) } else { ("", 0) };
        let hex = rest.strip_prefix(mark).map_or(0, digits);
        let volatile = if from == 2 { hex > 0 } else { hex == 16 };
        out += if volatile { "N" } else { "" };
        text = rest[if volatile { from + hex } else { 0 }..].to_owned();
    }
    out + &text
}

#[test]
fn the_suggestion_for_cmp_reads_well() {
    let (mut suggestion, directory) = suggest(&["cmp", "a", "b"]);
    suggestion.close.clear();
    suggestion.serving = None;
    let mut suggested = Suggestions::default();
    suggested.programs.insert("/usr/bin/cmp".into(), vec![suggestion]);
    is_valid(&suggested);
    compiles(&suggested);
    let document = profiles::capsicum::json(&suggested).unwrap().text;
    insta::assert_snapshot!("cmp_json", lasting(&document, directory.path()));
    let listing = profiles::capsicum::listing(&suggested).text;
    insta::assert_snapshot!("cmp_c", lasting(&listing, directory.path()));
}

#[test]
fn cmp_writes_to_its_output_where_files_differ() {
    let (suggestion, _directory) = suggest(&["cmp", "a", "c"]);
    assert!(limit(&suggestion, "standard output").rights.contains(rights(&["WRITE", "FSTAT"])));
}

#[test]
fn wc_of_two_files_opens_them_by_fileargs() {
    let (suggestion, _directory) = suggest(&["wc", "a", "b"]);
    let ids: Vec<&str> = suggestion.remedies.iter().map(|remedy| &*remedy.id).collect();
    assert_eq!(ids, ["fileargs"], "{suggestion:#?}");
    assert!(limit(&suggestion, "a").late);
    assert!(suggestion.helpers.contains_key("caph_enter_casper"));
}

#[test]
fn head_of_one_file_needs_no_remedy() {
    let (suggestion, _directory) = suggest(&["head", "-1", "a"]);
    assert!(suggestion.point.clean, "{suggestion:#?}");
    assert!(limit(&suggestion, "a").rights.contains(rights(&["READ"])));
}

#[test]
fn gzip_takes_what_it_sets_on_its_output() {
    let (suggestion, _directory) = suggest(&["gzip", "-k", "a"]);
    let output = limit(&suggestion, "a.gz");
    assert_eq!(output.role, "output file");
    assert!(output.rights.contains(rights(&["WRITE", "FCHMOD", "FUTIMES"])), "{output:?}");
    assert!(suggestion.point.clean);
}

#[test]
fn ls_looks_nothing_up_in_a_directory_that_it_only_asks_about() {
    let (suggestion, _directory) = suggest(&["ls"]);
    // glibc asks by newfstatat with AT_EMPTY_PATH.
    assert_eq!(limit(&suggestion, "directory").rights, rights(&["READ", "FSTAT"]));
}

#[test]
fn getent_resolves_by_casper() {
    let (suggestion, _directory) = suggest(&["getent", "ahosts", "localhost"]);
    let ids: Vec<&str> = suggestion.remedies.iter().map(|remedy| &*remedy.id).collect();
    assert!(suggestion.point.clean || ids.contains(&"cap-dns"), "{suggestion:#?}");
    assert!(!ids.contains(&"helper") && !ids.contains(&"directory"), "{ids:?}");
}
