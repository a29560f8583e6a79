//! Lays a decision diagram out as instructions.
//!
//! All jumps of classic BPF lead forward, so the instructions are made from the last to the first:
//! every target is then known, and its distance. Where a conditional jump does not reach (255
//! instructions), it gets a jump or a copy of the return next to it. A word is not loaded again
//! where it is in the accumulator already.

use crate::{
    diagram::{Diagram, Node, Step, Test, WHOLE},
    insn::{Cond, Insn},
};
use std::collections::HashMap;

/// The instructions of everything that can be reached from `root`.
pub(crate) fn assemble(diagram: &Diagram, root: Node) -> Vec<Insn> {
    let order = order(diagram, root);
    let starts = starts(diagram, &order);
    let mut code = Code::new(diagram);
    for &(node, test) in order.iter().rev() {
        code.put_test(node, &test, starts[node.index()]);
    }
    if let Step::Return(value) = diagram.step(root) {
        code.put(Insn::ret(value));
    }
    code.reversed.reverse();
    code.reversed
}

/// Where the instructions of a test are entered: what the accumulator holds decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    /// Load the word, mask it, compare it.
    Load,
    /// It holds the word: mask it, compare it.
    Mask,
    /// It holds the masked word: compare it.
    Compare,
}

impl Entry {
    /// From one test to the next.
    fn between(from: &Test, to: &Test) -> Entry {
        match from.mask {
            _ if from.word != to.word => Entry::Load,
            mask if mask == to.mask => Entry::Compare,
            WHOLE => Entry::Mask,
            _ => Entry::Load,
        }
    }
}

/// The tests, each before those that it leads to.
fn order(diagram: &Diagram, root: Node) -> Vec<(Node, Test)> {
    enum Visit {
        Enter(Node),
        Leave(Node, Test),
    }
    let mut seen = vec![false; diagram.len()];
    let mut order = Vec::new();
    let mut stack = vec![Visit::Enter(root)];
    while let Some(visit) = stack.pop() {
        match visit {
            Visit::Leave(node, test) => order.push((node, test)),
            Visit::Enter(node) => {
                if let Step::Test(test) = diagram.step(node)
                    && !std::mem::replace(&mut seen[node.index()], true)
                {
                    // For a reader: what is equal, or lesser, follows directly.
                    let (near, far) = match test.cond {
                        Cond::Eq | Cond::Set => (test.yes, test.no),
                        Cond::Ge | Cond::Gt => (test.no, test.yes),
                    };
                    // The side that is entered last is left last, so it comes directly behind.
                    stack.push(Visit::Leave(node, test));
                    stack.push(Visit::Enter(near));
                    stack.push(Visit::Enter(far));
                }
            }
        }
    }
    order.reverse();
    order
}

/// By node, the first entry that anything uses: what lies before it is left out.
fn starts(diagram: &Diagram, order: &[(Node, Test)]) -> Vec<Entry> {
    let mut starts = vec![Entry::Compare; diagram.len()];
    if let Some((root, _)) = order.first() {
        starts[root.index()] = Entry::Load;
    }
    for (_, from) in order {
        for target in [from.yes, from.no] {
            if let Step::Test(to) = diagram.step(target) {
                let start = &mut starts[target.index()];
                *start = Entry::between(from, &to).min(*start);
            }
        }
    }
    starts
}

/// The instructions so far, the last one first. A place is an index into them.
struct Code<'a> {
    diagram: &'a Diagram,
    reversed: Vec<Insn>,
    /// Where the entries of tests are.
    entries: HashMap<(Node, Entry), usize>,
    /// The nearest return of a value.
    returns: HashMap<u32, usize>,
    /// The nearest jump to an entry.
    relays: HashMap<(Node, Entry), usize>,
}

impl<'a> Code<'a> {
    fn new(diagram: &'a Diagram) -> Code<'a> {
        let (entries, returns, relays) = (HashMap::new(), HashMap::new(), HashMap::new());
        Code { diagram, reversed: Vec::new(), entries, returns, relays }
    }

    fn put(&mut self, insn: Insn) -> usize {
        self.reversed.push(insn);
        self.reversed.len() - 1
    }

    fn put_test(&mut self, node: Node, test: &Test, start: Entry) {
        let no = self.near(test, test.no);
        let yes = self.near(test, test.yes);
        // `near` keeps both distances below 256.
        let skip = |to: usize| (self.reversed.len() - 1 - to) as u8;
        let branch = Insn::branch(test.cond, test.k, skip(yes), skip(no));
        let at = self.put(branch);
        self.entries.insert((node, Entry::Compare), at);
        if start <= Entry::Mask {
            let at = if test.mask == WHOLE { at } else { self.put(Insn::and(test.mask)) };
            self.entries.insert((node, Entry::Mask), at);
        }
        if start == Entry::Load {
            let at = self.put(Insn::load(test.word));
            self.entries.insert((node, Entry::Load), at);
        }
    }

    /// A place with the effect of `target` that a branch can reach, even when one more instruction
    /// comes between.
    fn near(&mut self, from: &Test, target: Node) -> usize {
        let length = self.reversed.len();
        let reachable = |place: &usize| length - place <= usize::from(u8::MAX);
        match self.diagram.step(target) {
            Step::Return(value) => match self.returns.get(&value).copied().filter(reachable) {
                Some(place) => place,
                None => {
                    let place = self.put(Insn::ret(value));
                    self.returns.insert(value, place);
                    place
                }
            },
            Step::Test(to) => {
                let entry = (target, Entry::between(from, &to));
                let place = self.entries[&entry];
                let relay = self.relays.get(&entry).copied();
                match [Some(place), relay].into_iter().flatten().find(reachable) {
                    Some(place) => place,
                    None => {
                        let relay = self.put(Insn::jump((length - 1 - place) as u32));
                        self.relays.insert(entry, relay);
                        relay
                    }
                }
            }
        }
    }
}
