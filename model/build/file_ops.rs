//! file-ops.tsv: what calls do to the files that they name.

use crate::{
    Result,
    calls::{ARCHES, Call, Param, find},
    flags,
    table::{Row, Table, camel},
    words,
};

pub struct FileOp {
    pub call: String,
    param: String,
    access: Access,
    follow: Follow,
}

enum Access {
    Always(Vec<String>),
    Open(String),
    Node(String),
    Flag { flag: Flag, set: String, clear: String },
}

enum Follow {
    Always,
    Never,
    Unless(Flag),
    Only(Flag),
    Open(String),
}

/// A flag in a parameter.
struct Flag {
    param: String,
    bits: u64,
}

pub fn parse(table: &Table, calls: &[Call], accesses: &[words::Access]) -> Result<Vec<FileOp>> {
    let mut ops: Vec<FileOp> = Vec::new();
    for row in &table.rows {
        let [call, param, access, follow] = row.exactly()?;
        let Some(call) = find(calls, call) else {
            return row.error(format!("{call} is not in syscalls.tsv"));
        };
        if !call.params.iter().any(|known| known.name == param && is_path(known)) {
            return row.error(format!("{} has no path {param}", call.name));
        }
        param_of(row, call, param)?;
        if ops.iter().any(|op| op.call == call.name && op.param == param) {
            return row.error(format!("{} {param} is here twice", call.name));
        }
        ops.push(FileOp {
            call: call.name.clone(),
            param: param.to_owned(),
            access: parse_access(row, call, access, accesses)?,
            follow: parse_follow(row, call, follow)?,
        });
    }
    for call in calls {
        for param in call.params.iter().filter(|param| is_path(param)) {
            if !ops.iter().any(|op| op.call == call.name && op.param == param.name) {
                return Err(format!(
                    "model/data/file-ops.tsv: no row for {} {}",
                    call.name, param.name
                ));
            }
        }
    }
    Ok(ops)
}

fn is_path(param: &Param) -> bool {
    matches!(&*param.kind, "path" | "at-path")
}

fn parse_access(row: &Row, call: &Call, text: &str, known: &[words::Access]) -> Result<Access> {
    let access = |slug: &str| match known.iter().any(|access| access.slug == slug) {
        true => Ok(slug.to_owned()),
        false => row.error(format!("{slug} is not in accesses.tsv")),
    };
    if let Some(param) = text.strip_prefix("open:") {
        return Ok(Access::Open(param_of(row, call, param)?));
    }
    if let Some(param) = text.strip_prefix("node:") {
        return Ok(Access::Node(param_of(row, call, param)?));
    }
    if let Some((flag, choice)) = text.split_once('?') {
        let Some((set, clear)) = choice.split_once(':') else {
            return row.error(format!("{text:?} is not PARAM&FLAG?a:b"));
        };
        let flag = parse_flag(row, call, flag)?;
        return Ok(Access::Flag { flag, set: access(set)?, clear: access(clear)? });
    }
    Ok(Access::Always(text.split(',').map(access).collect::<Result<_>>()?))
}

fn parse_follow(row: &Row, call: &Call, text: &str) -> Result<Follow> {
    if let Some(param) = text.strip_prefix("open:") {
        return Ok(Follow::Open(param_of(row, call, param)?));
    }
    match text.split_once(' ') {
        None if text == "always" => Ok(Follow::Always),
        None if text == "never" => Ok(Follow::Never),
        Some(("unless", flag)) => Ok(Follow::Unless(parse_flag(row, call, flag)?)),
        Some(("only", flag)) => Ok(Follow::Only(parse_flag(row, call, flag)?)),
        _ => row.error(format!("{text:?} does not say whether links are followed")),
    }
}

fn parse_flag(row: &Row, call: &Call, text: &str) -> Result<Flag> {
    let Some((param, name)) = text.split_once('&') else {
        return row.error(format!("{text:?} is not PARAM&FLAG"));
    };
    match flags::value(name) {
        Some(bits) => Ok(Flag { param: param_of(row, call, param)?, bits }),
        None => row.error(format!("{name} is not in build/flags.rs")),
    }
}

/// Checks that the call has the parameter in each of its forms.
fn param_of(row: &Row, call: &Call, name: &str) -> Result<String> {
    let missing = |arch: &usize| call.params_on(*arch).iter().all(|param| param.name != name);
    match (0..ARCHES.len()).filter(|&arch| call.on(arch)).find(missing) {
        Some(arch) => {
            row.error(format!("{} has no parameter {name} on {}", call.name, ARCHES[arch]))
        }
        None => Ok(name.to_owned()),
    }
}

impl FileOp {
    /// The code of a `FileOp` for a form of the call with `params`.
    pub fn emit(&self, params: &[Param], arch: &str) -> String {
        let index = |name: &str| params.iter().position(|param| param.name == name).unwrap_or(0);
        let flag =
            |flag: &Flag| format!("Flag {{ param: {}, bits: {} }}", index(&flag.param), flag.bits);
        // The flags of openat2 are in memory: no parameter has them.
        let open_flags = |name: &str| match params[index(name)].kind == "open-flags" {
            true => format!("Some({})", index(name)),
            false => "None".to_owned(),
        };
        let (directory, nofollow) = flags::open_flags(arch);
        let access = match &self.access {
            Access::Always(list) => {
                let list: Vec<_> =
                    list.iter().map(|slug| format!("Access::{}", camel(slug))).collect();
                format!("AccessRule::Always(&[{}])", list.join(", "))
            }
            Access::Open(name) => {
                format!(
                    "AccessRule::Open {{ flags: {}, directory: {directory} }}",
                    open_flags(name)
                )
            }
            Access::Node(name) => format!("AccessRule::Node {{ mode: {} }}", index(name)),
            Access::Flag { flag: wanted, set, clear } => format!(
                "AccessRule::Flag {{ flag: {}, set: Access::{}, clear: Access::{} }}",
                flag(wanted),
                camel(set),
                camel(clear)
            ),
        };
        let follow = match &self.follow {
            Follow::Always => "Follow::Always".to_owned(),
            Follow::Never => "Follow::Never".to_owned(),
            Follow::Unless(wanted) => format!("Follow::Unless({})", flag(wanted)),
            Follow::Only(wanted) => format!("Follow::Only({})", flag(wanted)),
            Follow::Open(name) => {
                format!("Follow::Open {{ flags: {}, nofollow: {nofollow} }}", open_flags(name))
            }
        };
        let FileOp { call, param, .. } = self;
        let param = index(param);
        format!("FileOp {{ call: {call:?}, param: {param}, access: {access}, follow: {follow} }}")
    }
}
