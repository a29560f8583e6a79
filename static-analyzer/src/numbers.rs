//! The numbers at system-call sites: a value that a function was given is looked up at everyone
//! that calls it, and so on, until numbers are found.

use crate::{
    decode::{Reg, STACK, X86_64},
    elf::Elf,
    flow::{Code, Flow, State, Target, Write},
    link::{Place, Program},
    reach::{Node, Reach, callee},
    value::Atom,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// Questions past these for one site are not asked.
const QUESTIONS_MAX: usize = 20_000;
/// An argument that has more values than these can have any.
const VALUES_MAX: usize = 32;
/// Questions past these for one argument are not asked.
const VALUE_QUESTIONS_MAX: usize = 400;
/// Functions past these are forgotten and interpreted again.
const FLOWS_MAX: usize = 4_000;
/// Elements of a table past these are not read.
const ELEMENTS_MAX: u64 = 4_096;

/// A number that was found, and the functions that handed it on: from the one that has it to the
/// one that was asked about, each with the place of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The number.
    pub number: u64,
    /// Who hands it to whom, the last is the one asked about.
    pub path: Vec<(Node, u64)>,
}

/// What is known of a value.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its possible numbers.
    pub found: Vec<Found>,
    /// Why there may be others: where they come from.
    pub open: Vec<(Node, String)>,
}

/// Looks up values among the live functions of a program.
#[derive(Debug)]
pub struct Numbers<'a> {
    program: &'a Program,
    reach: &'a Reach<'a>,
    callers: FxHashMap<Node, Vec<(Node, u64)>>,
    /// Who writes the word at a place.
    writers: FxHashMap<Place, Vec<Node>>,
    /// Objects that are written at unknown places, by their starts.
    scattered: FxHashSet<(usize, u64)>,
    /// What is known of questions that were asked.
    steps: FxHashMap<(Node, Atom), (Step, Vec<Question>)>,
    flows: &'a mut Flows,
}

/// Functions that were interpreted, and what is known at some of their calls.
#[derive(Debug, Default)]
pub struct Flows {
    flows: FxHashMap<Node, Option<Flow>>,
    states: FxHashMap<(Node, u64), Option<State>>,
    decoder: X86_64,
}

impl<'a> Numbers<'a> {
    /// Learns who calls whom.
    pub fn new(program: &'a Program, reach: &'a Reach<'a>, flows: &'a mut Flows) -> Numbers<'a> {
        let mut callers = FxHashMap::<Node, Vec<(Node, u64)>>::default();
        let mut writers = FxHashMap::<Place, Vec<Node>>::default();
        let mut scattered = FxHashSet::default();
        for node in reach.live() {
            let (module, function) = reach.of(node);
            let facts = &program.scan(module).functions[function].facts;
            for call in &facts.calls {
                if call.target != Target::Any
                    && let Some(place) = callee(program, module, call.target)
                    && let Some(target) = reach.node(place)
                {
                    callers.entry(target).or_default().push((node, call.at));
                }
            }
            for &address in &facts.stores {
                writers.entry(Place { module, address }).or_default().push(node);
            }
            for &write in &facts.writes {
                scattered.extend(written(program, module, write));
            }
        }
        for (target, caller, at) in reach.passing.invocations() {
            callers.entry(target).or_default().push((caller, at));
        }
        Numbers { program, reach, callers, writers, scattered, flows, steps: FxHashMap::default() }
    }

    /// Every number that values of a function can be.
    pub fn ask(&mut self, node: Node, at: u64, atoms: &[Atom]) -> Answer {
        let mut answer = Answer::default();
        // The questions, each with the number of the one that led to it.
        let mut asked: Vec<(Node, u64, Atom, usize)> = Vec::new();
        let mut known: FxHashSet<(Node, Atom)> = FxHashSet::default();
        let mut numbers: FxHashSet<u64> = FxHashSet::default();
        for &atom in atoms {
            if known.insert((node, atom)) {
                asked.push((node, at, atom, usize::MAX));
            }
        }
        let mut next = 0;
        while let Some(&(node, at, atom, _)) = asked.get(next) {
            let mut more = Vec::new();
            match self.step(node, atom, &mut more) {
                Step::Number(number) => {
                    if numbers.insert(number) {
                        answer.found.push(Found { number, path: path(&asked, next) });
                    }
                }
                Step::Several(several) => {
                    for number in several {
                        if numbers.insert(number) {
                            answer.found.push(Found { number, path: path(&asked, next) });
                        }
                    }
                }
                Step::More => {}
                Step::Open(why) => answer.open.push((node, why.to_owned())),
            }
            for (node, place, atom) in more {
                if known.insert((node, atom)) {
                    asked.push((node, place.unwrap_or(at), atom, next));
                }
            }
            next += 1;
            if asked.len() > QUESTIONS_MAX {
                answer.open.push((node, "too many callers".to_owned()));
                break;
            }
        }
        answer
    }

    /// Every number that a value can be, when all are known and there are few of them.
    pub fn all(&mut self, node: Node, atoms: &[Atom]) -> Option<BTreeSet<u64>> {
        let mut asked: Vec<(Node, Atom)> = atoms.iter().map(|&atom| (node, atom)).collect();
        let mut known: FxHashSet<(Node, Atom)> = asked.iter().copied().collect();
        let mut numbers = BTreeSet::new();
        let mut next = 0;
        while let Some(&(node, atom)) = asked.get(next) {
            let mut more = Vec::new();
            match self.step(node, atom, &mut more) {
                Step::Number(number) => numbers.extend([number]),
                Step::Several(several) => numbers.extend(several),
                Step::More => {}
                Step::Open(_) => return None,
            }
            let more = more.into_iter().map(|(node, _, atom)| (node, atom));
            asked.extend(more.filter(|&question| known.insert(question)));
            next += 1;
            if numbers.len() > VALUES_MAX || asked.len() > VALUE_QUESTIONS_MAX {
                return None;
            }
        }
        (!numbers.is_empty()).then_some(numbers)
    }

    /// Where a value comes from: more questions go into `more`.
    fn step(&mut self, node: Node, atom: Atom, more: &mut Vec<Question>) -> Step {
        if let Some((step, further)) = self.steps.get(&(node, atom)) {
            more.extend_from_slice(further);
            return step.clone();
        }
        let step = self.look(node, atom, more);
        self.steps.insert((node, atom), (step.clone(), more.clone()));
        step
    }

    fn look(&mut self, node: Node, atom: Atom, more: &mut Vec<Question>) -> Step {
        let program = self.program;
        let (module, _) = self.reach.of(node);
        let elf = program.elf(module);
        match atom {
            Atom::Const(number) => Step::Number(number),
            Atom::Address(address) if elf.fixed => Step::Number(address),
            Atom::Entry(_) | Atom::EntrySlot(_) | Atom::Deref(..) => {
                self.by_callers(node, atom, more)
            }
            Atom::Slot(address) => self.variable(Place { module, address }, more),
            Atom::Field(slot, distance) => {
                self.pointed(Place { module, address: slot }, distance, more)
            }
            Atom::Element(table, width, _) => {
                let bounded = program.precision().table_bounds;
                let flow = if bounded { self.flow(node) } else { None };
                let span = flow.and_then(|flow| flow.span(table));
                elements(program, module, table, width, span)
            }
            Atom::Result(at) => self.returned(node, at, more),
            _ => Step::Open("it is computed"),
        }
    }

    /// What every caller hands over.
    fn by_callers(&mut self, node: Node, atom: Atom, more: &mut Vec<Question>) -> Step {
        if !self.program.precision().callers {
            return Step::Open("a caller hands it over");
        }
        for (caller, at) in self.callers_of(node) {
            for atom in self.given(caller, at, atom) {
                more.push((caller, Some(at), atom));
            }
        }
        if self.reach.is_taken(node) {
            return Step::Open("it is handed over by a function pointer");
        }
        match self.reach.is_root(node) {
            true => Step::Open("it is handed over from outside"),
            false => Step::More,
        }
    }

    /// The live functions that call a function, and where.
    pub fn callers_of(&self, node: Node) -> Vec<(Node, u64)> {
        self.callers.get(&node).cloned().unwrap_or_default()
    }

    /// Whether a value is the address of something that does not change, or 0, wherever it comes from.
    pub fn is_held(&mut self, node: Node, atoms: &[Atom]) -> bool {
        let mut left: Vec<(Node, Atom)> = atoms.iter().map(|&atom| (node, atom)).collect();
        let mut known: FxHashSet<(Node, Atom)> = left.iter().copied().collect();
        while let Some((node, atom)) = left.pop() {
            let (module, _) = self.reach.of(node);
            match atom {
                Atom::Const(0) => {}
                Atom::Address(address) if self.program.elf(module).is_constant(address) => {}
                Atom::Entry(_) if !self.reach.is_taken(node) && !self.reach.is_root(node) => {
                    for (caller, at) in self.callers_of(node) {
                        let given = self.given(caller, at, atom).into_iter();
                        left.extend(
                            given.map(|atom| (caller, atom)).filter(|&asked| known.insert(asked)),
                        );
                    }
                }
                _ => return false,
            }
            if known.len() > VALUE_QUESTIONS_MAX {
                return false;
            }
        }
        true
    }

    /// What a caller hands over at a place, as the called function sees it.
    pub fn given(&mut self, caller: Node, at: u64, atom: Atom) -> Vec<Atom> {
        let Some(state) = self.state(caller, at) else { return vec![Atom::Any] };
        match atom {
            Atom::Entry(reg) => self.atoms(caller, &state, reg),
            Atom::EntrySlot(slot) => {
                // A call pushes the address to return to.
                let pushed = if self.is_call(caller, at) { 8 } else { 0 };
                let mut found = Vec::new();
                for atom in self.atoms(caller, &state, STACK) {
                    let Atom::Stack(top) = atom else { return vec![Atom::Any] };
                    found.extend(self.slot(caller, &state, top.saturating_add(slot) - pushed));
                }
                found
            }
            Atom::Deref(reg, distance) => {
                let mut found = Vec::new();
                for atom in self.atoms(caller, &state, reg) {
                    found.extend(self.dereferenced(caller, &state, atom, distance));
                }
                found
            }
            Atom::Const(_) => vec![atom],
            _ => vec![Atom::Any],
        }
    }

    /// What the functions return that are called at a place.
    fn returned(&mut self, node: Node, at: u64, more: &mut Vec<Question>) -> Step {
        let program = self.program;
        let (module, function) = self.reach.of(node);
        let facts = &program.scan(module).functions[function].facts;
        if !program.precision().results {
            return Step::Open("another function returns it");
        }
        let first = facts.calls.partition_point(|call| call.at < at);
        for call in facts.calls[first..].iter().take_while(|call| call.at == at) {
            let place = callee(program, module, call.target);
            let Some(called) = place.and_then(|place| self.reach.node(place)) else {
                return Step::Open("a function returns it that is not known");
            };
            let (other, function) = self.reach.of(called);
            let start = self.reach.entry(called).address;
            for &atom in &program.scan(other).functions[function].facts.results {
                match atom {
                    // What it was given here, not what others give it.
                    Atom::Entry(reg) => {
                        let given = self.register(node, at, reg);
                        more.extend(given.into_iter().map(|atom| (node, None, atom)));
                    }
                    atom => more.push((called, Some(start), atom)),
                }
            }
        }
        Step::More
    }

    fn code(&self, node: Node) -> Code<'a> {
        let (module, _) = self.reach.of(node);
        self.program.scan(module).code(self.program.elf(module))
    }

    fn flow(&mut self, node: Node) -> Option<&mut Flow> {
        let code = self.code(node);
        let entry = self.reach.entry(node).address;
        let Flows { flows, states, decoder } = &mut *self.flows;
        if flows.len() > FLOWS_MAX {
            flows.clear();
            states.clear();
        }
        flows.entry(node).or_insert_with(|| Flow::of(code, decoder, entry)).as_mut()
    }

    /// What is known at an instruction of a function.
    fn state(&mut self, node: Node, at: u64) -> Option<State> {
        // The sets that a state speaks of are in the flow: both are forgotten together.
        if let Some(known) = self.flows.states.get(&(node, at)) {
            return known.clone();
        }
        let code = self.code(node);
        let state = self.flow(node)?.at(code, at);
        self.flows.states.insert((node, at), state.clone());
        state
    }

    /// Where a register's value comes from when an instruction of a function is reached.
    pub fn register(&mut self, node: Node, at: u64, reg: Reg) -> Vec<Atom> {
        match self.state(node, at) {
            Some(state) => self.atoms(node, &state, reg),
            None => vec![Atom::Any],
        }
    }

    fn is_call(&mut self, node: Node, at: u64) -> bool {
        self.flow(node).is_some_and(|flow| flow.is_call(at))
    }

    fn atoms(&mut self, node: Node, state: &State, reg: Reg) -> Vec<Atom> {
        let value = state.reg(reg);
        self.flow(node).map_or_else(Vec::new, |flow| flow.sets.atoms(&value).to_vec())
    }

    fn slot(&mut self, node: Node, state: &State, at: i32) -> Vec<Atom> {
        let value = state.slot(at);
        self.flow(node).map_or_else(Vec::new, |flow| flow.sets.atoms(&value).to_vec())
    }

    /// What is held at a distance from an address that a function knows.
    fn dereferenced(&mut self, node: Node, state: &State, atom: Atom, distance: i32) -> Vec<Atom> {
        match atom {
            Atom::Stack(at) => self.slot(node, state, at.saturating_add(distance)),
            Atom::Address(address) => {
                vec![Atom::Slot(address.wrapping_add_signed(i64::from(distance)))]
            }
            Atom::Entry(reg) => vec![Atom::Deref(reg, distance)],
            Atom::Slot(slot) => vec![Atom::Field(slot, distance)],
            _ => vec![Atom::Any],
        }
    }

    /// A variable: what the file has there, and what live functions store.
    fn variable(&mut self, place: Place, more: &mut Vec<Question>) -> Step {
        let elf = self.program.elf(place.module);
        let first = initial(elf, place.address);
        if elf.is_constant(place.address) {
            return first
                .map_or(Step::Open("it is in memory that the file does not have"), Step::Number);
        }
        if !self.program.precision().variables {
            return Step::Open("it is in a variable");
        }
        if self.reach.is_used(place) {
            return Step::Open("it is in a variable whose address is taken");
        }
        let object = self.program.scan(place.module).object(place.address);
        if self.scattered.contains(&(place.module, object.start)) {
            return Step::Open("it is in a table that is written at unknown places");
        }
        self.stores(place, more, |atom| atom);
        // A variable that is written before it is read need not be 0.
        match first {
            Some(0) | None if !more.is_empty() => Step::More,
            first => Step::Number(first.unwrap_or(0)),
        }
    }

    /// Something in a structure that a variable points to.
    fn pointed(&mut self, slot: Place, distance: i32, more: &mut Vec<Question>) -> Step {
        if let Some(base) = self.program.word(slot.module, slot.address) {
            let address = base.address.wrapping_add_signed(i64::from(distance));
            let elf = self.program.elf(base.module);
            if elf.is_constant(address)
                && let Some(number) = initial(elf, address)
            {
                return Step::Number(number);
            }
            return Step::Open("it is in a structure that may be written");
        }
        self.stores(slot, more, |atom| match atom {
            Atom::Entry(reg) => Atom::Deref(reg, distance),
            Atom::Address(address) => Atom::Slot(address.wrapping_add_signed(i64::from(distance))),
            // A null pointer is not followed.
            Atom::Const(0) => Atom::Const(u64::MAX),
            _ => Atom::Any,
        });
        if more.is_empty() { Step::Open("it is in a structure") } else { Step::More }
    }

    fn stores(&mut self, place: Place, more: &mut Vec<Question>, change: impl Fn(Atom) -> Atom) {
        let word = Place { address: place.address & !3, ..place };
        for writer in self.writers.get(&word).cloned().unwrap_or_default() {
            let code = self.code(writer);
            let start = self.reach.entry(writer).address;
            let Some(flow) = self.flow(writer) else { continue };
            let mut stored = flow.stored(code, word.address);
            if word != place {
                stored = vec![Atom::Any];
            }
            for atom in stored {
                let atom = change(atom);
                if atom != Atom::Const(u64::MAX) {
                    more.push((writer, Some(start), atom));
                }
            }
        }
    }
}

/// A value of a function, with the place of the call that it went through.
type Question = (Node, Option<u64>, Atom);

#[derive(Debug, Clone)]
enum Step {
    Number(u64),
    Several(Vec<u64>),
    More,
    Open(&'static str),
}

/// The objects that a write may change, by file and start.
fn written(program: &Program, module: usize, write: Write) -> Vec<(usize, u64)> {
    let object = |place: Place| {
        let scan = program.scan(place.module);
        (place.module, scan.object(place.address).start)
    };
    match write {
        Write::Indexed(table, length) => {
            let mut found = Vec::new();
            let mut at = table;
            while at < table.saturating_add(length) {
                let range = program.scan(module).object(at);
                found.push((module, range.start));
                at = range.end.max(at + 1);
            }
            found
        }
        Write::Through(slot, distance) => {
            let base = program.word(module, slot);
            let moved = base.map(|base| Place {
                address: base.address.wrapping_add_signed(i64::from(distance)),
                ..base
            });
            moved.map(object).into_iter().collect()
        }
    }
}

/// From the last question back to the first, which is the place that was asked about.
fn path(asked: &[(Node, u64, Atom, usize)], from: usize) -> Vec<(Node, u64)> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(&(node, place, _, before)) = asked.get(at) {
        if found.last() != Some(&(node, place)) {
            found.push((node, place));
        }
        at = before;
    }
    found
}

/// The number that a file has at an address; what is not in the file is zero.
fn initial(elf: &Elf, address: u64) -> Option<u64> {
    let segment = elf.segment(address)?;
    if address - segment.address >= segment.filled {
        return Some(0);
    }
    elf.half(address).map(u64::from)
}

/// The elements of a table that cannot be written: up to the largest index, or all of them.
fn elements(program: &Program, module: usize, table: u64, width: u8, span: Option<u64>) -> Step {
    let elf = program.elf(module);
    let end = match span {
        Some(span) => table.saturating_add(span).saturating_add(u64::from(width)),
        None => program.scan(module).object(table).end,
    };
    if !elf.is_constant(table) || ![4, 8].contains(&width) {
        return Step::Open("it is in a table that may be written");
    }
    let mut found = Vec::new();
    let mut at = table;
    while at.saturating_add(u64::from(width)) <= end && (found.len() as u64) < ELEMENTS_MAX {
        match if width == 8 { elf.word(at) } else { elf.half(at).map(u64::from) } {
            Some(number) => found.push(number),
            None => break,
        }
        at += u64::from(width);
    }
    Step::Several(found)
}
