//! Argument comparisons as tests on 32-bit words.

use crate::{
    data,
    diagram::{Diagram, Fact, Node, Test, WHOLE},
    insn::Cond,
};
use model::{ArgCmp, CmpOp};

/// The few forms that all comparisons come down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// True of every argument.
    Always,
    /// The bits of the mask have this value; the mask has a bit.
    Bits { mask: u64, value: u64 },
    /// At least this, which is above 0.
    AtLeast(u64),
}

/// The form of a comparison of arguments up to `max`, and whether it is to be negated.
fn form(comparison: &ArgCmp, max: u64) -> (Form, bool) {
    let value = comparison.value();
    let at_least = |bound: u64| match bound {
        0 => (Form::Always, false),
        _ if bound > max => (Form::Always, true),
        _ => (Form::AtLeast(bound), false),
    };
    let above = || match value.checked_add(1) {
        Some(bound) => at_least(bound),
        None => (Form::Always, true),
    };
    let bits = || match comparison.mask() & max {
        _ if value > max => (Form::Always, true),
        0 => (Form::Always, false),
        mask => (Form::Bits { mask, value }, false),
    };
    let not = |(form, negated): (Form, bool)| (form, !negated);
    match comparison.op() {
        CmpOp::Eq | CmpOp::MaskedEq => bits(),
        CmpOp::Ne => not(bits()),
        CmpOp::Ge => at_least(value),
        CmpOp::Lt => not(at_least(value)),
        CmpOp::Gt => above(),
        CmpOp::Le => not(above()),
    }
}

/// A node that compares an argument and goes on at `yes` or `no`.
pub(crate) fn compare(
    diagram: &mut Diagram,
    audit: u32,
    comparison: &ArgCmp,
    yes: Node,
    no: Node,
) -> Node {
    let (form, negated) = form(comparison, max(audit));
    let (yes, no) = if negated { (no, yes) } else { (yes, no) };
    let low = data::low(audit, comparison.index());
    match (form, data::high(audit, comparison.index())) {
        (Form::Always, _) => yes,
        (Form::Bits { mask, value }, None) => {
            bits(diagram, low, mask as u32, value as u32, Answers { yes, no })
        }
        (Form::Bits { mask, value }, Some(high)) => {
            let (high_mask, high_value) = ((mask >> 32) as u32, (value >> 32) as u32);
            // Where a rule fails, the next one often compares the same argument: what is known of
            // the high half then need not be asked again.
            let no_low = match high_mask {
                WHOLE => diagram.given(&[Fact::Is(high, high_value)], no),
                _ => no,
            };
            let answers = Answers { yes, no: no_low };
            let yes = bits(diagram, low, mask as u32, value as u32, answers);
            bits(diagram, high, high_mask, high_value, Answers { yes, no })
        }
        (Form::AtLeast(bound), None) => {
            ask(diagram, low, Cond::Ge, bound as u32, Answers { yes, no })
        }
        (Form::AtLeast(bound), Some(high)) => {
            at_least(diagram, high, low, bound, Answers { yes, no })
        }
    }
}

/// What is known of the words of an argument when the comparison holds.
pub(crate) fn facts(audit: u32, comparison: &ArgCmp) -> Vec<Fact> {
    let (Form::Bits { mask, value }, false) = form(comparison, max(audit)) else {
        return Vec::new();
    };
    let low = Some(data::low(audit, comparison.index()));
    let high = data::high(audit, comparison.index());
    let fact = |word: Option<u32>, shift| match (mask >> shift) as u32 {
        WHOLE => word.map(|word| Fact::Is(word, (value >> shift) as u32)),
        _ => None,
    };
    fact(low, 0).into_iter().chain(fact(high, 32)).collect()
}

/// The greatest argument.
fn max(audit: u32) -> u64 {
    if data::is_64bit(audit) { u64::MAX } else { u64::from(u32::MAX) }
}

/// Where a test leads.
#[derive(Clone, Copy)]
struct Answers {
    yes: Node,
    no: Node,
}

fn ask(diagram: &mut Diagram, word: u32, cond: Cond, k: u32, Answers { yes, no }: Answers) -> Node {
    diagram.test(Test { word, mask: WHOLE, cond, k, yes, no })
}

/// Whether the bits of the mask have the value, without a masking instruction where that is possible.
fn bits(diagram: &mut Diagram, word: u32, mask: u32, value: u32, answers: Answers) -> Node {
    let Answers { yes, no } = answers;
    match (mask, value) {
        (0, _) => yes,
        (WHOLE, _) => ask(diagram, word, Cond::Eq, value, answers),
        (_, 0) => ask(diagram, word, Cond::Set, mask, Answers { yes: no, no: yes }),
        _ if mask == value && mask.is_power_of_two() => {
            ask(diagram, word, Cond::Set, mask, answers)
        }
        _ => diagram.test(Test { word, mask, cond: Cond::Eq, k: value, yes, no }),
    }
}

/// Whether both halves together are at least a bound above 0.
fn at_least(diagram: &mut Diagram, high: u32, low: u32, bound: u64, answers: Answers) -> Node {
    let Answers { yes, no } = answers;
    let (high_bound, low_bound) = ((bound >> 32) as u32, bound as u32);
    if low_bound == 0 {
        return ask(diagram, high, Cond::Ge, high_bound, answers);
    }
    let fact = [Fact::Is(high, high_bound)];
    let equal = Answers { yes: diagram.given(&fact, yes), no: diagram.given(&fact, no) };
    let equal = ask(diagram, low, Cond::Ge, low_bound, equal);
    if high_bound == 0 {
        return ask(diagram, high, Cond::Eq, 0, Answers { yes: equal, no: yes });
    }
    let no = ask(diagram, high, Cond::Eq, high_bound, Answers { yes: equal, no });
    ask(diagram, high, Cond::Gt, high_bound, Answers { yes, no })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_that_need_no_look_have_none() {
        let cmp = |op, value| ArgCmp::new(0, op, value).unwrap();
        let always = (Form::Always, false);
        let never = (Form::Always, true);
        assert_eq!(form(&cmp(CmpOp::Ge, 0), u64::MAX), always);
        assert_eq!(form(&cmp(CmpOp::Le, u64::MAX), u64::MAX), always);
        assert_eq!(form(&cmp(CmpOp::Lt, 0), u64::MAX), never);
        assert_eq!(form(&cmp(CmpOp::Gt, u64::MAX), u64::MAX), never);
        assert_eq!(form(&ArgCmp::masked(0, 0, 0).unwrap(), u64::MAX), always);

        let max = u64::from(u32::MAX);
        assert_eq!(form(&cmp(CmpOp::Le, max), max), always);
        assert_eq!(form(&cmp(CmpOp::Lt, max + 1), max), always);
        assert_eq!(form(&cmp(CmpOp::Ne, max + 1), max), always);
        assert_eq!(form(&cmp(CmpOp::Gt, max), max), never);
        assert_eq!(form(&cmp(CmpOp::Eq, max + 1), max), never);
        assert_eq!(form(&ArgCmp::masked(0, max << 32, 0).unwrap(), max), always);
        assert_eq!(form(&ArgCmp::masked(0, max << 32, 1 << 32).unwrap(), max), never);
    }
}
