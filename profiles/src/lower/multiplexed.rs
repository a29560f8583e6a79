//! Calls that are also made through socketcall and ipc, from data/multiplexed.tsv.

use model::{Arch, ArgCmp, Call, CmpOp, Rule};
use std::{collections::BTreeMap, sync::LazyLock};

const TABLE: &str = include_str!("../../data/multiplexed.tsv");

fn rows() -> &'static BTreeMap<&'static str, (&'static str, u64)> {
    static ROWS: LazyLock<BTreeMap<&str, (&str, u64)>> =
        LazyLock::new(|| lines().filter_map(row).collect());
    &ROWS
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).skip(1)
}

fn row(line: &'static str) -> Option<(&'static str, (&'static str, u64))> {
    let mut fields = line.split('\t');
    Some((fields.next()?, (fields.next()?, fields.next()?.parse().ok()?)))
}

/// The number of the call through which a call is also made, and its code there.
pub(super) fn code(arch: Arch, name: &str) -> Option<(u32, u64)> {
    let (through, code) = rows().get(name)?;
    Some((Call::by_name(through)?.number(arch)?, *code))
}

/// Which numbers get a rule where libseccomp is told one for a name, and under which conditions.
pub(super) fn rules(arch: Arch, name: &str, condition: Option<&Rule>) -> Vec<(u32, Option<Rule>)> {
    let direct = Call::by_name(name).and_then(|call| call.number(arch));
    let mut rules: Vec<(u32, Option<Rule>)> =
        direct.into_iter().map(|number| (number, condition.cloned())).collect();
    if let Some((number, code)) = code(arch, name) {
        let rest = condition.into_iter().flat_map(Rule::comparisons).filter(|cmp| cmp.index() != 0);
        let code = ArgCmp::new(0, CmpOp::Eq, code).ok();
        if let Ok(rule) = Rule::new(code.into_iter().chain(rest.copied()).collect()) {
            rules.push((number, Some(rule)));
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_known_calls() {
        for line in lines() {
            let (name, (through, _)) = row(line).unwrap();
            assert!(Call::by_name(name).is_some() && Call::by_name(through).is_some(), "{line}");
        }
    }

    #[test]
    fn a_rule_for_socket_is_one_for_socketcall_that_forgets_the_domain() {
        let rule = Rule::new(vec![ArgCmp::new(0, CmpOp::Eq, 2).unwrap()]).unwrap();
        let made = rules(Arch::I386, "socket", Some(&rule));
        let texts: Vec<String> = made
            .iter()
            .map(|(number, rule)| format!("{number}: {}", rule.as_ref().unwrap()))
            .collect();
        assert_eq!(texts, ["359: arg0 == 0x2", "102: arg0 == 0x1"]);
        assert_eq!(rules(Arch::X86_64, "socket", None), [(41, None)]);
        assert_eq!(rules(Arch::I386, "accept", None).len(), 1);
        assert!(rules(Arch::X86_64, "no_such_call", None).is_empty());
    }
}
