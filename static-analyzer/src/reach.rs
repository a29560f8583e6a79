//! What of a program is live: a live function makes its callees live, the code whose address it
//! takes, and the data it uses; live data makes live what it points to.

use crate::{
    flow::{Access, Target},
    link::{Place, Program},
    passing::Passing,
};
use model::analysis::Layer;
use rustc_hash::FxHashSet;
use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
};

/// A function by its number among all of the program.
pub type Node = u32;

/// How a function came to be live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The loader, the kernel or the C library calls it.
    Root,
    /// This function calls it, at this address.
    Call(Node, u64),
    /// This function takes its address, or uses data that holds it.
    Taken(Node),
}

/// What is live.
#[derive(Debug)]
pub struct Reach<'a> {
    program: &'a Program,
    /// The first number of each file's functions.
    bases: Vec<Node>,
    /// Why a function is live.
    causes: Vec<Option<Cause>>,
    /// Whether its address is taken: it may be called from anywhere.
    taken: Vec<bool>,
    /// In which layer it became live.
    layers: Vec<Layer>,
    queue: VecDeque<Node>,
    objects: FxHashSet<(usize, u64)>,
    read: FxHashSet<(usize, Access)>,
    layer: Layer,
    /// A place whose address does not count when this function takes it.
    skip: Option<(Node, Place)>,
    /// The functions that something from outside calls.
    roots: FxHashSet<Node>,
    /// Functions that are handed to others, which may call them.
    pub(crate) passing: Passing,
    /// The function that is handed what is called at the end of the process.
    registrar: Option<Node>,
    /// What it was handed, when it is not to count.
    pub(crate) at_end: BTreeSet<Node>,
    /// Whether what is followed does not count as using the arrays of functions.
    in_library: bool,
}

impl<'a> Reach<'a> {
    /// Nothing is live yet.
    pub fn new(program: &'a Program) -> Reach<'a> {
        let mut bases = Vec::new();
        let mut next = 0;
        for linked in &program.modules {
            bases.push(next);
            next += linked.scan.functions.len() as Node;
        }
        let count = next as usize;
        Reach {
            program,
            bases,
            causes: vec![None; count],
            taken: vec![false; count],
            layers: vec![Layer::Core; count],
            queue: VecDeque::new(),
            objects: FxHashSet::default(),
            read: FxHashSet::default(),
            layer: Layer::Core,
            skip: None,
            roots: FxHashSet::default(),
            passing: Passing::new(program),
            registrar: None,
            at_end: BTreeSet::new(),
            in_library: false,
        }
    }

    /// The number of the function at a place.
    pub fn node(&self, place: Place) -> Option<Node> {
        let elf = self.program.elf(place.module);
        let function = self.program.scan(place.module).function(elf, place.address)?;
        Some(self.bases[place.module] + function)
    }

    /// The file of a function, and its number there.
    pub fn of(&self, node: Node) -> (usize, usize) {
        let module = self.bases.partition_point(|&base| base <= node) - 1;
        // Files without functions share the first number of the next one.
        (module, (node - self.bases[module]) as usize)
    }

    /// Where a function is entered.
    pub fn entry(&self, node: Node) -> Place {
        let (module, function) = self.of(node);
        let address = self.program.scan(module).functions[function].entry;
        Place { module, address }
    }

    /// How many functions there are, live or not.
    pub fn count(&self) -> usize {
        self.causes.len()
    }

    /// Whether a function is live.
    pub fn is_live(&self, node: Node) -> bool {
        self.causes[node as usize].is_some()
    }

    /// Whether its address is taken by what is live.
    pub fn is_taken(&self, node: Node) -> bool {
        self.taken[node as usize]
    }

    /// How many functions may be called from anywhere.
    pub fn taken(&self) -> usize {
        self.taken.iter().filter(|&&taken| taken).count()
    }

    /// Why it is live.
    pub fn cause(&self, node: Node) -> Option<Cause> {
        self.causes[node as usize]
    }

    /// The layer in which it became live.
    pub fn layer(&self, node: Node) -> Layer {
        self.layers[node as usize]
    }

    /// All live functions.
    pub fn live(&self) -> impl Iterator<Item = Node> + '_ {
        (0..self.causes.len() as Node).filter(|&node| self.is_live(node))
    }

    /// What becomes live from now on belongs to a layer.
    pub fn enter(&mut self, layer: Layer) {
        self.layer = layer;
    }

    /// Where the data objects begin that are used as a whole.
    pub fn objects(&self) -> impl Iterator<Item = Place> + '_ {
        self.objects.iter().map(|&(module, address)| Place { module, address })
    }

    /// One function's taking of one address does not count.
    pub fn skip(&mut self, node: Node, place: Place) {
        self.skip = Some((node, place));
    }

    /// What is handed to the function at a place is not called as long as this is asked about.
    pub fn defer(&mut self, registrar: Place) {
        self.registrar = self.node(registrar);
    }

    /// Where what was handed to it is entered.
    pub fn deferred(&self) -> impl Iterator<Item = Place> + '_ {
        self.at_end.iter().map(|&node| self.entry(node))
    }

    /// Whether what a function is given is not called.
    pub(crate) fn defers(&self, called: Node) -> bool {
        self.registrar == Some(called)
    }

    /// Follows what is live while it is nothing but the C library's code for start and end: that calls
    /// what the arrays of functions hold, and keeps nothing of it. Who is called when, is known.
    pub fn run_library(&mut self) {
        self.in_library = true;
        self.run();
        self.in_library = false;
        // Others that use the arrays do count.
        self.read.clear();
        let program = self.program;
        self.objects.retain(|&(module, start)| {
            let object = program.scan(module).object(start);
            !program.elf(module).dynamic.called().any(|array| meet(&array, &object))
        });
    }

    /// The places that words in a part of memory hold, as far as they count.
    fn pointers(&self, module: usize, range: Range<u64>) -> Vec<Place> {
        let program = self.program;
        if !self.in_library {
            return program.pointers(module, range);
        }
        let arrays = program.elf(module).dynamic.called();
        let mut arrays: Vec<Range<u64>> = arrays.filter(|array| meet(array, &range)).collect();
        arrays.sort_unstable_by_key(|array| array.start);
        let mut found = Vec::new();
        let mut from = range.start;
        for array in arrays {
            found.extend(program.pointers(module, from..array.start.max(from)));
            from = from.max(array.end);
        }
        found.extend(program.pointers(module, from..range.end.max(from)));
        found
    }

    /// Makes the function at a place live.
    pub fn root(&mut self, place: Place) {
        if let Some(node) = self.node(place) {
            self.roots.insert(node);
            self.mark(node, Cause::Root);
        }
    }

    /// Makes all functions live, where nothing less is proved.
    pub fn everything(&mut self) {
        for node in 0..self.causes.len() as Node {
            self.mark(node, Cause::Root);
        }
    }

    /// Whether something from outside calls a function.
    pub fn is_root(&self, node: Node) -> bool {
        self.roots.contains(&node)
    }

    /// Whether one function's taking of a place does not count.
    pub(crate) fn skips(&self, node: Node, place: Place) -> bool {
        self.skip == Some((node, place))
    }

    /// The files that are joined.
    pub(crate) fn program(&self) -> &'a Program {
        self.program
    }

    /// Makes live what a part of memory points to.
    pub fn root_data(&mut self, module: usize, range: Range<u64>) {
        for place in self.program.pointers(module, range) {
            self.take(place, Cause::Root);
        }
    }

    /// Makes live what an array of functions holds that is called from outside, once: nothing keeps
    /// those addresses by that.
    pub fn root_array(&mut self, module: usize, range: Range<u64>) {
        for place in self.program.pointers(module, range) {
            match self.program.is_code(place) {
                true => self.root(place),
                false => self.take(place, Cause::Root),
            }
        }
    }

    pub(crate) fn mark(&mut self, node: Node, cause: Cause) {
        let known = &mut self.causes[node as usize];
        if known.is_none() {
            *known = Some(cause);
            self.layers[node as usize] = self.layer;
            self.queue.push_back(node);
        }
    }

    /// An address is kept somewhere: code there may be called, data there may be used.
    pub(crate) fn take(&mut self, place: Place, cause: Cause) {
        if self.program.is_code(place) {
            let Some(node) = self.node(place) else { return };
            self.mark(node, cause);
            self.taken[node as usize] = true;
            self.choose(place, cause);
            return;
        }
        let mut left = vec![place];
        while let Some(place) = left.pop() {
            let object = self.program.scan(place.module).object(place.address);
            if !self.objects.insert((place.module, object.start)) {
                continue;
            }
            for pointer in self.pointers(place.module, object) {
                if self.program.is_code(pointer) {
                    self.take(pointer, cause);
                } else {
                    left.push(pointer);
                }
            }
        }
    }

    /// Whether the data object at a place is used as a whole.
    pub fn is_used(&self, place: Place) -> bool {
        let object = self.program.scan(place.module).object(place.address);
        self.objects.contains(&(place.module, object.start))
    }

    /// Follows everything that is live.
    pub fn run(&mut self) {
        while let Some(node) = self.queue.pop_front() {
            let program = self.program;
            let (module, function) = self.of(node);
            let facts = &program.scan(module).functions[function].facts;
            for call in &facts.calls {
                let cause = Cause::Call(node, call.at);
                if let Target::Slot(slot) = call.target
                    && self.in_library
                    && program.elf(module).dynamic.called().any(|array| array.contains(&slot))
                {
                    continue;
                }
                if let Some(choice) = choice(program, module, call.target) {
                    choice.iter().for_each(|&place| self.take(place, cause));
                    continue;
                }
                if let Some(place) = callee(program, module, call.target)
                    && let Some(target) = self.node(place)
                    && program.is_code(place)
                {
                    self.mark(target, cause);
                    self.choose(place, cause);
                }
            }
            for &access in &facts.accesses {
                self.access(node, module, access);
            }
            // What the loader is answered is called where it is asked for.
            if program.answers(self.entry(node)).is_none() {
                for &address in &facts.returned {
                    self.access(node, module, Access::Take(address));
                }
            }
            self.hand_on(node);
        }
    }

    /// Whoever calls a function that chooses one may call what it answers.
    fn choose(&mut self, resolver: Place, cause: Cause) {
        for &place in self.program.answers(resolver).unwrap_or_default() {
            if self.node(place).is_some_and(|node| !self.is_taken(node)) {
                self.take(place, cause);
            }
        }
    }

    fn access(&mut self, node: Node, module: usize, access: Access) {
        let skips = self.skip.is_some_and(|(skipping, _)| skipping == node);
        if !skips && !self.read.insert((module, access)) {
            return;
        }
        let program = self.program;
        let cause = Cause::Taken(node);
        let places = match access {
            Access::Take(address) => vec![Place { module, address }],
            Access::Read(address, size) => {
                self.pointers(module, address..address.saturating_add(u64::from(size)))
            }
            Access::Field(slot, distance) => {
                field(program, module, slot, distance).into_iter().collect()
            }
        };
        for place in places {
            if self.skip != Some((node, place)) {
                self.take(place, cause);
            }
        }
    }
}

/// What is held at a distance from the place that a word holds.
pub fn field(program: &Program, module: usize, slot: u64, distance: i32) -> Option<Place> {
    let base = program.word(module, slot)?;
    program.word(base.module, base.address.wrapping_add_signed(i64::from(distance)))
}

/// The functions one of which is called, where the loader has asked another one which.
fn choice(program: &Program, module: usize, target: Target) -> Option<&[Place]> {
    match target {
        Target::Slot(address) => program.choice(Place { module, address }),
        Target::Field(slot, distance) => {
            let base = program.word(module, slot)?;
            let address = base.address.wrapping_add_signed(i64::from(distance));
            program.choice(Place { address, ..base })
        }
        _ => None,
    }
}

/// Whether two parts of memory have something in common.
fn meet(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Where a call leads.
pub fn callee(program: &Program, module: usize, target: Target) -> Option<Place> {
    match target {
        Target::Direct(address) => Some(Place { module, address }),
        Target::Slot(slot) => program.word(module, slot),
        Target::Field(slot, distance) => field(program, module, slot, distance),
        Target::Entry(_) | Target::Any | Target::None => None,
    }
}
