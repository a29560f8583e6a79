//! landlock.tsv: the rights of Landlock, and what each access needs.

use crate::{
    Result,
    table::{Row, Table},
    words::Access,
};
use std::collections::BTreeSet;

const KINDS: [&str; 2] = ["make_KIND", "remove_KIND"];

pub fn emit(table: &Table, accesses: &[Access]) -> Result<String> {
    let mut rights = Rights::default();
    let mut needs = Vec::new();
    for row in &table.rows {
        match row.fields[0].as_str() {
            "right" => {
                let [_, name, abi, bit, on] = row.exactly()?;
                if !["file", "directory", "parent"].contains(&on) {
                    return row.error(format!("a right cannot stand on {on:?}"));
                }
                rights.add(row, 0, name, abi, bit, on)?;
            }
            "net" | "scope" => {
                let [form, name, abi, bit] = row.exactly()?;
                rights.add(row, if form == "net" { 1 } else { 2 }, name, abi, bit, "")?;
            }
            "needs" => {
                let [_, access, list] = row.exactly()?;
                needs.push((row, access, list, ""));
            }
            "free" => {
                let [_, access, reason] = row.exactly()?;
                row.sentence(reason)?;
                needs.push((row, access, "", reason));
            }
            other => return row.error(format!("{other:?} is no form of row")),
        }
    }
    let mut code = rights.code();
    code += "static NEEDS: &[Needs] = &[\n";
    for access in accesses {
        let mut found = needs.iter().filter(|(_, name, ..)| *name == access.slug);
        let Some((row, _, list, reason)) = found.next() else {
            return Err(format!("model/data/landlock.tsv: no row for access {}", access.slug));
        };
        if found.next().is_some() {
            return row.error(format!("{} is here twice", access.slug));
        }
        let list: Vec<&str> = list.split(',').filter(|word| !word.is_empty()).collect();
        if let Some(word) = list.iter().find(|w| !KINDS.contains(w) && !rights.has_fs(w)) {
            return row.error(format!("{word} is no right of the file system"));
        }
        let named: Vec<String> = list
            .iter()
            .filter(|word| !KINDS.contains(word))
            .map(|word| format!("FsRight::{}", camel(word)))
            .collect();
        code += &format!(
            "    Needs {{ rights: &[{}], makes: {}, removes: {}, reason: {reason:?} }},\n",
            named.join(", "),
            list.contains(&KINDS[0]),
            list.contains(&KINDS[1]),
        );
    }
    if let Some((row, name, ..)) =
        needs.iter().find(|(_, name, ..)| !accesses.iter().any(|access| access.slug == *name))
    {
        return row.error(format!("{name} is not in accesses.tsv"));
    }
    Ok(code + "];\n")
}

#[derive(Default)]
struct Rights {
    seen: BTreeSet<String>,
    /// Of files, of the network, scopes: name, ABI, bit, what it stands on.
    lists: [Vec<(String, u32, u32, String)>; 3],
}

impl Rights {
    fn add(
        &mut self,
        row: &Row,
        list: usize,
        name: &str,
        abi: &str,
        bit: &str,
        on: &str,
    ) -> Result<()> {
        row.new_word(name, &mut self.seen)?;
        let (Ok(abi), Ok(bit)) = (abi.parse(), bit.parse::<u32>()) else {
            return row.error("an ABI and a bit are numbers");
        };
        if self.lists[list].len() != bit as usize {
            return row.error(format!("bit {bit} is out of order"));
        }
        self.lists[list].push((name.to_owned(), abi, bit, on.to_owned()));
        Ok(())
    }

    fn has_fs(&self, name: &str) -> bool {
        self.lists[0].iter().any(|(known, ..)| known == name)
    }

    fn code(&self) -> String {
        let mut code = String::new();
        let words = [
            ("FsRight", "A right of the file system."),
            ("NetRight", "A right about TCP ports."),
            ("Scope", "A border around a sandbox."),
        ];
        for ((word, about), list) in words.into_iter().zip(&self.lists) {
            code += &format!(
                "/// {about}\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]\n#[serde(rename_all = \"snake_case\")]\npub enum {word} {{\n"
            );
            for (name, ..) in list {
                code += &format!("    /// `{name}`\n    {},\n", camel(name));
            }
            code += &format!(
                "}}\n\nimpl {word} {{\n    /// All, in the order of their bits.\n    pub const ALL: &'static [{word}] = &["
            );
            for (name, ..) in list {
                code += &format!("{word}::{}, ", camel(name));
            }
            code += "];\n\n    fn row(self) -> &'static Row {\n        const ROWS: &[Row] = &[\n";
            for (name, abi, _, on) in list {
                let on = if on.is_empty() { "File".to_owned() } else { camel(on) };
                code += &format!(
                    "            Row {{ name: {name:?}, abi: {abi}, on: Stands::{on} }},\n"
                );
            }
            code += "        ];\n        &ROWS[self as usize]\n    }\n}\n\n";
        }
        code
    }
}

fn camel(name: &str) -> String {
    crate::table::camel(&name.replace('_', "-"))
}
