//! Finds the verdict of a number by binary search over ranges of numbers.

use crate::{
    data::NUMBER,
    diagram::{Diagram, Node, Test, WHOLE},
    insn::Cond,
};

/// The numbers from `first` up to the next range lead to `node`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub first: u32,
    pub node: Node,
}

/// Joins neighbours that lead to the same.
pub(crate) fn coalesce(ranges: &mut Vec<Range>) {
    ranges.dedup_by_key(|range| range.node);
}

/// A node that looks at the number and goes on at the node of its range. There is at least one
/// range, they ascend, and the first covers everything below the second.
pub(crate) fn search(diagram: &mut Diagram, ranges: &[Range]) -> Node {
    /// Up to here a number that interrupts a range is asked for by itself, which takes one test
    /// where two bounds take two; more of them in a row would make the search linear.
    const FEW: usize = 5;
    if let [only] = ranges {
        return only.node;
    }
    if ranges.len() <= FEW
        && let Some(at) = interruption(ranges)
    {
        let Range { first, node } = ranges[at];
        let rest = [&ranges[..at], &ranges[at + 2..]].concat();
        let no = search(diagram, &rest);
        return test(diagram, Cond::Eq, first, node, no);
    }
    let middle = ranges.len() / 2;
    let (low, high) = ranges.split_at(middle);
    let yes = search(diagram, high);
    let no = search(diagram, low);
    test(diagram, Cond::Ge, ranges[middle].first, yes, no)
}

/// A range of one number between two ranges that lead to the same.
fn interruption(ranges: &[Range]) -> Option<usize> {
    let is_one = |three: &[Range]| {
        three[0].node == three[2].node && three[1].first.checked_add(1) == Some(three[2].first)
    };
    ranges.windows(3).position(is_one).map(|before| before + 1)
}

fn test(diagram: &mut Diagram, cond: Cond, k: u32, yes: Node, no: Node) -> Node {
    diagram.test(Test { word: NUMBER, mask: WHOLE, cond, k, yes, no })
}
