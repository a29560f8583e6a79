//! Functions that are handed to others in a register for arguments: they are called where those call
//! them, and from anywhere only when those let go of them.

use crate::{
    decode::{FOLLOWED, Reg},
    flow::{Given, Target},
    link::{Place, Program},
    reach::{Cause, Node, Reach, callee},
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// What is handed to live functions.
#[derive(Debug, Default)]
pub struct Passing {
    /// The functions that a function is given in a register.
    given: FxHashMap<(Node, Reg), Vec<Node>>,
    known: FxHashSet<(Node, Reg, Node)>,
    /// Who calls what it was given: the called function, the caller, the place.
    invocations: BTreeSet<(Node, Node, u64)>,
    /// Code that only chooses the function that is called.
    resolvers: FxHashSet<Place>,
}

impl Passing {
    /// Nothing is handed over yet.
    pub fn new(program: &Program) -> Passing {
        let mut resolvers = FxHashSet::default();
        for module in 0..program.modules.len() {
            resolvers.extend(program.resolvers(module));
        }
        Passing { resolvers, ..Passing::default() }
    }

    /// Who calls what it was given: the called function, the caller, the place.
    pub fn invocations(&self) -> impl Iterator<Item = (Node, Node, u64)> + '_ {
        self.invocations.iter().copied()
    }
}

impl Reach<'_> {
    /// Hands on what a live function hands to those that it calls.
    pub(crate) fn hand_on(&mut self, node: Node) {
        let program = self.program();
        let (module, function) = self.of(node);
        // What it was given before it was live.
        for reg in FOLLOWED {
            for given in self.passing.given.get(&(node, reg)).cloned().unwrap_or_default() {
                for (node, at, reg) in self.receive(node, reg, given) {
                    self.hand_over(node, at, reg, given);
                }
            }
        }
        for pass in &program.scan(module).functions[function].facts.passes {
            let Given::Code(address) = pass.given else { continue };
            let place = Place { module, address };
            if self.skips(node, place) {
                continue;
            }
            match self.node(place).filter(|&given| self.entry(given) == place) {
                Some(given) => self.hand_over(node, pass.at, pass.reg, given),
                None => self.take(place, Cause::Taken(node)),
            }
        }
    }

    /// The function that a call of a file enters, with what it is handed.
    pub(crate) fn receiver(&self, module: usize, target: Target) -> Option<Node> {
        let place = callee(self.program(), module, target)
            .filter(|place| !self.passing.resolvers.contains(place))?;
        self.node(place).filter(|&called| self.entry(called) == place)
    }

    /// A function is given to all that are called at a place.
    fn hand_over(&mut self, node: Node, at: u64, reg: Reg, given: Node) {
        let mut left = vec![(node, at, reg)];
        while let Some((node, at, reg)) = left.pop() {
            let program = self.program();
            let (module, function) = self.of(node);
            let calls = &program.scan(module).functions[function].facts.calls;
            let first = calls.partition_point(|call| call.at < at);
            for call in calls[first..].iter().take_while(|call| call.at == at) {
                let Some(called) = self.receiver(module, call.target) else {
                    self.take(self.entry(given), Cause::Taken(node));
                    continue;
                };
                if self.defers(called) {
                    self.at_end.insert(given);
                    continue;
                }
                if self.passing.known.insert((called, reg, given)) {
                    self.passing.given.entry((called, reg)).or_default().push(given);
                    // What is not live yet receives it when it is: chains of calls lead to it then.
                    if self.is_live(called) {
                        left.extend(self.receive(called, reg, given));
                    }
                }
            }
        }
    }

    /// A function is given to another one. Answers where that hands it on.
    fn receive(&mut self, called: Node, reg: Reg, given: Node) -> Vec<(Node, u64, Reg)> {
        let (module, function) = self.of(called);
        let facts = &self.program().scan(module).functions[function].facts;
        if facts.escapes & 1 << reg != 0 {
            self.take(self.entry(given), Cause::Taken(called));
        }
        for call in facts.calls.iter().filter(|call| call.target == Target::Entry(reg)) {
            self.mark(given, Cause::Call(called, call.at));
            self.passing.invocations.insert((given, called, call.at));
        }
        let on = facts.passes.iter().filter(|pass| pass.given == Given::Entry(reg));
        on.map(|pass| (called, pass.at, pass.reg)).collect()
    }
}
