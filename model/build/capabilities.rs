//! capabilities.tsv: what asks for a capability, and when.

use crate::{
    Result,
    calls::{Call, find},
    table::{Row, Table},
    words::enumeration,
};
use std::collections::BTreeSet;

const TESTS: [(&str, &str); 4] = [("%", "Masked"), ("=", "OneOf"), ("&", "Any"), ("!", "None")];

pub fn emit(table: &Table, calls: &[Call]) -> Result<String> {
    let mut seen = BTreeSet::new();
    let mut words = Vec::new();
    let mut rows = "static ROWS: &[Row] = &[\n".to_owned();
    for row in &table.rows {
        let [check, capabilities, names, when, reason] = row.exactly()?;
        row.new_word(check, &mut seen)?;
        row.sentence(reason)?;
        words.push((check, reason));
        let known = |c: char| c.is_ascii_lowercase() || c == '_' || c == '|';
        if !capabilities.chars().all(known) {
            return row.error(format!("{capabilities:?} is no capability"));
        }
        let capabilities: Vec<String> = capabilities
            .split('|')
            .map(|capability| format!("CAP_{}", capability.to_uppercase()))
            .collect();
        let names: Vec<&str> = names.split(' ').collect();
        let (of_files, names) = match names.split_first() {
            Some((&"file", rest)) => (true, rest),
            _ => (false, &names[..]),
        };
        let mut known = Vec::new();
        for name in names {
            let Some(call) = find(calls, name) else {
                return row.error(format!("{name} is not in syscalls.tsv"));
            };
            known.push(call);
        }
        let tests: Vec<&str> =
            when.split(' ').filter(|text| !matches!(*text, "-" | "look")).collect();
        let tests =
            tests.into_iter().map(|text| test(row, &known, text)).collect::<Result<Vec<_>>>()?;
        let looks = when.split(' ').any(|text| text == "look");
        rows += &format!(
            "    Row {{ slug: {check:?}, capabilities: &{capabilities:?}, of_files: {of_files}, \
             calls: &{names:?}, tests: &[{}], looks: {looks}, reason: {reason:?} }},\n",
            tests.join(", ")
        );
    }
    let about = "What the kernel lets a process do only with a capability.";
    Ok(enumeration(about, "Check", words.into_iter()) + &rows + "];\n")
}

fn test(row: &Row, calls: &[&Call], text: &str) -> Result<String> {
    let Some((sign, word)) = TESTS.iter().find(|(sign, _)| text.contains(sign)) else {
        return row.error(format!("{text:?} is no test of an argument"));
    };
    let (name, rest) = text.split_once(sign).unwrap_or((text, ""));
    if !calls.iter().all(|call| call.params.iter().any(|param| param.name == name)) {
        return row.error(format!("not all of these calls have a parameter {name}"));
    }
    let (mask, values) = match *sign {
        "%" => rest.split_once('=').unwrap_or((rest, "")),
        "=" => ("0", rest),
        _ => (rest, "0"),
    };
    let mask = number(row, mask)?;
    let values = values.split(',').map(|value| number(row, value)).collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "Test {{ argument: {name:?}, how: How::{word}, mask: {mask}, values: &{values:?} }}"
    ))
}

fn number(row: &Row, text: &str) -> Result<u64> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.or_else(|_| row.error(format!("{text:?} is no number")))
}
