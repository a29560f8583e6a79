//! `profgen simulate`: what one call gets under a profile, and what says so.

use crate::{
    arguments::SimulateArguments,
    exit::{Failure, Status},
    files, profile_input,
};
use anyhow::{Context, anyhow, bail};
use filter::{SeccompData, compile, verdict};
use model::{Arch, Kind, Param, Rule, Sysno, constants};
use profiles::{
    lower::{Machine, Source, Verdict},
    read::Input,
    runtime::Target,
};
use std::{fmt::Write, path::Path};

pub fn simulate(arguments: &SimulateArguments) -> Result<Status, Failure> {
    let profile = profile_input::load(&arguments.profile)?;
    let arch = match &arguments.arch {
        Some(name) => arch(name)?,
        None => Arch::native().context("this machine's architecture is not known: give --arch")?,
    };
    let sysno = sysno(arch, &arguments.call)?;
    let params = sysno.call().map_or(&[][..], |call| call.params);
    let mut args = [0; 6];
    if arguments.args.len() > args.len() {
        return Err(
            anyhow!("{} arguments: a system call has at most 6", arguments.args.len()).into()
        );
    }
    for (at, text) in arguments.args.iter().enumerate() {
        args[at] = argument(arch, params.get(at), text)?;
    }
    let runtime: Target = arguments.runtime.parse().map_err(anyhow::Error::from)?;
    let machine = Machine { runtime, ..Machine::for_arch(arch) };
    let lowered = profile
        .input
        .lower(&machine)
        .with_context(|| format!("no runtime would load {}", profile.name))?;
    let found = lowered.verdict(sysno, args);
    agree(&lowered.ruleset(), sysno, args, &found)?;
    let call = shown(sysno, params, &args[..arguments.args.len()]);
    let text = format!("{call}: {}\n{}\n", found.action, why(&profile.input, &found));
    files::write(Path::new("-"), text.as_bytes())?;
    Ok(Status::Code(0))
}

/// The compiled filter has the last word: it is what the kernel would run.
fn agree(
    ruleset: &filter::Ruleset,
    sysno: Sysno,
    args: [u64; 6],
    found: &Verdict,
) -> anyhow::Result<()> {
    let (nr, arch) = (sysno.number(), sysno.arch().audit());
    let data = SeccompData { nr, arch, instruction_pointer: 0, args };
    // One that is too long for the kernel still says what it says.
    let Ok(program) = compile(ruleset) else { return Ok(()) };
    match verdict(&program, &data) {
        action if action == found.action => Ok(()),
        other => bail!("the compiled filter says {other}, its rules say {}", found.action),
    }
}

/// An architecture by profgen's name, OCI's or that of `uname -m`.
fn arch(name: &str) -> anyhow::Result<Arch> {
    let known = || Arch::ALL.iter().map(|arch| arch.name()).collect::<Vec<_>>().join(", ");
    Arch::from_name(name)
        .or_else(|| Arch::from_oci_name(name))
        .with_context(|| format!("unknown architecture {name:?}: known are {}", known()))
}

fn sysno(arch: Arch, call: &str) -> anyhow::Result<Sysno> {
    if let Some(sysno) = Sysno::from_name(arch, call) {
        return Ok(sysno);
    }
    match number(call).and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(Sysno::new(arch, number)),
        None if model::Call::by_name(call).is_some() => bail!("{arch} has no call {call}"),
        None => bail!("unknown call {call:?}: expected a name or a number"),
    }
}

/// A number, or names of bits joined by `|`.
fn argument(arch: Arch, param: Option<&Param>, text: &str) -> anyhow::Result<u64> {
    let mut value = 0;
    for part in text.split('|') {
        let named = || {
            let own = param.and_then(|param| constants::value(param.kind, arch, part));
            own.or_else(|| constants::value_of_any(arch, part))
        };
        value |= number(part).or_else(named).with_context(|| {
            format!("unknown argument {part:?}: expected a number or a name as in AF_INET")
        })?;
    }
    Ok(value)
}

/// Decimal, `0x` hexadecimal, octal with a leading 0 or `0o`; a negative number as 64 bits have it.
fn number(text: &str) -> Option<u64> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(number(rest)?.wrapping_neg());
    }
    let (digits, radix) = match text.strip_prefix('0') {
        Some("") | None => (text, 10),
        Some(rest) => match rest.chars().next()? {
            'x' | 'X' => (&rest[1..], 16),
            'b' | 'B' => (&rest[1..], 2),
            'o' | 'O' => (&rest[1..], 8),
            _ => (rest, 8),
        },
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// The call with its arguments in names: `x86_64 socket(AF_INET, SOCK_STREAM, 0)`.
fn shown(sysno: Sysno, params: &[Param], args: &[u64]) -> String {
    let mut text = format!("{sysno:#}(");
    for (at, arg) in args.iter().enumerate() {
        let kind: Option<Kind> = params.get(at).map(|param| param.kind);
        let named = kind.and_then(|kind| constants::describe(kind, sysno.arch(), *arg));
        let plain = if *arg < 10 { arg.to_string() } else { format!("{arg:#x}") };
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{}", if at > 0 { ", " } else { "" }, named.unwrap_or(plain));
    }
    text + ")"
}

fn why(input: &Input, found: &Verdict) -> String {
    let holds = |condition: &Option<Rule>| match condition {
        Some(rule) => format!(", because {rule}"),
        None => String::new(),
    };
    match (&found.source, input) {
        (Source::Entry { position, condition }, Input::Seccomp(profile)) => {
            let names = profile.entries.get(*position).map_or(&[][..], |entry| &entry.names);
            format!("by syscalls[{position}] ({}){}", few(names), holds(condition))
        }
        (Source::Entry { position, condition }, Input::Policy(_)) => {
            format!("by entry {position}{}", holds(condition))
        }
        (Source::Policy { condition: Some(rule) }, _) => format!("by the policy, because {rule}"),
        (Source::Policy { condition: None }, _) => {
            "by the policy, whatever the arguments".to_owned()
        }
        (Source::Default, Input::Seccomp(_)) => "by defaultAction: no entry matches".to_owned(),
        (Source::Default, Input::Policy(_)) => "the policy does not know this number".to_owned(),
        (Source::AboveNamed(last), _) => format!(
            "by runc: the number is above {last}, the highest that the profile names on this \
             architecture"
        ),
        (Source::Unlisted, _) => "the profile does not list this architecture".to_owned(),
    }
}

/// The first names of an entry.
fn few(names: &[String]) -> String {
    const FEW: usize = 4;
    match names.len() {
        0..=FEW => names.join(", "),
        all => format!("{} and {} more", names[..FEW].join(", "), all - FEW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_writes_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("0x", None),
            ("08", None),
            ("+1", None),
            ("0x+1", None),
            ("-", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_parameter() {
        let params = model::Call::by_name("openat").unwrap().params;
        let flags = |text| argument(Arch::X86_64, params.get(2), text).unwrap();
        assert_eq!(flags("O_RDWR|O_CREAT"), 0o102);
        assert_eq!(flags("O_WRONLY|0x80000"), 0o2000001);
        assert_eq!(argument(Arch::X86_64, None, "AF_NETLINK").unwrap(), 16);
        assert!(argument(Arch::X86_64, None, "NO_SUCH").is_err());
    }
}
