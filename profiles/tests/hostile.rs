//! Whatever the bytes are, reading, lowering and linting end, without a panic.
#![allow(clippy::unwrap_used, reason = "tests")]

use model::Arch;
use profgen_profiles::{
    lint::lint,
    lower::Machine,
    read::{Input, read},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};
use std::fs;

fn golden() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/lint");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn all_of_it(bytes: &[u8]) {
    let Ok(Input::Seccomp(profile)) = read(bytes) else { return };
    lint(&profile);
    for &arch in Arch::ALL {
        if let Ok(lowered) = Input::Seccomp(profile.clone()).lower(&Machine::for_arch(arch)) {
            lowered.ruleset();
        }
    }
}

/// Any value where a profile may have one.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_#\\u{0}-\\u{ff}]{0,8}".prop_map(Value::from),
        Just(json!("SCMP_ACT_ALLOW")),
        Just(json!("SCMP_CMP_MASKED_EQ")),
        Just(json!("SCMP_ARCH_X86")),
        Just(json!("socket")),
    ];
    const FIELDS: &[&str] = &[
        "defaultAction",
        "syscalls",
        "names",
        "name",
        "action",
        "args",
        "index",
        "value",
        "valueTwo",
        "op",
        "errnoRet",
        "errno",
        "architectures",
        "archMap",
        "includes",
        "caps",
        "minKernel",
        "linux",
        "seccomp",
        "architecture",
        "subArchitectures",
        "flags",
        "x",
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((proptest::sample::select(FIELDS), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn broken_bytes_are_an_error_or_a_profile(
        file in any::<Index>(),
        edits in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let mut bytes = file.get(&golden()).clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        all_of_it(&bytes);
    }

    #[test]
    fn json_of_any_shape_is_an_error_or_a_profile(value in anything(), entries in anything()) {
        all_of_it(value.to_string().as_bytes());
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entries]});
        all_of_it(profile.to_string().as_bytes());
    }
}
