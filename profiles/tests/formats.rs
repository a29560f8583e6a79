//! The rendered profiles as their readers see them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{allow, allow_if, small};
use model::{Arch, Call, Policy, Sysno, policy::Entry, testing};
use profgen_profiles::{Error, Options, Rendered, format, formats, runtime::targets};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn render(name: &str, policy: &Policy) -> Rendered {
    let format = format(name).unwrap();
    format.render(policy, &format.options()).unwrap()
}

fn without_runtime(name: &str, policy: &Policy) -> Rendered {
    format(name).unwrap().render(policy, &Options::default()).unwrap()
}

fn json(rendered: &Rendered) -> Value {
    serde_json::from_str(&rendered.text).unwrap()
}

fn schema() -> jsonschema::Validator {
    let schema = serde_json::from_str(include_str!("data/linux-seccomp.schema.json")).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
}

/// The action, errno and arguments of an entry.
type Verdict = (String, Option<u64>, Vec<Value>);

/// Every entry of each call.
fn verdicts(profile: &Value) -> BTreeMap<String, Vec<Verdict>> {
    let mut verdicts: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for entry in profile["syscalls"].as_array().unwrap() {
        for name in entry["names"].as_array().unwrap() {
            let args = entry["args"].as_array().cloned().unwrap_or_default();
            let action = entry["action"].as_str().unwrap().to_owned();
            let verdict = (action, entry["errnoRet"].as_u64(), args);
            verdicts.entry(name.as_str().unwrap().to_owned()).or_default().push(verdict);
        }
    }
    verdicts
}

/// What libseccomp's traps forbid: a name in an unconditional and in another entry, one argument
/// compared twice in an entry, an errno beside ALLOW.
fn contradictions(profile: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, verdicts) in verdicts(profile) {
        if verdicts.len() > 1 && verdicts.iter().any(|(_, _, args)| args.is_empty()) {
            found.push(format!("{name}: an unconditional entry beside another"));
        }
        for (action, errno, args) in verdicts {
            let indexes: BTreeSet<u64> =
                args.iter().map(|arg| arg["index"].as_u64().unwrap()).collect();
            if indexes.len() != args.len() {
                found.push(format!("{name}: one argument compared twice"));
            }
            if (action == "SCMP_ACT_ALLOW") != errno.is_none() {
                found.push(format!("{name}: errno {errno:?} with {action}"));
            }
        }
    }
    found
}

#[test]
fn a_small_policy_in_plain_form() {
    insta::assert_snapshot!(render("oci", &small()).text);
}

#[test]
fn a_small_policy_for_docker() {
    insta::assert_snapshot!(render("docker", &small()).text);
}

#[test]
fn the_notes_of_a_small_policy() {
    insta::assert_snapshot!(render("docker", &small()).notes.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_policy_gives_a_valid_profile_without_contradictions(policy in testing::policy()) {
        for list in ["none", "runc", "runc,crun"] {
            let options = Options { runtimes: targets(list).unwrap() };
            let named = policy.calls.keys().any(|sysno| sysno.name().is_some());
            let rendered = match format("oci").unwrap().render(&policy, &options) {
                Err(Error::Empty { .. }) => {
                    prop_assert!(!named);
                    continue;
                }
                other => other.unwrap(),
            };
            let profile = json(&rendered);
            let faults: Vec<String> = schema().iter_errors(&profile).map(|e| e.to_string()).collect();
            prop_assert!(faults.is_empty(), "{faults:?}");
            let found = contradictions(&profile);
            prop_assert!(found.is_empty(), "{found:?}");
            // What the policy allows is allowed, and what it does not know of is not.
            let verdicts = verdicts(&profile);
            for (sysno, entry) in &policy.calls {
                let Some(name) = sysno.name() else { continue };
                let own = &verdicts[name];
                prop_assert!(own.iter().all(|(action, ..)| action == "SCMP_ACT_ALLOW"), "{name}");
                let any = own.iter().any(|(_, _, args)| args.is_empty());
                prop_assert!(any || !entry.rules.is_empty(), "{name}");
            }
            if list == "none" {
                let names: BTreeSet<&str> = policy.calls.keys().filter_map(|sysno| sysno.name()).collect();
                for (name, own) in &verdicts {
                    let allowed = own.iter().any(|(action, ..)| action == "SCMP_ACT_ALLOW");
                    prop_assert_eq!(allowed, names.contains(name.as_str()), "{}", name);
                }
            }
        }
    }
}

#[test]
fn every_format_has_a_name_of_its_own_and_the_same_bytes_each_time() {
    let mut names = BTreeSet::new();
    for entry in formats() {
        assert!(names.insert(entry.name()));
        assert!(!entry.description().is_empty());
        let found = format(entry.name()).unwrap();
        let one = found.render(&small(), &found.options()).unwrap();
        assert_eq!(one, entry.render(&small(), &entry.options()).unwrap());
        assert!(one.text.ends_with("}\n"));
    }
    assert!(format("xml").is_none());
}

#[test]
fn docker_reads_every_field() {
    // Profile and Syscall of Docker's profiles package; fields that it does not know are dropped.
    let profile_fields = ["defaultAction", "defaultErrnoRet", "architectures", "syscalls"];
    let syscall_fields = ["names", "action", "errnoRet", "args", "comment", "includes", "excludes"];
    let argument_fields = ["index", "value", "valueTwo", "op"];
    let profile = json(&render("docker", &small()));
    let all_in = |value: &Value, fields: &[&str]| {
        value.as_object().unwrap().keys().all(|field| fields.contains(&field.as_str()))
    };
    assert!(all_in(&profile, &profile_fields));
    for entry in profile["syscalls"].as_array().unwrap() {
        assert!(all_in(entry, &syscall_fields), "{entry}");
        assert!(entry["comment"].is_string());
        for arg in entry["args"].as_array().into_iter().flatten() {
            assert!(all_in(arg, &argument_fields), "{arg}");
        }
    }
}

#[test]
fn docker_differs_from_plain_only_in_comments() {
    let options = Options { runtimes: targets("runc").unwrap() };
    let mut docker = json(&format("docker").unwrap().render(&small(), &options).unwrap());
    for entry in docker["syscalls"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("comment");
    }
    assert_eq!(docker, json(&format("oci").unwrap().render(&small(), &options).unwrap()));
}

#[test]
fn every_known_call_has_an_answer() {
    let profile = json(&without_runtime("oci", &small()));
    assert_eq!(profile["defaultErrnoRet"], 38);
    assert_eq!(profile["architectures"], serde_json::json!(["SCMP_ARCH_X86_64"]));
    let verdicts = verdicts(&profile);
    for call in Call::all().iter().filter(|call| call.number(Arch::X86_64).is_some()) {
        assert!(verdicts.contains_key(call.name), "{}", call.name);
    }
    for name in verdicts.keys() {
        assert!(Sysno::from_name(Arch::X86_64, name).is_some(), "{name}");
    }
    let answer = |name: &str| (verdicts[name][0].0.as_str(), verdicts[name][0].1);
    assert_eq!(answer("read"), ("SCMP_ACT_ALLOW", None));
    assert_eq!(answer("mkdir"), ("SCMP_ACT_ERRNO", Some(1)));
    assert_eq!(answer("clone3"), ("SCMP_ACT_ERRNO", Some(38)));
}

#[test]
fn the_runtime_stands_apart_from_the_program() {
    let policy = small();
    let profile = json(&render("docker", &policy));
    let of_runtime: BTreeSet<&str> = profile["syscalls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["comment"].as_str().unwrap().contains("needed by runc"))
        .flat_map(|entry| entry["names"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    assert!(of_runtime.contains("fstatfs") && of_runtime.contains("setuid"));
    for sysno in policy.calls.keys() {
        assert!(!of_runtime.contains(sysno.name().unwrap()), "{sysno}");
    }
    assert!(!without_runtime("docker", &policy).text.contains("fstatfs\",\n        \"futex"));
}

#[test]
fn a_runtime_that_needs_more_arguments_is_said() {
    let mut policy = small();
    allow_if(&mut policy, Arch::X86_64, "fcntl", 1, &[1]);
    allow_if(&mut policy, Arch::X86_64, "prctl", 0, &[15]);
    let rendered = render("docker", &policy);
    let note = rendered.notes.iter().find(|note| note.contains("these rules are wider")).unwrap();
    assert!(note.ends_with("fcntl, prctl"), "{note}");
    let verdicts = verdicts(&json(&rendered));
    assert_eq!(verdicts["fcntl"].len(), 1);
    assert!(verdicts["prctl"].len() > 1);
    assert!(verdicts["prctl"].iter().all(|(_, _, args)| args.len() == 1));
}

#[test]
fn what_two_architectures_share_is_said() {
    let mut policy = Policy::default();
    allow(&mut policy, Arch::X86_64, "read write");
    allow(&mut policy, Arch::I386, "read socketcall");
    let rendered = without_runtime("oci", &policy);
    assert_eq!(
        json(&rendered)["architectures"],
        serde_json::json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    );
    let notes = rendered.notes.join("\n");
    assert!(notes.starts_with("i386 also allows what only another architecture needs"), "{notes}");
    assert!(notes.ends_with(": write"), "{notes}");
    assert!(!notes.contains("x86_64 also"), "{notes}");
}

#[test]
fn a_rule_of_one_architecture_does_not_bind_the_other() {
    let mut policy = Policy::default();
    allow_if(&mut policy, Arch::X86_64, "socket", 0, &[1]);
    allow(&mut policy, Arch::I386, "socketcall socket");
    let rendered = without_runtime("oci", &policy);
    assert!(verdicts(&json(&rendered))["socket"][0].2.is_empty());
    assert!(rendered.notes.join("\n").contains("x86_64 also allows"), "{:?}", rendered.notes);

    allow_if(&mut policy, Arch::I386, "socket", 0, &[1]);
    let rendered = without_runtime("oci", &policy);
    assert_eq!(verdicts(&json(&rendered))["socket"][0].2.len(), 1);
    assert!(rendered.notes.iter().any(|note| note.starts_with("i386: socketcall is allowed")));
}

#[test]
fn a_32_bit_program_is_started_by_a_64_bit_runtime() {
    let mut policy = Policy::default();
    allow(&mut policy, Arch::I386, "read write");
    let plain = json(&without_runtime("oci", &policy));
    assert_eq!(plain["architectures"], serde_json::json!(["SCMP_ARCH_X86"]));
    let rendered = render("oci", &policy);
    assert_eq!(
        json(&rendered)["architectures"],
        serde_json::json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    );
    assert!(
        rendered
            .notes
            .contains(&"x86_64 is listed for the calls of the container runtime".to_owned())
    );
}

#[test]
fn a_call_without_a_name_is_said() {
    let mut policy = small();
    let entry = Entry { origins: common::origins(), ..Entry::default() };
    policy.calls.insert(Sysno::new(Arch::X86_64, 5000), entry.clone());
    let notes = render("oci", &policy).notes.join("\n");
    assert!(
        notes.contains("cannot be written in this format and stay denied: x86_64 #5000"),
        "{notes}"
    );

    let only =
        Policy { calls: [(Sysno::new(Arch::X86_64, 5000), entry)].into(), ..Policy::default() };
    for policy in [only, Policy::default()] {
        let error = format("docker").unwrap().render(&policy, &Options::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "render docker: the policy allows no system call that has a name"
        );
    }
}
