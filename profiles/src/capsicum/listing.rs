//! A listing in C: what to add to a program, function by function. It compiles as it stands, and is
//! meant to be taken apart: each call belongs after the line of the program that makes the descriptor.

use crate::line;
use model::{
    Text,
    capsicum::{Limit, Rights, Suggestion, Suggestions, fcntl_name, ioctl_name},
};
use std::{collections::BTreeSet, fmt::Write};

const HEAD: &str = include_str!("../../data/capsicum-head.c");

/// All programs, one part for each kind of process.
pub(super) fn listing(suggestions: &Suggestions) -> String {
    let mut out = HEAD.to_owned();
    let mut taken = BTreeSet::new();
    for (program, suggested) in &suggestions.programs {
        for suggestion in suggested {
            part(&mut out, program, suggestion, &mut taken);
        }
    }
    out
}

fn part(out: &mut String, program: &Text, suggestion: &Suggestion, taken: &mut BTreeSet<String>) {
    let kind = if suggestion.forked { ", in a forked child" } else { "" };
    let prefix = prefix(program, suggestion.forked, taken);
    let _ = writeln!(out, "\n/* {}{kind} */", comment(&program.to_string()));
    for limit in suggestion.descriptors.iter().filter(|limit| limit_at_all(limit)) {
        if helper_of(limit).is_some_and(|helper| suggestion.helpers.contains_key(helper)) {
            continue;
        }
        function(out, &prefix, limit);
    }
    for limit in suggestion.descriptors.iter().filter(|limit| narrows(limit)) {
        narrowing(out, &prefix, limit);
    }
    enter(out, &prefix, suggestion);
}

/// A name for C that no part had yet.
fn prefix(program: &Text, forked: bool, taken: &mut BTreeSet<String>) -> String {
    let name = program.base_name().to_string();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let plain = if forked { format!("{plain}_child") } else { plain };
    let plain =
        if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain };
    let mut name = plain.clone();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{plain}_{count}");
    }
    name
}

/// What is made past the point has the rights of what it came from, and needs no call of its own.
fn limit_at_all(limit: &Limit) -> bool {
    limit.from.is_empty() || !limit.late
}

/// What capsicum_helpers(3) has for a standard stream. It gives a few rights, so nothing may have
/// taken them before.
fn helper_of(limit: &Limit) -> Option<&'static str> {
    match &limit.variable[..] {
        "standard_input" => Some("caph_limit_stdin"),
        "standard_output" => Some("caph_limit_stdout"),
        "standard_error" => Some("caph_limit_stderr"),
        _ => None,
    }
}

/// What needs fewer rights once start-up is over, and does not inherit more.
fn narrows(limit: &Limit) -> bool {
    !limit.late && limit.from.is_empty() && limit.narrowed.is_some()
}

fn function(out: &mut String, prefix: &str, limit: &Limit) {
    let _ = writeln!(out, "\n/* {} */", comment(&about(limit)));
    if limit.inferred {
        out.push_str("/* Some of it is a conclusion from what Linux has: check it. */\n");
    }
    let _ = writeln!(out, "static void\n{prefix}_limit_{}(int fd)\n{{", limit.variable);
    let (fcntls, ioctls) = (fcntls(limit), ioctls(limit));
    out.push_str("\tcap_rights_t rights;\n");
    if !ioctls.is_empty() {
        let _ = writeln!(out, "\tconst unsigned long commands[] = {{ {} }};", ioctls.join(", "));
    }
    out.push('\n');
    rights(out, limit.rights);
    out.push_str("\tif (caph_rights_limit(fd, &rights) < 0)\n");
    let _ = writeln!(
        out,
        "\t\terr(1, \"cannot limit the rights of the {}\");",
        limit.role.replace(['"', '\\'], "'")
    );
    if !fcntls.is_empty() {
        let _ = writeln!(out, "\tif (caph_fcntls_limit(fd, {}) < 0)", fcntls.join(" | "));
        out.push_str("\t\terr(1, \"cannot limit fcntl\");\n");
    }
    if !ioctls.is_empty() {
        out.push_str(
            "\tif (caph_ioctls_limit(fd, commands, sizeof(commands) / sizeof(commands[0])) < 0)\n",
        );
        out.push_str("\t\terr(1, \"cannot limit ioctl\");\n");
    }
    out.push_str("}\n");
}

/// Fewer rights past the point: by a function of its own, since another place calls it.
fn narrowing(out: &mut String, prefix: &str, limit: &Limit) {
    let narrowed = limit.narrowed.unwrap_or_default();
    let _ = writeln!(out, "\n/* {}, once start-up is over */", comment(&limit.role));
    let _ = writeln!(out, "static void\n{prefix}_narrow_{}(int fd)\n{{", limit.variable);
    out.push_str("\tcap_rights_t rights;\n\n");
    rights(out, narrowed);
    out.push_str("\tif (caph_rights_limit(fd, &rights) < 0)\n");
    let _ = writeln!(
        out,
        "\t\terr(1, \"cannot narrow the rights of the {}\");\n}}",
        limit.role.replace(['"', '\\'], "'")
    );
}

fn rights(out: &mut String, rights: Rights) {
    let names = rights.to_string();
    let separator = if names.is_empty() { "" } else { ", " };
    let _ = writeln!(out, "\tcap_rights_init(&rights{separator}{names});");
}

fn enter(out: &mut String, prefix: &str, suggestion: &Suggestion) {
    let point = &suggestion.point;
    let _ =
        writeln!(out, "\n/* Call it {}:\n * {}. */", comment(&point.place), comment(&point.why));
    for frame in &point.chain {
        let _ = writeln!(out, "/*   at {} */", comment(frame));
    }
    for remedy in &suggestion.remedies {
        let names: Vec<&str> = remedy.names.iter().map(String::as_str).collect();
        let _ = writeln!(
            out,
            "/* To do, {}: {} ({}). */",
            comment(&remedy.id),
            comment(&remedy.what),
            comment(&names.join(", "))
        );
    }
    let _ = writeln!(out, "static void\n{prefix}_enter(void)\n{{");
    for call in suggestion.helpers.keys().filter(|call| !call.starts_with("caph_enter")) {
        match &call[..] {
            call if call.starts_with("caph_limit_") => {
                let _ = writeln!(
                    out,
                    "\tif ({call}() < 0)\n\t\terr(1, \"cannot limit a standard stream\");"
                );
            }
            call => {
                let _ = writeln!(out, "\t{call}();");
            }
        }
    }
    let enter = if suggestion.helpers.contains_key("caph_enter_casper") {
        "caph_enter_casper"
    } else {
        "caph_enter"
    };
    let _ =
        writeln!(out, "\tif ({enter}() < 0)\n\t\terr(1, \"cannot enter capability mode\");\n}}");
}

fn about(limit: &Limit) -> String {
    let mut text = limit.role.clone();
    let paths: Vec<String> = limit.paths.iter().take(3).map(Text::to_string).collect();
    if !paths.is_empty() {
        text += &format!(": {}", paths.join(", "));
    }
    if let Some(first) = limit.chain.first() {
        text += &format!("; made at {first}");
    }
    text
}

/// `CAP_FCNTL_GETFL`.
fn fcntls(limit: &Limit) -> Vec<String> {
    let names = limit.fcntls.iter().filter_map(|command| fcntl_name(*command).1);
    names.map(|name| format!("CAP_FCNTL_{}", name.trim_start_matches("F_"))).collect()
}

/// `TIOCGWINSZ`; several of Linux may be one there.
fn ioctls(limit: &Limit) -> Vec<String> {
    let names: BTreeSet<&str> =
        limit.ioctls.iter().filter_map(|command| ioctl_name(*command).1).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Names of files may hold what ends a comment, or a line.
fn comment(text: &str) -> String {
    line(text).replace("*/", "* /").replace("/*", "/ *")
}
