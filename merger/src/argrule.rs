//! Infers rules on arguments from the values that runs showed and code holds. The calls, and which
//! of their values need no evidence, are rows of data/argument-rules.tsv.

use model::{
    ArgCmp, Arguments, Call, Kind, Param, Rule, Sysno,
    policy::{ArgumentRules, Observed, Origins, Predicted, Settings, Strategy},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// With more values there is no rule: a list that long bounds little, and the next run adds to it.
const FEW: usize = 16;

/// A row of the table.
#[derive(Debug)]
struct Row {
    /// By name, in the order in which their values stand.
    parameters: Vec<&'static str>,
    /// `None`: the value lies in memory.
    mask: Option<u64>,
    always: Vec<u64>,
    /// `None`: any value.
    predicted: Option<Vec<u64>>,
}

/// Values of one or more parameters; `None` stands for any value.
type Values = Option<BTreeSet<Vec<u64>>>;

/// Whether no value that the evidence has may be allowed: the call can only be withheld.
pub(crate) fn nothing(sysno: Sysno, origins: &Origins, settings: Settings) -> bool {
    if settings.arguments == ArgumentRules::None || origins.observed.is_some() {
        return false;
    }
    let Some(predicted) = &origins.predicted else { return false };
    let Some((call, row)) = sysno.call().and_then(|call| Some((call, TABLE.get(call.name)?)))
    else {
        return false;
    };
    let values = reachable(row, predicted, settings.strategy, call.group.sensitive());
    row.always.is_empty() && row.mask.is_some() && values.is_some_and(|values| values.is_empty())
}

/// The rules for an allowed call; empty when any argument is allowed.
pub(crate) fn infer(
    sysno: Sysno,
    origins: &Origins,
    settings: Settings,
    write_and_execute: bool,
) -> BTreeSet<Rule> {
    let bound = origins.observed.is_some() || origins.predicted.is_some();
    let free =
        origins.decided.is_some() || origins.implied.is_some() || !origins.runtime.is_empty();
    if !bound || free || settings.arguments == ArgumentRules::None {
        return BTreeSet::new();
    }
    let Some(call) = sysno.call() else { return BTreeSet::new() };
    let risky = risky(call, origins, settings, write_and_execute);
    if settings.arguments == ArgumentRules::All && origins.predicted.is_none() {
        // All parameters together bound at least as much as the risky one, if they are few.
        let every = every(call, origins.observed.as_ref());
        if !every.is_empty() {
            return every;
        }
    }
    risky
}

/// Whether a filter cannot compare what decides the power of a call.
pub(crate) fn in_memory(sysno: Sysno) -> bool {
    sysno.call().and_then(|call| TABLE.get(call.name)).is_some_and(|row| row.mask.is_none())
}

/// The rules under which a call may stand in for one that has none, though it can do more.
pub(crate) fn harmless(sysno: Sysno) -> BTreeSet<Rule> {
    let Some(call) = sysno.call() else { return BTreeSet::new() };
    let Some(row) = TABLE.get(call.name) else { return BTreeSet::new() };
    let ordinary = row.predicted.as_ref();
    rules(call, row, ordinary.map(|values| columns_of(row.always.iter().chain(values))))
}

fn risky(
    call: &Call,
    origins: &Origins,
    settings: Settings,
    write_and_execute: bool,
) -> BTreeSet<Rule> {
    let Some(row) = TABLE.get(call.name) else { return BTreeSet::new() };
    let mut values = Some(columns_of(&row.always));
    if let Some(observed) = &origins.observed {
        add(&mut values, shown(call, row, observed, write_and_execute));
    }
    if let Some(predicted) = &origins.predicted {
        let sensitive = call.group.sensitive();
        add(&mut values, reachable(row, predicted, settings.strategy, sensitive));
    }
    rules(call, row, values)
}

/// The values that runs showed.
fn shown(call: &Call, row: &Row, observed: &Observed, write_and_execute: bool) -> Values {
    let arguments = observed.arguments.as_ref()?;
    let mask = row.mask?;
    let at: Option<Vec<usize>> =
        row.parameters.iter().map(|name| position(arguments, name)).collect();
    let at = at?;
    let cells = |values: &Vec<u64>| at.iter().map(|&at| Some(values.get(at)? & mask)).collect();
    let kept: Values = arguments.values.iter().map(cells).collect();
    if !arguments.many {
        return kept;
    }
    // Of more values than are kept, this one thing is known: whether write and execute ever came
    // together.
    let protection = row.parameters.iter().all(|name| is_protection(call, name));
    let apart = row.predicted.as_ref().filter(|_| protection && !write_and_execute)?;
    Some(kept?.into_iter().chain(columns_of(apart)).collect())
}

fn position(arguments: &Arguments, name: &str) -> Option<usize> {
    arguments.names.iter().position(|known| known == name)
}

fn is_protection(call: &Call, name: &str) -> bool {
    call.params.iter().any(|param| param.name == name && param.kind == Kind::Prot)
}

/// The values that code holds, as far as the strategy lets them count.
fn reachable(row: &Row, predicted: &Predicted, strategy: Strategy, sensitive: bool) -> Values {
    let known = match row.parameters[..] {
        [name] => predicted.arguments.get(name),
        // Values of several parameters are known one by one, not which go together.
        _ => None,
    };
    let mask = row.mask?;
    let known = known.map(|values| -> BTreeSet<Vec<u64>> {
        values.iter().map(|value| vec![value & mask]).collect()
    });
    match strategy {
        Strategy::Observed => Some(BTreeSet::new()),
        // Withheld, where no run made the call; where one did, its values count.
        Strategy::Balanced if sensitive => Some(BTreeSet::new()),
        Strategy::Balanced => {
            let ordinary = columns_of(row.predicted.as_ref()?);
            match known {
                Some(known) => Some(known.intersection(&ordinary).cloned().collect()),
                None => Some(ordinary),
            }
        }
        Strategy::Predicted => known,
    }
}

fn columns_of<'a>(values: impl IntoIterator<Item = &'a u64>) -> BTreeSet<Vec<u64>> {
    values.into_iter().map(|value| vec![*value]).collect()
}

fn add(values: &mut Values, more: Values) {
    match (values.as_mut(), more) {
        (Some(values), Some(more)) => values.extend(more),
        _ => *values = None,
    }
}

/// Alternatives that allow just these values.
fn rules(call: &Call, row: &Row, values: Values) -> BTreeSet<Rule> {
    let (Some(values), Some(mask)) = (values, row.mask) else { return BTreeSet::new() };
    // Where every value that the mask leaves is there, nothing is denied.
    let all = 1usize.checked_shl(mask.count_ones() * row.parameters.len() as u32);
    if values.len() > FEW || all.is_some_and(|all| values.len() >= all) {
        return BTreeSet::new();
    }
    let indices: Option<Vec<u8>> = row.parameters.iter().map(|name| index(call, name)).collect();
    let Some(indices) = indices else { return BTreeSet::new() };
    let rule = |mask: u64, values: &[u64]| {
        let comparison = |(index, value): (&u8, &u64)| ArgCmp::masked(*index, mask, *value).ok();
        let comparisons: Option<Vec<ArgCmp>> = indices.iter().zip(values).map(comparison).collect();
        Rule::new(comparisons?).ok()
    };
    // One that cannot be written as a rule leaves the call without rules.
    let all: Option<BTreeSet<Rule>> = match indices[..] {
        [_] if mask.count_ones() <= BITS => {
            let values: BTreeSet<u64> = values.iter().flatten().copied().collect();
            minimal(mask, &values).into_iter().map(|(mask, value)| rule(mask, &[value])).collect()
        }
        _ => values.iter().map(|values| rule(mask, values)).collect(),
    };
    all.unwrap_or_default()
}

/// With at most so many bits, values are joined into fewer comparisons.
const BITS: u32 = 8;

/// The fewest pairs of a mask and a value that match these values of the bits in `mask` and no
/// others: of PROT_WRITE and PROT_EXEC at most one is "no PROT_WRITE" or "no PROT_EXEC".
fn minimal(mask: u64, values: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    // Two of one mask that differ in one bit are one without that bit, until none are left.
    let (mut primes, mut current) = (BTreeSet::new(), BTreeSet::new());
    current.extend(values.iter().map(|value| (mask, *value)));
    while !current.is_empty() {
        let (mut joined, mut used) = (BTreeSet::new(), BTreeSet::new());
        for &(mask, value) in &current {
            for bit in (0..64).map(|shift| 1 << shift).filter(|bit| mask & bit != 0) {
                if current.contains(&(mask, value ^ bit)) {
                    joined.insert((mask & !bit, value & !bit));
                    used.insert((mask, value));
                }
            }
        }
        primes.extend(current.difference(&used).copied());
        current = joined;
    }
    // Of these, always the one that matches most of what is left.
    let (mut left, mut chosen) = (values.clone(), Vec::new());
    while !left.is_empty() {
        let matches =
            |(mask, value): &(u64, u64)| left.iter().filter(|v| *v & mask == *value).count();
        let Some(&best) = primes.iter().rev().max_by_key(|prime| matches(prime)) else { break };
        left.retain(|value| value & best.0 != best.1);
        primes.remove(&best);
        chosen.push(best);
    }
    chosen
}

fn index(call: &Call, name: &str) -> Option<u8> {
    let at = call.params.iter().position(|param| param.name == name)?;
    u8::try_from(at).ok()
}

/// The combinations of all parameters that decide what the call may do, where runs showed few.
fn every(call: &Call, observed: Option<&Observed>) -> BTreeSet<Rule> {
    let Some(arguments) = observed.and_then(|observed| observed.arguments.as_ref()) else {
        return BTreeSet::new();
    };
    let parameters: Vec<&Param> =
        call.params.iter().filter(|param| param.kind.is_value()).collect();
    // A parameter that lies in memory, or that is a stand-in for one (whom a signal goes to).
    if arguments.many
        || parameters.is_empty()
        || parameters.len() != arguments.names.len()
        || arguments.values.len() > FEW
    {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    for row in &arguments.values {
        let comparison = |param: &&Param| -> Option<ArgCmp> {
            let value = row.get(position(arguments, param.name)?)?;
            let mask = if param.kind.bits() == 32 { 0xffff_ffff } else { u64::MAX };
            ArgCmp::masked(index(call, param.name)?, mask, value & mask).ok()
        };
        let comparisons: Option<Vec<ArgCmp>> = parameters.iter().map(comparison).collect();
        match comparisons.and_then(|comparisons| Rule::new(comparisons).ok()) {
            Some(rule) => found.insert(rule),
            None => return BTreeSet::new(),
        };
    }
    found
}

static TABLE: LazyLock<BTreeMap<&'static str, Row>> =
    LazyLock::new(|| lines().filter_map(row).collect());

fn lines() -> impl Iterator<Item = &'static str> {
    let text = include_str!("../data/argument-rules.tsv");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `None` for a row that does not read; a test reads them all.
fn row(line: &'static str) -> Option<(&'static str, Row)> {
    let [call, parameters, mask, always, predicted, _reason] =
        line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let mask = if mask == "memory" { None } else { Some(number(mask)?) };
    let predicted = if predicted == "any" { None } else { Some(numbers(predicted)?) };
    let parameters = parameters.split(',').collect();
    Some((call, Row { parameters, mask, always: numbers(always)?, predicted }))
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    if text == "-" { Some(Vec::new()) } else { text.split(' ').map(number).collect() }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        Arch, Text,
        analysis::{Layer, Phase},
    };

    const BALANCED: Settings =
        Settings { strategy: Strategy::Balanced, arguments: ArgumentRules::Risky };

    fn sysno(name: &str) -> Sysno {
        Sysno::from_name(Arch::X86_64, name).unwrap()
    }

    fn observed(names: &[&str], values: &[&[u64]], many: bool) -> Origins {
        let arguments = Arguments {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            values: values.iter().map(|row| row.to_vec()).collect(),
            many,
        };
        let observed = Observed { arguments: Some(arguments), ..Observed::default() };
        Origins { observed: Some(observed), ..Origins::default() }
    }

    fn predicted(known: &[(&str, &[u64])]) -> Predicted {
        Predicted {
            analyses: BTreeSet::new(),
            programs: BTreeMap::from([(Text::from("/bin/a"), Layer::Core)]),
            phase: Phase::Both,
            chain: Vec::new(),
            arguments: known
                .iter()
                .map(|(name, values)| ((*name).to_owned(), values.iter().copied().collect()))
                .collect(),
        }
    }

    fn allows(rules: &BTreeSet<Rule>, args: &[u64]) -> bool {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        rules.is_empty() || rules.iter().any(|rule| rule.matches(&all))
    }

    #[test]
    fn every_row_reads_and_names_what_the_call_table_has() {
        let mut count = 0;
        for line in lines() {
            let (name, row) = row(line).unwrap_or_else(|| panic!("{line}"));
            let call = Call::by_name(name).unwrap_or_else(|| panic!("{name}"));
            for parameter in &row.parameters {
                let kind = call.params.iter().find(|param| param.name == *parameter).unwrap().kind;
                assert_eq!(kind.is_value_in_memory(), row.mask.is_none(), "{line}");
                assert!(kind.is_value() || kind.is_value_in_memory(), "{line}");
            }
            let mask = row.mask.unwrap_or(u64::MAX);
            for value in row.always.iter().chain(row.predicted.iter().flatten()) {
                assert_eq!(value & !mask, 0, "{line}");
            }
            assert!(line.rsplit('\t').next().unwrap().len() > 20, "no reason: {line}");
            count += 1;
        }
        assert_eq!(count, TABLE.len(), "a call stands there twice");
    }

    #[test]
    fn a_socket_of_another_family_is_denied() {
        let names = ["domain", "type", "protocol"];
        let seen = observed(&names, &[&[2, 1, 0]], false);
        let rules = infer(sysno("socket"), &seen, BALANCED, false);
        assert!(allows(&rules, &[2, 2, 17]) && allows(&rules, &[2 | 1 << 32]));
        assert!(!allows(&rules, &[16, 3, 0]) && !allows(&rules, &[10]));
        // Of what code holds the ordinary families count.
        let both = Origins { predicted: Some(predicted(&[("domain", &[10, 16])])), ..seen.clone() };
        let rules = infer(sysno("socket"), &both, BALANCED, false);
        assert!(allows(&rules, &[2]) && allows(&rules, &[10]) && !allows(&rules, &[16]));
        let wide = Settings { strategy: Strategy::Predicted, ..BALANCED };
        assert!(allows(&infer(sysno("socket"), &both, wide, false), &[16]));
        // All arguments together.
        let all = Settings { arguments: ArgumentRules::All, ..BALANCED };
        assert!(!allows(&infer(sysno("socket"), &seen, all, false), &[2, 2, 17]));
        let none = Settings { arguments: ArgumentRules::None, ..BALANCED };
        assert!(infer(sysno("socket"), &seen, none, false).is_empty());
    }

    #[test]
    fn what_is_never_writable_and_executable_at_once_cannot_become_so() {
        let seen = observed(&["prot", "flags"], &[&[1, 2], &[5, 2], &[3, 34]], false);
        let rules = infer(sysno("mmap"), &seen, BALANCED, false);
        assert!(allows(&rules, &[0, 0, 5]) && allows(&rules, &[0, 0, 3]));
        assert!(!allows(&rules, &[0, 0, 7]) && !allows(&rules, &[0, 0, 6]));
        let many = observed(&["prot", "flags"], &[&[1, 2]], true);
        assert!(!allows(&infer(sysno("mmap"), &many, BALANCED, false), &[0, 0, 7]));
        assert!(infer(sysno("mmap"), &many, BALANCED, true).is_empty());
        let both = observed(&["prot", "flags"], &[&[1, 2], &[7, 34], &[3, 34], &[5, 2]], false);
        assert!(infer(sysno("mmap"), &both, BALANCED, true).is_empty());
        // Memory that no run made executable stays so.
        let data = observed(&["prot"], &[&[1], &[3]], false);
        let rules = infer(sysno("mprotect"), &data, BALANCED, false);
        assert!(allows(&rules, &[0, 0, 3]) && !allows(&rules, &[0, 0, 5]));
    }

    #[test]
    fn few_comparisons_match_just_the_values() {
        for mask in [0x6, 0x7, 0x7e02_0000_u64] {
            let bits: Vec<u64> = (0..64).map(|b| 1 << b).filter(|b| mask & b != 0).collect();
            let all: Vec<u64> = (0..1_u64 << bits.len())
                .map(|n| {
                    bits.iter().enumerate().filter(|(i, _)| n >> i & 1 == 1).map(|(_, b)| b).sum()
                })
                .collect();
            // Some subsets, by the bits of a counter.
            for subset in (1..4000_u64).step_by(37) {
                let values: BTreeSet<u64> = all
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| subset >> (i % 12) & 1 == 1)
                    .map(|(_, v)| *v)
                    .collect();
                let found = minimal(mask, &values);
                for value in &all {
                    let matched = found.iter().any(|(mask, wanted)| value & mask == *wanted);
                    assert_eq!(matched, values.contains(value), "{mask:#x} {values:x?} {value:#x}");
                }
                assert!(found.len() <= values.len());
            }
        }
        assert_eq!(minimal(6, &BTreeSet::from([0, 2, 4])).len(), 2);
    }

    #[test]
    fn clone_without_namespaces_takes_any_other_flags() {
        let seen = observed(&["flags"], &[&[0x0120_0011]], false);
        let rules = infer(sysno("clone"), &seen, BALANCED, false);
        assert!(allows(&rules, &[0x003d_0f00]) && !allows(&rules, &[0x1000_0011]));
    }

    #[test]
    fn questions_that_depend_on_the_terminal_are_allowed_with_any_ioctl() {
        let seen = observed(&["cmd"], &[&[0x541b]], false);
        let rules = infer(sysno("ioctl"), &seen, BALANCED, false);
        assert!(allows(&rules, &[1, 0x5401]) && !allows(&rules, &[1, 0x5412]));
    }

    #[test]
    fn a_prediction_of_nothing_ordinary_is_nothing() {
        let netlink =
            Origins { predicted: Some(predicted(&[("domain", &[16])])), ..Origins::default() };
        assert!(nothing(sysno("socket"), &netlink, BALANCED));
        let wide = Settings { strategy: Strategy::Predicted, ..BALANCED };
        assert!(!nothing(sysno("socket"), &netlink, wide));
        let unknown = Origins { predicted: Some(predicted(&[])), ..Origins::default() };
        assert!(!nothing(sysno("socket"), &unknown, BALANCED));
    }

    #[test]
    fn many_values_and_values_without_a_rule_leave_a_call_free() {
        let values: Vec<[u64; 1]> = (0..20).map(|value| [value]).collect();
        let rows: Vec<&[u64]> = values.iter().map(|row| &row[..]).collect();
        assert!(
            infer(sysno("prctl"), &observed(&["option"], &rows, false), BALANCED, false).is_empty()
        );
        let without = Origins { observed: Some(Observed::default()), ..Origins::default() };
        assert!(infer(sysno("prctl"), &without, BALANCED, false).is_empty());
        let seen = observed(&["level", "optname"], &[&[1, 2]], false);
        assert_eq!(infer(sysno("setsockopt"), &seen, BALANCED, false).len(), 1);
        let both = Origins { predicted: Some(predicted(&[])), ..seen };
        assert!(infer(sysno("setsockopt"), &both, BALANCED, false).is_empty());
    }

    #[test]
    fn other_reasons_free_a_call() {
        let seen = observed(&["domain"], &[&[2]], false);
        for origins in [
            Origins { decided: Some("needed".to_owned()), ..seen.clone() },
            Origins { implied: Some("because".to_owned()), ..seen.clone() },
            Origins { runtime: BTreeSet::from(["runc".to_owned()]), ..seen.clone() },
        ] {
            assert!(infer(sysno("socket"), &origins, BALANCED, false).is_empty());
        }
    }
}
