//! The calls of a program's live code, each with a chain of calls that leads to it. What could not
//! be resolved beside them is gaps.rs.

use super::unnarrowed;
use crate::{
    arguments::Arguments,
    decode::{Entry, kernel_regs},
    files::Files,
    link::Program,
    numbers::{Flows, Numbers},
    phases::Phases,
    reach::{Cause, Node, Reach},
};
use model::{
    Arch, Sysno, Text, X32_BIT,
    analysis::{Gap, GapKind, Layer, Phase, PredictedCall},
    trace::Site,
};
use std::collections::{BTreeMap, BTreeSet};

/// Larger numbers are no calls, of any kernel.
const NUMBER_MAX: u32 = 1 << 16;
/// A longer chain is cut in the middle.
const CHAIN_MAX: usize = 64;

/// What is found, in the words of the document.
pub struct Report<'a> {
    /// The files' names of functions.
    pub files: &'a Files,
    /// The program.
    pub program: &'a Program,
    /// The calls that it can make.
    pub calls: BTreeMap<Sysno, PredictedCall>,
    /// What could not be resolved.
    pub gaps: BTreeSet<Gap>,
    /// On what that rests beside what every prediction rests on.
    pub assumptions: BTreeSet<String>,
}

impl Report<'_> {
    /// Every call that live code can make, and every gap.
    pub fn sites(&mut self, phases: &Phases<'_>) {
        let mut flows = Flows::default();
        let reach = &phases.all;
        let ((before, after), open) = rayon::join(
            || {
                let before = phases.before.as_ref().map(|reach| self.numbers(reach, &mut flows));
                let after = phases.after.as_ref().map(|reach| self.numbers(reach, &mut flows));
                (before, after)
            },
            || unnarrowed::open(self.program, reach),
        );
        self.bounds(reach);
        self.unread(reach);
        self.unnarrowed(reach, &open);
        let mut arguments = Arguments::default();
        let mut numbers = Numbers::new(self.program, reach, &mut flows);
        for node in reach.live() {
            let (module, function) = reach.of(node);
            for site in &self.program.scan(module).functions[function].facts.sites {
                let answer = numbers.ask(node, site.at, &site.number);
                let mut calls = BTreeMap::new();
                for found in &answer.found {
                    let Some(sysno) = sysno(site.entry, found.number) else { continue };
                    calls.insert(found.number, sysno);
                    let chain = self.chain(reach, &found.path);
                    let first = found.path.first().map_or(node, |first| first.0);
                    let layer = reach.layer(node).max(reach.layer(first));
                    self.add(sysno, layer, chain);
                }
                arguments.add(&mut numbers, node, site, &calls);
                if !answer.open.is_empty() {
                    arguments.give_up();
                }
                for (open, why) in &answer.open {
                    let at = self.site(module, site.at);
                    let chain = self.chain(reach, &[(*open, reach.entry(*open).address)]);
                    let what = format!("the number of a system call is not known: {why}");
                    let arch = Some(kernel_regs(site.entry).arch);
                    let gap = Gap { kind: GapKind::Number, site: Some(at), what, chain, arch };
                    self.gaps.insert(gap);
                }
            }
        }
        self.computed_names(phases, &mut numbers);
        self.generated_code(phases, &mut numbers);
        for (sysno, known) in arguments.known() {
            if let Some(call) = self.calls.get_mut(&sysno) {
                call.arguments = known;
            }
        }
        if let (Some(before), Some(after)) = (before, after) {
            for (sysno, call) in &mut self.calls {
                call.phase = match (before.contains(sysno), after.contains(sysno)) {
                    (true, false) => Phase::BeforeMain,
                    (false, true) => Phase::AfterMain,
                    _ => Phase::Both,
                };
            }
        }
    }

    /// The calls of a part of the program's life.
    fn numbers(&self, reach: &Reach<'_>, flows: &mut Flows) -> BTreeSet<Sysno> {
        let mut numbers = Numbers::new(self.program, reach, flows);
        let mut calls = BTreeSet::new();
        for node in reach.live() {
            let (module, function) = reach.of(node);
            for site in &self.program.scan(module).functions[function].facts.sites {
                let answer = numbers.ask(node, site.at, &site.number);
                calls.extend(
                    answer.found.iter().filter_map(|found| sysno(site.entry, found.number)),
                );
            }
        }
        calls
    }

    fn add(&mut self, sysno: Sysno, layer: Layer, chain: Vec<Site>) {
        let call = self.calls.entry(sysno).or_insert_with(|| PredictedCall {
            layer,
            phase: Phase::Both,
            chain: chain.clone(),
            sites: 0,
            arguments: BTreeMap::new(),
        });
        call.sites = call.sites.saturating_add(1);
        if (layer, chain.len()) < (call.layer, call.chain.len()) {
            call.layer = layer;
            call.chain = chain;
        }
    }

    /// The calls from a root to the first of a path, and then along the path.
    pub(super) fn chain(&self, reach: &Reach<'_>, path: &[(Node, u64)]) -> Vec<Site> {
        let mut places: Vec<(usize, u64)> = Vec::new();
        let mut next = path.first().map(|first| first.0);
        while let Some(node) = next
            && places.len() < CHAIN_MAX
        {
            next = match reach.cause(node) {
                Some(Cause::Call(caller, at)) => {
                    places.push((reach.of(caller).0, at));
                    Some(caller)
                }
                Some(Cause::Taken(by)) => {
                    let place = reach.entry(by);
                    places.push((place.module, place.address));
                    Some(by)
                }
                _ => None,
            };
        }
        places.reverse();
        places.extend(path.iter().map(|&(node, at)| (reach.of(node).0, at)));
        places.into_iter().map(|(module, at)| self.site(module, at)).collect()
    }

    pub(super) fn site(&self, module: usize, address: u64) -> Site {
        let file = &self.program.modules[module].module;
        let offset = file.elf.offset_of(address).unwrap_or(address);
        let symbol = self.files.names(&file.path).and_then(|names| names.name(offset));
        Site { module: Text::from(file.path.as_path()), offset, symbol }
    }
}

/// The call of a number, as the kernel reads it.
pub(super) fn sysno(entry: Entry, number: u64) -> Option<Sysno> {
    // The kernel looks at the lower half only.
    let number = number as u32;
    let arch = match entry {
        Entry::Native if number & X32_BIT != 0 && number < 1 << 31 => Arch::X32,
        entry => kernel_regs(entry).arch,
    };
    // -1 is no call of any kernel, and what programs give to ask for none.
    let known = number & !X32_BIT < NUMBER_MAX || number == u32::MAX;
    known.then(|| Sysno::new(arch, number))
}
