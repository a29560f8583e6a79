//! Where a program begins, where `main` is, and what is live before and after it.

use crate::{
    decode::{ARGUMENTS, X86_64},
    flow::{Flow, Target},
    link::{Place, Program},
    reach::{Node, Reach, callee},
    value::Atom,
};
use model::analysis::Layer;

/// How many calls from the entry on `main` is looked for.
const DEPTH_MAX: usize = 3;

/// What is live in each part of a program's life.
#[derive(Debug)]
pub struct Phases<'a> {
    /// In all of it.
    pub all: Reach<'a>,
    /// Until `main` is called; `None` when `main` was not found.
    pub before: Option<Reach<'a>>,
    /// From then on.
    pub after: Option<Reach<'a>>,
    /// In all of it, but for what nothing except the start of the interpreter itself leads to;
    /// `None` when there is no interpreter.
    started: Option<Reach<'a>>,
}

impl Phases<'_> {
    /// Whether nothing but the interpreter's own start leads to a function of it.
    pub fn is_of_loader(&self, node: Node) -> bool {
        self.started.as_ref().is_some_and(|started| !started.is_live(node))
            && self.after.as_ref().is_none_or(|after| !after.is_live(node))
    }
}

/// Finds out what is live.
pub fn of<'a>(
    program: &'a Program,
    interpreter: Option<usize>,
    more: &dyn Fn(&mut Reach<'a>),
) -> Phases<'a> {
    let mut reach = Reach::new(program);
    all(program, &mut reach, interpreter);
    let mut all = reach;
    more(&mut all);
    let started = interpreter.map(|interpreter| started(program, &all, interpreter, more));
    let (Some((node, main)), Some(exit)) = (find_main(program, &all), exit(program)) else {
        return Phases { all, before: None, after: None, started };
    };
    let mut before = Reach::new(program);
    before.skip(node, main);
    begin(program, &mut before, interpreter);
    before.run();
    let mut after = Reach::new(program);
    after.root(main);
    after.root(exit);
    // Threads begin with it at any time.
    for module in core(program) {
        thread_image(program, &mut after, module);
    }
    end(program, &mut after);
    survivors(program, &before, interpreter, &mut after);
    after.run();
    more(&mut after);
    if opens_anew(program, &after) {
        for module in core(program) {
            initialise(program, &mut after, module);
        }
        after.run();
    }
    Phases { all, before: Some(before), after: Some(after), started }
}

/// What is live in the whole of the program's life, without what it opens.
pub fn all(program: &Program, reach: &mut Reach<'_>, interpreter: Option<usize>) {
    begin(program, reach, interpreter);
    end(program, reach);
    reach.run();
}

/// What is live if the interpreter has started already.
fn started<'a>(
    program: &'a Program,
    all: &Reach<'a>,
    interpreter: usize,
    more: &dyn Fn(&mut Reach<'a>),
) -> Reach<'a> {
    let mut reach = Reach::new(program);
    if !program.precision().demand {
        reach.everything();
    }
    enter(program, &mut reach);
    end(program, &mut reach);
    survivors(program, all, Some(interpreter), &mut reach);
    reach.run();
    more(&mut reach);
    reach
}

/// The first instruction, and what runs before `main`.
fn begin(program: &Program, reach: &mut Reach<'_>, interpreter: Option<usize>) {
    if !program.precision().demand {
        reach.everything();
    }
    if let Some(interpreter) = interpreter {
        let address = program.elf(interpreter).entry;
        reach.root(Place { module: interpreter, address });
    }
    enter(program, reach);
}

/// What runs before `main` once the loader has done its own part.
fn enter(program: &Program, reach: &mut Reach<'_>) {
    reach.root(Place { module: 0, address: program.elf(0).entry });
    for module in core(program) {
        initialise(program, reach, module);
    }
}

/// The files that are there from the start.
fn core(program: &Program) -> impl Iterator<Item = usize> {
    let layer = |number: &usize| program.modules[*number].module.layer == Layer::Core;
    (0..program.modules.len()).filter(layer)
}

/// What the loader calls when it has mapped a file.
pub fn initialise(program: &Program, reach: &mut Reach<'_>, module: usize) {
    let elf = program.elf(module);
    if let Some(address) = elf.dynamic.init {
        reach.root(Place { module, address });
    }
    for &(at, size) in &elf.dynamic.arrays {
        reach.root_array(module, at..at.saturating_add(size));
    }
    thread_image(program, reach, module);
    for relocation in &elf.relocations {
        if let crate::elf::RelocationKind::Resolver(address) = relocation.kind {
            reach.root(Place { module, address });
        }
    }
}

/// The initial image of thread-local variables is found by no address in the code.
fn thread_image(program: &Program, reach: &mut Reach<'_>, module: usize) {
    if let Some(tls) = &program.elf(module).tls {
        reach.root_data(module, tls.clone());
    }
}

/// What runs as the process ends.
fn end(program: &Program, reach: &mut Reach<'_>) {
    for module in core(program) {
        finalise(program, reach, module);
    }
}

/// What is called when a file is unmapped or the process ends.
pub fn finalise(program: &Program, reach: &mut Reach<'_>, module: usize) {
    let elf = program.elf(module);
    if let Some(address) = elf.dynamic.fini {
        reach.root(Place { module, address });
    }
    if let Some((at, size)) = elf.dynamic.fini_array {
        reach.root_array(module, at..at.saturating_add(size));
    }
}

/// Whether files that are there already may be mapped a second time, each with its own start: in a
/// namespace of their own (dlmopen(3)).
fn opens_anew(program: &Program, after: &Reach<'_>) -> bool {
    let opener = program.anywhere(b"dlmopen").and_then(|place| after.node(place));
    opener.is_some_and(|node| after.is_live(node))
}

/// exit(3), to which the start-up code returns from `main`.
fn exit(program: &Program) -> Option<Place> {
    if let Some(found) = program.anywhere(b"exit") {
        return Some(found);
    }
    let elf = program.elf(0);
    let symbol = elf.full.iter().find(|symbol| elf.bytes_of(&symbol.name) == b"exit")?;
    Some(Place { module: 0, address: symbol.address })
}

/// Code whose address was kept before `main` may be called after it. The interpreter hands many of
/// its functions to others of its own while it starts, and is done with them; what it stores in
/// memory, and what it hands to the program's entry, stays.
fn survivors(
    program: &Program,
    before: &Reach<'_>,
    interpreter: Option<usize>,
    after: &mut Reach<'_>,
) {
    let start = interpreter
        .and_then(|module| before.node(Place { module, address: program.elf(module).entry }));
    for node in before.live() {
        let (module, function) = before.of(node);
        if Some(module) != interpreter {
            if before.is_taken(node) {
                after.root(before.entry(node));
            }
            continue;
        }
        let facts = &program.scan(module).functions[function].facts;
        // Its own entry is no function, and never entered again.
        for &address in facts.kept.iter().filter(|&&address| address != program.elf(module).entry) {
            after.root(Place { module, address });
        }
        if Some(node) == start {
            for access in &facts.accesses {
                if let &crate::flow::Access::Take(address) = access
                    && program.is_code(Place { module, address })
                {
                    after.root(Place { module, address });
                }
            }
        }
    }
}

/// `main`: what the program's entry hands as first argument to the function that it calls, and the
/// function that does so.
fn find_main(program: &Program, reach: &Reach<'_>) -> Option<(Node, Place)> {
    let mut left = vec![(reach.node(Place { module: 0, address: program.elf(0).entry })?, 0)];
    while let Some((node, depth)) = left.pop() {
        let (module, function) = reach.of(node);
        let elf = program.elf(module);
        let code = program.scan(module).code(elf);
        let mut flow = Flow::of(code, &mut X86_64::default(), reach.entry(node).address)?;
        for call in &program.scan(module).functions[function].facts.calls {
            let Some(state) = flow.at(code, call.at) else { continue };
            let value = state.reg(ARGUMENTS[0]);
            let place = match *flow.sets.atoms(&value) {
                [Atom::Address(address)] => Some(Place { module, address }),
                [Atom::Slot(slot)] => program.word(module, slot),
                _ => None,
            };
            if let Some(place) = place.filter(|&place| program.is_code(place)) {
                return Some((node, place));
            }
            if depth < DEPTH_MAX
                && let Target::Direct(_) = call.target
                && let Some(next) = callee(program, module, call.target)
            {
                left.extend(reach.node(next).map(|next| (next, depth + 1)));
            }
        }
    }
    None
}
