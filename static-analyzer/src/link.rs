//! A program's files joined: which file defines what another one names, and what words hold once
//! the loader has filled them in.

use crate::{
    closure::Module,
    elf::{Elf, RelocationKind, SymbolKind},
    flow::{Call, Target},
    precision::Precision,
    scan::Scan,
    value::Atom,
};
use rustc_hash::FxHashMap;
use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

/// A place in a program: the number of the file, and an address of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's number.
    pub module: usize,
    /// The address, before relocation.
    pub address: u64,
}

/// A file of the program with what was found in it.
#[derive(Debug)]
pub struct Linked {
    /// The file.
    pub module: Module,
    /// Its functions.
    pub scan: Arc<Scan>,
}

/// A program's files.
#[derive(Debug)]
pub struct Program {
    /// In the order in which they are loaded.
    pub modules: Vec<Linked>,
    /// The order in which symbols are looked up.
    scope: Vec<usize>,
    known: RwLock<FxHashMap<(usize, u32), Option<Place>>>,
    /// What functions answer that the loader asks which one to call, where all of it is known.
    answers: FxHashMap<Place, Vec<Place>>,
}

impl Program {
    /// Joins files. The interpreter is the last that symbols are looked up in: programs name it
    /// only through libc, which comes behind everything else.
    pub fn new(modules: Vec<Linked>, interpreter: Option<usize>) -> Program {
        let mut scope: Vec<usize> = (0..modules.len()).collect();
        if let Some(interpreter) = interpreter {
            scope.retain(|&number| number != interpreter);
            scope.push(interpreter);
        }
        let known = RwLock::default();
        let mut program = Program { modules, scope, known, answers: FxHashMap::default() };
        program.answers = (0..program.modules.len())
            .flat_map(|module| program.resolvers(module))
            .filter_map(|place| Some((place, program.answer(place)?)))
            .collect();
        program
    }

    /// The functions of a file that only choose which one is called (STT_GNU_IFUNC).
    pub fn resolvers(&self, module: usize) -> Vec<Place> {
        let elf = self.elf(module);
        let symbols = elf.symbols.iter().chain(&elf.full);
        let chosen = symbols.filter(|symbol| symbol.defined && symbol.kind == SymbolKind::Indirect);
        let relocated = elf.relocations.iter().filter_map(|relocation| match relocation.kind {
            RelocationKind::Resolver(address) => Some(address),
            _ => None,
        });
        let addresses = chosen.map(|symbol| symbol.address).chain(relocated);
        addresses.map(|address| Place { module, address }).collect()
    }

    /// What a function returns, if all of that is code.
    fn answer(&self, resolver: Place) -> Option<Vec<Place>> {
        let Place { module, address } = resolver;
        let scan = self.scan(module);
        let function = &scan.functions[scan.function(self.elf(module), address)? as usize];
        let facts = &function.facts;
        if function.entry != address || facts.results.is_empty() {
            return None;
        }
        let results = facts.results.iter().map(|&atom| match atom {
            Atom::Address(address) => Some(Place { module, address }),
            _ => None,
        });
        results.map(|place| place.filter(|&place| self.is_code(place))).collect()
    }

    /// What a function answers that the loader asks which one to call, where all of it is known.
    pub fn answers(&self, resolver: Place) -> Option<&[Place]> {
        self.answers.get(&resolver).map(Vec::as_slice)
    }

    /// The functions one of which the word at a place holds, as another one said before anything
    /// of the program ran.
    pub fn choice(&self, place: Place) -> Option<&[Place]> {
        let end = place.address.checked_add(8)?;
        let relocations = self.elf(place.module).relocations_in(place.address..end);
        let found = relocations.iter().find(|relocation| relocation.at == place.address)?;
        match found.kind {
            RelocationKind::Resolver(address) => self.answers(Place { address, ..place }),
            _ => None,
        }
    }

    /// What is proved.
    pub fn precision(&self) -> Precision {
        self.modules.first().map_or(Precision::ALL, |linked| linked.scan.precision)
    }

    /// A file.
    pub fn elf(&self, module: usize) -> &Elf {
        &self.modules[module].module.elf
    }

    /// What was found in a file.
    pub fn scan(&self, module: usize) -> &Scan {
        &self.modules[module].scan
    }

    /// Whether code is there.
    pub fn is_code(&self, place: Place) -> bool {
        self.elf(place.module).is_code(place.address)
    }

    /// What the word at an address holds when the loader is done: a place, if it is one.
    pub fn word(&self, module: usize, address: u64) -> Option<Place> {
        let end = address.checked_add(8)?;
        let relocations = self.elf(module).relocations_in(address..end);
        let found = relocations.iter().find(|relocation| relocation.at == address);
        if let Some(relocation) = found {
            return self.target(module, relocation.kind);
        }
        let original = self.original(Place { module, address })?;
        self.word(original.module, original.address)
    }

    /// Whether the word at a place stays what it is when the loader is done: it cannot be written, or
    /// it is the linker's own.
    pub fn is_settled(&self, place: Place) -> bool {
        let elf = self.elf(place.module);
        let Some(end) = place.address.checked_add(8) else { return false };
        let of_linker =
            |kind| matches!(kind, RelocationKind::Import(_) | RelocationKind::Resolver(_));
        let mut relocations = elf.relocations_in(place.address..end).iter();
        elf.is_constant(place.address)
            || relocations.any(|found| found.at == place.address && of_linker(found.kind))
    }

    /// Where the stub at an address leads that does nothing but jump through a word.
    pub fn stub(&self, module: usize, address: u64) -> Option<Place> {
        let scan = self.scan(module);
        let number = scan.function(self.elf(module), address)?;
        match scan.functions[number as usize].facts.calls.as_slice() {
            [Call { target: Target::Slot(slot), .. }] => self.word(module, *slot),
            _ => None,
        }
    }

    /// The places that the words in a part of memory hold.
    pub fn pointers(&self, module: usize, range: Range<u64>) -> Vec<Place> {
        let relocations = self.elf(module).relocations_in(range.clone());
        let mut found = Vec::with_capacity(relocations.len());
        for relocation in relocations {
            match self.choice(Place { module, address: relocation.at }) {
                Some(choice) => found.extend(choice),
                None => found.extend(self.target(module, relocation.kind)),
            }
        }
        for relocation in relocations {
            if let RelocationKind::Copy(symbol) = relocation.kind
                && let Some(original) = self.copied(module, symbol)
            {
                let size =
                    self.elf(module).symbols.get(symbol as usize).map_or(0, |symbol| symbol.size);
                let end = original.address.saturating_add(size);
                found.extend(self.pointers(original.module, original.address..end));
            }
        }
        found
    }

    fn target(&self, module: usize, kind: RelocationKind) -> Option<Place> {
        match kind {
            RelocationKind::Local(address) | RelocationKind::Resolver(address) => {
                Some(Place { module, address })
            }
            RelocationKind::Symbol(symbol, addend) => {
                let place = self.symbol(module, symbol)?;
                Some(Place { address: place.address.wrapping_add_signed(addend), ..place })
            }
            RelocationKind::Import(symbol) => self.symbol(module, symbol),
            RelocationKind::Copy(_) => None,
        }
    }

    /// Where a symbol that a file names is defined.
    pub fn symbol(&self, module: usize, number: u32) -> Option<Place> {
        let place = (module, number);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        if let Some(known) = known {
            return known;
        }
        let found = self.find_symbol(module, number);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(place, found);
        found
    }

    fn find_symbol(&self, module: usize, number: u32) -> Option<Place> {
        let elf = self.elf(module);
        let symbol = elf.symbols.get(number as usize)?;
        if symbol.defined && (symbol.local || symbol.own) {
            return Some(Place { module, address: symbol.address });
        }
        let name = elf.bytes_of(&symbol.name);
        let version = symbol.version.as_ref().map(|version| elf.bytes_of(version));
        if elf.dynamic.symbolic
            && let Some(place) = self.definition(module, name, version)
        {
            return Some(place);
        }
        let scope = self.scope.iter();
        let found = scope.copied().find_map(|other| self.definition(other, name, version));
        // Files that were opened later are not in the scope of others; within themselves they are.
        found.or_else(|| symbol.defined.then_some(Place { module, address: symbol.address }))
    }

    /// The definition of a name in one file, as the loader matches versions (dl-lookup.c).
    fn definition(&self, module: usize, name: &[u8], version: Option<&[u8]>) -> Option<Place> {
        let elf = self.elf(module);
        let mut fallback = None;
        for &number in elf.defined(name) {
            let symbol = &elf.symbols[number as usize];
            if symbol.local || symbol.kind == SymbolKind::Tls {
                continue;
            }
            let own = symbol.version.as_ref().map(|version| elf.bytes_of(version));
            let place = Place { module, address: symbol.address };
            match (version, own) {
                (Some(wanted), Some(own)) if wanted == own => return Some(place),
                (Some(_), Some(_)) => {}
                (_, None) => return Some(place),
                (None, Some(_)) if !symbol.hidden => return Some(place),
                (None, Some(_)) => fallback = fallback.or(Some(place)),
            }
        }
        fallback
    }

    /// A name looked up in all files.
    pub fn anywhere(&self, name: &[u8]) -> Option<Place> {
        self.scope.iter().find_map(|&module| self.definition(module, name, None))
    }

    fn copied(&self, module: usize, number: u32) -> Option<Place> {
        let elf = self.elf(module);
        let symbol = elf.symbols.get(number as usize)?;
        let name = elf.bytes_of(&symbol.name);
        let version = symbol.version.as_ref().map(|version| elf.bytes_of(version));
        let others = self.scope.iter().copied().filter(|&other| other != module);
        let mut others = others.filter_map(|other| self.definition(other, name, version));
        others.next()
    }

    /// Where the contents of a place came from, when the loader copied them.
    fn original(&self, place: Place) -> Option<Place> {
        const LARGEST: u64 = 1 << 16;
        let elf = self.elf(place.module);
        let from = place.address.saturating_sub(LARGEST);
        let relocations = elf.relocations_in(from..place.address.checked_add(1)?);
        relocations.iter().rev().find_map(|relocation| {
            let RelocationKind::Copy(symbol) = relocation.kind else { return None };
            let within = place.address - relocation.at;
            let size = elf.symbols.get(symbol as usize)?.size;
            let original = self.copied(place.module, symbol)?;
            (within < size).then_some(Place { address: original.address + within, ..original })
        })
    }
}
