//! Functions that an author pastes into a program. Both drop what the kernel is too old for, as
//! the kernel's documentation advises.

use model::landlock::{FsRight, LandlockPolicy, NetRight, Scope};
use std::collections::BTreeMap;

/// What stands at the top of the C text.
const C_HEAD: &str = include_str!("../../data/landlock-head.c");
/// What follows its tables.
const C_TAIL: &str = include_str!("../../data/landlock-tail.c");

/// The rights of every absolute path, as bytes for a string literal.
fn by_path(landlock: &LandlockPolicy) -> BTreeMap<Vec<u8>, Vec<FsRight>> {
    let mut paths = BTreeMap::<Vec<u8>, Vec<FsRight>>::new();
    for (place, rule) in &landlock.rules {
        for path in landlock.absolute(place) {
            let rights = paths.entry(path.as_bytes().to_vec()).or_default();
            rights.extend(&rule.rights);
            rights.sort();
            rights.dedup();
        }
    }
    paths
}

pub(super) fn c(landlock: &LandlockPolicy, notes: &mut Vec<String>) -> String {
    said(landlock, notes);
    let mut out = C_HEAD.to_owned();
    let bits = |names: Vec<String>| match names.is_empty() {
        true => "0".to_owned(),
        false => names.join(" | "),
    };
    let fs = |right: &FsRight| format!("FS_{}", right.name().to_uppercase());
    let net = |right: &NetRight| format!("NET_{}", right.name().to_uppercase());
    let scope =
        landlock.scoped.iter().map(|scope| format!("SCOPE_{}", scope.name().to_uppercase()));
    let lists = [
        ("FS", FsRight::ALL.iter().map(|right| right.name()).collect::<Vec<_>>()),
        ("NET", NetRight::ALL.iter().map(|right| right.name()).collect()),
        ("SCOPE", Scope::ALL.iter().map(|scope| scope.name()).collect()),
    ];
    for (prefix, names) in lists {
        for (bit, name) in names.into_iter().enumerate() {
            let name = name.to_uppercase();
            out += &format!("#define {prefix}_{name} (UINT64_C(1) << {bit})\n");
        }
    }
    out.push('\n');
    out += &format!(
        "static const struct ruleset_attr handled = {{\n\t.handled_access_fs = {},\n\t\
         .handled_access_net = {},\n\t.scoped = {},\n}};\n\n",
        bits(landlock.handled_fs.iter().map(fs).collect()),
        bits(landlock.handled_net.iter().map(net).collect()),
        bits(scope.collect()),
    );
    out += "static const struct {\n\tconst char *path;\n\tuint64_t rights;\n} paths[] = {\n";
    for (path, rights) in by_path(landlock) {
        let rights = bits(rights.iter().map(fs).collect());
        out += &format!("\t{{ \"{}\", {rights} }},\n", c_string(&path));
    }
    out += "\t{ NULL, 0 },\n};\n\n";
    out += "static const struct net_port_attr ports[] = {\n";
    for (port, rights) in &landlock.ports {
        let rights = bits(rights.iter().map(net).collect());
        out += &format!("\t{{ .allowed_access = {rights}, .port = {port} }},\n");
    }
    out += "\t{ 0, 0 },\n};\n\n";
    out + C_TAIL
}

pub(super) fn rust(landlock: &LandlockPolicy, notes: &mut Vec<String>) -> String {
    said(landlock, notes);
    let mut out = "// Cargo.toml: landlock = \"0.4\"\nuse landlock::{\n    Access, AccessFs, \
                   AccessNet, BitFlags, NetPort, PathBeneath, PathFd, RestrictionStatus,\n    \
                   Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,\n};\nuse \
                   std::{ffi::OsStr, os::unix::ffi::OsStrExt};\n\n"
        .to_owned();
    out += "/// Restricts this process to what it needs, as far as the kernel can.\n\
            pub fn restrict() -> Result<RestrictionStatus, RulesetError> {\n";
    out += "    let mut rules = Ruleset::default();\n";
    let fs = |right: &FsRight| format!("AccessFs::{right:?}");
    let net = |right: &NetRight| format!("AccessNet::{right:?}");
    let handle = |out: &mut String, call: &str, names: Vec<String>| {
        if let Some((first, rest)) = names.split_first() {
            let rest: String = rest.iter().map(|name| format!(" | {name}")).collect();
            *out += &format!("    rules = rules.{call}(BitFlags::from({first}){rest})?;\n");
        }
    };
    handle(&mut out, "handle_access", landlock.handled_fs.iter().map(fs).collect());
    handle(&mut out, "handle_access", landlock.handled_net.iter().map(net).collect());
    let scopes = landlock.scoped.iter().map(|scope| format!("Scope::{scope:?}")).collect();
    handle(&mut out, "scope", scopes);
    out += "    let mut rules = rules.create()?;\n";
    out += "    let paths: &[(&[u8], &[AccessFs])] = &[\n";
    for (path, rights) in by_path(landlock) {
        let rights: Vec<String> = rights.iter().map(fs).collect();
        out += &format!("        (b\"{}\", &[{}]),\n", rust_bytes(&path), rights.join(", "));
    }
    out += "    ];\n    for (path, rights) in paths {\n        \
            // A path that is not here cannot be granted.\n        \
            let Ok(parent) = PathFd::new(OsStr::from_bytes(path)) else { continue };\n        \
            let rights = rights.iter().fold(BitFlags::EMPTY, |all, right| all | *right);\n        \
            rules = rules.add_rule(PathBeneath::new(parent, rights))?;\n    }\n";
    for (port, rights) in &landlock.ports {
        for right in rights {
            out += &format!("    rules = rules.add_rule(NetPort::new({port}, {}))?;\n", net(right));
        }
    }
    out + "    rules.restrict_self()\n}\n"
}

fn said(landlock: &LandlockPolicy, notes: &mut Vec<String>) {
    if landlock.rules.keys().any(|place| place.variable.is_some()) {
        notes.push("directories of the user are those of the runs: put your own in".to_owned());
    }
}

/// The inside of a string literal. Octal takes three digits at most, so that what follows is safe.
fn c_string(bytes: &[u8]) -> String {
    escaped(bytes, |byte| format!("\\{byte:03o}"))
}

fn rust_bytes(bytes: &[u8]) -> String {
    escaped(bytes, |byte| format!("\\x{byte:02x}"))
}

fn escaped(bytes: &[u8], escape: impl Fn(u8) -> String) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            // ?? would start a trigraph in old C.
            b'"' | b'\\' | b'?' | 0..32 | 127.. => out += &escape(byte),
            _ => out.push(char::from(byte)),
        }
    }
    out
}
