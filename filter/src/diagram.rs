//! A decision diagram: tests on words of the data, which lead to verdicts. Equal parts exist once.
//!
//! It is built from the verdicts up, so it has no loops. Laying it out as instructions is
//! assemble.rs.

use crate::insn::Cond;
use std::collections::HashMap;

/// A mask that keeps every bit.
pub(crate) const WHOLE: u32 = u32::MAX;

/// A part of a diagram, from where on everything is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node(usize);

/// What is at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The end, with the value that the filter returns.
    Return(u32),
    /// A question.
    Test(Test),
}

/// A question about one word of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    /// The offset of the word.
    pub word: u32,
    /// The bits of it that are compared.
    pub mask: u32,
    /// How they are compared.
    pub cond: Cond,
    /// With what.
    pub k: u32,
    /// Where to go on when the condition holds.
    pub yes: Node,
    /// Where to go on when it does not.
    pub no: Node,
}

/// What is known about a word.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact {
    /// The word at this offset has this value.
    Is(u32, u32),
    /// It has not.
    IsNot(u32, u32),
}

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct Diagram {
    steps: Vec<Step>,
    nodes: HashMap<Step, Node>,
}

impl Diagram {
    pub(crate) fn step(&self, node: Node) -> Step {
        self.steps[node.0]
    }

    /// How many nodes there are; each node's [`Node::index`] is below.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The end with a value.
    pub(crate) fn end(&mut self, value: u32) -> Node {
        self.node(Step::Return(value))
    }

    /// A test, unless both answers lead to the same; what the answer makes redundant behind it is
    /// passed over.
    pub(crate) fn test(&mut self, mut test: Test) -> Node {
        if test.cond == Cond::Eq && test.mask == WHOLE {
            test.yes = self.given(&[Fact::Is(test.word, test.k)], test.yes);
            test.no = self.given(&[Fact::IsNot(test.word, test.k)], test.no);
        }
        if test.yes == test.no { test.yes } else { self.node(Step::Test(test)) }
    }

    /// Where a node leads to at once when something is known about words.
    pub(crate) fn given(&self, facts: &[Fact], mut node: Node) -> Node {
        while let Step::Test(test) = self.step(node)
            && let Some(answer) = facts.iter().find_map(|fact| fact.answer(&test))
        {
            node = if answer { test.yes } else { test.no };
        }
        node
    }

    fn node(&mut self, step: Step) -> Node {
        let Diagram { steps, nodes } = self;
        *nodes.entry(step).or_insert_with(|| {
            steps.push(step);
            Node(steps.len() - 1)
        })
    }
}

impl Node {
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl Fact {
    /// The answer to a test, where it follows.
    fn answer(self, test: &Test) -> Option<bool> {
        match self {
            Fact::Is(word, value) if word == test.word => {
                Some(test.cond.holds(value & test.mask, test.k))
            }
            Fact::IsNot(word, value)
                if word == test.word
                    && test.cond == Cond::Eq
                    && test.mask == WHOLE
                    && test.k == value =>
            {
                Some(false)
            }
            _ => None,
        }
    }
}
