//! How reports name things: one place, so that all of them say the same.

use model::{ArgCmp, CmpOp, Rule, Sysno, Text, Verdict, analysis::Phase};

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

/// An argument: `prot=0x5`.
pub(crate) fn argument(_sysno: Sysno, name: &str, value: u64) -> String {
    format!("{name}={value:#x}")
}

/// A rule by the names of its parameters: `domain is 0x2`, `prot & 0x6 is 0x0`.
pub(crate) fn rule(sysno: Sysno, rule: &Rule) -> String {
    let params = sysno.call().map_or(&[][..], |call| call.params);
    let comparison = |comparison: &ArgCmp| {
        let index = comparison.index();
        let name = params
            .get(usize::from(index))
            .map_or_else(|| format!("argument {index}"), |param| param.name.to_owned());
        let value = comparison.value();
        match comparison.op() {
            CmpOp::MaskedEq if comparison.mask() == 0xffff_ffff => format!("{name} is {value:#x}"),
            CmpOp::MaskedEq => format!("{name} & {:#x} is {value:#x}", comparison.mask()),
            CmpOp::Eq => format!("{name} is {value:#x}"),
            CmpOp::Ne => format!("{name} is not {value:#x}"),
            CmpOp::Lt => format!("{name} < {value:#x}"),
            CmpOp::Le => format!("{name} <= {value:#x}"),
            CmpOp::Ge => format!("{name} >= {value:#x}"),
            CmpOp::Gt => format!("{name} > {value:#x}"),
        }
    };
    rule.comparisons().iter().map(comparison).collect::<Vec<_>>().join(" and ")
}
