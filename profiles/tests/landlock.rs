//! Landlock's formats as their readers see them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Text,
    landlock::{FsRight, LandlockPolicy, NetRight, PathRule, Place, Scope},
};
use profgen_profiles::landlock::Form;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

fn rule(rights: &[FsRight]) -> PathRule {
    PathRule { rights: rights.iter().copied().collect(), ..PathRule::default() }
}

fn small() -> LandlockPolicy {
    let home = |path: &str| Place { variable: Some("HOME".to_owned()), path: Text::from(path) };
    LandlockPolicy {
        abi: 6,
        handled_fs: FsRight::ALL.iter().copied().collect(),
        handled_net: NetRight::ALL.iter().copied().collect(),
        scoped: BTreeSet::from([Scope::Signal]),
        variables: BTreeMap::from([
            ("HOME".to_owned(), BTreeSet::from([Text::from("/home/a"), Text::from("/home/b")])),
            ("TMPDIR".to_owned(), BTreeSet::from([Text::from("/var/tmp")])),
        ]),
        rules: BTreeMap::from([
            (Place::absolute(Text::from("/bin/sh")), rule(&[FsRight::Execute, FsRight::ReadFile])),
            (Place::absolute(Text::from("/srv/$x \"y\"\\??/'z'")), rule(&[FsRight::ReadFile])),
            (home("/.cache"), rule(&[FsRight::WriteFile, FsRight::MakeReg, FsRight::Truncate])),
            (Place::absolute(Text::from(&b"/srv/\xff"[..])), rule(&[FsRight::ReadFile])),
        ]),
        ports: BTreeMap::from([(443, BTreeSet::from([NetRight::ConnectTcp]))]),
        notes: Vec::new(),
    }
}

fn text(form: Form) -> String {
    form.render(&small(), &[Text::from("app"), Text::from("a b")]).unwrap().text
}

/// The rules that landlockconfig's schema of draft-07 sets, as far as they are published.
fn schema() -> jsonschema::Validator {
    let strings = |names: &[&str]| json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": {"enum": names}});
    let fs: Vec<&str> = FsRight::ALL.iter().map(|right| right.name()).collect();
    let net: Vec<&str> = NetRight::ALL.iter().map(|right| right.name()).collect();
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    let list = |properties: Value, required: &[&str]| {
        json!({"type": "array", "items": {
            "type": "object", "additionalProperties": false,
            "properties": properties, "required": required,
        }})
    };
    let texts = json!({"type": "array", "minItems": 1, "items": {"type": "string"}});
    let ports = json!({"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 65535}});
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object", "additionalProperties": false, "required": ["abi"],
        "properties": {
            "abi": {"type": "integer", "minimum": 1},
            "variable": list(json!({"name": {"type": "string"}, "literal": texts}), &["name", "literal"]),
            "ruleset": list(json!({
                "handledAccessFs": strings(&fs), "handledAccessNet": strings(&net), "scoped": strings(&scopes),
            }), &[]),
            "pathBeneath": list(json!({"allowedAccess": strings(&fs), "parent": texts}), &["allowedAccess", "parent"]),
            "netPort": list(json!({"allowedAccess": strings(&net), "port": ports}), &["allowedAccess", "port"]),
        },
    });
    jsonschema::draft7::new(&schema).unwrap()
}

#[test]
fn json_keeps_to_landlockconfigs_schema_and_comes_back() {
    let config: Value = serde_json::from_str(&text(Form::Json)).unwrap();
    let errors: Vec<String> =
        schema().iter_errors(&config).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let mut rules = BTreeMap::new();
    for rule in config["pathBeneath"].as_array().unwrap() {
        for parent in rule["parent"].as_array().unwrap() {
            rules.insert(parent.as_str().unwrap().to_owned(), rule["allowedAccess"].clone());
        }
    }
    assert_eq!(
        rules,
        BTreeMap::from([
            ("/bin/sh".to_owned(), json!(["execute", "read_file"])),
            ("/srv/$$x \"y\"\\??/'z'".to_owned(), json!(["read_file"])),
            ("${HOME}/.cache".to_owned(), json!(["write_file", "make_reg", "truncate"])),
        ])
    );
    assert_eq!(config["variable"], json!([{"name": "HOME", "literal": ["/home/a", "/home/b"]}]));
    assert_eq!(config["netPort"], json!([{"allowedAccess": ["connect_tcp"], "port": [443]}]));
}

#[test]
fn a_path_that_is_not_utf8_is_left_out_and_said() {
    let rendered = Form::Json.render(&small(), &[]).unwrap();
    assert_eq!(rendered.notes, ["/srv/\\xff: left out: its name is not UTF-8"]);
}

#[test]
fn toml_is_the_same_in_snake_case() {
    insta::assert_snapshot!(text(Form::Toml));
}

#[test]
fn landrun_takes_four_sorts_of_paths() {
    insta::assert_snapshot!(text(Form::Landrun));
}

#[test]
fn the_rust_text_names_every_path() {
    insta::assert_snapshot!(text(Form::Rust));
}

#[test]
fn the_c_text_compiles_without_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("restrict.c");
    std::fs::write(&source, text(Form::C)).unwrap();
    let output = Command::new("gcc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null"])
        .arg(&source)
        .output()
        .expect("gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
