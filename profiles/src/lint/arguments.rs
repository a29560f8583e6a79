//! Single comparisons that do not do what they say.

use super::{Finding, Subject, finding};
use crate::{
    lower::twice,
    read::{Argument, Entry, Kind},
};
use filter::Action;
use model::{Arch, Call, CmpOp};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    for entry in &subject.profile.entries {
        if twice(entry) {
            let message = "the comparisons of one argument become alternatives";
            found.extend(finding("duplicate-argument", Some(entry), entry.names.clone(), message));
        }
        for argument in &entry.args {
            constants(entry, argument, found);
            widths(subject, entry, argument, found);
        }
        absent(subject, entry, found);
    }
}

/// What can be said whatever the call is.
fn constants(entry: &Entry, argument: &Argument, found: &mut Vec<Finding>) {
    let Argument { index, value, value_two, op } = *argument;
    let names = || entry.names.clone();
    if index > 5 {
        let message = format!("there is no argument {index}");
        found.extend(finding("argument-index", Some(entry), names(), message));
    }
    if op == CmpOp::MaskedEq && value_two & !value != 0 {
        let message = format!(
            "argument {index} & {value:#x} is compared with {value_two:#x}, of which only {:#x} is left",
            value_two & value
        );
        found.extend(finding("value-outside-mask", Some(entry), names(), message));
    }
    let never = matches!((op, value), (CmpOp::Lt, 0) | (CmpOp::Gt, u64::MAX));
    if never {
        let sign = if op == CmpOp::Lt { "below 0" } else { "above all 64-bit numbers" };
        let message = format!("argument {index} is never {sign}");
        found.extend(finding("never-matches", Some(entry), names(), message));
    }
}

/// What the call's parameters say.
fn widths(subject: &Subject<'_>, entry: &Entry, argument: &Argument, found: &mut Vec<Finding>) {
    let Argument { index, value, op, .. } = *argument;
    let params = |name: &String| Some((name.clone(), Call::by_name(name)?.params));
    let known = entry.names.iter().filter_map(params);
    let (mut beyond, mut ints) = (Vec::new(), Vec::new());
    for (name, params) in known {
        match usize::try_from(index).ok().and_then(|index| params.get(index)) {
            Some(param) if param.kind.bits() == 32 => ints.push(name),
            Some(_) => {}
            // Calls without parameters in the table never did anything.
            None if index < 6 && !params.is_empty() => beyond.push(name),
            None => {}
        }
    }
    if !beyond.is_empty() {
        let message = format!("{} has no argument {index}", super::some_of(&beyond));
        found.extend(finding("argument-beyond-call", Some(entry), beyond, message));
    }
    // 32-bit architectures have no upper half, and a mask says which bits are meant.
    let wide = subject.arch.audit() & 0x8000_0000 != 0 && subject.arch != Arch::X32;
    if ints.is_empty() || !wide {
        return;
    }
    let allows = matches!(entry.answer.kind, Kind::Allow | Kind::Log);
    let default_allows = matches!(subject.profile.default.action(), Action::Allow | Action::Log);
    if op == CmpOp::MaskedEq || allows == default_allows {
        return;
    }
    // Upper bits make the number greater: that must not lead to the laxer answer.
    let lax_above = matches!(op, CmpOp::Ne | CmpOp::Gt | CmpOp::Ge) == allows;
    let message = format!(
        "argument {index} of {} is an int: compare it with {value:#x} under the mask 0xffffffff",
        super::some_of(&ints)
    );
    let id = if lax_above { "int-bypass" } else { "int-compare" };
    found.extend(finding(id, Some(entry), ints, message));
}

/// Rules with arguments for a call that one of the architectures lacks. For x86-64 libseccomp loads
/// the number anew, to tell x32.
fn absent(subject: &Subject<'_>, entry: &Entry, found: &mut Vec<Finding>) {
    let (Some(lowered), false) = (&subject.lowered, entry.args.is_empty()) else { return };
    if !subject.entries.iter().any(|one| one.position == entry.position) {
        return;
    }
    for arch in lowered.arches().filter(|arch| *arch != Arch::X86_64) {
        let lacks =
            |name: &&String| Call::by_name(name).is_some_and(|call| call.number(arch).is_none());
        let names: Vec<String> = entry.names.iter().filter(lacks).cloned().collect();
        if !names.is_empty() {
            let message = format!("{arch} has no {}", super::some_of(&names));
            found.extend(finding("absent-call-with-arguments", Some(entry), names, message));
        }
    }
}
