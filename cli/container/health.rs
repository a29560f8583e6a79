//! Health checks: what an image says of them, and how one is recorded. The engine runs it in the
//! container, as a process that joins from outside, so the tracer is put before its command.

use super::engine::INSIDE;
use crate::summary::quoted;
use serde_json::Value;
use std::ffi::OsString;

/// A health check of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Executed by the engine.
    Words(Vec<String>),
    /// Executed by the image's shell.
    Shell(String),
}

/// Whether a container says that it does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not yet.
    Starting,
    /// It does.
    Healthy,
    /// Its check failed too often.
    Unhealthy,
}

/// `["CMD", word, ...]`, `["CMD-SHELL", line]`, `["NONE"]`, as images hold it.
pub fn check_of(test: &Value) -> Option<Check> {
    let words: Vec<String> =
        test.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match words.split_first()? {
        (kind, words) if kind == "CMD" && !words.is_empty() => Some(Check::Words(words.to_vec())),
        (kind, [line]) if kind == "CMD-SHELL" => Some(Check::Shell(line.clone())),
        _ => None,
    }
}

/// The check with the tracer before it, as a line for the image's shell, which is all that the engines
/// take.
pub fn recorded_check(check: &Check, arguments: &[OsString]) -> OsString {
    let words: Vec<String> = match check {
        Check::Words(words) => words.clone(),
        Check::Shell(line) => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
    };
    let arguments = arguments.iter().map(|word| word.to_string_lossy().into_owned());
    let own = [format!("{INSIDE}/profgen")].into_iter().chain(arguments);
    let all = own.chain(["--joined".to_owned(), "--".to_owned()]).chain(words);
    let all: Vec<String> = all.map(|word| quoted(&word)).collect();
    format!("exec {}", all.join(" ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn checks_are_read_in_both_forms() {
        assert_eq!(check_of(&json!(["NONE"])), None);
        assert_eq!(check_of(&json!(null)), None);
        assert_eq!(
            check_of(&json!(["CMD", "curl", "-f"])),
            Some(Check::Words(vec!["curl".into(), "-f".into()]))
        );
        let shell = check_of(&json!(["CMD-SHELL", "a && b"]));
        assert_eq!(shell, Some(Check::Shell("a && b".into())));
        assert_eq!(
            recorded_check(&shell.unwrap(), &["inside".into()]),
            "exec /dev/.profgen/profgen inside --joined -- /bin/sh -c 'a && b'"
        );
    }
}
