//! What lint finds: in tests/golden/lint a faulty profile for each kind of finding, named after it,
//! with all that is found in it beside; in profiles that profgen renders nothing but notes.
//!
//! With PROFGEN_BLESS=1 the expected files are written anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::{allow, small};
use model::{Arch, ArgCmp, Policy, Rule, Sysno, testing};
use profgen_profiles::{
    Error, Options, format, formats,
    lint::{Finding, Severity, checks, lint, sarif},
    read::{Input, Profile, read},
    runtime::targets,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, env, fs, path::PathBuf};

fn golden() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/lint"))
}

fn profile(json: &[u8]) -> Profile {
    match read(json).unwrap() {
        Input::Seccomp(profile) => profile,
        Input::Policy(_) => panic!("a policy"),
    }
}

/// The faulty profiles, by name, with what is found.
fn faulty() -> Vec<(PathBuf, Vec<Finding>)> {
    let files = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "json")).collect();
    files.sort();
    let found = |path: PathBuf| {
        let findings = lint(&profile(&fs::read(&path).unwrap()));
        (path, findings)
    };
    files.into_iter().map(found).collect()
}

fn line(Finding { check, entry, line, names, message }: &Finding) -> String {
    let place = match (entry, line) {
        (Some(entry), Some(line)) => format!("syscalls[{entry}] on line {line}"),
        _ => "the profile".to_owned(),
    };
    format!("{} {}: {place}: {}: {message}\n", check.severity, check.id, names.join(" "))
}

#[test]
fn every_seeded_fault_is_found_where_it_is() {
    for (path, findings) in faulty() {
        let text: String = findings.iter().map(line).collect();
        let expected = path.with_extension("txt");
        if env::var_os("PROFGEN_BLESS").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
    }
}

#[test]
fn every_kind_of_finding_has_a_profile_named_after_it() {
    let faulty = faulty();
    assert!(faulty.len() >= 20);
    // That one would be a large file: it has a test of its own.
    for check in checks().iter().filter(|check| check.id != "too-many-rules") {
        let own = faulty.iter().find(|(path, _)| path.file_stem().unwrap() == check.id);
        let (_, findings) = own.unwrap_or_else(|| panic!("no profile for {}", check.id));
        assert!(findings.iter().any(|finding| finding.check == check), "{}", check.id);
    }
}

#[test]
fn a_fault_is_not_blamed_on_others() {
    // What every profile of that folder has: memory that may be made code.
    let usual = ["writable-code"];
    for (path, findings) in faulty() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let others: BTreeSet<&str> = findings
            .iter()
            .filter(|finding| finding.check.severity > Severity::Note)
            .map(|finding| finding.check.id)
            .filter(|id| *id != name && !usual.contains(id))
            .collect();
        // Some faults cause others.
        let caused: &[&str] = match name.as_str() {
            "several-in-a-config" => &[
                "duplicate-argument",
                "eperm-for-enosys",
                "int-bypass",
                "no-architectures",
                "order-comparisons",
            ],
            "podman-errno-names" => &["eperm-for-enosys"],
            "default-allow" => &["dangerous-call", "io-uring"],
            "notify-write" => &["needed-call"],
            "duplicate-argument" => &["order-comparisons"],
            "absent-call-with-arguments" => &["missing-architecture"],
            _ => &[],
        };
        let left: Vec<&&str> = others.iter().filter(|id| !caused.contains(*id)).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn more_than_a_filter_can_hold_is_found_at_once() {
    let arg = |value: usize| json!({"index": 1, "value": value, "op": "SCMP_CMP_EQ"});
    let args: Vec<Value> = (0..5000).map(arg).collect();
    let entry = |names: &[&str], args: &[Value]| json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": args});
    let names = vec!["read"; 5000];
    for entries in
        [vec![entry(&["read"], &args)], vec![entry(&names, &args)], vec![entry(&names, &[]); 60]]
    {
        let json = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": entries});
        let findings = lint(&profile(json.to_string().as_bytes()));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].check.id, "too-many-rules");
    }
}

fn warnings(json: &str) -> Vec<String> {
    let findings = lint(&profile(json.as_bytes()));
    findings.iter().filter(|one| one.check.severity > Severity::Note).map(line).collect()
}

#[test]
fn rendered_profiles_of_ordinary_programs_have_no_findings() {
    let mut policy = small();
    // Never writable and executable: what runc needs of mmap, in other words.
    let rule = |bits| Rule::new(vec![ArgCmp::masked(2, 6, bits).unwrap()]).unwrap();
    let mmap = Sysno::from_name(Arch::X86_64, "mmap").unwrap();
    policy.calls.get_mut(&mmap).unwrap().rules = [0, 2, 4].map(rule).into();
    allow(&mut policy, Arch::X86_64, "read brk munmap fstat exit_group prctl ioctl setuid connect");
    for format in formats() {
        let rendered = format.render(&policy, &format.options()).unwrap();
        assert_eq!(warnings(&rendered.text), [""; 0], "{}", format.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_profgen_renders_works_as_written(policy in testing::policy()) {
        /// What a policy may hold on purpose: power, and only what it needs.
        const MEANT: &[&str] =
            &["dangerous-call", "io-uring", "needed-call", "socketcall-hole"];
        /// What the arbitrary rules of these policies do and inferred ones do not.
        const ARBITRARY: &[&str] = &[
            "int-bypass", "order-comparisons", "argument-beyond-call", "unreachable-rule",
            "never-matches", "absent-call-with-arguments",
        ];
        let options = Options { runtimes: targets("runc,crun").unwrap() };
        let rendered = match format("oci").unwrap().render(&policy, &options) {
            Err(Error::Empty { .. }) => return Ok(()),
            other => other.unwrap(),
        };
        for finding in lint(&profile(rendered.text.as_bytes())) {
            let id = finding.check.id;
            let known = MEANT.contains(&id) || ARBITRARY.contains(&id);
            prop_assert!(finding.check.severity == Severity::Note || known, "{}", line(&finding));
        }
    }
}

#[test]
fn an_empty_policy_of_a_profile_is_no_crash() {
    let findings = lint(&Profile::default());
    assert!(findings.iter().any(|finding| finding.check.id == "needed-call"));
    assert!(format("oci").unwrap().render(&Policy::default(), &Options::default()).is_err());
}

/// The rules of SARIF 2.1.0 that a log of findings can break: required properties, closed sets, and
/// indexes that lead somewhere.
fn sarif_faults(log: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    check(log["version"] == "2.1.0", "version");
    check(log["$schema"].as_str().is_some_and(|uri| uri.contains("sarif-2.1.0")), "$schema");
    let runs = log["runs"].as_array().cloned().unwrap_or_default();
    check(runs.len() == 1, "one run");
    for run in &runs {
        let driver = &run["tool"]["driver"];
        check(driver["name"].as_str().is_some_and(|name| !name.is_empty()), "tool.driver.name");
        let rules = driver["rules"].as_array().cloned().unwrap_or_default();
        let ids: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["id"].as_str()).collect();
        check(ids.len() == rules.len(), "rules have ids of their own");
        for rule in &rules {
            check(
                rule["shortDescription"]["text"].is_string(),
                "a rule's description is a message",
            );
            let level = &rule["defaultConfiguration"]["level"];
            check(["none", "note", "warning", "error"].iter().any(|known| level == known), "level");
        }
        check(run["results"].is_array(), "results");
        for result in run["results"].as_array().into_iter().flatten() {
            check(
                result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()),
                "message",
            );
            let level = &result["level"];
            check(["none", "note", "warning", "error"].iter().any(|known| level == known), "level");
            let index = result["ruleIndex"].as_u64().and_then(|at| rules.get(at as usize));
            check(index.is_some_and(|rule| rule["id"] == result["ruleId"]), "ruleIndex");
            for location in result["locations"].as_array().into_iter().flatten() {
                let physical = &location["physicalLocation"];
                let uri = physical["artifactLocation"]["uri"].as_str();
                let plain = |uri: &str| !uri.contains([' ', '#', '"', '\\']);
                check(uri.is_some_and(plain), "a uri");
                check(
                    physical["region"]["startLine"].as_u64().is_some_and(|line| line > 0),
                    "line",
                );
                for logical in location["logicalLocations"].as_array().into_iter().flatten() {
                    check(logical["fullyQualifiedName"].is_string(), "a logical location's name");
                }
            }
            let prints = result["partialFingerprints"].as_object();
            check(
                prints.is_some_and(|prints| prints.values().all(Value::is_string)),
                "fingerprints",
            );
        }
    }
    faults
}

#[test]
fn sarif_keeps_its_rules() {
    for (path, findings) in faulty() {
        let log = sarif(&findings, "a dir/seccomp #1.json", "1.0");
        assert_eq!(sarif_faults(&log), [""; 0], "{}", path.display());
        assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), findings.len());
    }
    let mut broken = sarif(&[], "x", "1");
    broken["runs"][0]["tool"]["driver"]["rules"][0]["id"] =
        broken["runs"][0]["tool"]["driver"]["rules"][1]["id"].clone();
    assert_eq!(sarif_faults(&broken).len(), 1);
}
