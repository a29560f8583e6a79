//! How reports name things: one place, so that all of them say the same.

use model::{
    ArgCmp, CmpOp, Rule, Sysno, Text, Verdict,
    analysis::Phase,
    constants,
    policy::{ArgumentRules, Strategy},
    trace::EndpointOperation,
};
use std::{collections::BTreeSet, fmt::Display};

/// As a sentence goes on: "allowed by decision".
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    }
}

/// When code runs.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::BeforeMain => "only before main",
        Phase::AfterMain => "only after main has begun",
        Phase::Both => "before main and after",
    }
}

/// A command as it was typed, cut to what a line can hold.
pub(crate) fn command(words: &[Text]) -> String {
    const MOST: usize = 60;
    let whole = words.iter().map(|word| word.to_string()).collect::<Vec<_>>().join(" ");
    if whole.chars().count() <= MOST {
        return whole;
    }
    whole.chars().take(MOST).chain("...".chars()).collect()
}

/// An argument: `prot=PROT_READ|PROT_EXEC`, `cmd=0x5401`.
pub(crate) fn argument(sysno: Sysno, name: &str, value: u64) -> String {
    format!("{name}={}", value_of(sysno, name, value))
}

fn value_of(sysno: Sysno, name: &str, value: u64) -> String {
    let params = sysno.call().map_or(&[][..], |call| call.params);
    params
        .iter()
        .find(|param| param.name == name)
        .and_then(|param| constants::describe(param.kind, sysno.arch(), value))
        .unwrap_or_else(|| format!("{value:#x}"))
}

/// A call with its arguments: `socket(domain=AF_NETLINK, type=SOCK_RAW, protocol=0x0)`.
pub(crate) fn call(sysno: Sysno, args: &[u64; 6]) -> String {
    let params = sysno.call().map_or(&[][..], |call| call.params);
    let shown = params.iter().zip(args).map(|(param, value)| argument(sysno, param.name, *value));
    format!("{sysno}({})", shown.collect::<Vec<_>>().join(", "))
}

/// A rule by the names of its parameters: `domain is AF_INET`, `prot & 0x6 is 0x0`.
pub(crate) fn rule(sysno: Sysno, rule: &Rule) -> String {
    let params = sysno.call().map_or(&[][..], |call| call.params);
    let comparison = |comparison: &ArgCmp| {
        let index = comparison.index();
        let name = params
            .get(usize::from(index))
            .map_or_else(|| format!("argument {index}"), |param| param.name.to_owned());
        let value = value_of(sysno, &name, comparison.value());
        let sign = match comparison.op() {
            CmpOp::MaskedEq if comparison.mask() >= 0xffff_ffff => "is",
            CmpOp::MaskedEq => {
                let mask = value_of(sysno, &name, comparison.mask());
                return match comparison.value() {
                    0 => format!("{name} has none of {mask}"),
                    _ => format!("{name} has of {mask} just {value}"),
                };
            }
            CmpOp::Eq => "is",
            CmpOp::Ne => "is not",
            CmpOp::Lt => "<",
            CmpOp::Le => "<=",
            CmpOp::Ge => ">=",
            CmpOp::Gt => ">",
        };
        format!("{name} {sign} {value}")
    };
    rule.comparisons().iter().map(comparison).collect::<Vec<_>>().join(" and ")
}

/// What was done with an address: "bound".
pub(crate) fn operation(operation: EndpointOperation) -> &'static str {
    match operation {
        EndpointOperation::Bind => "bound",
        EndpointOperation::Listen => "listened on",
        EndpointOperation::Connect => "connected to",
        EndpointOperation::Send => "sent to",
    }
}

/// A strategy, as on the command line.
pub(crate) fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Observed => "observed",
        Strategy::Balanced => "balanced",
        Strategy::Predicted => "predicted",
    }
}

/// For which calls there are rules.
pub(crate) fn rules_for(rules: ArgumentRules) -> &'static str {
    match rules {
        ArgumentRules::None => "no argument rules",
        ArgumentRules::Risky => "argument rules for risky calls",
        ArgumentRules::All => "argument rules for all calls",
    }
}

/// Names of files are not the tool's own: none may become markup.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '@' => {
                out.push('\\');
                out.push(character);
            }
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

/// Names in a row: `openat, openat2`.
pub(crate) fn names(names: &BTreeSet<String>) -> String {
    Vec::from_iter(names.iter().map(String::as_str)).join(", ")
}

/// The first of them, and how many more.
pub(crate) fn some(items: impl ExactSizeIterator<Item = impl Display>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let shown: Vec<String> = items.take(most).map(|item| item.to_string()).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
