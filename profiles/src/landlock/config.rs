//! landlockconfig: JSON, and TOML with the same keys in snake case. Sources: its README and its
//! draft-07 schema; `${NAME}` stands for each value of a variable, `$$` for a dollar sign.

use super::path_text;
use model::landlock::LandlockPolicy;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    abi: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variable: Vec<Variable>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ruleset: Vec<Ruleset>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path_beneath: Vec<PathBeneath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    net_port: Vec<NetPort>,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    literal: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ruleset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handled_access_fs: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    handled_access_net: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scoped: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PathBeneath {
    allowed_access: Vec<&'static str>,
    parent: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetPort {
    allowed_access: Vec<&'static str>,
    port: Vec<u16>,
}

impl Config {
    fn of(landlock: &LandlockPolicy, notes: &mut Vec<String>) -> Config {
        let mut used = BTreeMap::new();
        let mut by_rights = BTreeMap::<Vec<&str>, Vec<String>>::new();
        for (place, rule) in &landlock.rules {
            let Some(path) = path_text(&place.path, notes) else { continue };
            let mut parent = path.replace('$', "$$");
            if let Some(name) = &place.variable {
                parent = format!("${{{name}}}{parent}");
                used.insert(name, landlock.variables.get(name));
            }
            let rights = rule.rights.iter().map(|right| right.name()).collect();
            by_rights.entry(rights).or_default().push(parent);
        }
        let mut variable = Vec::new();
        for (name, values) in used {
            let values = values.into_iter().flatten();
            let literal = values.filter_map(|value| path_text(value, notes).map(str::to_owned));
            variable.push(Variable { name: name.clone(), literal: literal.collect() });
        }
        let mut ports = BTreeMap::<Vec<&str>, Vec<u16>>::new();
        for (port, rights) in &landlock.ports {
            let rights = rights.iter().map(|right| right.name()).collect();
            ports.entry(rights).or_default().push(*port);
        }
        let ruleset = Ruleset {
            handled_access_fs: landlock.handled_fs.iter().map(|right| right.name()).collect(),
            handled_access_net: landlock.handled_net.iter().map(|right| right.name()).collect(),
            scoped: landlock.scoped.iter().map(|scope| scope.name()).collect(),
        };
        let empty = ruleset.handled_access_fs.is_empty()
            && ruleset.handled_access_net.is_empty()
            && ruleset.scoped.is_empty();
        Config {
            abi: landlock.abi,
            variable,
            ruleset: if empty { Vec::new() } else { vec![ruleset] },
            path_beneath: by_rights
                .into_iter()
                .map(|(allowed_access, parent)| PathBeneath { allowed_access, parent })
                .collect(),
            net_port: ports
                .into_iter()
                .map(|(allowed_access, port)| NetPort { allowed_access, port })
                .collect(),
        }
    }
}

pub(super) fn json(
    landlock: &LandlockPolicy,
    notes: &mut Vec<String>,
) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&Config::of(landlock, notes))? + "\n")
}

pub(super) fn toml(landlock: &LandlockPolicy, notes: &mut Vec<String>) -> String {
    let Config { abi, variable, ruleset, path_beneath, net_port } = Config::of(landlock, notes);
    let mut out = format!("abi = {abi}\n");
    for Variable { name, literal } in variable {
        out += &format!("\n[[variable]]\nname = {}\n", quoted(&name));
        out += &list("literal", literal.iter().map(|value| quoted(value)));
    }
    for Ruleset { handled_access_fs, handled_access_net, scoped } in ruleset {
        out += "\n[[ruleset]]\n";
        for (key, rights) in [
            ("handled_access_fs", handled_access_fs),
            ("handled_access_net", handled_access_net),
            ("scoped", scoped),
        ] {
            if !rights.is_empty() {
                out += &list(key, rights.into_iter().map(quoted));
            }
        }
    }
    for PathBeneath { allowed_access, parent } in path_beneath {
        out += "\n[[path_beneath]]\n";
        out += &list("allowed_access", allowed_access.into_iter().map(quoted));
        out += &list("parent", parent.iter().map(|path| quoted(path)));
    }
    for NetPort { allowed_access, port } in net_port {
        out += "\n[[net_port]]\n";
        out += &list("allowed_access", allowed_access.into_iter().map(quoted));
        out += &list("port", port.iter().map(u16::to_string));
    }
    out
}

fn list(key: &str, values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.map(|value| format!("    {value},\n")).collect();
    format!("{key} = [\n{}]\n", values.concat())
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                out += &format!("\\U{:08X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out + "\""
}
