//! Names of argument values: constants.tsv.

use crate::{
    Result,
    calls::ARCHES,
    table::{Row, Table},
    words::Kind,
};
use std::collections::BTreeSet;

pub fn constants(table: &Table, kinds: &[Kind]) -> Result<String> {
    let mut code = "static CONSTANTS: &[Constant] = &[\n".to_owned();
    let mut seen = BTreeSet::new();
    // The first line names the columns.
    for row in table.rows.iter().skip(1) {
        let [kind, form, name, value, arches] = row.exactly()?;
        if !kinds.iter().any(|known| *known.slug == *kind) {
            return row.error(format!("unknown kind {kind}"));
        }
        let value = number(row, value)?;
        let form = match form.split_once(' ') {
            None if form == "value" => "Form::Value".to_owned(),
            None if form == "flag" && value != 0 => "Form::Flag".to_owned(),
            Some(("field", mask)) => {
                let mask = number(row, mask)?;
                if value & !mask != 0 {
                    return row.error(format!("{name} lies outside its field"));
                }
                format!("Form::Field({mask:#x})")
            }
            _ => return row.error(format!("{form:?} is not value, flag or field MASK")),
        };
        let arches = arch_mask(row, arches)?;
        for arch in (0..ARCHES.len()).filter(|arch| arches >> arch & 1 == 1) {
            if !seen.insert((kind, name, arch)) {
                return row.error(format!("{name} is here twice for {}", ARCHES[arch]));
            }
        }
        code += &format!(
            "    Constant {{ kind: {kind:?}, form: {form}, name: {name:?}, value: {value:#x}, \
             arches: {arches:#b} }},\n"
        );
    }
    Ok(code + "];\n")
}

fn arch_mask(row: &Row, arches: &str) -> Result<u16> {
    let all = (1 << ARCHES.len()) - 1;
    if arches == "all" {
        return Ok(all);
    }
    let (but, list) = match arches.strip_prefix("all but ") {
        Some(list) => (true, list),
        None => (false, arches),
    };
    let mut mask = 0;
    for arch in list.split(' ') {
        match ARCHES.iter().position(|known| *known == arch) {
            Some(at) => mask |= 1 << at,
            None => return row.error(format!("unknown architecture {arch}")),
        }
    }
    Ok(if but { all & !mask } else { mask })
}

fn number(row: &Row, text: &str) -> Result<u64> {
    let parsed = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => u64::from_str_radix(digits, 16),
        (_, Some(digits)) => u64::from_str_radix(digits, 8),
        _ => text.parse(),
    };
    parsed.or_else(|_| row.error(format!("{text:?} is not a number")))
}
