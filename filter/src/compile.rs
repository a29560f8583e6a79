//! Compiles a ruleset: architecture first, then the number, then the arguments.
//!
//! Numbers with one verdict are decided without a look at the arguments, so that the kernel (since
//! 5.11) finds that they are constant and no longer runs the filter for those that are allowed.

use crate::{
    Action, CallRule, Program, ProgramError, Ruleset,
    assemble::assemble,
    condition::{compare, facts},
    data::ARCH,
    diagram::{Diagram, Fact, Node, Test, WHOLE},
    insn::Cond,
    numbers::{Range, coalesce, search},
    ruleset::numbers,
};
use model::{Arch, Rule};

/// Why there is no filter for a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The kernel accepts 4096 instructions.
    #[error("the filter would have {0} instructions, the kernel accepts {max}", max = Program::MAX)]
    TooLong(usize),
    /// A number that belongs to x32 among those of x86-64, or the reverse.
    #[error("{number:#x} is not a number of {arch}", arch = .arch.name())]
    Number {
        /// The architecture.
        arch: Arch,
        /// The number.
        number: u32,
    },
    /// What was made is not a filter: a fault of this library.
    #[error("compiled an invalid filter: {0}")]
    Invalid(#[source] ProgramError),
}

/// The filter that does what a ruleset says. The same rules give the same instructions.
///
/// # Errors
/// When it would be too long, or a number is listed under the wrong architecture.
pub fn compile(ruleset: &Ruleset) -> Result<Program, CompileError> {
    let mut diagram = Diagram::default();
    let mut root = diagram.end(ruleset.foreign.value());
    // The diagram grows from its end, so the last architecture comes first.
    let mut audits: Vec<u32> = Vec::new();
    for arch in ruleset.arches.keys() {
        if !audits.contains(&arch.audit()) {
            audits.push(arch.audit());
        }
    }
    for &audit in audits.iter().rev() {
        let yes = calls_of(&mut diagram, ruleset, audit)?;
        let test = Test { word: ARCH, mask: WHOLE, cond: Cond::Eq, k: audit, yes, no: root };
        root = diagram.test(test);
    }
    let insns = assemble(&diagram, root);
    match insns.len() {
        length if length > Program::MAX => Err(CompileError::TooLong(length)),
        _ => Program::new(insns).map_err(CompileError::Invalid),
    }
}

/// The node that decides the calls of one audit architecture.
fn calls_of(diagram: &mut Diagram, ruleset: &Ruleset, audit: u32) -> Result<Node, CompileError> {
    let mut ranges = Vec::new();
    let mut arches: Vec<Arch> =
        Arch::ALL.iter().copied().filter(|arch| arch.audit() == audit).collect();
    arches.sort_by_key(|arch| *numbers(*arch).start());
    for arch in arches {
        let mine = numbers(arch);
        let Some(rules) = ruleset.arches.get(&arch) else {
            let node = diagram.end(ruleset.unlisted(arch).value());
            ranges.push(Range { first: *mine.start(), node });
            continue;
        };
        let unknown = diagram.end(rules.unknown.value());
        let mut next = Some(*mine.start());
        for (&number, rule) in &rules.calls {
            if !mine.contains(&number) {
                return Err(CompileError::Number { arch, number });
            }
            if let Some(gap) = next.filter(|&next| next < number) {
                ranges.push(Range { first: gap, node: unknown });
            }
            ranges.push(Range { first: number, node: call(diagram, audit, rule) });
            next = number.checked_add(1);
        }
        if let Some(gap) = next.filter(|next| mine.contains(next)) {
            ranges.push(Range { first: gap, node: unknown });
        }
    }
    coalesce(&mut ranges);
    Ok(search(diagram, &ranges))
}

fn call(diagram: &mut Diagram, audit: u32, rule: &CallRule) -> Node {
    match rule {
        CallRule::Always(action) => diagram.end(action.value()),
        CallRule::Arguments { rules, otherwise } => {
            let mut node = diagram.end(otherwise.value());
            for (rule, action) in rules.iter().rev() {
                node = alternative(diagram, audit, rule, *action, node);
            }
            node
        }
    }
}

/// All comparisons of the rule give the action; the first that fails leads to `no`, past whatever
/// there is known from those that held.
fn alternative(diagram: &mut Diagram, audit: u32, rule: &Rule, action: Action, no: Node) -> Node {
    let mut yes = diagram.end(action.value());
    let comparisons = rule.comparisons();
    for (at, comparison) in comparisons.iter().enumerate().rev() {
        let known: Vec<Fact> =
            comparisons[..at].iter().flat_map(|held| facts(audit, held)).collect();
        let no = diagram.given(&known, no);
        yes = compare(diagram, audit, comparison, yes, no);
    }
    yes
}
