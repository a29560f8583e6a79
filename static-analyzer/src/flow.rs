//! One function: its instructions as far as they can be reached, and what every register and word
//! of the stack can hold at each of them.

mod arithmetic;
mod body;
mod bounds;
mod collect;
mod escape;
mod facts;
mod interpret;
mod look;
mod machine;
mod memory;
mod state;
mod step;
mod tables;

pub use facts::{Access, Call, Facts, Given, Pass, Site, Target, Write};
pub use state::State;

use crate::{
    decode::{Decode, Flow as Next},
    elf::Elf,
    landing::{self, Landing},
    precision::Precision,
    ranges::Ranges,
    value::Sets,
};
use body::Body;
use look::Written;
use machine::Spans;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// A file whose functions are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Code<'a> {
    /// The file.
    pub elf: &'a Elf,
    /// Its functions.
    pub ranges: &'a Ranges,
    /// Those of them that never come back to their callers.
    pub endless: &'a FxHashSet<u64>,
    /// Where tables of jumps begin, in order, once that is known.
    pub tables: Option<&'a [u64]>,
    /// What is proved.
    pub precision: Precision,
}

impl Code<'_> {
    /// Whether the function at an address never returns.
    fn never_returns(self, entry: u64) -> bool {
        self.precision.endless && self.endless.contains(&entry)
    }
}

/// How often the discovery of jump tables may lead to more code.
const ROUNDS_MAX: usize = 16;

/// A function, interpreted.
#[derive(Debug)]
pub struct Flow {
    body: Body,
    /// The sets of its values.
    pub sets: Sets,
    /// How far its tables are read.
    spans: Spans,
    /// Where tables begin that it jumps through.
    tables: BTreeSet<u64>,
    /// Whether the end of one of them is to be seen only by where the next begins.
    unsure: bool,
    /// What is known where a block begins, by the number of its first instruction.
    before: Vec<Option<State>>,
    /// Whether what is known there was handed on to the blocks that follow.
    settled: Vec<bool>,
    /// The blocks, by address.
    blocks: Vec<(u64, u32)>,
    /// Jumps that lead to more places than they did.
    grown: FxHashSet<u64>,
    /// Behind entries into the kernel that do not come back.
    ended: BTreeSet<u64>,
    /// Whether parts may be entered from anywhere.
    open: bool,
    /// What it writes, when that was asked for.
    writes: Option<Vec<Written>>,
    /// How many operations were interpreted.
    steps: usize,
    /// Whether a bound was met.
    pub cut: bool,
}

impl Flow {
    /// Decodes and interprets the function that is entered at an address. `None` when there is no
    /// code.
    pub fn of(code: Code<'_>, decoder: &mut impl Decode, entry: u64) -> Option<Flow> {
        let range = code.ranges.holding(code.elf, entry)?;
        let landings = code.ranges.handlers(range.start);
        let landings = landings.map(|at| landing::read(code.elf, range.start, at));
        let landings: Vec<Landing> = landings.unwrap_or_default();
        let mut body = Body::new(range, entry, landings);
        body.decode(code, decoder, entry);
        if range.known && range.start == entry {
            body.certain = body.invalid.len();
        }
        let mut flow = Flow {
            body,
            sets: Sets::default(),
            spans: Spans::default(),
            tables: BTreeSet::new(),
            unsure: false,
            before: Vec::new(),
            settled: Vec::new(),
            blocks: Vec::new(),
            grown: FxHashSet::default(),
            ended: BTreeSet::new(),
            open: false,
            writes: None,
            steps: 0,
            cut: false,
        };
        flow.begin(entry);
        for round in 0.. {
            flow.run(code);
            if flow.cut {
                break;
            }
            let tables = flow.jump_tables(code);
            let mut grew = false;
            for (jump, targets) in tables {
                if flow.body.add_table(code, decoder, jump, targets) {
                    flow.grown.insert(jump);
                    grew = true;
                }
            }
            if !grew {
                grew = flow.fill_room(code, decoder);
            }
            if !grew {
                break;
            }
            if round >= ROUNDS_MAX {
                flow.cut = true;
                break;
            }
        }
        flow.sort_blocks();
        Some(flow)
    }

    /// How far a table is read behind its beginning, in bytes, where that is known.
    pub fn span(&self, table: u64) -> Option<u64> {
        self.spans.get(&table).copied().filter(|&span| span < u64::MAX)
    }

    /// Whether the instruction at an address is a call, not a jump.
    pub fn is_call(&self, at: u64) -> bool {
        let instruction = self.body.number(at).and_then(|number| self.body.get(number));
        instruction.is_some_and(|instruction| matches!(instruction.next, Next::Call(_)))
    }
}
