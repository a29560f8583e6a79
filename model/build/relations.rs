//! What calls have to do with one another: variants.tsv, fallbacks.tsv, implied.tsv.

use crate::{
    Result,
    calls::{ARCHES, Call, find},
    table::{Row, Table},
};
use std::collections::{BTreeMap, BTreeSet};

fn known<'a>(row: &Row, calls: &'a [Call], name: &str) -> Result<&'a Call> {
    match find(calls, name) {
        Some(call) => Ok(call),
        None => row.error(format!("{name} is not in syscalls.tsv")),
    }
}

pub fn variants(table: &Table, calls: &[Call]) -> Result<String> {
    let mut by_name: BTreeMap<&str, BTreeMap<&str, (bool, &str)>> = BTreeMap::new();
    for row in &table.rows {
        let [seen, stand_in, power, reason] = row.exactly()?;
        row.sentence(reason)?;
        let wider = match power {
            "same" => false,
            "wider" => true,
            _ => return row.error(format!("{power:?} is not same or wider")),
        };
        let stand_in = if stand_in == "each other" { seen } else { stand_in };
        for from in seen.split(' ') {
            let mut used = false;
            for to in stand_in.split(' ').filter(|to| *to != from) {
                let (one, other) = (known(row, calls, from)?, known(row, calls, to)?);
                used |= (0..ARCHES.len()).any(|arch| one.on(arch) && other.on(arch));
                let twice =
                    by_name.entry(&one.name).or_default().insert(&other.name, (wider, reason));
                if twice.is_some() {
                    return row.error(format!("{to} for {from} is here twice"));
                }
            }
            if !used {
                return row
                    .error(format!("no architecture has {from} and something to stand in for it"));
            }
        }
    }
    let mut code = "static VARIANTS: &[(&str, &[Row])] = &[\n".to_owned();
    for (from, stand_ins) in by_name {
        code += &format!("    ({from:?}, &[\n");
        for (to, (wider, reason)) in stand_ins {
            code +=
                &format!("        Row {{ name: {to:?}, wider: {wider}, reason: {reason:?} }},\n");
        }
        code += "    ]),\n";
    }
    Ok(code + "];\n")
}

pub fn fallbacks(table: &Table, calls: &[Call]) -> Result<String> {
    let mut rows = BTreeMap::new();
    for row in &table.rows {
        let [name, reason] = row.exactly()?;
        row.sentence(reason)?;
        known(row, calls, name)?;
        if rows.insert(name, reason).is_some() {
            return row.error(format!("{name} is here twice"));
        }
    }
    let mut code = "static FALLBACKS: &[(&str, &str)] = &[\n".to_owned();
    rows.iter().for_each(|(name, reason)| code += &format!("    ({name:?}, {reason:?}),\n"));
    Ok(code + "];\n")
}

pub fn implied(table: &Table, calls: &[Call]) -> Result<String> {
    let mut code = "static IMPLIED: &[(&str, u16, &str)] = &[\n".to_owned();
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let [name, arches, reason] = row.exactly()?;
        row.new_word(name, &mut seen)?;
        row.sentence(reason)?;
        let call = known(row, calls, name)?;
        let mut mask = 0_u16;
        if arches == "all" {
            mask = (0..ARCHES.len())
                .filter(|&arch| call.on(arch))
                .fold(0, |mask, arch| mask | 1 << arch);
        } else {
            for arch in arches.split(' ') {
                match ARCHES.iter().position(|known| *known == arch) {
                    Some(arch) if call.on(arch) => mask |= 1 << arch,
                    Some(_) => return row.error(format!("{arch} has no {name}")),
                    None => return row.error(format!("unknown architecture {arch}")),
                }
            }
        }
        code += &format!("    ({name:?}, {mask:#b}, {reason:?}),\n");
    }
    Ok(code + "];\n")
}
