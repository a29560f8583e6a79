//! Comparisons as libseccomp makes them.
//!
//! On architectures that it takes for 32-bit ones, x32 among them, it compares the lower halves with
//! the lower halves of the constants. The arguments of x32 have 64 bits, so there each comparison is
//! written as comparisons of bits.

use super::LowerError;
use crate::read::{Argument, Entry};
use model::{Arch, ArgCmp, CmpOp, Rule};

/// How many rules a call may have.
pub(super) const RULES: usize = 4096;
const LOW: u64 = 0xffff_ffff;

/// The rules of an entry, as alternatives; `None` for any arguments.
pub(crate) fn conditions(entry: &Entry, arch: Arch) -> Result<Vec<Option<Rule>>, LowerError> {
    let position = entry.position;
    if entry.args.is_empty() {
        return Ok(vec![None]);
    }
    let comparisons = entry
        .args
        .iter()
        .map(|argument| {
            let index = u8::try_from(argument.index).ok().filter(|index| *index < 6);
            let index = index.ok_or(LowerError::Index { position, index: argument.index })?;
            Ok(alternatives(index, argument, arch))
        })
        .collect::<Result<Vec<Vec<ArgCmp>>, LowerError>>()?;
    // Runtimes turn two comparisons of one argument into a rule for each comparison.
    if twice(entry) {
        return Ok(comparisons
            .into_iter()
            .flatten()
            .map(|one| Rule::new(vec![one]).ok())
            .collect());
    }
    let mut rules: Vec<Vec<ArgCmp>> = vec![Vec::new()];
    for choices in comparisons {
        if rules.len() * choices.len() > RULES {
            return Err(LowerError::X32 { position });
        }
        let with = |rule: &Vec<ArgCmp>| {
            let rule = rule.clone();
            choices.clone().into_iter().map(move |choice| [rule.as_slice(), &[choice]].concat())
        };
        rules = rules.iter().flat_map(with).collect();
    }
    Ok(rules.into_iter().filter_map(|rule| Rule::new(rule).ok()).map(Some).collect())
}

/// Whether an entry compares an argument twice.
pub(crate) fn twice(entry: &Entry) -> bool {
    let mut indexes: Vec<u64> = entry.args.iter().map(|argument| argument.index).collect();
    indexes.sort_unstable();
    indexes.windows(2).any(|pair| pair[0] == pair[1])
}

/// The comparison; for x32 more than one, or none when nothing satisfies it.
fn alternatives(index: u8, argument: &Argument, arch: Arch) -> Vec<ArgCmp> {
    const AUDIT_64BIT: u32 = 0x8000_0000;
    if arch == Arch::X32 {
        return low_half(index, argument);
    }
    let width = if arch.audit() & AUDIT_64BIT == 0 { LOW } else { u64::MAX };
    let value = argument.value & width;
    let comparison = match argument.op {
        // Wanted bits outside the mask are dropped.
        CmpOp::MaskedEq => ArgCmp::masked(index, value, argument.value_two & value),
        op => ArgCmp::new(index, op, value),
    };
    comparison.into_iter().collect()
}

/// A comparison of the lower half only, as comparisons of bits.
fn low_half(index: u8, argument: &Argument) -> Vec<ArgCmp> {
    let value = argument.value & LOW;
    let masked = |mask: u64, value: u64| ArgCmp::masked(index, mask, value & mask).ok();
    // The first bit that differs is set in the greater of two numbers.
    let differs = |bit: u32| masked(LOW & (u64::MAX << bit), value ^ (1 << bit));
    let bits = |set: bool| {
        let one_of = (0..32).filter(move |bit| (value >> bit & 1 == 1) == set);
        one_of.filter_map(differs).collect::<Vec<ArgCmp>>()
    };
    let equal = || masked(LOW, value).into_iter().collect::<Vec<ArgCmp>>();
    match argument.op {
        CmpOp::Eq => equal(),
        CmpOp::Ne => [bits(true), bits(false)].concat(),
        CmpOp::Lt => bits(true),
        CmpOp::Le => [bits(true), equal()].concat(),
        CmpOp::Gt => bits(false),
        CmpOp::Ge => [bits(false), equal()].concat(),
        CmpOp::MaskedEq => masked(value, argument.value_two).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x32_looks_at_the_lower_half_whatever_is_above() {
        use CmpOp::{Eq, Ge, Gt, Le, Lt, Ne};
        for op in [Eq, Ne, Lt, Le, Ge, Gt] {
            for value in [0, 1, 6, 0x8000_0000, LOW] {
                let argument = Argument { index: 0, value, value_two: 0, op };
                let made = low_half(0, &argument);
                let plain = ArgCmp::new(0, op, value).unwrap();
                for low in [0, 1, 2, 5, 6, 7, 0x7fff_ffff, 0x8000_0000, LOW - 1, LOW] {
                    let expected = plain.matches(&[low, 0, 0, 0, 0, 0]);
                    for high in [0, 1 << 32, u64::MAX << 32] {
                        let args = [high | low, 0, 0, 0, 0, 0];
                        let found = made.iter().any(|one| one.matches(&args));
                        assert_eq!(found, expected, "{low:x} {op:?} {value:x}");
                    }
                }
            }
        }
    }
}
