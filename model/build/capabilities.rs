//! capabilities.tsv: which calls ask for a capability, and when.

use crate::{
    Result,
    calls::{Call, find},
    table::{Row, Table},
};

const TESTS: [(&str, &str); 4] = [("%", "Masked"), ("=", "OneOf"), ("&", "Any"), ("!", "None")];

pub fn emit(table: &Table, calls: &[Call]) -> Result<String> {
    let mut code = "static ROWS: &[Row] = &[\n".to_owned();
    for row in &table.rows {
        let [capability, names, arguments, reason] = row.exactly()?;
        row.sentence(reason)?;
        if !capability.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return row.error(format!("{capability:?} is no capability"));
        }
        let mut known = Vec::new();
        for name in names.split(' ') {
            let Some(call) = find(calls, name) else {
                return row.error(format!("{name} is not in syscalls.tsv"));
            };
            known.push(call);
        }
        let tests = match arguments {
            "-" => Vec::new(),
            list => list.split(' ').map(|text| test(row, &known, text)).collect::<Result<_>>()?,
        };
        code += &format!(
            "    Row {{ name: \"CAP_{}\", calls: &{:?}, tests: &[{}], reason: {reason:?} }},\n",
            capability.to_uppercase(),
            names.split(' ').collect::<Vec<_>>(),
            tests.join(", ")
        );
    }
    Ok(code + "];\n")
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
