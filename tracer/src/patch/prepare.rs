//! What earlier images of a program showed: from which places it calls, and how. In a later image these
//! places are rewritten at once, before they have stopped.
//!
//! Nothing is recorded less by that: that the program makes these calls, with which values and from where,
//! is in the record since the earlier images made them, and so the stubs need no more than count, as they
//! do for the later calls of one image.

use super::{
    Next, Patcher, area,
    function::{Memory, Paged},
    inject::{self, Injected},
    memory::{Code, write_data},
    rewrite::{Others, code_of_file, is_of_file},
    space::{Block, Due, Passing, Site, Space},
    stub::{Sort, Stub},
};
use crate::{observe::Event, recorder::Recorder};
use foldhash::HashMap;
use model::{Sysno, Text};
use std::collections::BTreeMap;
use supervisor::procfs::{self, Mapping};

/// What may pass from one place.
type Sorts = Vec<(Sysno, Sort)>;

/// Where something is to be written, and what.
type Writes = Vec<(u64, Vec<u8>)>;

/// The places of one program.
#[derive(Debug, Default)]
pub struct Shown {
    /// By file (and inode), and there by the offset of the call.
    files: HashMap<(Text, u64), BTreeMap<u64, Sorts>>,
    /// How often something was added.
    additions: u64,
}

impl Shown {
    fn add(&mut self, code: &[Mapping], (after, sysno, sort): (u64, Sysno, Sort)) {
        if sysno.name() == Some(LOADED) {
            return;
        }
        let Some(call) = after.checked_sub(2) else { return };
        let Some(mapping) = code_of_file(code, call) else { return };
        let sites = self.files.entry((mapping.path.clone(), mapping.inode)).or_default();
        let sorts = sites.entry(mapping.offset + (call - mapping.start)).or_default();
        let has_room = (sorts.len() as u64) < area::VARIANTS;
        match sorts.iter_mut().find(|(_, known)| known.is_like(&sort)) {
            Some((_, known)) => {
                let Some(wider) = known.with(&sort) else { return };
                *known = wider;
            }
            None if has_room => sorts.push((sysno, sort)),
            None => return,
        }
        self.additions += 1;
    }

    /// The places that are in a mapping, by the address of their call.
    fn within<'a>(&'a self, mapping: &'a Mapping) -> impl Iterator<Item = (u64, &'a Sorts)> {
        let file = self.files.get(&(mapping.path.clone(), mapping.inode));
        let end = mapping.offset + (mapping.end - mapping.start);
        let sites = file.into_iter().flat_map(move |sites| sites.range(mapping.offset..end));
        sites.map(|(offset, sorts)| (mapping.start + (offset - mapping.offset), sorts))
    }
}

impl Patcher {
    /// Keeps what a process has shown for later images of its program, before its image is gone.
    pub fn learn(&mut self, tid: i32, process: i32, recorder: &Recorder) {
        let Some(program) = recorder.runs(process) else { return };
        let Some(space) = self.of.get(&process).and_then(|number| self.spaces.get_mut(number))
        else {
            return;
        };
        if space.seen.is_empty() {
            return;
        }
        let seen = std::mem::take(&mut space.seen);
        let Some(code) = space.code(tid) else { return };
        let shown = self.shown.entry(program).or_default();
        for place in seen {
            shown.add(code, place);
        }
    }

    /// A call was stopped in a process whose code may be known: it is prepared, once all of that seems to be
    /// there.
    pub fn prepare(&mut self, event: &Event, process: i32, recorder: &mut Recorder) -> Next {
        let Some(space) = self.space(process) else { return Next::Proceed };
        if space.loading {
            // More may be mapped than has stopped.
            space.code = None;
        }
        match space.due {
            Due::No => return Next::Proceed,
            Due::Soon if is_loading(event.sysno) => return Next::Proceed,
            Due::Soon | Due::Now => {}
        }
        if std::mem::take(&mut space.loading) {
            let _ = write_data(event.tid, area::LOADING, &[0]);
        }
        if space.guest.is_some() {
            return Next::Proceed;
        }
        let is_alone = space.members.len() == 1 && recorder.threads_of(process).len() == 1;
        let program = recorder.runs(process);
        let shown = program.is_some_and(|program| self.shown.contains_key(&program));
        let Some(space) = self.space(process) else { return Next::Proceed };
        if !is_alone || !shown || space.closed {
            space.due = Due::No;
            return Next::Proceed;
        }
        if !space.opened {
            return open(space, event.tid);
        }
        space.due = Due::No;
        self.install(event.tid, process, recorder);
        Next::Proceed
    }

    /// A process is about to make another one. What that one alone calls from would stop in each: what earlier
    /// ones showed is prepared before it is copied.
    pub(super) fn prepare_for_child(&mut self, tid: i32, process: i32, recorder: &mut Recorder) {
        let shown = recorder.runs(process).and_then(|program| self.shown.get(&program));
        let additions = shown.map_or(0, |shown| shown.additions);
        let is_new = |space: &mut Space| {
            space.additions != additions && space.opened && !space.closed && !space.loading
        };
        if !self.space(process).is_some_and(is_new)
            || self.others(process, recorder) == Others::Running
        {
            return;
        }
        let Some(space) = self.space(process) else { return };
        let first = space.blocks.len();
        space.prepared.clear();
        self.install(tid, process, recorder);
        if let Some(space) = self.space(process) {
            space.set_base(tid, first);
        }
    }

    /// Rewrites what is known of the code that is there.
    pub(super) fn install(
        &mut self,
        tid: i32,
        process: i32,
        recorder: &mut Recorder,
    ) -> Option<()> {
        let code = procfs::code(tid).ok()?;
        let takes_paths = self.takes_paths(process, recorder);
        let space = self.spaces.get_mut(self.of.get(&process)?)?;
        let shown = self.shown.get(&recorder.runs(process)?)?;
        let files = code.iter().filter(|mapping| is_of_file(mapping));
        let files = files.filter(|mapping| space.prepared.insert(mapping.start));
        let mut places: Vec<(u64, &Sorts)> =
            files.flat_map(|mapping| shown.within(mapping)).collect();
        space.additions = shown.additions;
        let mut rewritten = Vec::new();
        places.retain(|(call, sorts)| match space.sites.get(&(call + 2)) {
            Some(&Site::Rewritten(block)) => {
                rewritten.push((block, *sorts));
                false
            }
            _ => true,
        });
        let may_pass = |(_, sort): &&(Sysno, Sort)| takes_paths || !sort.manner.takes_records();
        let memory = Paged::around(tid, places.iter().flat_map(|(call, _)| [call - 64, call + 2]));
        let first = space.blocks.len();
        let mut pads = Vec::new();
        for (call, sorts) in places {
            let block = space.blocks.len();
            if block as u64 >= area::BLOCKS {
                break;
            }
            let Some(known) = self.atlas.of(tid, &memory, &code, call) else { continue };
            let Some((jump, own_pads)) = space.way(&memory, &known, block) else { continue };
            let mut passing: Vec<Passing> = Vec::new();
            for (sysno, sort) in sorts.iter().filter(may_pass) {
                let stub = Stub::new(block, passing.len(), &known.moved, call, sort);
                let Some(stub) = stub else { continue };
                self.removes |= sort.removes();
                passing.push(Passing { sort: sort.clone(), sysno: *sysno, stub, counted: 0 });
            }
            if passing.is_empty() {
                continue;
            }
            space.pads.extend(own_pads.iter().map(|(address, _)| (*address, block)));
            // The door is written with the slot.
            let door = area::door(block);
            pads.extend(own_pads.iter().filter(|(address, _)| *address != door).cloned());
            let moved = known.moved;
            space.blocks.push(Block { moved, call, jump, pads: own_pads, passing });
        }
        if write(space, tid, &memory, first, pads).is_none() {
            // What is there leads nowhere yet, and is written over.
            space.blocks.truncate(first);
            space.pads.retain(|_, block| *block < first);
            space.jumps.retain(|_, block| *block < first);
            space.sites.retain(|_, site| !matches!(site, Site::Rewritten(at) if *at >= first));
        }
        for (block, sorts) in rewritten {
            for (sysno, sort) in sorts.iter().filter(may_pass) {
                self.removes |= sort.removes();
                space.add(tid, block, *sysno, sort.clone());
            }
        }
        space.code = Some(code);
        Some(())
    }
}

/// The program's counters and its ring can be written from now on, or nothing passes.
pub fn open(space: &mut Space, tid: i32) -> Next {
    match inject::call(tid, area::opening()) {
        Injected::Returned(0) => {
            space.opened = true;
            if space.members.len() > 1 {
                let _ = super::write(tid, area::CLOSED, &[1]);
            }
        }
        Injected::Returned(_) => space.closed = true,
        Injected::Ended(wait) => return Next::Ended(wait),
    }
    Next::Again
}

/// A call that a loader makes when all is mapped, before the program's own code: glibc's and musl's. It goes on
/// stopping in later images, so that what was mapped is prepared.
const LOADED: &str = "set_tid_address";

/// Calls that a loader makes until all of a program's code is mapped.
fn is_loading(sysno: Sysno) -> bool {
    let loads =
        ["access", "close", "fstat", "mmap", "newfstatat", "open", "openat", "pread64", "read"];
    sysno.name().is_some_and(|name| loads.contains(&name))
}

/// Writes the blocks from `first` on, whose way leads through `pads`; the jumps to them last.
fn write(
    space: &mut Space,
    tid: i32,
    memory: &impl Memory,
    first: usize,
    pads: Writes,
) -> Option<()> {
    let Some(blocks) = space.blocks.get(first..).filter(|blocks| !blocks.is_empty()) else {
        return Some(());
    };
    let code = Code::of(tid).ok()?;
    // The stubs of one sort lie side by side, and blocks with few sorts leave gaps, which nobody reads.
    for variant in 0..area::VARIANTS as usize {
        let (mut from, mut stubs) = (None, Vec::new());
        for (index, block) in blocks.iter().enumerate() {
            let Some(passing) = block.passing.get(variant) else { continue };
            let at = area::stub(first + index, variant);
            stubs.resize((at - *from.get_or_insert(at)) as usize, 0);
            stubs.extend(&passing.stub.code);
        }
        let Some(from) = from else { break };
        code.write(from, &stubs).ok()?;
    }
    let mut slots = Vec::new();
    for (index, block) in (first..).zip(blocks) {
        slots.extend(area::stub(index, block.passing.len() - 1).to_le_bytes());
        slots.extend(area::far(index));
        slots.push(0);
    }
    code.write(area::slot(first), &slots).ok()?;
    let mut writes = pads;
    for (index, block) in blocks.iter().enumerate() {
        let (address, index) = (block.moved[0].address, first + index);
        space.jumps.insert(address, index);
        space.sites.insert(block.call + 2, Site::Rewritten(index));
        writes.push((address, block.jump.clone()));
    }
    space.keep_taken(tid)?;
    space.changed(&code)?;
    code.flush().ok()?;
    // Nobody executes it meanwhile.
    let writes = joined(writes, memory);
    for (index, (address, bytes)) in writes.iter().enumerate() {
        if code.write(*address, bytes).is_err() {
            writes[..=index].iter().for_each(|write| put_back(&code, memory, write));
            return None;
        }
    }
    Some(())
}

/// What was written becomes what was there, as far as that goes.
fn put_back(code: &Code, memory: &impl Memory, (address, bytes): &(u64, Vec<u8>)) {
    if let Some(before) = memory.bytes(*address..address + bytes.len() as u64) {
        let _ = code.write(*address, &before);
    }
}

/// What is to be written to one page is written at once, and with it what lies between and stays.
fn joined(mut writes: Writes, memory: &impl Memory) -> Writes {
    /// So much is no more work than another call.
    const GAP: u64 = 1024;
    writes.sort_unstable();
    let mut out: Writes = Vec::new();
    for (address, bytes) in writes {
        if let Some((start, last)) = out.last_mut() {
            let end = *start + last.len() as u64;
            if end <= address
                && address - end <= GAP
                && let Some(between) = memory.bytes(end..address)
            {
                last.extend(between);
                last.extend(bytes);
                continue;
            }
        }
        out.push((address, bytes));
    }
    out
}
