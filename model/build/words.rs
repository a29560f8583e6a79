//! The small vocabularies: kinds of arguments, accesses to files, groups of calls.

use crate::{
    Result,
    table::{Row, Table, camel},
};
use std::collections::BTreeSet;

pub struct Kind {
    pub slug: String,
    class: String,
    bits: u32,
    description: String,
}

pub struct Access {
    pub slug: String,
    description: String,
}

pub struct Group {
    pub slug: String,
    sensitive: bool,
    reason: String,
}

pub fn kinds(table: &Table) -> Result<Vec<Kind>> {
    let mut seen = BTreeSet::new();
    let kind = |row: &Row| {
        let [slug, class, bits, description] = row.exactly()?;
        row.new_word(slug, &mut seen)?;
        row.sentence(description)?;
        if !matches!(class, "plain" | "value" | "memory") {
            return row.error(format!("class {class:?} is not plain, value or memory"));
        }
        let bits = match bits {
            "32" => 32,
            "64" => 64,
            _ => return row.error(format!("{bits:?} bits: not 32 or 64")),
        };
        let (slug, class) = (slug.to_owned(), class.to_owned());
        Ok(Kind { slug, class, bits, description: description.to_owned() })
    };
    table.rows.iter().map(kind).collect()
}

pub fn accesses(table: &Table) -> Result<Vec<Access>> {
    let mut seen = BTreeSet::new();
    let access = |row: &Row| {
        let [slug, description] = row.exactly()?;
        row.new_word(slug, &mut seen)?;
        row.sentence(description)?;
        Ok(Access { slug: slug.to_owned(), description: description.to_owned() })
    };
    table.rows.iter().map(access).collect()
}

pub fn groups(table: &Table) -> Result<Vec<Group>> {
    let mut seen = BTreeSet::new();
    let mut groups: Vec<Group> = Vec::new();
    for row in table.rows.iter().filter(|row| row.fields[0] == "#group") {
        let [_, slug, class, reason] = row.exactly()?;
        row.new_word(slug, &mut seen)?;
        row.sentence(reason)?;
        let sensitive = match class {
            "ordinary" => false,
            "sensitive" => true,
            _ => return row.error(format!("{class:?} is not ordinary or sensitive")),
        };
        if !sensitive && groups.last().is_some_and(|last| last.sensitive) {
            return row.error("an ordinary group after a sensitive one: the order is by risk");
        }
        groups.push(Group { slug: slug.to_owned(), sensitive, reason: reason.to_owned() });
    }
    Ok(groups)
}

pub fn emit_kinds(kinds: &[Kind]) -> String {
    let mut code = enumeration(
        "What an argument of a system call is.",
        "Kind",
        kinds.iter().map(|kind| (&*kind.slug, &*kind.description)),
    );
    code += "const ROWS: &[Row] = &[\n";
    for Kind { slug, class, bits, .. } in kinds {
        let class = camel(class);
        code += &format!("    Row {{ slug: {slug:?}, class: Class::{class}, bits: {bits} }},\n");
    }
    code + "];\n"
}

pub fn emit_accesses(accesses: &[Access]) -> String {
    let mut code = enumeration(
        "What a system call does to a file that it names.",
        "Access",
        accesses.iter().map(|access| (&*access.slug, &*access.description)),
    );
    code += "const SLUGS: &[&str] = &[\n";
    for Access { slug, .. } in accesses {
        code += &format!("    {slug:?},\n");
    }
    code + "];\n"
}

pub fn emit_groups(groups: &[Group]) -> String {
    let mut code = enumeration(
        "How risky a system call is, from the least risky and most needed to the most risky.",
        "Group",
        groups.iter().map(|group| (&*group.slug, &*group.reason)),
    );
    code += "const ROWS: &[Row] = &[\n";
    for Group { slug, sensitive, reason } in groups {
        code +=
            &format!("    Row {{ slug: {slug:?}, sensitive: {sensitive}, reason: {reason:?} }},\n");
    }
    code + "];\n"
}

pub fn enumeration<'a>(
    description: &str,
    name: &str,
    words: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> String {
    let mut code = format!("/// {description}\n");
    code += "#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n";
    code +=
        "#[derive(serde::Serialize, serde::Deserialize)]\n#[serde(rename_all = \"kebab-case\")]\n";
    code += &format!("pub enum {name} {{\n");
    for (slug, text) in words.clone() {
        code += &format!("    /// {}\n    {},\n", text.replace('[', "\\["), camel(slug));
    }
    code += &format!("}}\n\nimpl {name} {{\n    /// All of them, in order.\n");
    code += &format!("    pub const ALL: &'static [{name}] = &[\n");
    for (slug, _) in words {
        code += &format!("        {name}::{},\n", camel(slug));
    }
    code + "    ];\n}\n\n"
}
