//! All functions of one file and what each does, apart from other files.

use crate::{
    decode::X86_64,
    elf::{Elf, RelocationKind},
    flow::{Access, Code, Facts, Flow, Given, Target},
    objects,
    precision::Precision,
    ranges::Ranges,
};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// More functions than these are not looked at.
const FUNCTIONS_MAX: usize = 1 << 20;

/// How many calls away from the end of a process a function that only leads there is recognised.
const ENDLESS_ROUNDS: usize = 6;

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Where it is entered.
    pub entry: u64,
    /// What it does.
    pub facts: Facts,
}

/// A file, scanned.
#[derive(Debug)]
pub struct Scan {
    /// What is proved.
    pub precision: Precision,
    /// What the tables say of its functions.
    pub ranges: Ranges,
    /// Its functions.
    pub functions: Vec<Function>,
    by_entry: FxHashMap<u64, u32>,
    /// The functions that never return.
    endless: FxHashSet<u64>,
    /// Where tables of jumps begin, once all functions were looked at.
    tables: Option<Vec<u64>>,
    /// Where data objects begin.
    objects: Vec<u64>,
    /// Whether a bound was met.
    pub cut: bool,
}

impl Scan {
    /// Scans a file.
    pub fn of(elf: &Elf, precision: Precision) -> Scan {
        let mut scan = Scan {
            precision,
            ranges: Ranges::of(elf),
            functions: Vec::new(),
            by_entry: FxHashMap::default(),
            endless: FxHashSet::default(),
            tables: None,
            objects: Vec::new(),
            cut: false,
        };
        let ranges = &scan.ranges;
        // A pointer in data into the middle of a function (a label) means the whole of it.
        let whole = |at: u64| match ranges.holding(elf, at) {
            Some(range) if range.known && !ranges.begins(at) && at != elf.entry => range.start,
            _ => at,
        };
        let wave = ranges.starts().chain(entries(elf).into_iter().map(whole)).collect();
        let mut seen = FxHashSet::default();
        scan.follow(elf, wave, &mut seen);
        let wave = scan.end_tables(elf);
        scan.follow(elf, wave, &mut seen);
        scan.find_endless(elf);
        scan.objects = objects::find(elf, &scan.functions);
        scan
    }

    /// Looks at functions, at those that they name, and so on.
    fn follow(&mut self, elf: &Elf, mut wave: Vec<u64>, seen: &mut FxHashSet<u64>) {
        loop {
            wave.retain(|&entry| elf.is_code(entry) && seen.insert(entry));
            wave.sort_unstable();
            let room = FUNCTIONS_MAX - self.functions.len();
            self.cut |= wave.len() > room;
            wave.truncate(room);
            if wave.is_empty() {
                break;
            }
            let found = self.interpret(elf, &wave);
            let mut next = Vec::new();
            for (entry, facts) in wave.into_iter().zip(found) {
                let Some(facts) = facts else { continue };
                next.extend(self.leads_to(elf, &facts));
                self.by_entry.insert(entry, self.functions.len() as u32);
                self.functions.push(Function { entry, facts });
            }
            wave = next;
        }
    }

    /// Now that it is known where tables of jumps begin, looks again at the functions that jump
    /// through one whose end is not to be seen otherwise. Answers what they name.
    fn end_tables(&mut self, elf: &Elf) -> Vec<u64> {
        let tables = self.functions.iter().flat_map(|function| &function.facts.tables);
        let mut tables: Vec<u64> = tables.copied().collect();
        tables.sort_unstable();
        tables.dedup();
        self.tables = Some(tables);
        let unsure = self.functions.iter().filter(|function| function.facts.unsure);
        let unsure: Vec<u64> = unsure.map(|function| function.entry).collect();
        self.again(elf, &unsure)
    }

    /// Looks again at functions. Answers what they name.
    fn again(&mut self, elf: &Elf, entries: &[u64]) -> Vec<u64> {
        let mut named = Vec::new();
        for (entry, facts) in entries.iter().zip(self.interpret(elf, entries)) {
            if let (Some(facts), Some(&number)) = (facts, self.by_entry.get(entry)) {
                named.extend(self.leads_to(elf, &facts));
                self.functions[number as usize].facts = facts;
            }
        }
        named
    }

    /// The file, for looking at one of its functions.
    pub fn code<'a>(&'a self, elf: &'a Elf) -> Code<'a> {
        Code {
            elf,
            ranges: &self.ranges,
            endless: &self.endless,
            tables: self.tables.as_deref(),
            precision: self.precision,
        }
    }

    fn interpret(&self, elf: &Elf, entries: &[u64]) -> Vec<Option<Facts>> {
        let code = self.code(elf);
        let entries = entries.par_iter();
        let facts = entries.map_init(X86_64::default, |decoder, &entry| {
            Some(Flow::of(code, decoder, entry)?.facts(code))
        });
        facts.collect()
    }

    /// Finds the functions that never return, and looks again at those that call them: compilers
    /// put unrelated code behind such a call.
    fn find_endless(&mut self, elf: &Elf) {
        for _ in 0..ENDLESS_ROUNDS {
            let new: FxHashSet<u64> = self
                .functions
                .iter()
                .filter(|function| {
                    !function.facts.returns && !self.endless.contains(&function.entry)
                })
                .map(|function| function.entry)
                .collect();
            if new.is_empty() {
                break;
            }
            let names_one = |facts: &Facts| {
                facts.calls.iter().any(|call| match call.target {
                    Target::Direct(target) => new.contains(&target),
                    _ => false,
                })
            };
            let again = self.functions.iter().filter(|function| names_one(&function.facts));
            let again: Vec<u64> = again.map(|function| function.entry).collect();
            self.endless.extend(new);
            // They name what they named, or less.
            let _ = self.again(elf, &again);
        }
    }

    /// The code that a function names.
    fn leads_to(&self, elf: &Elf, facts: &Facts) -> Vec<u64> {
        let calls = facts.calls.iter().filter_map(|call| match call.target {
            Target::Direct(target) => Some(target),
            _ => None,
        });
        let taken = facts.accesses.iter().filter_map(|access| match access {
            &Access::Take(address) if elf.is_code(address) => Some(address),
            _ => None,
        });
        let passed = facts.passes.iter().filter_map(|pass| match pass.given {
            Given::Code(address) => Some(address),
            Given::Entry(_) => None,
        });
        let returned = facts.returned.iter().copied();
        calls
            .chain(taken)
            .chain(returned)
            .chain(passed)
            .filter(|entry| !self.by_entry.contains_key(entry))
            .collect()
    }

    /// The function that is entered at an address, or else the one that holds it.
    pub fn function(&self, elf: &Elf, address: u64) -> Option<u32> {
        if let Some(&number) = self.by_entry.get(&address) {
            return Some(number);
        }
        let range = self.ranges.holding(elf, address)?;
        self.by_entry.get(&range.start).copied()
    }

    /// The data object that holds an address.
    pub fn object(&self, address: u64) -> Range<u64> {
        if !self.precision.objects {
            return 0..u64::MAX;
        }
        let past = self.objects.partition_point(|&start| start <= address);
        let start = past.checked_sub(1).and_then(|at| self.objects.get(at)).copied();
        let end = self.objects.get(past).copied();
        start.unwrap_or(address)..end.unwrap_or(address)
    }
}

/// Where code begins that no table of functions may know.
fn entries(elf: &Elf) -> Vec<u64> {
    let mut found = vec![elf.entry];
    found.extend(elf.dynamic.init.into_iter().chain(elf.dynamic.fini));
    let targets = elf.relocations.iter().filter_map(|relocation| match relocation.kind {
        RelocationKind::Local(target) | RelocationKind::Resolver(target) => Some(target),
        _ => None,
    });
    found.extend(targets.filter(|&target| elf.is_code(target)));
    found
}
