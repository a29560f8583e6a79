//! Where a program begins, where `main` is, and what is live before and after it.

use crate::{
    decode::{ARGUMENTS, X86_64},
    elf::{Symbol, SymbolKind},
    flow::{Access, Flow, Target},
    layers::string,
    link::{Place, Program},
    reach::{Node, Reach, callee},
    value::Atom,
};
use model::analysis::Layer;
use std::collections::BTreeSet;

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
    more: &(dyn Fn(&mut Reach<'a>) + Sync),
) -> Phases<'a> {
    let mut reach = Reach::new(program);
    all(program, &mut reach, interpreter);
    let mut all = reach;
    more(&mut all);
    let (started, parts) = rayon::join(
        || interpreter.map(|interpreter| started(program, &all, interpreter, more)),
        || parts(program, &all, interpreter, more),
    );
    let (before, after) = parts.unzip();
    Phases { all, before, after, started }
}

/// What is live until `main` is called, and from then on; `None` when `main` was not found.
fn parts<'a>(
    program: &'a Program,
    all: &Reach<'a>,
    interpreter: Option<usize>,
    more: &dyn Fn(&mut Reach<'a>),
) -> Option<(Reach<'a>, Reach<'a>)> {
    let (node, main) = find_main(program, all)?;
    let exit = function(program, b"exit")?;
    let mut before = Reach::new(program);
    before.skip(node, main);
    // Whoever defines exit(3) calls at the end what is registered for it (Itanium C++ ABI, 3.3.6).
    if let Some(registrar) =
        function(program, b"__cxa_atexit").filter(|place| place.module == exit.module)
    {
        before.defer(registrar);
    }
    enter(program, &mut before, interpreter);
    before.run_library();
    let ending: Vec<Place> = before.deferred().collect();
    begin(program, &mut before, interpreter);
    before.run();
    let mut after = Reach::new(program);
    // What the start-up code registered calls the last functions; what calls `main` goes on.
    let callers = all.passing.invocations();
    let main_node = all.node(main);
    let callers = callers.filter(|&(given, ..)| Some(given) == main_node);
    let callers = callers.map(|(_, caller, _)| all.entry(caller));
    for place in ending.into_iter().chain([exit]).chain(callers) {
        after.root(place);
    }
    after.run_library();
    after.root(main);
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
    Some((before, after))
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
    reach.root(Place { module: 0, address: program.elf(0).entry });
    for module in core(program) {
        initialise(program, &mut reach, module);
    }
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
    enter(program, reach, interpreter);
    for place in interpreter.map(|module| stages(program, module)).unwrap_or_default() {
        reach.root(place);
    }
    for module in core(program) {
        initialise(program, reach, module);
    }
}

/// What the start of the interpreter enters of itself by name: musl's looks its further stages up in
/// its own table of symbols, so that no code of one runs before what it needs is ready (ldso/dynlink.c).
fn stages(program: &Program, interpreter: usize) -> Vec<Place> {
    let elf = program.elf(interpreter);
    let mut reach = Reach::new(program);
    let mut found = BTreeSet::new();
    let mut new = vec![elf.entry];
    while !new.is_empty() {
        for address in new.drain(..) {
            reach.root(Place { module: interpreter, address });
        }
        reach.run();
        for node in reach.live() {
            let (module, function) = reach.of(node);
            if module != interpreter {
                continue;
            }
            for access in &program.scan(module).functions[function].facts.accesses {
                let &Access::Take(address) = access else { continue };
                let Some(name) = string(elf, address).filter(|_| !elf.is_code(address)) else {
                    continue;
                };
                for &number in elf.defined(&name) {
                    let symbol = &elf.symbols[number as usize];
                    if symbol.kind == SymbolKind::Function && found.insert(symbol.address) {
                        new.push(symbol.address);
                    }
                }
            }
        }
    }
    found.into_iter().map(|address| Place { module: interpreter, address }).collect()
}

/// Where the kernel enters the interpreter, and the interpreter the program.
fn enter(program: &Program, reach: &mut Reach<'_>, interpreter: Option<usize>) {
    for module in interpreter.into_iter().chain([0]) {
        reach.root(Place { module, address: program.elf(module).entry });
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
    let opener = function(program, b"dlmopen").and_then(|place| after.node(place));
    opener.is_some_and(|node| after.is_live(node))
}

/// A function of the C library, by its name. A static program has its own, and what it may load has
/// another one.
fn function(program: &Program, name: &[u8]) -> Option<Place> {
    let elf = program.elf(0);
    if elf.interpreter.is_some() || !elf.dynamic.needed.is_empty() {
        return program.anywhere(name);
    }
    let mut symbols = elf.symbols.iter().chain(&elf.full);
    let named = |symbol: &&Symbol| symbol.defined && elf.bytes_of(&symbol.name) == name;
    let symbol = symbols.find(named)?;
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
    for place in before.deferred() {
        after.root(place);
    }
    // What is called by code that calls the kernel, too, may run in a thread from then on.
    for (given, caller, _) in before.passing.invocations() {
        let (module, function) = before.of(caller);
        if !program.scan(module).functions[function].facts.sites.is_empty() {
            after.root(before.entry(given));
        }
    }
    let entry = before.node(Place { module: 0, address: program.elf(0).entry });
    let start = interpreter
        .and_then(|module| before.node(Place { module, address: program.elf(module).entry }));
    for node in before.live() {
        let (module, function) = before.of(node);
        if Some(module) != interpreter {
            // The start-up code of static programs knows the entry, as the loader's does its own.
            if before.is_taken(node) && Some(node) != entry {
                after.root(before.entry(node));
            }
            continue;
        }
        let facts = &program.scan(module).functions[function].facts;
        // An entry is no function, and never entered again.
        for &address in facts.kept.iter().filter(|&&address| address != program.elf(module).entry) {
            after.root(Place { module, address });
        }
        if Some(node) == start {
            for &address in &facts.returned {
                after.root(Place { module, address });
            }
            for access in &facts.accesses {
                if let &Access::Take(address) = access
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
