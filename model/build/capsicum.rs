//! capsicum-rights.tsv and capsicum-mode.tsv: rights of descriptors, and what capability mode says.

use crate::{
    Result,
    calls::{Call, find},
    table::{Row, Table, camel},
};
use std::collections::{BTreeMap, BTreeSet};

const MODES: [&str; 4] = ["yes", "no", "newer", "linux"];
const VERDICTS: [&str; 6] = ["yes", "own", "relative", "newer", "no", "linux"];
const CONDITIONS: [&str; 20] = [
    "-",
    "tell",
    "seek",
    "map",
    "map:read",
    "map:write",
    "map:exec",
    "address",
    "no-address",
    "passed",
    "directory",
    "itself",
    "path",
    "open",
    "open:read",
    "open:write",
    "open:write-seek",
    "open:creat",
    "open:trunc",
    "open:sync",
];

pub fn rights(table: &Table, calls: &[Call]) -> Result<String> {
    let mut rights = Rights::default();
    let (mut uses, mut fcntls, mut ioctls) = (String::new(), String::new(), String::new());
    let mut used = BTreeSet::new();
    for row in &table.rows {
        match row.fields[0].as_str() {
            "right" => {
                let [_, name, own, includes, about] = row.exactly()?;
                if !about.ends_with('.') {
                    return row.error("no meaning");
                }
                rights.add(row, name, own == "own", includes)?;
            }
            "alias" => {
                let [_, name, of] = row.exactly()?;
                let bits = rights.bits(row, of)?;
                rights.aliases.push((name.to_owned(), bits));
            }
            "use" => {
                let [_, names, argument, condition, list, mode, freebsd, source] = row.exactly()?;
                known(row, condition, &CONDITIONS)?;
                known(row, mode, &MODES)?;
                if source.is_empty() {
                    return row.error("no source");
                }
                let argument = match argument {
                    "-" => None,
                    digit => Some(number(row, digit)? as u8),
                };
                let names: Vec<&str> = names.split(' ').collect();
                for name in &names {
                    if find(calls, name).is_none() {
                        return row.error(format!("{name} is not in syscalls.tsv"));
                    }
                    if !used.insert((name.to_string(), argument, condition.to_owned())) {
                        return row.error(format!("{name} is here twice"));
                    }
                }
                uses += &format!(
                    "    UseRow {{ calls: &{names:?}, argument: {argument:?}, condition: Condition::{}, \
                     rights: Rights({:#x}), mode: Mode::{}, freebsd: {:?}, inferred: {} }},\n",
                    if condition == "-" {
                        "Any".to_owned()
                    } else {
                        camel(&condition.replace(':', "-"))
                    },
                    rights.bits(row, list)?,
                    camel(mode),
                    none(freebsd),
                    source.ends_with('?'),
                );
            }
            "fcntl" => {
                let [_, linux, freebsd, list, listed, mode, _source] = row.exactly()?;
                known(row, mode, &MODES)?;
                let bits = rights.bits(row, list)?;
                for word in linux.split(' ') {
                    let Some((name, value)) = word.split_once('=') else {
                        return row.error(format!("{word:?} has no number"));
                    };
                    fcntls += &format!(
                        "    FcntlRow {{ number: {}, linux: {name:?}, freebsd: {:?}, \
                         rights: Rights({bits:#x}), listed: {}, mode: Mode::{} }},\n",
                        number(row, value)?,
                        none(freebsd),
                        listed == "yes",
                        camel(mode),
                    );
                }
            }
            "ioctl" => {
                let [_, linux, value, freebsd] = row.exactly()?;
                ioctls += &format!(
                    "    IoctlRow {{ number: {}, linux: {linux:?}, freebsd: {:?} }},\n",
                    number(row, value)?,
                    none(freebsd),
                );
            }
            other => return row.error(format!("{other:?} is no form of row")),
        }
    }
    Ok(rights.code()
        + &format!("static USES: &[UseRow] = &[\n{uses}];\n")
        + &format!("static FCNTLS: &[FcntlRow] = &[\n{fcntls}];\n")
        + &format!("static IOCTLS: &[IoctlRow] = &[\n{ioctls}];\n"))
}

pub fn mode(table: &Table, calls: &[Call]) -> Result<String> {
    let mut of_calls = BTreeMap::new();
    let mut code = "static CALLS: &[CallRow] = &[\n".to_owned();
    for (at, row) in table.rows.iter().enumerate() {
        let [form, verdict, freebsd, names, reason] = row.exactly()?;
        if form != "call" {
            return row.error(format!("{form:?} is no form of row"));
        }
        known(row, verdict, &VERDICTS)?;
        row.sentence(reason)?;
        for name in names.split(' ') {
            if find(calls, name).is_none() {
                return row.error(format!("{name} is not in syscalls.tsv"));
            }
            if of_calls.insert(name, at).is_some() {
                return row.error(format!("{name} is here twice"));
            }
        }
        code += &format!(
            "    CallRow {{ verdict: Verdict::{}, freebsd: {:?}, reason: {reason:?} }},\n",
            camel(verdict),
            none(freebsd),
        );
    }
    code += "];\n\n/// By name: the place of its row.\nstatic BY_NAME: &[(&str, u16)] = &[\n";
    for (name, at) in &of_calls {
        code += &format!("    ({name:?}, {at}),\n");
    }
    if let Some(call) = calls.iter().find(|call| !of_calls.contains_key(call.name.as_str())) {
        return Err(format!("model/data/capsicum-mode.tsv: no row for {}", call.name));
    }
    Ok(code + "];\n")
}

fn known(row: &Row, word: &str, words: &[&str]) -> Result<()> {
    if words.contains(&word) { Ok(()) } else { row.error(format!("{word:?} is none of {words:?}")) }
}

fn none(word: &str) -> Option<&str> {
    (word != "-").then_some(word)
}

fn number(row: &Row, text: &str) -> Result<u32> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.or_else(|_| row.error(format!("{text:?} is no number")))
}

#[derive(Default)]
struct Rights {
    /// Name and all bits that it stands for, in the order of the table.
    names: Vec<(String, u128)>,
    aliases: Vec<(String, u128)>,
    bits: u32,
}

impl Rights {
    fn add(&mut self, row: &Row, name: &str, own: bool, includes: &str) -> Result<()> {
        if self.names.iter().any(|(known, _)| known == name) {
            return row.error(format!("{name} is here twice"));
        }
        let mut bits = self.bits(row, includes)?;
        if own {
            if self.bits == u128::BITS {
                return row.error("more rights than bits");
            }
            bits |= 1 << self.bits;
            self.bits += 1;
        }
        self.names.push((name.to_owned(), bits));
        Ok(())
    }

    fn bits(&self, row: &Row, list: &str) -> Result<u128> {
        let mut bits = 0;
        for name in list.split(',').filter(|name| *name != "-") {
            let mut known = self.names.iter().chain(&self.aliases);
            let Some((_, more)) = known.find(|(known, _)| known == name) else {
                return row.error(format!("{name:?} is no right named above"));
            };
            bits |= more;
        }
        Ok(bits)
    }

    fn code(&self) -> String {
        let list = |names: &[(String, u128)]| -> String {
            names
                .iter()
                .map(|(name, bits)| format!("    ({name:?}, Rights({bits:#x})),\n"))
                .collect()
        };
        format!(
            "pub(super) static NAMES: &[(&str, Rights)] = &[\n{}];\npub(super) static ALIASES: &[(&str, Rights)] = &[\n{}];\n",
            list(&self.names),
            list(&self.aliases)
        )
    }
}
