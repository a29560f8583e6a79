//! The documents as files: schemas, byte-stable round trips, and what a reader is told about a
//! file that is not one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use profgen_model::{
    Access, Analysis, Arch, CmpOp, Document, Policy, Trace,
    analysis::{GapKind, Layer},
    capsicum::Suggestions,
    document::{from_json, to_json},
    testing,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn schema<D: Document>() -> Value {
    let file =
        format!("{}/../docs/schema/{}.v{}.json", env!("CARGO_MANIFEST_DIR"), D::KIND, D::VERSION);
    serde_json::from_slice(&std::fs::read(&file).expect(&file)).expect(&file)
}

/// Valid by its schema, and read and written to the same value and bytes.
fn check<D: Document + PartialEq + std::fmt::Debug>(
    validator: &jsonschema::Validator,
    document: &D,
) -> Result<(), TestCaseError> {
    let bytes = to_json(document).unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    prop_assert!(faults.is_empty(), "{faults:#?}");
    let again: D = from_json(&bytes).unwrap();
    prop_assert_eq!(&again, document);
    prop_assert_eq!(to_json(&again).unwrap(), bytes);
    Ok(())
}

#[test]
fn a_trace_is_valid_and_comes_back_as_it_was() {
    let validator = jsonschema::draft202012::new(&schema::<Trace>()).unwrap();
    proptest!(ProptestConfig::with_cases(200), |(trace in testing::trace())| {
        check(&validator, &trace)?;
    });
}

#[test]
fn a_policy_is_valid_and_comes_back_as_it_was() {
    let validator = jsonschema::draft202012::new(&schema::<Policy>()).unwrap();
    proptest!(ProptestConfig::with_cases(200), |(policy in testing::policy())| {
        check(&validator, &policy)?;
    });
}

#[test]
fn an_analysis_is_valid_and_comes_back_as_it_was() {
    let validator = jsonschema::draft202012::new(&schema::<Analysis>()).unwrap();
    proptest!(ProptestConfig::with_cases(200), |(analysis in testing::analysis())| {
        check(&validator, &analysis)?;
    });
}

#[test]
fn the_schemas_are_schemas() {
    let all =
        [schema::<Trace>(), schema::<Analysis>(), schema::<Policy>(), schema::<Suggestions>()];
    for schema in all {
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}

/// All strings under a key named `enum`, anywhere.
fn enums(schema: &Value, found: &mut Vec<BTreeSet<String>>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "enum" {
                    let words = value.as_array().unwrap().iter();
                    found.push(words.map(|word| word.as_str().unwrap().to_owned()).collect());
                }
                enums(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| enums(item, found)),
        _ => {}
    }
}

fn words<T: serde::Serialize>(values: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    let word = |value| match serde_json::to_value(value).unwrap() {
        Value::String(word) => word,
        other => panic!("{other} is not a word"),
    };
    values.into_iter().map(word).collect()
}

#[test]
fn the_enums_of_the_schemas_are_those_of_the_tables() {
    let (mut of_trace, mut of_policy) = (Vec::new(), Vec::new());
    enums(&schema::<Trace>(), &mut of_trace);
    enums(&schema::<Policy>(), &mut of_policy);
    assert!(of_trace.contains(&words(Arch::ALL.iter())));
    assert!(of_policy.contains(&words(Arch::ALL.iter())));
    assert!(of_trace.contains(&words(Access::ALL.iter())));
    let mut of_analysis = Vec::new();
    enums(&schema::<Analysis>(), &mut of_analysis);
    assert!(of_analysis.contains(&words(Layer::ALL)));
    assert!(of_analysis.contains(&words(GapKind::ALL)));
    let operators =
        [CmpOp::Eq, CmpOp::Ne, CmpOp::Lt, CmpOp::Le, CmpOp::Ge, CmpOp::Gt, CmpOp::MaskedEq];
    assert!(of_policy.contains(&words(operators)));
}

#[test]
fn every_word_of_the_enums_comes_up_in_generated_documents() {
    let mut text = String::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let trace = testing::trace().new_tree(&mut runner).unwrap().current();
        let analysis = testing::analysis().new_tree(&mut runner).unwrap().current();
        text.push_str(&String::from_utf8(to_json(&analysis).unwrap()).unwrap());
        let policy = testing::policy().new_tree(&mut runner).unwrap().current();
        text.push_str(&String::from_utf8(to_json(&trace).unwrap()).unwrap());
        text.push_str(&String::from_utf8(to_json(&policy).unwrap()).unwrap());
    }
    let mut all = Vec::new();
    enums(&schema::<Trace>(), &mut all);
    enums(&schema::<Analysis>(), &mut all);
    enums(&schema::<Policy>(), &mut all);
    for word in all.into_iter().flatten() {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
    for variant in ["exit", "signal", "inet", "unix", "abstract", "netlink", "other", "many"] {
        assert!(text.contains(&format!("\"{variant}\": ")), "{variant}");
    }
}

fn document<T>(strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

fn complaint<D: Document>(value: &Value) -> String {
    let Err(error) = from_json::<D>(value.to_string().as_bytes()) else { panic!("read: {value}") };
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_file_that_is_not_a_trace_is_told_why() {
    let trace = serde_json::to_value(document(testing::trace())).unwrap();
    let with = |field: &str, value: Value| {
        let mut trace = trace.clone();
        trace[field] = value;
        complaint::<Trace>(&trace)
    };
    assert_eq!(
        with("schema", json!("profgen/trace/v2")),
        "it is profgen/trace/v2, written by a newer profgen; this one reads profgen/trace/v1"
    );
    assert_eq!(
        with("schema", json!("profgen/policy/v1")),
        r#"its schema is "profgen/policy/v1", not profgen/trace/v1"#
    );
    let unknown = with("colour", json!("red"));
    assert!(
        unknown.starts_with("unknown field `colour`, expected one of `schema`, `id`"),
        "{unknown}"
    );
    assert!(unknown.contains(" at line 1 column "), "{unknown}");
    let wrong = with("programs", json!("none"));
    assert!(wrong.starts_with(r#"invalid type: string "none", expected a sequence"#), "{wrong}");
    let missing = complaint::<Trace>(&json!({"schema": "profgen/trace/v1"}));
    assert!(missing.starts_with("missing field `id`"), "{missing}");
    let none = complaint::<Trace>(&json!({"id": "1"}));
    assert!(none.starts_with("missing field `schema`"), "{none}");
    let list = complaint::<Trace>(&json!([1, 2]));
    assert!(list.contains("invalid type"), "{list}");
    // A newer version may have new fields; its version is the reason that is given.
    let mut newer = trace.clone();
    newer["schema"] = json!("profgen/trace/v7");
    newer["colour"] = json!("red");
    assert!(complaint::<Trace>(&newer).contains("written by a newer profgen"));
}

#[test]
fn a_file_that_is_not_a_policy_is_told_why() {
    let policy = |calls: Value| json!({"schema": "profgen/policy/v1", "settings": {"strategy": "balanced", "arguments": "risky"}, "evidence": {}, "programs": {}, "decisions": {}, "calls": calls, "withheld": {}, "files": {}, "endpoints": {}});
    let entry = json!({"origins": {"implied": "because"}});
    let read = policy(json!({"x86_64": {"read": entry.clone()}}));
    from_json::<Policy>(read.to_string().as_bytes()).unwrap();

    let unknown = complaint::<Policy>(&policy(json!({"x86_64": {"raed": entry.clone()}})));
    assert!(unknown.starts_with(r#"x86_64 has no system call "raed""#), "{unknown}");
    let arch = complaint::<Policy>(&policy(json!({"vax": {"read": entry.clone()}})));
    assert!(arch.contains("vax"), "{arch}");
    let mut twice = entry.clone();
    twice["rules"] = json!([[
        {"index": 0, "op": "ge", "value": "0x1"},
        {"index": 0, "op": "le", "value": "0x9"}
    ]]);
    let twice = complaint::<Policy>(&policy(json!({"x86_64": {"read": twice}})));
    assert!(twice.starts_with("argument 0 is compared twice in one rule"), "{twice}");
    let mut origin = entry.clone();
    origin["origins"] = json!({"guessed": true});
    let origin = complaint::<Policy>(&policy(json!({"x86_64": {"read": origin}})));
    assert!(origin.starts_with("unknown field `guessed`"), "{origin}");
}

#[test]
fn damaged_bytes_are_an_error_with_a_place() {
    let bytes = to_json(&document(testing::trace())).unwrap();
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 3] {
        let error = from_json::<Trace>(&bytes[..cut]).unwrap_err().to_string();
        assert!(error.contains(" at line "), "{error}");
    }
    let deep = "[".repeat(1 << 20);
    let error = from_json::<Trace>(deep.as_bytes()).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1);
}
