//! landrun's command line. It knows four sorts of paths, so that rights are widened to the next.

use super::path_text;
use model::{
    Text,
    landlock::{FsRight, LandlockPolicy, NetRight},
};
use std::collections::BTreeSet;

pub(super) fn command(
    landlock: &LandlockPolicy,
    command: &[Text],
    notes: &mut Vec<String>,
) -> String {
    let mut words = BTreeSet::new();
    for (place, rule) in &landlock.rules {
        let executes = rule.rights.contains(&FsRight::Execute);
        let reads = |right: &FsRight| {
            matches!(right, FsRight::Execute | FsRight::ReadFile | FsRight::ReadDir)
        };
        let option = match (rule.rights.iter().all(reads), executes) {
            (true, false) => "--ro",
            (true, true) => "--rox",
            (false, false) => "--rw",
            (false, true) => "--rwx",
        };
        for path in landlock.absolute(place) {
            if let Some(path) = path_text(&path, notes) {
                words.insert(format!("{option} {}", shell_word(path)));
            }
        }
    }
    for (port, rights) in &landlock.ports {
        for right in rights {
            let option = match right {
                NetRight::BindTcp => "--bind-tcp",
                NetRight::ConnectTcp => "--connect-tcp",
            };
            words.insert(format!("{option} {port}"));
        }
    }
    notes.push("landrun: each path is granted as read-only or writable as a whole".to_owned());
    if landlock.rules.keys().any(|place| place.variable.is_some()) {
        notes.push("landrun: directories of the user are those of the runs".to_owned());
    }
    let mut out = "landrun --best-effort".to_owned();
    for word in words {
        out += &format!(" \\\n  {word}");
    }
    out += " \\\n  --";
    for argument in command {
        out += &format!(" {}", shell_word(&argument.to_string()));
    }
    out + "\n"
}

fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
