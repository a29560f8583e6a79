//! syscalls.tsv: the calls, and the forms that they take on architectures that differ.

use crate::{
    Result,
    file_ops::FileOp,
    table::{Row, Table, camel},
    words::{Group, Kind},
};
use std::collections::{BTreeMap, BTreeSet};

/// The columns of numbers, in the order of the enum `Arch`.
pub const ARCHES: [&str; 9] =
    ["x86_64", "i386", "x32", "aarch64", "arm", "riscv64", "powerpc64", "s390x", "loongarch64"];
/// Column of x32, whose numbers carry [`X32_BIT`].
const X32: usize = 2;
const X32_BIT: u32 = 0x4000_0000;

pub struct Call {
    pub name: String,
    numbers: [Option<u32>; 9],
    since: Option<(u16, u16)>,
    group: String,
    pub params: Vec<Param>,
    /// Parameters of architectures that have others, by column.
    other_params: BTreeMap<usize, Vec<Param>>,
}

#[derive(PartialEq)]
pub struct Param {
    pub name: String,
    pub kind: String,
}

impl Call {
    pub fn on(&self, arch: usize) -> bool {
        self.numbers[arch].is_some()
    }

    /// The architecture whose form of the call is the usual one: x86-64, or the first that has it.
    fn home(&self) -> usize {
        (0..ARCHES.len()).find(|&arch| self.on(arch)).unwrap_or(0)
    }

    pub fn params_on(&self, arch: usize) -> &[Param] {
        self.other_params.get(&arch).unwrap_or(&self.params)
    }
}

pub fn find<'a>(calls: &'a [Call], name: &str) -> Option<&'a Call> {
    calls.iter().find(|call| call.name == name)
}

pub fn parse(table: &Table, groups: &[Group], kinds: &[Kind]) -> Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    let mut group: Option<&Group> = None;
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for row in &table.rows {
        match &*row.fields[0] {
            "#group" => group = groups.iter().find(|group| group.slug == row.fields[1]),
            "#params" => other_params(row, calls.last_mut(), kinds)?,
            name if name.starts_with('#') => return row.error(format!("unknown row {name}")),
            name => {
                row.new_word(name, &mut names)?;
                let Some(group) = group else {
                    return row.error(format!("{name} is in no group"));
                };
                let call = call(row, group, kinds)?;
                for (arch, number) in call.numbers.iter().enumerate() {
                    if number.is_some_and(|number| !numbers.insert((arch, number))) {
                        return row.error(format!("{}: {name}'s number is taken", ARCHES[arch]));
                    }
                }
                calls.push(call);
            }
        }
    }
    Ok(calls)
}

fn call(row: &Row, group: &Group, kinds: &[Kind]) -> Result<Call> {
    let fields = row.exactly::<12>()?;
    let mut numbers = [None; 9];
    for (arch, field) in fields[1..10].iter().enumerate() {
        numbers[arch] = number(row, arch, field)?;
    }
    if numbers.iter().all(Option::is_none) {
        return row.error("no architecture has it");
    }
    Ok(Call {
        name: fields[0].to_owned(),
        numbers,
        since: since(row, fields[10])?,
        group: group.slug.clone(),
        params: params(row, fields[11], kinds)?,
        other_params: BTreeMap::new(),
    })
}

fn number(row: &Row, arch: usize, field: &str) -> Result<Option<u32>> {
    if field == "-" {
        return Ok(None);
    }
    let parsed = match field.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => field.parse(),
    };
    match parsed {
        Ok(number) if number < X32_BIT => {
            Ok(Some(if arch == X32 { number | X32_BIT } else { number }))
        }
        _ => row.error(format!("{}: {field:?} is not a number", ARCHES[arch])),
    }
}

fn since(row: &Row, field: &str) -> Result<Option<(u16, u16)>> {
    if field == "<=4.0" {
        return Ok(None);
    }
    match field.split_once('.').map(|(major, minor)| (major.parse(), minor.parse())) {
        Some((Ok(major), Ok(minor))) if (major, minor) > (4, 0) => Ok(Some((major, minor))),
        _ => row.error(format!("{field:?} is not a release after 4.0, nor <=4.0")),
    }
}

fn other_params(row: &Row, call: Option<&mut Call>, kinds: &[Kind]) -> Result<()> {
    let [_, name, arches, list] = row.exactly()?;
    let Some(call) = call.filter(|call| call.name == name) else {
        return row.error(format!("not below the row of {name}"));
    };
    for arch in arches.split(' ') {
        let Some(arch) = ARCHES.iter().position(|known| *known == arch) else {
            return row.error(format!("unknown architecture {arch}"));
        };
        if !call.on(arch) {
            return row.error(format!("{} has no {name}", ARCHES[arch]));
        }
        if arch == call.home() {
            return row.error(format!("{}'s parameters stand in the row of {name}", ARCHES[arch]));
        }
        if call.other_params.insert(arch, params(row, list, kinds)?).is_some() {
            return row.error(format!("{} has parameters already", ARCHES[arch]));
        }
    }
    Ok(())
}

fn params(row: &Row, list: &str, kinds: &[Kind]) -> Result<Vec<Param>> {
    let mut params: Vec<Param> = Vec::new();
    let mut names = BTreeSet::new();
    for word in list.split(' ').filter(|_| list != "-") {
        let Some((name, kind)) = word.split_once(':') else {
            return row.error(format!("{word:?} is not name:kind"));
        };
        row.new_word(name, &mut names)?;
        if !kinds.iter().any(|known| known.slug == kind) {
            return row.error(format!("{kind} is not in kinds.tsv"));
        }
        if kind == "at-path" && !params.iter().any(|before| before.kind == "dirfd") {
            return row.error(format!("{name} is an at-path without a dirfd before it"));
        }
        params.push(Param { name: name.to_owned(), kind: kind.to_owned() });
    }
    if params.len() > 6 {
        return row.error("more than six parameters");
    }
    Ok(params)
}

/// One form of a call: all architectures whose parameters and file operations are alike share it.
struct Form<'a> {
    call: &'a Call,
    params: &'a [Param],
    file_ops: Vec<String>,
}

impl<'a> Form<'a> {
    fn of(call: &'a Call, arch: usize, file_ops: &[FileOp]) -> Form<'a> {
        let params = call.params_on(arch);
        let ops = file_ops.iter().filter(|op| op.call == call.name);
        let file_ops = ops.map(|op| op.emit(params, ARCHES[arch])).collect();
        Form { call, params, file_ops }
    }

    fn is(&self, other: &Form) -> bool {
        self.params == other.params && self.file_ops == other.file_ops
    }

    fn emit(&self) -> String {
        let Call { name, numbers, since, group, .. } = self.call;
        let number = |number: &Option<u32>| number.map_or("NONE".to_owned(), |n| n.to_string());
        let numbers: Vec<String> = numbers.iter().map(number).collect();
        let param = |Param { name, kind }: &Param| {
            format!("Param {{ name: {name:?}, kind: Kind::{} }}", camel(kind))
        };
        let params: Vec<String> = self.params.iter().map(param).collect();
        format!(
            "    Call {{ name: {name:?}, since: {since:?}, group: Group::{}, params: &[{}],\n        \
             numbers: [{}], files: &[{}] }},\n",
            camel(group),
            params.join(", "),
            numbers.join(", "),
            self.file_ops.join(", "),
        )
    }
}

/// `FORMS`: first each call once, in the order of the file, then the other forms of some of them.
/// `BY_NUMBER` are sorted indices into it.
pub fn emit(calls: &[Call], file_ops: &[FileOp]) -> String {
    let mut forms: Vec<Form> = Vec::new();
    for call in calls {
        forms.push(Form::of(call, call.home(), file_ops));
    }
    let mut by_number: Vec<BTreeMap<u32, usize>> = vec![BTreeMap::new(); ARCHES.len()];
    for (index, call) in calls.iter().enumerate() {
        for (arch, number) in call.numbers.iter().enumerate() {
            let Some(number) = number else { continue };
            let form = Form::of(call, arch, file_ops);
            let others = calls.len()..forms.len();
            let known = std::iter::once(index)
                .chain(others)
                .find(|&known| forms[known].call.name == call.name && forms[known].is(&form));
            let at = known.unwrap_or_else(|| {
                forms.push(form);
                forms.len() - 1
            });
            by_number[arch].insert(*number, at);
        }
    }

    let mut code = format!("const CALLS: usize = {};\n\n", calls.len());
    code += "static FORMS: &[Call] = &[\n";
    forms.iter().for_each(|form| code += &form.emit());
    code += "];\n\nstatic BY_NUMBER: [&[(u32, u16)]; 9] = [\n";
    for numbers in &by_number {
        code += "    &[";
        numbers.iter().for_each(|(number, at)| code += &format!("({number}, {at}), "));
        code += "],\n";
    }
    code + "];\n"
}
