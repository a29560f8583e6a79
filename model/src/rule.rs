//! Comparisons on the arguments of a call.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How an argument is compared; all comparisons are unsigned and on 64 bits, as seccomp's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmpOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than or equal.
    Ge,
    /// Greater than.
    Gt,
    /// Equal in the bits of the mask.
    MaskedEq,
}

/// One comparison of one argument with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "ArgCmpFields", into = "ArgCmpFields")]
pub struct ArgCmp {
    index: u8,
    op: CmpOp,
    value: u64,
    mask: u64,
}

/// Why a rule cannot exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A system call has arguments 0 to 5.
    #[error("argument {0}: a system call has arguments 0 to 5")]
    Index(u8),
    /// Bits outside the mask can never be equal.
    #[error(
        "argument {index}: value {value:#x} has bits outside its mask {mask:#x}, so it never matches"
    )]
    OutsideMask {
        /// Which argument.
        index: u8,
        /// The wanted value.
        value: u64,
        /// The mask.
        mask: u64,
    },
    /// Only a masked comparison has a mask.
    #[error("argument {0}: only masked-eq has a mask")]
    NeedlessMask(u8),
    /// A masked comparison without its mask.
    #[error("argument {0}: masked-eq needs a mask")]
    NoMask(u8),
    /// Runtimes split two comparisons of one argument into two rules, which turns "and" into "or".
    #[error(
        "argument {0} is compared twice in one rule, which container runtimes read as two rules"
    )]
    Twice(u8),
    /// A rule without comparisons would be unconditional.
    #[error("a rule needs at least one comparison")]
    Empty,
}

impl ArgCmp {
    /// Compares argument `index` with `value`.
    ///
    /// # Errors
    /// [`RuleError::Index`] above 5; [`RuleError::NoMask`] for [`CmpOp::MaskedEq`].
    pub fn new(index: u8, op: CmpOp, value: u64) -> Result<ArgCmp, RuleError> {
        match (index, op) {
            (6.., _) => Err(RuleError::Index(index)),
            (_, CmpOp::MaskedEq) => Err(RuleError::NoMask(index)),
            _ => Ok(ArgCmp { index, op, value, mask: u64::MAX }),
        }
    }

    /// Compares the bits of argument `index` that are in `mask` with `value`.
    ///
    /// # Errors
    /// [`RuleError::Index`] above 5; [`RuleError::OutsideMask`] when it could never match.
    pub fn masked(index: u8, mask: u64, value: u64) -> Result<ArgCmp, RuleError> {
        if index > 5 {
            return Err(RuleError::Index(index));
        }
        if value & !mask != 0 {
            return Err(RuleError::OutsideMask { index, value, mask });
        }
        Ok(ArgCmp { index, op: CmpOp::MaskedEq, value, mask })
    }

    /// Which argument, 0 to 5.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// The comparison.
    pub fn op(&self) -> CmpOp {
        self.op
    }

    /// The constant; for [`CmpOp::MaskedEq`] it lies within the mask.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// The bits that are compared: all of them but for [`CmpOp::MaskedEq`].
    pub fn mask(&self) -> u64 {
        self.mask
    }

    /// Whether `args` satisfy the comparison.
    pub fn matches(&self, args: &[u64; 6]) -> bool {
        let actual = args[usize::from(self.index)];
        match self.op {
            CmpOp::Eq => actual == self.value,
            CmpOp::Ne => actual != self.value,
            CmpOp::Lt => actual < self.value,
            CmpOp::Le => actual <= self.value,
            CmpOp::Ge => actual >= self.value,
            CmpOp::Gt => actual > self.value,
            CmpOp::MaskedEq => actual & self.mask == self.value,
        }
    }
}

impl fmt::Display for ArgCmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ArgCmp { index, op, value, mask } = self;
        let sign = match op {
            CmpOp::Eq => "==",
            CmpOp::Ne => "!=",
            CmpOp::Lt => "<",
            CmpOp::Le => "<=",
            CmpOp::Ge => ">=",
            CmpOp::Gt => ">",
            CmpOp::MaskedEq => return write!(f, "arg{index} & {mask:#x} == {value:#x}"),
        };
        write!(f, "arg{index} {sign} {value:#x}")
    }
}

/// Comparisons that must all hold. The rules of one call are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<ArgCmp>", into = "Vec<ArgCmp>")]
pub struct Rule(Vec<ArgCmp>);

impl Rule {
    /// A rule of these comparisons, kept in the order of their arguments.
    ///
    /// # Errors
    /// [`RuleError::Empty`], or [`RuleError::Twice`] when an argument is compared twice.
    pub fn new(mut comparisons: Vec<ArgCmp>) -> Result<Rule, RuleError> {
        if comparisons.is_empty() {
            return Err(RuleError::Empty);
        }
        comparisons.sort();
        match comparisons.windows(2).find(|pair| pair[0].index == pair[1].index) {
            Some(pair) => Err(RuleError::Twice(pair[0].index)),
            None => Ok(Rule(comparisons)),
        }
    }

    /// The comparisons, by argument.
    pub fn comparisons(&self) -> &[ArgCmp] {
        &self.0
    }

    /// Whether `args` satisfy every comparison.
    pub fn matches(&self, args: &[u64; 6]) -> bool {
        self.0.iter().all(|comparison| comparison.matches(args))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, comparison) in self.0.iter().enumerate() {
            write!(f, "{}{comparison}", if position > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<ArgCmp>> for Rule {
    type Error = RuleError;

    fn try_from(comparisons: Vec<ArgCmp>) -> Result<Rule, RuleError> {
        Rule::new(comparisons)
    }
}

impl From<Rule> for Vec<ArgCmp> {
    fn from(rule: Rule) -> Vec<ArgCmp> {
        rule.0
    }
}

/// What a comparison looks like in JSON, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgCmpFields {
    index: u8,
    op: CmpOp,
    #[serde(with = "crate::serial::hex")]
    value: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<Mask>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Mask(#[serde(with = "crate::serial::hex")] u64);

impl TryFrom<ArgCmpFields> for ArgCmp {
    type Error = RuleError;

    fn try_from(fields: ArgCmpFields) -> Result<ArgCmp, RuleError> {
        let ArgCmpFields { index, op, value, mask } = fields;
        match (op, mask) {
            (CmpOp::MaskedEq, Some(Mask(mask))) => ArgCmp::masked(index, mask, value),
            (CmpOp::MaskedEq, None) => Err(RuleError::NoMask(index)),
            (_, Some(_)) => Err(RuleError::NeedlessMask(index)),
            (_, None) => ArgCmp::new(index, op, value),
        }
    }
}

impl From<ArgCmp> for ArgCmpFields {
    fn from(cmp: ArgCmp) -> ArgCmpFields {
        let mask = (cmp.op == CmpOp::MaskedEq).then_some(Mask(cmp.mask));
        ArgCmpFields { index: cmp.index, op: cmp.op, value: cmp.value, mask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_work_cannot_be_made() {
        assert_eq!(ArgCmp::new(7, CmpOp::Eq, 0), Err(RuleError::Index(7)));
        assert!(ArgCmp::masked(0, 0xf, 0x10).is_err());
        let one = ArgCmp::new(0, CmpOp::Ge, 1).unwrap();
        let two = ArgCmp::new(0, CmpOp::Le, 9).unwrap();
        assert_eq!(Rule::new(vec![one, two]), Err(RuleError::Twice(0)));
        assert_eq!(Rule::new(vec![]), Err(RuleError::Empty));
    }

    #[test]
    fn json_is_checked_like_a_constructor() {
        for bad in [
            r#"[]"#,
            r#"[{"index": 9, "op": "eq", "value": "0x0"}]"#,
            r#"[{"index": 0, "op": "masked-eq", "value": "0x0"}]"#,
            r#"[{"index": 0, "op": "eq", "value": "0x0", "mask": "0x1"}]"#,
            r#"[{"index": 0, "op": "eq", "value": 3}]"#,
        ] {
            assert!(serde_json::from_str::<Rule>(bad).is_err(), "{bad}");
        }
        let json = r#"[{"index":0,"op":"masked-eq","value":"0x1","mask":"0xf"}]"#;
        let rule: Rule = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), json);
        assert!(rule.matches(&[0x21, 0, 0, 0, 0, 0]));
        assert!(!rule.matches(&[0x22, 0, 0, 0, 0, 0]));
    }
}
